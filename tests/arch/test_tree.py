"""The state of the tree: what a reader would trip over."""
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
TEXT = {".cpp", ".hpp", ".py", ".js", ".mjs", ".cmake", ".md", ".yaml", ".yml", ".json", ".txt", ""}


def tracked() -> list[pathlib.Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listing.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def text_files():
    for path in tracked():
        if path.suffix in TEXT and "corpus" not in path.parts:
            try:
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


def test_files_have_one_job():
    long = [f"{name}: {lines} lines" for name, text in text_files()
            if name.startswith(("src/", "include/", "tests/")) and name.endswith((".cpp", ".hpp", ".py"))
            and (lines := text.count("\n")) > 700]
    assert long == []


def test_no_markers():
    marker = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    found = [f"{name}:{number}" for name, text in text_files() if name.startswith(("src/", "include/", "tests/", "docs/"))
             for number, line in enumerate(text.splitlines(), 1) if marker.search(line)]
    assert found == []


def test_no_large_files():
    large = [f"{path.relative_to(ROOT)}: {path.stat().st_size >> 10} KiB" for path in tracked()
             if path.stat().st_size > 1 << 20]
    assert large == []


def test_lock_files_name_no_registry():
    hosts = [f"{name}" for name, text in text_files()
             if name.endswith(("package-lock.json", ".npmrc")) and re.search(r'"resolved"|registry\s*=', text)]
    assert hosts == []


def test_links_of_the_documents_lead_somewhere():
    broken = []
    for name, text in text_files():
        if not name.endswith(".md") or not (name.startswith("docs/") or "/" not in name):
            continue
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
            if "://" not in target and not (ROOT / name).parent.joinpath(target).exists():
                broken.append(f"{name}: {target}")
    assert broken == []
