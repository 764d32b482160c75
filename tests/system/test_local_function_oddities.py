"""Functions that run here and do what nobody expects: what they throw, print and fork harms neither the daemon nor the next event."""
import json
import time

import pytest

from local_functions import ask, begin, logged, node, python

NODE = """
const steps = {
  circular: () => { const a = {name: "me"}; a.a = a; throw a; },
  bigint: () => { throw 10n; },
  symbol: async () => { throw Symbol("sign"); },
  nothing: async () => { throw undefined; },
  unreadable: async () => { throw Object.defineProperty(new Error("x"), "message", {get() { throw new Error("from the getter"); }}); },
  answer: async () => ({get body() { throw null; }}),
  cause: () => { throw new Error("outer", {cause: new RangeError("inner")}); },
  flood: () => { for (let i = 0; i < 30000; i++) process.stdout.write("y".repeat(1000)); return {body: "flooded"}; },
  words: () => { process.stdout.write("last words"); process.exit(3); },
  payload: (event, context) => ({body: Object.entries(context.getPayload())}),
  fine: () => ({body: String(process.pid)}),
};
exports.handler = (event, context) => steps[event.queryStringParameters.do](event, context);
"""
PYTHON = """
import os, sys
class Unreadable(Exception):
    def __str__(self): raise RuntimeError("from __str__")
def handler(event, context):
    step = event["queryStringParameters"]["do"]
    if step == "unreadable": raise Unreadable()
    if step == "nan": return {"body": {"a": float("nan")}}
    if step == "cause":
        try: {}["inner key"]
        except KeyError as error: raise ValueError("outer") from error
    if step == "flood":
        for _ in range(30000): sys.stdout.write("y" * 1000)
    if step == "binary": sys.stdout.buffer.write(b"bytes of text\\n")
    if step == "fork": os.fork()
    return {"body": str(os.getpid())}
"""


@pytest.fixture
def odd(start):
    return begin(start, {"index.js": NODE, "main.py": PYTHON}, node=node(timeout="4s", workers=1), python=python(timeout="4s", workers=1))


@pytest.mark.parametrize("target, kind, said", [
    ("/node?do=circular", "Object", "Circular"), ("/node?do=bigint", "bigint", "10n"), ("/node?do=symbol", "symbol", "Symbol(sign)"),
    ("/node?do=nothing", "undefined", "undefined"), ("/node?do=unreadable", "Error", "cannot be read"), ("/node?do=answer", "BadAnswer", "as JSON: null"),
    ("/python?do=unreadable", "Unreadable", "cannot be read"), ("/python?do=nan", "BadAnswer", "not JSON compliant")])
def test_whatever_is_thrown_is_told(odd, target, kind, said):
    fine = target.split("?", 1)[0] + "?do=fine"
    before = ask(odd, fine)
    status, body = ask(odd, target)
    assert status == 502 and body["errorType"] == kind and said in body["errorMessage"], body
    assert ask(odd, fine) == before, "it costs no process"


def test_the_log_names_the_cause(odd):
    for name, inner, file in (("node", "caused by RangeError: inner", "index.js"), ("python", "caused by KeyError: 'inner key'", "main.py")):
        status, body = ask(odd, f"/{name}?do=cause")
        assert status == 502 and body["errorMessage"] == "outer" and "inner" not in json.dumps(body)
        stack = logged(odd, f"function {name} failed: outer")[0]["stack"]
        assert inner in stack and file in stack.split(inner, 1)[1]


@pytest.mark.parametrize("name", ["node", "python"])
def test_output_without_lines(odd, name):
    began = time.monotonic()
    assert ask(odd, f"/{name}?do=flood")[0] == 200
    assert time.monotonic() - began < 4
    assert logged(odd, "^y{1000}")


def test_no_output_is_lost(odd):
    assert ask(odd, "/node?do=words")[0] == 502
    assert logged(odd, "^last words$")[0]["request_id"]
    assert ask(odd, "/python?do=binary")[0] == 200
    assert logged(odd, "^bytes of text$")


def test_a_forked_child_does_not_answer(odd):
    pid = ask(odd, "/python?do=fine")
    assert [ask(odd, "/python?do=fork") for _ in range(5)] == [pid] * 5
    time.sleep(0.2)
    assert ask(odd, "/python?do=fine") == pid


def test_any_field_of_a_form(odd):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert ask(odd, "/node?do=payload", "toString=1&__proto__=2&constructor=3&constructor=4", form) == (
        200, [["toString", "1"], ["__proto__", "2"], ["constructor", ["3", "4"]]])


def test_a_module_that_leaves(start):
    daemon = begin(start, {"main.py": "import sys\nsys.exit(3)\ndef handler(event, context): pass"}, fn=python())
    assert "sys.exit(3) was called while" in ask(daemon, "/fn")[1]["errorMessage"]
