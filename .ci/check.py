#!/usr/bin/env python3
"""Runs the project's checks in stages, each with a log in build/check, and ends with a table and a line of counts.

    check.py test   [--only STAGE,...]        what `make test` runs
    check.py verify [--only STAGE,...]        test, and what takes longer
    check.py lint                             layers, format, all of clang-tidy
    check.py fuzz --time SECONDS --target all|NAME
    check.py list                             the stages

A stage whose build failed is skipped and counts as failed; otherwise all stages run, whatever failed before.
Set-up is .ci/setup's work.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
LOGS = BUILD / "check"
JOBS = int(os.environ.get("JOBS") or os.cpu_count() or 2)
PYTHON = "/usr/bin/python3"
HEARTBEAT = 20  # seconds between lines of a stage that is at work
COVERED_LAYERS = ("spec", "gateway", "http", "client")
COVERAGE_MUST = 90.0
TIDY_SECONDS = 240  # of clang-tidy on changed files in `make test`; `make verify` has no such bound

PROGRESS = re.compile(r"^\[(\d+/\d+)|^\s*(\d+/\d+) Test\s|^(\[[0-9a-z ]+\] .*)")


class Outcome:
    """What a stage came to: counts of passed and failed checks, and lines worth showing."""

    def __init__(self, passed: int = 0, failed: int = 0, note: str = "", show: str = ""):
        self.passed, self.failed, self.note, self.show = passed, failed, note, show


def say(text: str) -> None:
    print(text, flush=True)


def run(command: list[str], log: pathlib.Path, timeout: float = 3600, env: dict | None = None, quiet: bool = False):
    """Runs a command with its output in `log`; says now and then how far it is. Returns (exit code, output)."""
    lines: list[str] = []
    state = {"progress": ""}
    started = time.monotonic()
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(map(str, command))}\n")
        process = subprocess.Popen(
            [str(part) for part in command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
            env={**os.environ, **(env or {})})

        def read() -> None:
            for line in process.stdout:
                lines.append(line)
                file.write(line)
                file.flush()
                if match := PROGRESS.match(line):
                    state["progress"] = next(group for group in match.groups() if group)[:90]

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        said = started
        while process.poll() is None:
            time.sleep(0.1)
            now = time.monotonic()
            if now - started > timeout:
                os.killpg(process.pid, signal.SIGKILL)
                lines.append(f"ended after {timeout:.0f} s\n")
                break
            if not quiet and now - said >= HEARTBEAT:
                said = now
                say(f"    … {now - started:4.0f} s  {state['progress']}")
        process.wait()
        reader.join(timeout=5)
    return process.returncode, "".join(lines)


def build(preset: str, targets: list[str], log: pathlib.Path) -> Outcome:
    folder = BUILD if preset == "release" else BUILD / preset
    if not (folder / "build.ninja").exists():
        code, output = run(["cmake", "--preset", preset], log, quiet=True)
        if code:
            return Outcome(0, 1, "cmake failed", output[-4000:])
    code, output = run(["ninja", "-C", str(folder), "-j", str(JOBS), *targets], log, env={"NINJA_STATUS": "[%f/%t] "})
    if code:
        errors = [line for line in output.splitlines() if not line.startswith("[")]
        return Outcome(0, 1, "does not build", "\n".join(errors[:80]))
    return Outcome(1, 0)


def ctest(folder: pathlib.Path, log: pathlib.Path, arguments: list[str], env: dict | None = None) -> Outcome:
    code, output = run(["ctest", "--test-dir", str(folder), "-j", str(JOBS), "--output-on-failure", "--no-tests=error",
                        *arguments], log, env=env)
    match = re.search(r"(\d+) tests failed out of (\d+)", output)
    failed, total = (int(match[1]), int(match[2])) if match else (1, 1)
    if code and not failed:
        failed = 1
    skipped = len(re.findall(r"\*\*\*Skipped", output))
    show = ""
    if failed:
        kept = [line for line in output.splitlines() if not re.match(r"\s*(\d+/\d+ Test .* Passed|Start )", line)]
        show = "\n".join(kept[-160:])
    return Outcome(total - failed - skipped, failed, f"{skipped} skipped" if skipped else "", show)


def in_parallel(jobs: list, worker) -> list:
    """worker(job) for each, JOBS at once; says how far it is."""
    results, said = [], time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for done, future in enumerate(concurrent.futures.as_completed([pool.submit(worker, job) for job in jobs]), 1):
            results.append(future.result())
            if time.monotonic() - said >= HEARTBEAT:
                said = time.monotonic()
                say(f"    … {done}/{len(jobs)}")
    return results


# ---- stages -----------------------------------------------------------------------------------------------------


def stage_release(log, _options):
    return build("release", ["all"], log)


def stage_tests(log, _options):
    return ctest(BUILD, log, [])


def stage_sanitized_build(log, _options):
    return build("dev", ["all"], log)


SANITIZERS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


def sanitizer_environment() -> dict:
    symbolizer = shutil.which("llvm-symbolizer-19") or ""
    return {**SANITIZERS, "ASAN_SYMBOLIZER_PATH": symbolizer, "UBSAN_SYMBOLIZER_PATH": symbolizer,
            "TSAN_OPTIONS": f"{SANITIZERS['TSAN_OPTIONS']}:external_symbolizer_path={symbolizer}"}


def stage_sanitized(log, _options):
    return ctest(BUILD / "dev", log, [], sanitizer_environment())


def stage_tsan_build(log, _options):
    return build("tsan", ["tests"], log)


def stage_tsan(log, _options):
    return ctest(BUILD / "tsan", log, [], sanitizer_environment())


def fuzz(log, seconds: int, target: str) -> Outcome:
    """Each target over its corpus, then `seconds` of new inputs, which are kept in build/fuzz-corpus."""
    programs = sorted(path for path in (BUILD / "dev" / "tests" / "fuzz").glob("fuzz_*") if path.is_file())
    if target != "all":
        programs = [path for path in programs if path.name == f"fuzz_{target}"]
    if not programs:
        return Outcome(0, 1, f"no fuzz target '{target}'; they are tests/fuzz/NAME.cpp")
    findings = BUILD / "fuzz-findings"
    findings.mkdir(parents=True, exist_ok=True)

    def one(program: pathlib.Path):
        name = program.name.removeprefix("fuzz_")
        kept, corpus = BUILD / "fuzz-corpus" / name, ROOT / "tests" / "fuzz" / "corpus" / name
        kept.mkdir(parents=True, exist_ok=True)
        command = [program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
                   f"-artifact_prefix={findings}/{name}-"]
        dictionary = ROOT / "tests" / "fuzz" / f"{name}.dict"
        if dictionary.exists():
            command.append(f"-dict={dictionary}")
        command += [kept, *([corpus] if corpus.is_dir() else [])]
        code, output = run(command, log, timeout=seconds + 300, env=sanitizer_environment(), quiet=True)
        executions = re.search(r"number_of_executed_units: (\d+)", output)
        say(f"    {name}: {executions[1] if executions else '?'} executions{'' if code == 0 else ', FAILED'}")
        return code, f"--- {name}\n" + "\n".join(output.splitlines()[-60:])

    results = in_parallel(programs, one)
    failed = [output for code, output in results if code]
    return Outcome(len(results) - len(failed), len(failed), f"inputs that fail: {findings}" if failed else "", "\n".join(failed))


def stage_fuzz(log, options):
    return fuzz(log, options.time if options.time is not None else 30 if options.command == "verify" else 10, options.target)


def sources(*suffixes: str) -> list[str]:
    output = subprocess.run(["git", "ls-files", "-z", *(f"*{suffix}" for suffix in suffixes)], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, check=True).stdout
    return [name for name in output.split("\0") if name and (ROOT / name).exists()]


def stage_format(log, _options):
    files = sources(".cpp", ".hpp")
    code, output = run(["clang-format-19", "--dry-run", "-Werror", *files], log, quiet=True)
    return Outcome(1, 0) if code == 0 else Outcome(0, 1, "make format mends it", output[:3000])


def tidy(log, files: list[str], seconds: float) -> Outcome:
    deadline = time.monotonic() + seconds

    def one(file: str):
        if time.monotonic() > deadline:
            return None
        code, output = run(["clang-tidy-19", "-p", BUILD, "--quiet", "--use-color=false", file], log, timeout=600, quiet=True)
        return code, output

    results = in_parallel(files, one)
    done = [result for result in results if result is not None]
    failed = [output for code, output in done if code]
    note = f"{len(done)} files" if len(done) == len(files) else f"{len(done)} of {len(files)} files in {seconds:.0f} s"
    return Outcome(len(done) - len(failed), len(failed), note, "\n".join(failed)[:8000])


def compiled_files() -> dict[str, str]:
    """Files of the compilation database below include, src and tests: name below the root → itself."""
    commands = json.loads((BUILD / "compile_commands.json").read_text(encoding="utf-8"))
    names = {os.path.relpath(entry["file"], ROOT) for entry in commands}
    return {name: name for name in sorted(names) if name.split("/")[0] in ("src", "tests")}


def changed_files() -> list[str]:
    """Files that changed against SLUICE_BASE, else where this branch left main, else the commit before."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout.strip()

    head = git("rev-parse", "HEAD")
    base = os.environ.get("SLUICE_BASE") or git("merge-base", "HEAD", "origin/main")
    if not base or base == head:
        base = git("rev-parse", "--verify", "--quiet", "HEAD~1")
    if not base:
        return []
    return [name for name in git("diff", "--name-only", "--diff-filter=d", base).splitlines() if (ROOT / name).exists()]


def translation_units_of(changed: list[str]) -> list[str]:
    """The changed files that are compiled, and for each changed header one file that includes it."""
    compiled = compiled_files()
    chosen = {name for name in changed if name in compiled}
    texts: dict[str, str] = {}
    for header in (name for name in changed if name.endswith(".hpp")):
        shown = header.removeprefix("include/").removeprefix("src/").removeprefix("tests/")
        if not texts:
            texts = {name: (ROOT / name).read_text(encoding="utf-8", errors="replace") for name in compiled}
        including = [name for name, text in texts.items() if f'"{shown}"' in text]
        if including and not chosen.intersection(including):
            chosen.add(including[0])
    return sorted(chosen)


def stage_tidy(log, options):
    if options.command in ("verify", "lint"):
        return tidy(log, list(compiled_files()), 3 * 3600)
    return tidy(log, translation_units_of(changed_files()), TIDY_SECONDS)


def stage_arch(log, _options):
    code, output = run([PYTHON, "tests/arch/check_includes.py"], log, quiet=True)
    return Outcome(1, 0) if code == 0 else Outcome(0, 1, "", output)


def stage_figures(log, _options):
    code, output = run([PYTHON, "tests/bench/figures.py"], log, timeout=900)
    lines = [line for line in output.splitlines() if line.startswith(("PASS", "FAIL", "SKIP"))]
    for line in lines:
        say(f"    {line}")
    failed = sum(line.startswith("FAIL") for line in lines)
    return Outcome(sum(line.startswith("PASS") for line in lines), failed or (1 if code else 0), "", "" if code == 0 else output[-3000:])


def stage_coverage_build(log, _options):
    return build("coverage", ["all"], log)


def stage_coverage(log, _options):
    folder = BUILD / "coverage"
    profiles = folder / "profiles"
    shutil.rmtree(profiles, ignore_errors=True)
    outcome = ctest(folder, log, [], {"LLVM_PROFILE_FILE": f"{profiles}/%p-%4m.profraw"})
    data = folder / "all.profdata"
    code, output = run(["llvm-profdata-19", "merge", "-sparse", "-o", data, profiles], log, quiet=True)
    if code:
        return Outcome(outcome.passed, outcome.failed + 1, "no profiles", output[-2000:])
    programs = [folder / "sluice", *sorted(p for p in (folder / "tests").iterdir() if p.is_file() and os.access(p, os.X_OK))]
    command = ["llvm-cov-19", "export", "-summary-only", f"-instr-profile={data}", str(programs[0])]
    for program in programs[1:]:
        command += ["-object", str(program)]
    exported = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    layers: dict[str, list[int]] = {}
    for file in json.loads(exported.stdout)["data"][0]["files"]:
        match = re.match(r"(?:src|include/sluice)/(\w+)/", os.path.relpath(file["filename"], ROOT))
        if match:
            counts = layers.setdefault(match[1], [0, 0])
            counts[0] += file["summary"]["lines"]["covered"]
            counts[1] += file["summary"]["lines"]["count"]
    for layer, (covered, count) in sorted(layers.items()):
        percent = 100.0 * covered / max(count, 1)
        short = layer in COVERED_LAYERS and percent < COVERAGE_MUST
        outcome.failed += short
        outcome.passed += layer in COVERED_LAYERS and not short
        say(f"    {layer:14} {percent:5.1f} % of {count} lines{f', below {COVERAGE_MUST:.0f} %' if short else ''}")
    return outcome


def stage_soak(log, _options):
    code, output = run([PYTHON, "tests/bench/soak.py"], log, timeout=3600)
    say("    " + (output.strip().splitlines() or ["no output"])[-1])
    return Outcome(1, 0) if code == 0 else Outcome(0, 1, "", output[-3000:])


# name: (what it says, function, the stages that must have passed)
STAGES = {
    "release": ("building release", stage_release, ()),
    "tests": ("unit, integration, conformance and system tests", stage_tests, ("release",)),
    "figures": ("instructions and system calls a request", stage_figures, ("release",)),
    "sanitized-build": ("building with ASan and UBSan", stage_sanitized_build, ()),
    "sanitized": ("tests under ASan and UBSan", stage_sanitized, ("sanitized-build",)),
    "fuzz": ("fuzzing", stage_fuzz, ("sanitized-build",)),
    "tsan-build": ("building with TSan", stage_tsan_build, ()),
    "tsan": ("tests of net, client, functions and gateway under TSan", stage_tsan, ("tsan-build",)),
    "arch": ("layers", stage_arch, ()),
    "format": ("format", stage_format, ()),
    "tidy": ("clang-tidy", stage_tidy, ("release",)),
    "coverage-build": ("building for coverage", stage_coverage_build, ()),
    "coverage": ("coverage", stage_coverage, ("coverage-build",)),
    "soak": ("soak: a million requests", stage_soak, ("release",)),
}
COMMANDS = {
    "test": ["release", "tests", "figures", "format", "tidy", "sanitized-build", "sanitized", "fuzz", "tsan-build", "tsan"],
    "verify": ["release", "tests", "figures", "format", "tidy", "sanitized-build", "sanitized", "fuzz", "tsan-build", "tsan",
               "coverage-build", "coverage", "soak"],
    "lint": ["arch", "format", "release", "tidy"],
    "fuzz": ["sanitized-build", "fuzz"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=[*COMMANDS, "list"])
    parser.add_argument("--only", help="these stages alone, comma-separated")
    parser.add_argument("--time", type=int, help="seconds a fuzz target")
    parser.add_argument("--target", default="all", help="one fuzz target")
    options = parser.parse_args()
    if options.command == "list":
        for name, (what, _, needs) in STAGES.items():
            print(f"{name:16} {what}{f' (after {needs[0]})' if needs else ''}")
        return 0
    names = options.only.split(",") if options.only else COMMANDS[options.command]
    if unknown := [name for name in names if name not in STAGES]:
        parser.error(f"no stage {unknown[0]}; there are {', '.join(STAGES)}")

    LOGS.mkdir(parents=True, exist_ok=True)
    table, failed_stages, began = [], set(), time.monotonic()
    passed = failed = 0
    for number, name in enumerate(names, 1):
        what, function, needs = STAGES[name]
        say(f"[{number}/{len(names)}] {what}")
        log = LOGS / f"{name}.log"
        log.write_text("", encoding="utf-8")
        started = time.monotonic()
        if broken := [need for need in needs if need in failed_stages]:
            outcome = Outcome(0, 1, f"skipped: {broken[0]} failed")
        else:
            outcome = function(log, options)
        seconds = time.monotonic() - started
        passed, failed = passed + outcome.passed, failed + outcome.failed
        if outcome.failed:
            failed_stages.add(name)
            if outcome.show:
                say(outcome.show)
            say(f"    FAILED; the whole log: {log.relative_to(ROOT)}")
        table.append((name, seconds, outcome))
    say("")
    say(f"{'stage':16} {'time':>7}  result")
    for name, seconds, outcome in table:
        verdict = f"{outcome.failed} failed" if outcome.failed else "passed"
        say(f"{name:16} {int(seconds) // 60:3d}:{int(seconds) % 60:02d}  {verdict:10} {outcome.passed:5d} passed  {outcome.note}")
    total = int(time.monotonic() - began)
    say(f"{'total':16} {total // 60:3d}:{total % 60:02d}")
    say(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
