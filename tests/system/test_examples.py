"""config/examples: each README's requests get the answers that stand there, from the example alone as its sluice.yaml
serves it, and from `make run`'s configuration, which serves all of them."""
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from daemon import SLUICE, free_port, wait_for_port  # noqa: E402

CONFIG = ROOT / "config"
EXAMPLES = sorted(path.parent.name for path in (CONFIG / "examples").glob("*/sluice.yaml"))


def requests(readme: str) -> list[tuple[str, str]]:
    """(command, answer) of each `$ command` in the console blocks."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", readme, re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, answer = part.partition("\n")
            found.append((command, answer))
    return found


class Served:
    """The daemon with a copy of `folder` and its configuration, every port in it replaced by a free one."""

    def __init__(self, folder: pathlib.Path, configuration: str, copy: pathlib.Path):
        shutil.copytree(folder, copy)
        self.port = free_port()
        path = copy / configuration
        text = re.sub(r"\bport: 8080\b", f"port: {self.port}", path.read_text())
        text = re.sub(r"\bport: 9901\b", f"port: {free_port()}", text)
        path.write_text(text)
        self.log = copy / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([SLUICE, "serve", "--config", str(path)], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)

    def __enter__(self):
        try:
            wait_for_port(self.port, lambda: self.process.poll() is None)
        except RuntimeError as error:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"{error}:\n{self.log.read_text(errors='replace')}") from None
        return self

    def __exit__(self, kind, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        assert kind is not None or code == 0, self.log.read_text(errors="replace")

    def answers_as(self, readme: pathlib.Path):
        pairs = requests(readme.read_text())
        assert len(pairs) >= 4, f"{readme} shows no requests"
        self.answers(pairs)

    def answers(self, pairs: list[tuple[str, str]]):
        for command, wanted in pairs:
            here = command.replace(":8080", f":{self.port}")
            done = subprocess.run(["bash", "-c", here], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
            got = done.stdout.replace(f":{self.port}", ":8080")
            got, wanted = (re.sub(r"^Date: .*$", "Date: …", text, flags=re.M) for text in (got, wanted))
            assert got.rstrip("\n") == wanted.rstrip("\n"), \
                f"$ {command}\n{done.stderr}\n{self.log.read_text(errors='replace')[-3000:]}"


def test_there_are_examples():
    assert {"bot", "site", "album", "shortener"} <= set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_alone(name, tmp_path):
    with Served(CONFIG / "examples" / name, "sluice.yaml", tmp_path / name) as served:
        served.answers_as(CONFIG / "examples" / name / "README.md")


def test_all_of_them_as_make_run_serves_them(tmp_path):
    with Served(CONFIG, "demo.yaml", tmp_path / "config") as served:
        for name in EXAMPLES:
            served.answers_as(CONFIG / "examples" / name / "README.md")


@pytest.mark.parametrize("name", EXAMPLES)
def test_check_has_nothing_to_say(name):
    for arguments in (["--strict", str(CONFIG / "examples" / name / "openapi.yaml")],
                      ["--strict", "--config", str(CONFIG / "examples" / name / "sluice.yaml")]):
        done = subprocess.run([SLUICE, "check", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), name


def test_the_configuration_of_make_run_is_clean():
    done = subprocess.run([SLUICE, "check", "--config", str(CONFIG / "demo.yaml")], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60)
    # A build without npm has no Swagger UI, and says so.
    lines = [line for line in done.stdout.splitlines() if "swagger" not in line.lower()]
    assert (done.returncode, lines, done.stderr) == (0, [], "")


def named_files(text: str) -> dict[str, str]:
    """The code blocks that begin with a comment that names a file."""
    found = {}
    for block in re.findall(r"```(?:yaml|js|python)\n(.*?)```", text, re.S):
        if name := re.match(r"(?:#|//) ([\w./-]+\.\w+)\n", block):
            found[name.group(1)] = block
    return found


def test_the_readme_of_the_project(tmp_path):
    """Whoever follows README.md to the letter gets what it shows."""
    readme = (ROOT / "README.md").read_text()
    files = named_files(readme)
    assert {"hello.yaml", "greeter.yaml", "function/index.js", "sluice.yaml"} <= set(files)
    folder = tmp_path / "written"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    shown = requests(readme)
    first = [pair for pair in shown if "/hello/" in pair[0]]
    second = [pair for pair in shown if "/greet" in pair[0]]
    assert first and second
    with Served(folder, "sluice.yaml", tmp_path / "second") as served:
        served.answers(second)
    (folder / "sluice.yaml").write_text("listen: [{address: 127.0.0.1, port: 8080}]\ngateways: [{spec: hello.yaml}]\n")
    with Served(folder, "sluice.yaml", tmp_path / "first") as served:
        served.answers(first)


def test_a_misspelled_id_is_told(tmp_path):
    readme = named_files((ROOT / "README.md").read_text())
    for name, text in readme.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    right = readme["sluice.yaml"]
    wrong = right.replace("d4e8vd0h1q2w3e4r5t6y", "d4e8vd0h1q2w3e4r5t6z")
    assert wrong != right
    (tmp_path / "sluice.yaml").write_text(wrong + "buckets: {unused: {directory: function}}\n")
    done = subprocess.run([SLUICE, "check", "--config", "sluice.yaml"], capture_output=True, text=True, cwd=tmp_path,
                          stdin=subprocess.DEVNULL, timeout=60)
    line = next(line for line in done.stdout.splitlines() if "unnamed-id" in line)
    assert line.startswith("sluice.yaml:5:") and "warning: no document names the function d4e8vd0h1q2w3e4r5t6z" in line
    assert "did you mean `d4e8vd0h1q2w3e4r5t6y`, which is mapped nowhere?" in line
    assert done.stdout.count("unnamed-id") == 1, "what merely is not used is no finding"
    (tmp_path / "sluice.yaml").write_text(right)
    done = subprocess.run([SLUICE, "check", "--config", "sluice.yaml"], capture_output=True, text=True, cwd=tmp_path,
                          stdin=subprocess.DEVNULL, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
