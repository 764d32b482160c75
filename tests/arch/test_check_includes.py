"""The layer check itself: the tree is clean, and made-up violations are found."""
import pathlib

import check_includes
import pytest

ROOT = pathlib.Path(__file__).parents[2]


def test_tree_is_clean():
    assert check_includes.check_tree(ROOT) == []


def write(root: pathlib.Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize("path, include, said", [
    ("src/base/a.cpp", '"sluice/net/stream.hpp"', "above"),
    ("src/http/a.cpp", '"sluice/gateway/router.hpp"', "above"),
    ("include/sluice/client/a.hpp", '"sluice/gateway/router.hpp"', "above"),
    ("src/spec/a.cpp", '"sluice/http/message.hpp"', "knows only base, spec"),
    ("src/gateway/a.cpp", '"client/pool.hpp"', "private header"),
    ("include/sluice/client/a.hpp", '"client/pool.hpp"', "public header includes the private"),
    ("src/gateway/a.cpp", "<boost/beast/http.hpp>", "Beast belongs"),
    ("src/base/a.cpp", "<boost/asio/io_context.hpp>", "Asio belongs"),
    ("src/server/a.cpp", "<yaml-cpp/eventhandler.h>", "yaml-cpp belongs"),
    ("tests/unit/spec/a.cpp", "<yaml-cpp/yaml.h>", "yaml-cpp belongs"),
    ("src/server/a.cpp", "<ares.h>", "c-ares belongs"),
    ("src/gateway/a.cpp", "<openssl/sha.h>", "OpenSSL belongs"),
    ("src/server/a.cpp", "<CLI/CLI.hpp>", "CLI11 belongs"),
    ("src/elsewhere/a.cpp", "<vector>", "no layer"),
])
def test_violation_is_found(tmp_path, path, include, said):
    write(tmp_path, path, f"/// Made up.\n#pragma once\n#include {include}\n")
    findings = check_includes.check_tree(tmp_path)
    assert len(findings) == 1
    assert findings[0].startswith(f"{path}:3: ")
    assert said in findings[0]


@pytest.mark.parametrize("path, include", [
    ("src/gateway/a.cpp", '"sluice/base/json.hpp"'),
    ("src/gateway/a.cpp", '"gateway/private.hpp"'),
    ("src/gateway/a.cpp", '"private.hpp"'),
    ("src/http/h1/a.cpp", "<boost/beast/http.hpp>"),
    ("tests/unit/net/a.cpp", "<openssl/x509.h>"),
    ("src/spec/yaml.cpp", "<yaml-cpp/eventhandler.h>"),
])
def test_what_is_allowed(tmp_path, path, include):
    write(tmp_path, path, f"#include {include}\n")
    assert check_includes.check_tree(tmp_path) == []


def test_header_without_docstring(tmp_path):
    write(tmp_path, "include/sluice/base/a.hpp", "#pragma once\n")
    write(tmp_path, "include/sluice/base/b.hpp", "/// Said.\n")
    findings = check_includes.check_tree(tmp_path)
    assert len(findings) == 2
    assert "docstring" in findings[0]
    assert "#pragma once" in findings[1]


def test_empty_tree_is_a_finding(tmp_path):
    assert check_includes.check_tree(tmp_path)
