"""Functions that run here and fail: each has a clear message, and the next event is answered."""
import json
import pathlib
import re
import time

import pytest

from local_functions import ask, begin, functions, logged, node, python

FAILING_NODE = """
const steps = {
  throws: () => { throw new TypeError("boom"); },
  rejects: async () => { throw new RangeError("later boom"); },
  text: () => Promise.reject("only a text"),
  nothing: () => undefined,
  null: async () => {},
  number: () => 7,
  circular: () => { const a = {}; a.a = a; return a; },
  big: () => ({body: 10n}),
  wrongcase: () => ({statuscode: 200}),
  uncaught: () => new Promise(() => setTimeout(() => { throw new Error("uncaught"); }, 5)),
  unhandled: () => new Promise(() => { Promise.reject(new Error("unhandled")); }),
  exit: () => process.exit(3),
  abort: () => process.abort(),
  loop: () => { for (;;); },
  never: () => new Promise(() => {}),
  heap: () => { const all = []; for (;;) all.push(new Array(1000).fill(Math.random())); },
  channel: () => { require("fs").writeSync(4, "this is no frame at all, but long enough"); require("fs").writeSync(5, "this is no frame at all either"); return {}; },
  huge: () => ({body: "x".repeat(5000000)}),
  prints: () => { console.log("one"); console.error("two\\nthree"); process.stdout.write("unfinished"); return {body: "printed"}; },
  surrogate: () => ({body: "\\ud800"}),
  fine: () => ({body: "fine"}),
};
exports.handler = (event) => steps[event.queryStringParameters.do]();
"""


@pytest.fixture
def failing(start):
    return begin(start, {"index.js": FAILING_NODE}, fn=node(timeout="1500ms", memory="128MiB", workers=1))


@pytest.mark.parametrize("step, status, said", [
    ("throws", 502, ("TypeError", "boom")), ("rejects", 502, ("RangeError", "later boom")), ("text", 502, ("string", "only a text")),
    ("nothing", 502, ("HandlerReturnedNothing", "not async")), ("circular", 502, ("BadAnswer", "circular")), ("big", 502, ("BadAnswer", "BigInt")),
    ("uncaught", 502, ("Error", "uncaught")), ("unhandled", 502, ("Error", "unhandled")), ("exit", 502, ("ProcessEnded", "exit code 3")),
    ("abort", 502, ("ProcessEnded", "SIGABRT")), ("heap", 502, ("OutOfMemory", "128 MiB")), ("channel", 502, ("ProtocolError", "no answer")),
])
def test_failures_of_the_code(failing, step, status, said):
    got, body = ask(failing, f"/fn?do={step}")
    assert got == status and body["errorType"] == said[0] and said[1] in body["errorMessage"], body
    assert set(body) == {"message", "requestId", "errorMessage", "errorType"}
    assert ask(failing, "/fn?do=fine") == (200, "fine")


def test_the_stack_is_in_the_log_only(failing):
    _, headers, body = failing.get("/fn?do=throws")
    assert headers["x-function-error"] == "true" and b"index.js" not in body
    line = logged(failing, "boom")[0]
    assert line["function"] == "fn" and line["request_id"] == headers["x-request-id"]
    assert line["error_type"] == "TypeError" and re.search(r"at .*throws.*index\.js:3:", line["stack"])


@pytest.mark.parametrize("step, said", [("null", "no JSON object"), ("number", "no JSON object"), ("wrongcase", "statusCode"), ("huge", "too large")])
def test_answers_that_are_none(failing, step, said):
    status, body = ask(failing, f"/fn?do={step}")
    assert status == 502 and said in body["message"], body
    pids = {entry["pid"] for entry in logged(failing, "has started")}
    assert ask(failing, "/fn?do=fine") == (200, "fine")
    assert {entry["pid"] for entry in logged(failing, "has started")} == pids, "a bad answer costs no process"


@pytest.mark.parametrize("step", ["loop", "never"])
def test_the_timeout_kills(failing, step):
    assert ask(failing, "/fn?do=fine")[0] == 200
    began = time.monotonic()
    status, body = ask(failing, f"/fn?do={step}")
    assert status == 504 and 1.3 < time.monotonic() - began < 4, body
    pid = logged(failing, "has started")[0]["pid"]
    assert ask(failing, "/fn?do=fine") == (200, "fine")
    assert not pathlib.Path(f"/proc/{pid}").exists()


def test_output_is_logged_with_the_request(failing):
    assert ask(failing, "/fn?do=prints") == (200, "printed")
    request_id = failing.access_log(1)[0]["request_id"]
    for text, stream in (("one", "stdout"), ("two", "stderr"), ("three", "stderr"), ("unfinished", "stdout")):
        line = logged(failing, f"^{text}$")[0]
        assert (line["request_id"], line["stream"], line["function"]) == (request_id, stream, "fn")


def test_a_lone_surrogate_does_no_harm(failing):
    assert ask(failing, "/fn?do=surrogate")[0] in (200, 502)
    assert ask(failing, "/fn?do=fine") == (200, "fine")


FAILING_PYTHON = """
import os, sys, time
def handler(event, context):
    step = event["queryStringParameters"]["do"]
    if step == "throws": raise ValueError("bad value")
    if step == "exit": sys.exit(4)
    if step == "hard": os._exit(5)
    if step == "none": return None
    if step == "set": return {"body": {1, 2}}
    if step == "memory": held = bytearray(400 << 20); time.sleep(5)
    if step == "segfault":
        import ctypes; ctypes.string_at(0)
    if step == "loop":
        while True: pass
    if step == "prints": print("to stdout"); print("to stderr", file=sys.stderr)
    return {"body": "fine"}
"""


@pytest.mark.parametrize("step, status, said", [
    ("throws", 502, "bad value"), ("exit", 502, "sys.exit(4)"), ("hard", 502, "exit code 5"), ("set", 502, "JSON"), ("memory", 502, "128 MiB"),
    ("segfault", 502, "SIGSEGV"), ("loop", 504, "in time"), ("none", 502, "no JSON object")])
def test_failures_of_python(start, step, status, said):
    daemon = begin(start, {"main.py": FAILING_PYTHON}, fn=python(timeout="2s", memory="128MiB", workers=1))
    got, body = ask(daemon, f"/fn?do={step}")
    assert got == status and said in json.dumps(body), body
    assert ask(daemon, "/fn?do=prints") == (200, "fine")
    assert logged(daemon, "^to stderr$")[0]["stream"] == "stderr"


@pytest.mark.parametrize("name, text, said", [
    ("index.js", "exports.handler = (", "Unexpected"), ("index.js", "require('no-such-package')", "no-such-package"),
    ("index.js", "exports.other = () => 1;", "it exports other"), ("index.js", "process.exit(9)", "exit code 9"),
    ("main.py", "def handler(", "main.py"), ("main.py", "import no_such_module", "no_such_module"), ("main.py", "def other(e, c): pass", "it has other")])
def test_code_that_does_not_load(start, name, text, said):
    function = node() if name.endswith(".js") else python()
    daemon = begin(start, {name: text}, {"watch": True}, fn=function)
    for _ in range(3):
        status, body = ask(daemon, "/fn")
        assert status == 502 and said in body["errorMessage"] and str(daemon.folder) not in body["errorMessage"], body
        time.sleep(0.15)
    assert len(logged(daemon, "cannot start")) == 1
    daemon.write(name, "exports.handler = () => ({body: 'mended'});" if name.endswith(".js") else "def handler(e, c): return {'body': 'mended'}")
    until = time.monotonic() + 10
    while (answer := ask(daemon, "/fn")) != (200, "mended"):
        assert time.monotonic() < until, answer
        time.sleep(0.1)


def test_a_missing_handler_is_a_mistake_of_the_configuration(sluice, tmp_path):
    (tmp_path / "functions.yaml").write_text(functions(fn=1))
    (tmp_path / "typed.ts").write_text("export const handler = 1")
    (tmp_path / "sluice.yaml").write_text("""gateways: [{spec: functions.yaml}]
functions:
  fn: {runtime: nodejs, handler: src/index.handler}
  ts: {runtime: nodejs, handler: typed.handler}
  py: {runtime: python, handler: main.handler, directory: nowhere}
  up: {runtime: nodejs, handler: ../up.handler}
  no: {runtime: nodejs, handler: index}
""")
    done = sluice("serve", "--config", "sluice.yaml")
    assert done.code == 1
    for said in (r"sluice\.yaml:3:\d+: error: the file of the handler \"src/index.handler\" is not there", r"sluice\.yaml:4:\d+: .*TypeScript",
                 r"sluice\.yaml:5:\d+: .*nowhere is not there", r"sluice\.yaml:6:\d+: .*must stay within", r"sluice\.yaml:7:\d+: .*names no function"):
        assert re.search(said, done.err), (said, done.err)
    assert sluice("check", "--config", "sluice.yaml").code == 1


def test_a_handler_that_is_removed_later(start):
    daemon = begin(start, {"index.js": "exports.handler = () => process.exit(0);"}, fn=node())
    assert ask(daemon, "/fn")[0] == 502
    (daemon.folder / "index.js").unlink()
    status, body = ask(daemon, "/fn")
    assert status == 502 and "is not there: index.js" in body["errorMessage"] and str(daemon.folder) not in body["errorMessage"]
    assert str(daemon.folder / "index.js") in logged(daemon, "cannot start")[0]["message"]


def test_metrics(start):
    daemon = begin(start, {"index.js": FAILING_NODE}, fn=node(timeout="1s", workers=1))
    for step in ("fine", "fine", "throws", "exit", "never"):
        ask(daemon, f"/fn?do={step}")
    text = daemon.admin("GET", "/metrics")[1].decode()

    def value(name, labels=""):
        return float(re.search(rf'^{name}{{function="fn"{labels}}} (\S+)$', text, re.M)[1])
    for result, count in {"ok": 2, "error": 1, "crash": 1, "timeout": 1, "refused": 0, "not_started": 0}.items():
        assert value("sluice_function_invocations_total", f',result="{result}"') == count, result
    assert value("sluice_function_crashes_total") == 1
    assert value("sluice_function_cold_start_seconds_count") == 2
    assert value("sluice_function_duration_seconds_count") == 5
    assert value("sluice_function_queue") == 0
