"""Containers that the daemon runs: real servers, and programs that misbehave."""
import http.server
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import ROOT, paths

NPM = ROOT / "tests" / "support" / "npm"
PYTHON = "/usr/bin/python3"

# A server that tells what it sees; answers that take long, ends on demand.
SERVER = '''
import http.server, json, os, signal, socketserver, subprocess, sys, threading, time
time.sleep(float(os.environ.get("SLOW_START", "0")))
if os.environ.get("STUBBORN"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.environ.get("CHILD"):
    child = subprocess.Popen(["sleep", "600"])
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        if self.path == "/die":
            os._exit(3)
        if self.path == "/slow":
            time.sleep(2)
        seen = {"pid": os.getpid(), "env": dict(os.environ), "path": self.path, "body": body.decode(), "cwd": os.getcwd(),
                "headers": dict(self.headers), "fds": sorted(int(fd) for fd in os.listdir("/proc/self/fd"))}
        if self.path.startswith("/read"):
            try:
                seen["read"] = open(self.headers["X-File"]).read(20)
            except OSError as error:
                seen["read"] = type(error).__name__
        text = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    do_POST = do_PUT = do_GET
    def log_message(self, *_):
        pass
print("hello from the container", flush=True)
print("a warning of it", file=sys.stderr, flush=True)
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128
Server(("", int(os.environ["PORT"])), Handler).serve_forever()
'''

DOCUMENT = paths({"/{rest+}": {"type": "serverless_containers", "container_id": "bba1"}})


def alive(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds: float = 15):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come to be")


def messages(daemon) -> list[dict]:
    lines = daemon.log_file.read_text(errors="replace") if daemon.log_file.exists() else ""
    return [entry for line in lines[:lines.rfind("\n") + 1].splitlines()
            if "status" not in (entry := json.loads(line)) and "container" in entry]


def wait_for_message(daemon, text: str) -> dict:
    return wait_until(lambda: next((entry for entry in messages(daemon) if text in entry["message"]), None))


def kill(daemon, pid: int) -> None:
    """Until it is gone: its last thread may still hold the socket when it is a zombie already."""
    before = sum("has ended" in entry["message"] for entry in messages(daemon))
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: sum("has ended" in entry["message"] for entry in messages(daemon)) > before)


@pytest.fixture
def run(start):
    """run(command, env…) → a daemon with one container, bba1, in a folder of its own with server.py."""
    def begin(command=(PYTHON, "server.py"), limits=None, env=None, server=SERVER, **keys):
        container = {"command": list(command), "directory": "app", "env": env or {}, **keys}
        return start({"api.yaml": DOCUMENT, "app/server.py": server, "secret.txt": "not for containers"},
                     {"containers": {"bba1": container}, "limits": limits or {}})
    return begin


def seen(daemon, target="/x", **keywords) -> dict:
    status, _, body = daemon.request("GET", target, **keywords)
    assert status == 200, body
    return json.loads(body)


def test_a_request_reaches_it_with_nothing_of_ours(run, monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET_OF_THE_DAEMON", "x")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    daemon = run(env={"K": "v", "N": 5})
    first = seen(daemon, "/a/b?c=d", headers={"Host": "shop.example", "X-Mine": "1"})
    assert first["path"] == "/a/b?c=d"
    assert first["headers"]["Host"] == "shop.example" and first["headers"]["X-Mine"] == "1"
    assert first["headers"]["X-Serverless-Gateway-Id"] == "api"
    environment = first["env"]
    assert environment["K"] == "v" and environment["N"] == "5" and environment["PORT"].isdigit()
    assert set(environment) <= {"K", "N", "PORT", "PATH", "HOME", "LANG", "TMPDIR", "TZ", "LC_CTYPE"}
    assert first["cwd"] == str((daemon.folder / "app").resolve())
    assert os.getsid(first["pid"]) == first["pid"] == os.getpgid(first["pid"])
    assert max(first["fds"]) < 12
    second = json.loads(daemon.request("POST", "/y", body=b"body of it")[2])
    assert second["pid"] == first["pid"] and second["body"] == "body of it"
    assert wait_for_message(daemon, "hello from the container")["stream"] == "stdout"
    warning = wait_for_message(daemon, "a warning of it")
    assert (warning["stream"], warning["container"]) == ("stderr", "bba1")
    metrics = daemon.admin("GET", "/metrics")[1].decode()
    assert 'sluice_container_up{container="bba1"} 1' in metrics
    assert 'sluice_container_restarts_total{container="bba1"} 0' in metrics
    assert daemon.stop() == 0
    assert not alive(first["pid"])
    assert environment["TMPDIR"] == "/tmp" or not pathlib.Path(environment["TMPDIR"]).exists()
    assert not list((tmp_path / "temporary").iterdir())


def test_it_reads_no_files_of_the_daemon(run):
    daemon = run()
    def read(path):
        return seen(daemon, "/read", headers={"X-File": str(path)})["read"]
    assert read(daemon.folder / "app" / "server.py").strip() == SERVER[:20].strip()
    if "no Landlock" not in daemon.log_file.read_text():
        # On a /tmp of its own they are not there at all.
        assert read(daemon.folder / "sluice.yaml") in ("PermissionError", "FileNotFoundError")
        assert read(daemon.folder / "secret.txt") in ("PermissionError", "FileNotFoundError")
        assert read("/etc/shadow") == "PermissionError"


def test_requests_wait_until_it_is_ready(run):
    daemon = run(env={"SLOW_START": "1"})
    started = time.monotonic()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(daemon.get("/x")[0])) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 20
    assert time.monotonic() - started < 8


def test_it_is_started_again_and_requests_do_not_notice(run):
    daemon = run()
    first = seen(daemon)["pid"]
    kill(daemon, first)
    statuses = [daemon.get("/x")[0] for _ in range(30)]
    assert statuses == [200] * 30
    second = seen(daemon)["pid"]
    assert second != first and not alive(first)
    status, _, body = daemon.request("POST", "/die")  # not sent twice
    assert status == 502 and "requestId" in json.loads(body)
    assert seen(daemon)["pid"] not in (first, second)
    assert "signal SIGKILL" in wait_for_message(daemon, "has ended")["message"]
    assert wait_for_message(daemon, "exit code 3")
    metrics = daemon.admin("GET", "/metrics")[1].decode()
    assert 'sluice_container_restarts_total{container="bba1"} 2' in metrics


def test_one_that_ends_again_and_again_is_waited_for(run):
    daemon = run()
    seen_pids = set()
    for _ in range(4):
        pid = seen(daemon)["pid"]
        seen_pids.add(pid)
        kill(daemon, pid)
    assert seen(daemon)["pid"] not in seen_pids and len(seen_pids) == 4
    pauses = [entry["again_in_ms"] for entry in messages(daemon) if "again_in_ms" in entry]
    assert pauses == [0, 100, 200, 400]
    assert len(os.listdir(f"/proc/{daemon.process.pid}/fd")) < 60
    children = subprocess.run(["pgrep", "-P", str(daemon.process.pid)], capture_output=True, text=True).stdout.split()
    assert len(children) == 1


def test_a_request_during_its_restart_waits(run):
    daemon = run(env={"SLOW_START": "0.7"})
    first = seen(daemon)["pid"]
    kill(daemon, first)
    status, _, body = daemon.request("POST", "/x", body=b"once")
    assert status == 200 and json.loads(body)["body"] == "once"


# Tells its port, and comes to listen there only when it is started for the second time.
LATE_SERVER = """
import os, time
first = not os.path.exists("port")
with open("port.new", "w") as file:
    file.write(os.environ["PORT"])
os.rename("port.new", "port")
if first:
    time.sleep(600)
""" + SERVER


@pytest.mark.parametrize("family, host", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, ""), (socket.AF_INET6, "::1")])
def test_a_stranger_on_its_port_gets_no_request(run, tmp_path, family, host):
    daemon = run(server=LATE_SERVER)
    told = tmp_path / "daemon" / "app" / "port"
    wait_until(told.exists)
    received = []
    with socket.create_server((host, int(told.read_text())), family=family) as stranger:
        def answer():
            while True:
                try:
                    wire, _ = stranger.accept()
                except OSError:
                    return
                with wire:
                    wire.settimeout(2)
                    try:
                        if head := wire.recv(65536):
                            received.append(head)
                            wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nstranger")
                    except OSError:
                        pass
        threading.Thread(target=answer, daemon=True).start()
        assert seen(daemon)["env"]["PORT"] != str(stranger.getsockname()[1])
        message = wait_for_message(daemon, "another program listens on its PORT")
        assert "another port" in message["message"] and not received
        stranger.shutdown(socket.SHUT_RDWR)


def test_one_that_has_somebody_else_listen_for_it(run, tmp_path):
    """As `docker run -p` does."""
    daemon = run(server="import os, time\nopen(os.environ['PORT'] + '.port', 'w').close()\ntime.sleep(600)\n")
    served, ended = {}, threading.Event()

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'"from outside"')

        def log_message(self, *_):
            pass

    def listen():
        while not ended.wait(0.02):
            for told in (tmp_path / "daemon" / "app").glob("*.port"):
                if told.stem not in served:
                    served[told.stem] = http.server.ThreadingHTTPServer(("127.0.0.1", int(told.stem)), Answer)
                    threading.Thread(target=served[told.stem].serve_forever, daemon=True).start()
    outside = threading.Thread(target=listen)
    outside.start()
    try:
        assert seen(daemon) == "from outside"
        assert len(served) == 3
        wait_for_message(daemon, "none of its own processes")
    finally:
        ended.set()
        outside.join()
        for server in served.values():
            server.shutdown()
            server.server_close()


def test_a_child_of_its_own_may_listen(run):
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import subprocess, sys; " \
              "subprocess.run([sys.executable, \"server.py\"])'])"
    daemon = run(command=(PYTHON, "-c", program))
    assert seen(daemon)["path"] == "/x"


def test_one_that_ignores_sigterm_and_has_children_ends_all_the_same(run):
    daemon = run(env={"STUBBORN": "1", "CHILD": "1"}, limits={"container_stop": "500ms"})
    pid = seen(daemon)["pid"]
    family = [int(child) for child in subprocess.run(["pgrep", "-g", str(pid)], capture_output=True,
                                                     text=True).stdout.split()]
    assert len(family) == 2
    started = time.monotonic()
    assert daemon.stop() == 0
    assert 0.4 < time.monotonic() - started < 8
    assert not any(map(alive, family))


def test_a_reload_replaces_it_without_losing_a_request(run):
    daemon = run(env={"V": "1"})
    first = seen(daemon)["pid"]
    slow, answers, going = [], [], threading.Event()
    waiting = threading.Thread(target=lambda: slow.append(daemon.get("/slow")))
    waiting.start()
    def ask():
        while not going.is_set():
            status, _, body = daemon.get("/x")
            answers.append((status, json.loads(body)["env"]["V"] if status == 200 else body))
    asking = threading.Thread(target=ask)
    asking.start()
    daemon.configuration["containers"]["bba1"]["env"] = {"V": "2", "SLOW_START": "0.5"}
    daemon.write_configuration()
    assert daemon.admin("POST", "/reload")[0] == 200
    wait_until(lambda: answers and answers[-1][1] == "2")
    going.set()
    asking.join()
    waiting.join()
    assert slow[0][0] == 200 and json.loads(slow[0][2])["env"]["V"] == "1"
    assert {status for status, _ in answers} == {200}
    versions = [version for _, version in answers]
    assert versions == sorted(versions) and set(versions) == {"1", "2"}
    wait_until(lambda: not alive(first))
    second = seen(daemon)["pid"]
    assert daemon.admin("POST", "/reload")[0] == 200
    assert seen(daemon)["pid"] == second


def test_a_reload_to_a_broken_one_keeps_the_old(run):
    daemon = run()
    first = seen(daemon)["pid"]
    good = daemon.configuration["containers"]["bba1"]["command"]
    daemon.configuration["containers"]["bba1"]["command"] = [PYTHON, "-c", "raise SystemExit('broken on purpose')"]
    daemon.write_configuration()
    assert daemon.admin("POST", "/reload")[0] == 200
    assert "broken on purpose" in wait_for_message(daemon, "did not start")["message"]
    assert seen(daemon)["pid"] == first
    daemon.configuration["containers"]["bba1"]["command"] = good
    daemon.write_configuration()
    assert daemon.admin("POST", "/reload")[0] == 200
    assert seen(daemon)["pid"] == first
    daemon.configuration["containers"] = {}
    # What is mapped nowhere is called in the cloud, which is nobody here.
    daemon.configuration["services"] = {"serverless_containers": {"endpoint": "http://127.0.0.1:1"}}
    daemon.write_configuration()
    assert daemon.admin("POST", "/reload")[0] == 200
    wait_until(lambda: not alive(first))
    assert daemon.get("/x")[0] == 502
    assert "sluice_container_up" not in daemon.admin("GET", "/metrics")[1].decode()


@pytest.mark.parametrize("command, why", [
    (["no-such-program", "x"], "no-such-program"),
    ([PYTHON, "-c", "import sys; print('cannot: no license', file=sys.stderr); sys.exit(7)"],
     "exit code 7; the last line of its stderr: cannot: no license"),
    ([PYTHON, "missing.py"], "missing.py"),
    ([PYTHON, "-c", "import time; time.sleep(600)"], "nothing listens on its PORT"),
])
def test_one_that_does_not_start_says_why(run, command, why):
    daemon = run(command=command, limits={"container_start": "400ms", "container_stop": "1s"})
    status, _, body = daemon.get("/x")
    assert status == 502
    answer = json.loads(body)
    assert answer["message"] == "The container does not run" and why not in body.decode()
    message = wait_for_message(daemon, "did not start")
    assert why in message["message"] and message["level"] == "error"
    entry = daemon.access_log(1)[0]
    assert entry["slug"] == "container_unavailable"


def test_one_that_crashes_in_a_loop_is_started_ever_later(run):
    daemon = run(command=[PYTHON, "-c", "raise SystemExit(1)"])
    time.sleep(2)
    pauses = [entry["again_in_ms"] for entry in messages(daemon) if "again_in_ms" in entry]
    assert pauses[:4] == [100, 200, 400, 800] and len(pauses) <= 6
    started = time.monotonic()
    assert daemon.get("/x")[0] == 502
    assert time.monotonic() - started < 2
    assert daemon.stop() == 0


def test_httpbin_under_gunicorn(run):
    if not pathlib.Path("/usr/bin/gunicorn").exists():
        pytest.skip("gunicorn is not installed: run .ci/setup test")
    daemon = run(command=["sh", "-c", "exec gunicorn --bind 127.0.0.1:$PORT --workers 2 --log-level warning httpbin:app"])
    answer = json.loads(daemon.request("POST", "/anything/a%20b?x=1", body=b'{"a": 1}',
                                       headers={"Content-Type": "application/json", "Host": "api.example"})[2])
    assert answer["json"] == {"a": 1} and answer["args"] == {"x": "1"} and answer["headers"]["Host"] == "api.example"
    assert len(daemon.get("/stream-bytes/100000?seed=1")[2]) == 100000
    assert daemon.get("/status/418")[0] == 418
    status, headers, body = daemon.request("HEAD", "/get")
    assert status == 200 and body == b""


def test_express(run):
    if not (NPM / "node_modules" / "express").is_dir():
        pytest.skip("tests/support/npm is not installed: run .ci/setup npm")
    server = """
      const express = require('./node_modules/express');
      const app = express();
      app.use(express.text());
      app.all('*', (request, response) => response.json({url: request.originalUrl, body: request.body}));
      app.listen(process.env.PORT, 'localhost');
    """
    daemon = run(command=["true"], limits={"container_start": "20s"})
    folder = daemon.folder / "app"
    subprocess.run(["cp", "-r", NPM / "node_modules", folder / "node_modules"], check=True)
    (folder / "server.js").write_text(server)
    daemon.configuration["containers"]["bba1"]["command"] = ["node", "server.js"]
    daemon.write_configuration()
    assert daemon.admin("POST", "/reload")[0] == 200
    answer = json.loads(daemon.request("PUT", "/a/b?c", body=b"text", headers={"Content-Type": "text/plain"})[2])
    assert answer == {"url": "/a/b?c", "body": "text"}


def test_mistakes_of_the_configuration(sluice, tmp_path):
    (tmp_path / "api.yaml").write_text(DOCUMENT)
    (tmp_path / "sluice.yaml").write_text("""
gateways: [{spec: api.yaml}]
containers:
  a: {command: []}
  b: {command: [x], directory: nowhere}
  c: {command: [x], env: {PORT: 5}}
  d: {url: "http://x/", command: [x]}
  e: {}
  f: {command: [x], memory: 5}
""")
    result = sluice("check", "--config", "sluice.yaml")
    assert result.code == 1
    for text in ("`command` is empty", "nowhere", "may not set PORT", "no meaning beside `url`", "needs `url` or `command`",
                 "memory"):
        assert text in result.out, (text, result.out)


@pytest.mark.parametrize("command, hint", [
    (["gunicornn", "app"], "write its path"),
    ("python3 app.py", "`command` is a list: [python3, …]"),
])
def test_check_tells_of_a_program_that_is_not_there(sluice, tmp_path, command, hint):
    (tmp_path / "c.yaml").write_text("openapi: 3.0.0\ninfo: {title: c, version: '1'}\npaths:\n  /a:\n    get:\n      "
                                     "x-yc-apigateway-integration: {type: serverless_containers, container_id: c1}\n")
    (tmp_path / "sluice.yaml").write_text(json.dumps({"gateways": [{"spec": "c.yaml"}],
                                                      "containers": {"c1": {"command": command}}}))
    done = sluice("check", "--config", "sluice.yaml")
    assert done.code == 0
    assert "[no-program]" in done.out and "is not in PATH" in done.out and hint in done.out
