"""Functions in processes of the daemon's own: what they get, what they may answer, how they are replaced."""
import concurrent.futures
import json
import pathlib
import threading
import time

import pytest

from local_functions import ask, begin, logged, node, python, read


ECHO_NODE = """
const about = (event, context) => ({event, context: {...context, left: context.getRemainingTimeInMillis()}, payload: context.getPayload(),
  env: process.env, cwd: process.cwd()});
exports.sync = (event, context) => ({body: about(event, context)});
exports.asynchronous = async (event, context) => { await null; return {body: about(event, context)}; };
exports.nested = {deep: {handler: (event) => ({body: "deep"})}};
"""
ECHO_PYTHON = """
import asyncio, os
def about(event, context):
    return {"event": event, "context": {key: value for key, value in vars(context).items()},
            "left": context.get_remaining_time_in_millis(), "env": dict(os.environ), "cwd": os.getcwd()}
def sync(event, context):
    return {"body": about(event, context)}
async def asynchronous(event, context):
    await asyncio.sleep(0.001)
    return {"body": about(event, context)}
"""


@pytest.mark.parametrize("handler", ["sync", "asynchronous"])
def test_node_gets_event_and_context(start, handler):
    daemon = begin(start, {"src/index.js": ECHO_NODE}, fn=node(f"src/index.{handler}", env={"K": "v"}, timeout="5s", memory="128MiB"))
    status, seen = ask(daemon, "/fn/a?x=1&x=2", '{"n": 1}', {"X-Thing": "t"})
    assert status == 200
    event, context = seen["event"], seen["context"]
    assert event["httpMethod"] == "POST" and event["path"] == "/fn/a" and event["body"] == '{"n": 1}'
    assert event["multiValueQueryStringParameters"]["x"] == ["1", "2"] and event["headers"]["X-Thing"] == "t"
    assert context["functionName"] == "fn" and context["functionVersion"] and context["memoryLimitInMB"] == "128"
    assert context["requestId"] == event["requestContext"]["requestId"]
    assert 0 < context["left"] <= 5000 and "token" not in context
    assert seen["payload"] == {"n": 1}
    assert seen["env"]["K"] == "v" and set(seen["env"]) <= {"K", "PATH", "HOME", "LANG", "TMPDIR", "TZ"}
    assert seen["cwd"] == str(daemon.folder)
    assert ask(daemon, "/old/fn", "a=1&a=2&b=%20", {"Content-Type": "application/x-www-form-urlencoded"})[1]["payload"] == {"a": ["1", "2"], "b": " "}


@pytest.mark.parametrize("handler", ["sync", "asynchronous"])
def test_python_gets_event_and_context(start, handler):
    daemon = begin(start, {"bot/src/main.py": ECHO_PYTHON}, fn=python(f"src/main.{handler}", directory="bot", env={"K": "v"}, timeout="5s"))
    status, seen = ask(daemon, "/fn/a?x=1", '{"n": 1}')
    assert status == 200
    context = seen["context"]
    assert context["function_name"] == "fn" and context["function_version"] and context["memory_limit_in_mb"] == 256
    assert context["request_id"] == context["aws_request_id"] == seen["event"]["requestContext"]["requestId"]
    assert 0 < seen["left"] <= 5001 and abs(context["deadline_ms"] - time.time() * 1000) < 6000 and context["token"] is None
    assert seen["env"]["K"] == "v" and set(seen["env"]) <= {"K", "PATH", "HOME", "LANG", "TMPDIR", "TZ", "LC_CTYPE"}
    assert seen["cwd"] == str(daemon.folder / "bot")


def test_kinds_of_modules(start):
    files = {
        "a.mjs": "import fs from 'fs'; let n = 0; export const handler = async () => ({body: `esm ${++n} ${typeof fs.readFileSync}`});",
        "esm/b.js": "export default {handler: () => ({body: 'default export'})};", "esm/package.json": '{"type": "module"}',
        "c.cjs": "module.exports.handler = () => ({body: 'cjs'});",
        "index.js": ECHO_NODE,
        "pkg/__init__.py": "def handler(event, context): return {'body': 'package'}",
        "one/two.py": "from one import three\ndef handler(event, context): return {'body': three.TEXT}", "one/three.py": "TEXT = 'sibling'",
    }
    daemon = begin(start, files, esm=node("a.handler"), type=node("esm/b.handler"), cjs=node("c.handler"), deep=node("index.nested.deep.handler"),
                   package=python("pkg.handler"), dotted=python("one.two.handler"), cloud={"runtime": "python312", "handler": "one/two.handler"})
    for name, text in {"esm": "esm 1 function", "type": "default export", "cjs": "cjs", "deep": "deep", "package": "package",
                       "dotted": "sibling", "cloud": "sibling"}.items():
        assert ask(daemon, f"/{name}") == (200, text), name
    # Module state lives on.
    assert [ask(daemon, "/esm")[1] for _ in range(3)] == [f"esm {n} function" for n in (2, 3, 4)]


def test_watch_replaces_processes_and_loses_nothing(start):
    text = "const v = %d; exports.handler = async () => { await new Promise((r) => setTimeout(r, 30)); return {body: String(v)}; };"
    daemon = begin(start, {"index.js": text % 1}, {"watch": True}, fn=node(workers=2))
    assert ask(daemon, "/fn") == (200, "1")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        running = [pool.submit(ask, daemon, "/fn") for _ in range(80)]
        daemon.write("index.js", text % 2)
        answers = [one.result() for one in running]
    assert all(status == 200 and body in "12" for status, body in answers), answers
    until = time.monotonic() + 10
    while ask(daemon, "/fn")[1] != "2":
        assert time.monotonic() < until
        time.sleep(0.05)
    assert len(logged(daemon, "have changed")) >= 1


def test_a_reload_replaces_what_changed_and_loses_nothing(start):
    code = "let n = 0; exports.handler = async () => { await new Promise((r) => setTimeout(r, 20)); return {body: `${process.env.V} ${++n}`}; };"
    nowhere = {"services": {"cloud_functions": {"endpoint": "http://127.0.0.1:1"}}}
    daemon = begin(start, {"index.js": code}, nowhere, kept=node(env={"V": "k"}), fn=node(env={"V": "1"}, workers=2))
    assert ask(daemon, "/kept") == (200, "k 1")
    assert ask(daemon, "/fn") == (200, "1 1")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        running = [pool.submit(ask, daemon, "/fn") for _ in range(100)]
        daemon.configuration["functions"]["fn"]["env"]["V"] = "2"
        daemon.write_configuration()
        assert daemon.admin("POST", "/reload")[0] == 200
        answers = [one.result() for one in running]
    assert all(status == 200 for status, _ in answers), answers
    assert ask(daemon, "/fn")[1].startswith("2 ")
    assert ask(daemon, "/kept") == (200, "k 2"), "a function that did not change keeps its processes"
    del daemon.configuration["functions"]["fn"]
    daemon.write_configuration()
    assert daemon.admin("POST", "/reload")[0] == 200
    assert ask(daemon, "/fn")[0] == 502, "it is the cloud's now"


def test_reload_after_reload_under_load_runs_each_event_once(start, upstream):
    """A function that is changed, called elsewhere, and here again, ten times: each event is run by a version that was in
    force while it was under way, and by no other besides."""
    code = ("const fs = require('fs'); exports.handler = async (event) => { fs.appendFileSync('events', event.queryStringParameters.id + '\\n');"
            " await new Promise((r) => setTimeout(r, 30)); return {body: `${process.env.V}`}; };")
    elsewhere = upstream(lambda request, wire: wire.answer(200, b'{"body": "elsewhere"}'))
    daemon = begin(start, {"fn/index.js": code}, fn=node(directory="fn", env={"V": "0"}, workers=2))
    versions, settled = ["0"], [0]  # settled: the place of what is in force for certain
    answers, ended = [], threading.Event()

    def call(client: int):
        count = 0
        while not ended.is_set():
            count += 1
            began = settled[0]
            status, body = ask(daemon, f"/fn?id={client}-{count}")
            answers.append((f"{client}-{count}", status, body, versions[began:]))

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        running = [pool.submit(call, client) for client in range(6)]
        try:
            for version in range(1, 11):
                time.sleep(0.15)
                here = version % 3 != 0
                now = str(version) if here else "elsewhere"
                daemon.configuration["functions"]["fn"] = (node(directory="fn", env={"V": now}, workers=2) if here
                                                           else {"url": f"http://127.0.0.1:{elsewhere.port}/"})
                daemon.write_configuration()
                versions.append(now)
                status, text = daemon.admin("POST", "/reload")
                assert status == 200, text
                settled[0] = version
            time.sleep(0.3)
        finally:
            ended.set()
        for one in running:
            one.result()
    assert len(answers) > 100
    assert {status for _, status, _, _ in answers} == {200}, answers
    assert all(body in valid for _, _, body, valid in answers), [entry for entry in answers if entry[2] not in entry[3]]
    ran = (daemon.folder / "fn" / "events").read_text().split()
    assert sorted(ran) == sorted(name for name, _, body, _ in answers if body != "elsewhere"), "each once"


def test_the_queue_is_bounded(start):
    code = "exports.handler = async () => { await new Promise((r) => setTimeout(r, 400)); return {body: 'done'}; };"
    daemon = begin(start, {"index.js": code}, {"limits": {"function_queue": 3}}, fn=node(workers=1))
    assert ask(daemon, "/fn")[0] == 200
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers = [one.result() for one in [pool.submit(ask, daemon, "/fn") for _ in range(10)]]
    counts = {status: sum(1 for got, _ in answers if got == status) for status in (200, 429)}
    assert counts == {200: 4, 429: 6}, answers
    assert "sluice_function_invocations_total{function=\"fn\",result=\"refused\"} 6" in daemon.admin("GET", "/metrics")[1].decode()


def test_who_waits_too_long_gets_504(start):
    code = "exports.handler = async () => { await new Promise((r) => setTimeout(r, 1500)); return {body: 'done'}; };"
    daemon = begin(start, {"index.js": code}, {"gateways": [{"spec": "functions.yaml", "timeout": "2s"}]}, fn=node(workers=1))
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = sorted(one.result()[0] for one in [pool.submit(ask, daemon, "/fn") for _ in range(3)])
    assert answers[0] == 200 and answers[-1] == 504, answers


def test_events_run_side_by_side(start):
    code = "exports.handler = async () => { await new Promise((r) => setTimeout(r, 300)); return {body: String(process.pid)}; };"
    daemon = begin(start, {"index.js": code}, fn=node(workers=4))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        pids = {one.result()[1] for one in [pool.submit(ask, daemon, "/fn") for _ in range(4)]}
        assert len(pids) >= 3
        began = time.monotonic()
        list(pool.map(lambda _: ask(daemon, "/fn"), range(8)))
        assert time.monotonic() - began < 2


def test_large_events_and_answers(start):
    code = "exports.handler = (event) => ({body: event.body, headers: {'Content-Type': 'text/plain'}});"
    daemon = begin(start, {"index.js": code, "main.py": "def handler(e, c): return {'body': e['body']}"}, fn=node(), py=python())
    for name in ("fn", "py"):
        for size in (0, 1, 65_519, 65_536, 200_000, 3_000_000):
            status, _, body = daemon.request("POST", f"/{name}", {"Content-Type": "text/plain"}, b"x" * size)
            assert status == 200 and len(body) == size, (name, size, status)


def test_a_client_that_leaves_does_not_end_its_event(start):
    code = "let n = 0; exports.handler = async (e) => { if (e.queryStringParameters.ask) return {body: String(n)}; await new Promise((r) => setTimeout(r, 300)); n++; return {}; };"
    daemon = begin(start, {"index.js": code}, fn=node(workers=1))
    assert ask(daemon, "/fn?ask=1") == (200, "0")
    with daemon.connect() as client:
        client.sendall(b"GET /fn HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.1)
    assert ask(daemon, "/fn?ask=1") == (200, "1")


def test_no_process_outlives_the_daemon(start):
    code = "require('child_process').spawn('sleep', ['1000']); exports.handler = () => ({body: String(process.pid)});"
    daemon = begin(start, {"index.js": code}, fn=node())
    pid = int(ask(daemon, "/fn")[1])
    assert daemon.stop() == 0
    assert not pathlib.Path(f"/proc/{pid}").exists()
    of_its_group = [text for text in map(read, pathlib.Path("/proc").glob("[0-9]*/stat")) if f" {pid} " in text and ") Z " not in text]
    assert not of_its_group, "its child lives"


def test_a_killed_daemon_leaves_no_process(start, launch):
    daemon = begin(start, {"index.js": "exports.handler = () => ({body: String(process.pid)});"}, fn=node())
    daemon.stop()
    other = launch("serve", "--config", str(daemon.folder / "sluice.yaml"))
    daemon_log = daemon.log_file
    until = time.monotonic() + 10
    while True:
        try:
            pid = int(ask(daemon, "/fn")[1])
            break
        except OSError:
            assert time.monotonic() < until, daemon_log.read_text()
            time.sleep(0.05)
    other.process.kill()
    other.process.wait()
    until = time.monotonic() + 5
    while pathlib.Path(f"/proc/{pid}").exists() and " Z " not in read(pathlib.Path(f"/proc/{pid}/stat")):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_explain_shows_the_event(start, sluice):
    daemon = begin(start, {"index.js": "exports.handler = () => ({});"}, fn=node())
    done = sluice("explain", "--config", daemon.folder / "sluice.yaml", "--format", "json", daemon.folder / "functions.yaml", "POST", "/fn/x?q=1", "-d", "{}")
    shown = json.loads(done.out)["integration"]["request"]
    assert shown["body"]["path"] == "/fn/x" and "index.handler" in shown["url"], done.out


TOKEN_NODE = """
const http = require("http");
const get = (path, headers) => new Promise((resolve, reject) => http.get(`http://${process.env.YC_METADATA_ADDR}${path}`, {headers},
  (answer) => { let text = ""; answer.on("data", (part) => text += part).on("end", () => resolve([answer.statusCode, text])); }).on("error", reject));
exports.handler = async (event, context) => ({body: {token: context.token,
  metadata: await get("/computeMetadata/v1/instance/service-accounts/default/token", {"Metadata-Flavor": "Google"})}});
"""


def test_a_service_account_gives_tokens(start):
    daemon = begin(start, {"index.js": TOKEN_NODE, "main.py": "def handler(e, c): return {'body': c.token}"},
                   {"service_accounts": {"aje1": {"token": "t1.of-the-account"}}},
                   fn=node(service_account="aje1"), py=python(service_account="aje1"))
    status, seen = ask(daemon, "/fn")
    assert status == 200, seen
    assert seen["token"]["access_token"] == "t1.of-the-account" and seen["token"]["token_type"] == "Bearer" and seen["token"]["expires_in"] > 0
    assert seen["metadata"][0] == 200 and json.loads(seen["metadata"][1])["access_token"] == "t1.of-the-account"
    assert ask(daemon, "/py")[1]["access_token"] == "t1.of-the-account"
    assert "t1.of-the-account" not in daemon.log_file.read_text()
