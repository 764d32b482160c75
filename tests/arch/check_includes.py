#!/usr/bin/env python3
"""Checks the layers: reads every include of include/, src/ and tests/ and reports

- an include of a layer above (a layer may include itself and what is below it),
- a library outside its place (Beast, c-ares, OpenSSL, yaml-cpp, CLI11),
- a public header that does not begin with a docstring (`///`) or lacks `#pragma once`,
- a layer's private header included from elsewhere.

    check_includes.py [ROOT]        exit 1 with one line a finding: file:line: text
"""
import pathlib
import re
import sys

# From the bottom up; a layer sees itself and what stands before it, but spec sees base alone.
LAYERS = ["base", "net", "http", "client", "spec", "parameters", "functions", "gateway", "integrations", "server", "sluice"]
ONLY = {"spec": {"base", "spec"}}

# A library's header, and the places (prefixes below the root) that may include it.
LIBRARIES = [
    (re.compile(r"^boost/beast"), "Beast", ["src/net/", "src/http/h1/", "src/pch_", "include/sluice/http/h1/"]),
    (re.compile(r"^yaml-cpp/"), "yaml-cpp", ["src/spec/"]),
    (re.compile(r"^ares(_|\.h)"), "c-ares", ["src/net/", "src/client/resolver"]),
    (re.compile(r"^openssl/"), "OpenSSL", ["src/base/", "src/net/", "include/sluice/net/", "src/client/cloud/"]),
    (re.compile(r"^boost/asio/ssl"), "asio::ssl", ["src/net/"]),
    (re.compile(r"^CLI/"), "CLI11", ["src/sluice/"]),
    (re.compile(r"^boost/(asio|beast)"), "Asio", [
        "src/pch_net.hpp", *(f"{top}/{layer}/" for layer in LAYERS if layer not in ("base", "spec")
                             for top in ("src", "include/sluice"))]),
]
# Tests may speak to libraries as they need (servers of their own), but not to what only one file may know.
TEST_LIBRARIES = {"yaml-cpp"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def layer_of(path: str) -> str | None:
    """The layer that a file below the root belongs to; None for tests and the precompiled headers."""
    parts = path.split("/")
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    if parts[0] == "include" and len(parts) > 3:
        return parts[2]
    return None


def layer_of_include(name: str) -> str | None:
    parts = name.split("/")
    if parts[0] == "sluice" and len(parts) > 2:
        return parts[1]
    if len(parts) > 1 and parts[0] in LAYERS:
        return parts[0]
    return None


def check_include(path: str, name: str, root: pathlib.Path) -> str | None:
    """What is wrong with that include, or None."""
    here, there = layer_of(path), layer_of_include(name)
    if here is not None and here not in LAYERS:
        return f"'{here}' is no layer; add it to the list in tests/arch and in docs/architecture.md"
    if here and there:
        if there not in LAYERS:
            return f"includes '{name}' of '{there}', which is no layer"
        if LAYERS.index(there) > LAYERS.index(here):
            return f"layer {here} includes {name} of layer {there}, which is above it"
        if there not in ONLY.get(here, LAYERS):
            return f"layer {here} may not include {name}: it knows only {', '.join(sorted(ONLY[here]))}"
        private = not name.startswith("sluice/") and not (root / "include" / "sluice" / name).exists()
        if private and there != here:
            return f"layer {here} includes {name}, a private header of layer {there}"
        if private and path.startswith("include/"):
            return f"a public header includes the private {name}"
    in_tests = path.startswith("tests/")
    for pattern, library, places in LIBRARIES:
        if not pattern.match(name) or (in_tests and library not in TEST_LIBRARIES):
            continue
        if not any(path.startswith(place) for place in places):
            return f"includes <{name}>; {library} belongs to {', '.join(places[:4])}"
    return None


def check_header(path: str, text: str) -> list[str]:
    if not path.startswith("include/"):
        return []
    findings = []
    if not text.startswith("///"):
        findings.append(f"{path}:1: a public header begins with a docstring (///): what it is, threads, errors")
    if "#pragma once" not in text:
        findings.append(f"{path}:1: #pragma once is missing")
    return findings


def check_tree(root: pathlib.Path) -> list[str]:
    findings: list[str] = []
    files = [file for top in ("include", "src", "tests") for file in sorted((root / top).rglob("*"))
             if file.suffix in (".hpp", ".cpp", ".h") and "node_modules" not in file.parts]
    for file in files:
        path = file.relative_to(root).as_posix()
        text = file.read_text(encoding="utf-8")
        findings += check_header(path, text)
        for number, line in enumerate(text.splitlines(), 1):
            match = INCLUDE.match(line)
            if match and (wrong := check_include(path, match[2], root)):
                findings.append(f"{path}:{number}: {wrong}")
    if not files:
        findings.append(f"{root}: no sources found")
    return findings


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
    findings = check_tree(root)
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
