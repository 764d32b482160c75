"""The command line: what each call prints, where, and how it ends (daemon.md, "Command line")."""
import json
import re
import subprocess

import pytest

from conftest import SLUICE, document

MISTAKES = """openapi: 3.0.0
info: {title: bad, version: '1'}
paths:
  /a:
    get:
      x-yc-apigateway-integration: {type: dumy}
  /b:
    get:
      x-yc-apigateway-integration: {$ref: '#/components/x-yc-apigateway-integrations/Nope'}
  /c:
    get:
      x-yc-apigateway-integration: {type: http}
  /d:
    get:
      operationId: same
      x-yc-apigateway-integration: {type: dummy, content: {text/plain: '${var.nobody}'}}
    put:
      operationId: same
      x-yc-apigateway-integration: {type: dummy, http_code: 200, http_cod: 201}
"""
LINE = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+): (?P<severity>error|warning): .+ \[(?P<rule>[a-z0-9-]+)\]$")


@pytest.fixture
def files(tmp_path):
    (tmp_path / "good.yaml").write_text(document())
    (tmp_path / "bad.yaml").write_text(MISTAKES)
    (tmp_path / "warn.yaml").write_text(document().replace("operationId: version", "operationId: version\n      foo: 1")
                                        .replace("type: dummy", "type: dummy\n        http_cod: 200", 1))
    return tmp_path


CALLS = ["serve", "check", "routes", "explain", "schema", "version", "queue", "stream", "table", "diff", "domains"]


@pytest.mark.parametrize("call", CALLS)
def test_every_call_has_help_with_an_example(sluice, call):
    result = sluice(call, "--help")
    assert result.code == 0
    assert "Example" in result.out
    assert f"sluice {call}" in result.out


def test_the_program_itself_has_help(sluice):
    result = sluice("--help")
    assert result.code == 0
    for call in CALLS:
        assert call in result.out


@pytest.mark.parametrize("arguments", [
    ["queue", "tail", "--config", "c.yaml", "url", "--all", "--follow"], ["stream", "tail", "x"],
    ["table", "scan", "t"], ["diff", "old", "new"], ["domains", "--config", "c.yaml"]])
def test_later_calls_say_so(sluice, arguments):
    result = sluice(*arguments)
    assert result.code == 2
    assert "is not built in this version" in result.err
    assert result.out == ""


@pytest.mark.parametrize("arguments, text", [
    ([], "name a call"), (["srve"], "srve"), (["check"], "needs a FILE"),
    (["check", "good.yaml", "--fromat", "json"], "--format"), (["check", "good.yaml", "--format", "xml"], "xml"),
    (["check", "good.yaml", "--policy", "p.yaml"], "not built"), (["serve"], "--config"),
    (["serve", "--config", "c", "--spec", "s"], "not both"), (["serve", "--config", "c", "--watch"], "watch"),
    (["routes"], "FILE"), (["routes", "none.yaml"], "none.yaml"), (["explain", "good.yaml"], "METHOD"),
    (["explain", "good.yaml", "GET", "/", "-H", "nocolon"], "nocolon"), (["schema", "other"], "other"),
    (["check", "good.yaml", "--var", "novalue"], "NAME=VALUE"), (["check", "none.yaml"], "none.yaml"),
    (["check", "--config", "none.yaml"], "none.yaml"), (["explain", "none.yaml", "GET", "/"], "none.yaml")])
def test_unusable_calls_end_with_2_and_say_what_to_do(sluice, files, arguments, text):
    result = sluice(*arguments)
    assert result.code == 2, result
    assert text in result.err


def test_all_wrong_options_are_told_at_once(sluice, files):
    result = sluice("check", "--fromat", "json", "--stirct", "good.yaml")
    assert result.code == 2
    assert "did you mean --format" in result.err and "did you mean --strict" in result.err
    result = sluice("explain", "none.yaml", "GET", "/", "-H", "bad", "--var", "bad", "--format", "xml")
    assert result.code == 2
    assert all(text in result.err for text in ("none.yaml", "-H", "--var", "xml"))


def test_wrong_options_do_not_hide_wrong_values(sluice, files):
    result = sluice("serve", "--spec", "good.yaml", "--listen", "1.2.3:99999", "--var", "novalue", "--wtach")
    assert result.code == 2
    assert all(text in result.err for text in ("--wtach; did you mean --watch", "--listen", "NAME=VALUE")), result.err
    result = sluice("check", "good.yaml", "--format", "xml", "--stirct")
    assert result.code == 2
    assert "xml" in result.err and "did you mean --strict" in result.err
    result = sluice("explain", "none.yaml", "-H", "bad")
    assert result.code == 2
    assert all(text in result.err for text in ("METHOD", "URL", "-H", "none.yaml")), result.err


@pytest.mark.parametrize("arguments, text", [
    (["chek", "good.yaml"], "did you mean sluice check?"), (["CHECK"], "did you mean sluice check?"),
    (["zzzzz"], "serve, check, routes, explain, schema or version"), (["--vresion"], "did you mean --version?"),
    (["check", "--format"], "--format needs a value"), (["serve", "--spec"], "--spec needs a value")])
def test_what_is_no_call_names_the_nearest(sluice, files, arguments, text):
    result = sluice(*arguments)
    assert result.code == 2
    assert text in result.err, result.err
    assert len(result.err.splitlines()) == 1, result.err


def test_a_document_that_is_not_there_is_told_where_the_configuration_names_it(sluice, files):
    (files / "sluice.yaml").write_text("gateways:\n  - id: shop\n    spec: shop.yaml\n")
    result = sluice("check", "--config", "sluice.yaml")
    assert result.code == 1
    assert result.out == ("sluice.yaml:3:11: error: the document shop.yaml cannot be read: No such file or directory; "
                          "correct `spec`; it is taken from the configuration's folder [cannot-read]\n")


def test_both_files_of_a_certificate_are_told(sluice, files):
    (files / "sluice.yaml").write_text("gateways: [{spec: good.yaml}]\n"
                                       "certificates: [{certificate: none.pem, private_key: none.key}]\n")
    result = sluice("check", "--config", "sluice.yaml")
    assert result.code == 1
    assert "none.pem" in result.out and "none.key" in result.out, result.out


@pytest.mark.parametrize("url, rule, texts", [
    ("${var.host}/x", "undeclared-variable", ["gateway variable", "Terraform"]),
    ("https://${var.host}/x", "undeclared-variable", ["gateway variable", "Terraform"]),
    ("https://{shop}.example/x", "integration-option", ["`{shop}`", "no parameter", "declare it"]),
    ("https://me:secret@h.example/x", "integration-option", ["user name", "Authorization"]),
    ("https://h.example:99999/x", "integration-option", ['"h.example:99999"', "65535"]),
    ("https:///x", "integration-option", ["no host name", "https://HOST/PATH"]),
    ("h.example/x", "integration-option", ["http:// or https://", "http://HOST/PATH"])])
def test_a_bad_url_is_one_mistake_that_says_what_to_do(sluice, tmp_path, url, rule, texts):
    (tmp_path / "url.yaml").write_text(
        "openapi: 3.0.0\npaths:\n  /a:\n    get:\n"
        f"      x-yc-apigateway-integration: {{type: http, url: '{url}'}}\n")
    result = sluice("check", "url.yaml")
    assert result.code == 1
    (line,) = result.out.splitlines()
    assert LINE.match(line)["rule"] == rule and all(text in line for text in texts), line
    assert "secret" not in line


def test_a_method_in_capitals(sluice, tmp_path):
    (tmp_path / "method.yaml").write_text("openapi: 3.0.0\npaths: {/a: {GET: {}}}\n")
    assert "did you mean `get`?" in sluice("check", "method.yaml").out


def test_routes_of_a_document_that_has_none(sluice, tmp_path):
    (tmp_path / "old.yaml").write_text("swagger: '2.0'\n")
    result = sluice("routes", "old.yaml")
    assert (result.code, result.out) == (1, "") and "swagger-2" in result.err


def test_check_text(sluice, files):
    assert sluice("check", "good.yaml").code == 0
    result = sluice("check", "bad.yaml")
    assert result.code == 1
    lines = result.out.splitlines()
    found = [LINE.match(line) for line in lines]
    assert all(found), lines
    assert {match["file"] for match in found} == {"bad.yaml"}
    assert len([match for match in found if match["severity"] == "error"]) == 5
    assert {int(match["line"]) for match in found if match["severity"] == "error"} == {6, 9, 12, 16, 18}


def test_check_tells_all_documents_at_once(sluice, files):
    result = sluice("check", "bad.yaml", "warn.yaml", "good.yaml")
    assert result.code == 1
    assert "bad.yaml:" in result.out and "warn.yaml:" in result.out
    result = sluice("check", "none.yaml", "bad.yaml")
    assert result.code == 2
    assert "bad.yaml:" in result.out and "none.yaml" in result.err


def test_strict_makes_warnings_errors(sluice, files):
    assert sluice("check", "warn.yaml").code == 0
    result = sluice("check", "--strict", "warn.yaml")
    assert result.code == 1
    assert ": error: " in result.out and ": warning: " not in result.out


def test_check_json(sluice, files):
    result = sluice("check", "--format", "json", "bad.yaml", "warn.yaml")
    assert result.code == 1
    entries = json.loads(result.out)
    assert all(set(entry) == {"file", "line", "column", "severity", "rule", "message", "hint"} for entry in entries)
    assert {entry["severity"] for entry in entries} == {"error", "warning"}
    assert all(isinstance(entry["line"], int) and isinstance(entry["column"], int) for entry in entries)
    assert json.loads(sluice("check", "--format", "json", "good.yaml").out) == []


def test_check_sarif(sluice, files):
    result = sluice("check", "--format", "sarif", "bad.yaml", "warn.yaml")
    assert result.code == 1
    log = json.loads(result.out)
    assert log["version"] == "2.1.0" and "sarif" in log["$schema"]
    (run,) = log["runs"]
    assert run["tool"]["driver"]["name"] == "sluice"
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(rules) == len(set(rules))
    for entry in run["results"]:
        assert rules[entry["ruleIndex"]] == entry["ruleId"]
        assert entry["level"] in ("error", "warning") and entry["message"]["text"]
        (location,) = entry["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] in ("bad.yaml", "warn.yaml")
        assert place["region"]["startLine"] >= 1 and place["region"]["startColumn"] >= 1


def test_check_of_a_configuration_names_mistakes_everywhere(sluice, files):
    (files / "c.yaml").write_text("listn: []\ngateways:\n  - {spec: bad.yaml, timeout: 3}\n  - {spec: none.yaml, id: b}\n"
                                  "queues: {\"https://q/x\": {file: data.db}}\n")
    result = sluice("check", "--config", "c.yaml")
    assert result.code == 1
    assert re.search(r"^c\.yaml:1:1: error: .*listen", result.out, re.M)
    assert re.search(r"^c\.yaml:3:\d+: error: .*timeout.*3s", result.out, re.M)
    assert re.search(r"^c\.yaml:5:\d+: warning: .*\[not-built\]$", result.out, re.M)
    assert re.search(r"^bad\.yaml:6:", result.out, re.M)
    assert re.search(r"^c\.yaml:4:\d+: error: .*none\.yaml", result.out, re.M)


def test_unmapped_ids_are_no_finding_without_a_configuration(sluice, files):
    text = """openapi: 3.0.0
info: {title: f, version: '1'}
paths:
  /f:
    get:
      x-yc-apigateway-integration: {type: cloud_functions, function_id: d4e1}
"""
    (files / "f.yaml").write_text(text)
    result = sluice("check", "--strict", "f.yaml")
    assert (result.code, result.out) == (0, "")
    (files / "c.yaml").write_text("gateways: [{spec: f.yaml}]\n")
    result = sluice("check", "--config", "c.yaml")
    assert result.out.startswith("f.yaml:6:") and "functions: {d4e1: {url: " in result.out and "[called-in-cloud]" in result.out
    (files / "c.yaml").write_text("gateways: [{spec: f.yaml}]\nfunctions: {d4e1: {url: 'http://127.0.0.1:1/'}}\n")
    result = sluice("check", "--strict", "--config", "c.yaml")
    assert (result.code, result.out) == (0, "")


def test_routes(sluice, files):
    result = sluice("routes", "good.yaml")
    assert result.code == 0
    rows = [line.split() for line in result.out.splitlines()]
    assert ["GET", "/version", "dummy", "version"] in rows
    assert rows.index(["GET", "/version", "dummy", "version"]) < rows.index(["GET", "/hello/{name}", "dummy", "hello"])
    entries = json.loads(sluice("routes", "--format", "json", "good.yaml").out)
    assert [entry["template"] for entry in entries] == ["/version", "/hello/{name}"]
    assert all({"method", "template", "integration", "operationId"} <= set(entry) for entry in entries)
    broken = sluice("routes", "bad.yaml")
    assert broken.code == 1 and "bad.yaml:6:" in broken.err


def test_explain(sluice, files):
    result = sluice("explain", "good.yaml", "GET", "/hello/Ada?x=1")
    assert result.code == 0
    assert "/hello/{name}" in result.out and "Ada" in result.out
    nothing = sluice("explain", "good.yaml", "GET", "/nowhere")
    assert nothing.code == 1
    assert sluice("explain", "good.yaml", "DELETE", "/version").code == 1
    assert sluice("explain", "good.yaml", "get", "/version").code == 0
    refused = sluice("explain", "--format", "json", "good.yaml", "GET", "/../version")
    assert refused.code == 1 and json.loads(refused.out)["status"] == 400
    told = json.loads(sluice("explain", "--format", "json", "good.yaml", "GET", "http://x.example/hello/Ada").out)
    assert told["matched"] is True and told["route"]["template"] == "/hello/{name}"


def test_explain_masks_secrets_of_request_and_configuration(sluice, files):
    (files / "up.yaml").write_text("""openapi: 3.0.0
info: {title: f, version: '1'}
x-yc-apigateway: {variables: {key: {default: none}}}
paths:
  /f:
    post:
      x-yc-apigateway-integration:
        type: http
        url: http://127.0.0.1:1/
        headers: {'*': '*', X-Team: '${var.key}'}
""")
    (files / "c.yaml").write_text("gateways: [{spec: up.yaml, variables: {key: '${env:TEAM_KEY}'}}]\n")
    result = sluice("explain", "up.yaml", "POST", "/f", "-H", "Authorization: Bearer tok-12345", "-H", "Cookie: a=secretcookie",
                    "-H", "X-Plain: seen", "-d", '{"a": 1}', "--config", "c.yaml", env={"TEAM_KEY": "hunter2hunter2"})
    assert result.code == 0, result.err
    assert "seen" in result.out
    for secret in ("tok-12345", "secretcookie", "hunter2hunter2"):
        assert secret not in result.out + result.err


def test_schema(sluice):
    for which in ("document", "config"):
        schema = json.loads(sluice("schema", which).out)
        assert schema["$schema"].startswith("http") and schema["properties"]
    assert "header_timeout" in json.loads(sluice("schema", "config").out)["properties"]["limits"]["properties"]


def test_version(sluice):
    result = sluice("version")
    assert result.code == 0
    assert re.match(r"sluice \d+\.\d+\.\d+\n", result.out)
    assert "OpenSSL" in result.out and "Boost" in result.out
    assert json.loads(sluice("version", "--format", "json").out)["libraries"]["Boost"].startswith("1.81")


def test_a_closed_pipe_is_no_crash(files):
    process = subprocess.Popen([SLUICE, "schema", "document"], stdout=subprocess.PIPE)
    process.stdout.close()
    assert process.wait(timeout=30) in (0, -13)
