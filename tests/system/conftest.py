"""Shared by the system tests: the daemon, certificates, and servers of others to stand behind it. All of them listen on
ports that the kernel picks and end with the test."""
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from daemon import SLUICE, Daemon, free_port, wait_for_port  # noqa: E402
from upstream import Upstream, echo  # noqa: E402


def node_22() -> str:
    """Node.js 22 of tests/support/npm: Debian's is 18, and some test servers want 20. Where that is absent, `node`."""
    found = sorted((ROOT / "tests" / "support" / "npm" / "node_modules").glob("node-linux-*/bin/node"))
    return str(found[0]) if found else "node"


@pytest.fixture
def start(tmp_path):
    """start(files, configuration…) → a running Daemon; all of them are ended, and must end with 0."""
    with contextlib.ExitStack() as stack:
        def begin(files, configuration=None, name="daemon", **keywords):
            return stack.enter_context(Daemon(tmp_path / name, files, configuration, **keywords))
        yield begin


@pytest.fixture
def upstream():
    """upstream(handler…) → a running Upstream, an HTTP server that notes what it gets."""
    with contextlib.ExitStack() as stack:
        def begin(handler=echo, **keywords):
            return stack.enter_context(Upstream(handler, **keywords))
        yield begin


def paths(operations: dict, **top) -> str:
    """A document of {"/path": {"get": integration…}} or {"/path": integration} for any method; `parameters` of an
    integration are the operation's. `top`: further keys of the document."""
    methods = {"get", "head", "post", "put", "delete", "options", "patch", "trace"}
    written = {}
    for path, item in operations.items():
        if "type" in item:
            item = {"x-yc-apigateway-any-method": item}
        operation = {}
        for method, integration in item.items():
            integration = dict(integration)
            rest = {key: integration.pop(key) for key in ("parameters", "operationId", "security") if key in integration}
            operation[method] = {**rest, "x-yc-apigateway-integration": integration} if "type" in integration \
                else {**rest, **integration}
            assert method in methods or method.startswith("x-yc-")
        written[path] = operation
    return json.dumps({"openapi": "3.0.0", "info": {"title": "test", "version": "1"}, "paths": written, **top}, indent=1)


@dataclasses.dataclass
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def sluice(tmp_path):
    """sluice("check", "a.yaml") → Result; runs in tmp_path."""
    def run(*arguments, env=None, timeout=60):
        done = subprocess.run([SLUICE, *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=timeout, env={**os.environ, **(env or {})})
        return Result(done.returncode, done.stdout, done.stderr)
    return run


class Process:
    """A daemon that is started by hand, with its stderr in a file: for what happens at start and end."""

    def __init__(self, folder: pathlib.Path, arguments, env=None, pass_fds=(), preexec_fn=None):
        self.log = folder / f"process-{time.monotonic_ns()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([SLUICE, *map(str, arguments)], cwd=folder, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env={**os.environ, **(env or {})},
                                            pass_fds=pass_fds, preexec_fn=preexec_fn)

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, pattern: str, seconds: float = 30) -> re.Match:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if found := re.search(pattern, self.text()):
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        found = re.search(pattern, self.text())
        assert found, f"no {pattern!r} in:\n{self.text()}"
        return found

    def port(self) -> int:
        return int(self.wait_for(r"listening on https?://(?:127\.0\.0\.1|\[::1\]):(\d+)").group(1))

    def end(self, number=signal.SIGTERM, seconds: float = 40) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait(seconds)

    def wait(self, seconds: float = 40) -> int:
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"still running:\n{self.text()}") from None


@pytest.fixture
def launch(tmp_path):
    """launch("serve", …) → Process; what still runs at the end is killed."""
    started = []

    def begin(*arguments, **keywords):
        started.append(Process(tmp_path, arguments, **keywords))
        return started[-1]
    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """authority(names…, days=…) → (certificate, key) paths; authority.ca is the root's path. Made by openssl."""
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=folder)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
            "-out", "ca.pem", "-days", "30", "-subj", "/CN=Sluice test root",
            "-addext", "basicConstraints=critical,CA:TRUE")
    count = 0

    def make(*names, days=30):
        nonlocal count
        count += 1
        stem = f"leaf{count}"
        (folder / f"{stem}.ext").write_text(
            "subjectAltName=" + ",".join(f"IP:{name}" if re.fullmatch(r"[0-9.]+|[0-9a-f:]+", name) else f"DNS:{name}"
                                         for name in names))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{stem}.key",
                "-out", f"{stem}.csr", "-subj", f"/CN={names[0]}")
        openssl("x509", "-req", "-in", f"{stem}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", days, "-out", f"{stem}.pem", "-extfile", f"{stem}.ext")
        return folder / f"{stem}.pem", folder / f"{stem}.key"

    make.ca = folder / "ca.pem"
    return make


@contextlib.contextmanager
def serving(command, port, cwd=None, env=None):
    process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env={**os.environ, **(env or {})})
    try:
        wait_for_port(port, lambda: process.poll() is None)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def nginx(tmp_path):
    """nginx(server_lines) → the port of an nginx with that server block."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not pathlib.Path(program).exists():
        pytest.skip("nginx is not installed: run .ci/setup test")
    with contextlib.ExitStack() as stack:
        def begin(server: str) -> int:
            port = free_port()
            folder = tmp_path / f"nginx-{port}"
            (folder / "temp").mkdir(parents=True)
            temp = "\n".join(f"{kind}_temp_path {folder}/temp/{kind};"
                             for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            (folder / "nginx.conf").write_text(
                f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n"
                f"events {{}}\nhttp {{ access_log off; {temp}\n"
                f"server {{ listen 127.0.0.1:{port}; root {folder}; {server} }} }}\n")
            stack.enter_context(serving([program, "-p", str(folder), "-c", str(folder / "nginx.conf"),
                                         "-e", str(folder / "error.log")], port))
            return port
        yield begin


@pytest.fixture(scope="session")
def httpbin():
    """The port of httpbin under gunicorn."""
    probe = subprocess.run(["/usr/bin/python3", "-c", "import httpbin, gunicorn"], capture_output=True)
    if probe.returncode != 0:
        pytest.skip("python3-httpbin and gunicorn are not installed: run .ci/setup test")
    port = free_port()
    with serving(["/usr/bin/python3", "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-w", "1", "--threads", "8",
                  "--keep-alive", "30", "httpbin:app"], port):
        yield port


@pytest.fixture(scope="session")
def function_server():
    """The port of express behind serverless-http, which takes events (tests/support/npm)."""
    folder = ROOT / "tests" / "support" / "npm"
    if not (folder / "node_modules" / "serverless-http").is_dir():
        pytest.skip("tests/support/npm is not installed: run .ci/setup npm")
    process = subprocess.Popen(["node", str(folder / "function_server.mjs")], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(process.stdout.readline())["port"]
    finally:
        process.terminate()
        process.wait(timeout=30)


def document(version: str = "1", extra: str = "") -> str:
    """A small document whose answers tell its version twice, in a header and in the body."""
    return f"""
openapi: 3.0.0
info: {{title: test, version: '{version}'}}
paths:
  /version:
    get:
      operationId: version
      x-yc-apigateway-integration:
        type: dummy
        http_headers: {{X-Version: '{version}', Content-Type: text/plain}}
        content: {{'*': 'version {version}'}}
  /hello/{{name}}:
    get:
      operationId: hello
      parameters: [{{name: name, in: path, required: true, schema: {{type: string}}}}]
      x-yc-apigateway-integration:
        type: dummy
        http_headers: {{X-Version: '{version}', Content-Type: text/plain}}
        content: {{'*': 'version {version} {{name}}'}}
{extra}"""
