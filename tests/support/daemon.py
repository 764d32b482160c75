"""Starts the daemon for a test: a configuration in a folder of its own, ports that the kernel picks, an end that the
test controls. The program is SLUICE_BIN, else build/sluice.

    with Daemon(tmp_path, {"hello.yaml": DOCUMENT}) as daemon:
        status, headers, body = daemon.get("/hello")
"""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SLUICE = os.environ.get("SLUICE_BIN") or str(ROOT / "build" / "sluice")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port: int, alive=lambda: True, seconds: float = 60) -> None:
    """Until somebody listens there; `alive` tells whether waiting still makes sense."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and alive():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nobody listens on port {port}")


class Daemon:
    """`files`: name → text, the first one is the document of the default gateway, unless `gateways` lists them.
    `configuration`: further keys, as Python values; `listen` is a plain listener unless given, and `ready_port` then tells
    where it will listen. `under`: a command that runs the program as the process that it is itself."""

    def __init__(self, folder: pathlib.Path, files: dict[str, str], configuration: dict | None = None,
                 arguments: list[str] | None = None, env: dict[str, str] | None = None, ready_port: int | None = None,
                 under: list[str] | None = None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.admin_port = free_port()
        self.ready_port = ready_port or self.port
        for name, text in files.items():
            self.write(name, text)
        self.log_file = self.folder / "access.log"
        self.stderr_file = self.folder / "stderr.log"
        self.configuration = {
            "listen": [{"address": "127.0.0.1", "port": self.port}],
            "gateways": [{"spec": next(iter(files))}] if files else [],
            "admin": {"address": "127.0.0.1", "port": self.admin_port},
            "log": {"level": "info", "format": "json", "access": True, "output": str(self.log_file)},
            **(configuration or {}),
        }
        self.arguments, self.env, self.under = arguments or [], env or {}, under or []
        self.process: subprocess.Popen | None = None

    def write(self, name: str, text: str) -> pathlib.Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def write_configuration(self) -> pathlib.Path:
        # JSON is YAML.
        return self.write("sluice.yaml", json.dumps(self.configuration, indent=1))

    def start(self) -> "Daemon":
        config = self.write_configuration()
        with self.stderr_file.open("ab") as stderr:
            self.process = subprocess.Popen([*self.under, SLUICE, "serve", "--config", str(config), *self.arguments],
                                            stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                                            env={**os.environ, **self.env})
        try:
            wait_for_port(self.ready_port, lambda: self.process.poll() is None)
        except RuntimeError as error:
            self.stop()
            raise RuntimeError(f"{error}:\n{self.stderr()}") from error
        return self

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self, seconds: float = 40) -> int:
        """Ends it as an operator would; returns the exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise RuntimeError(f"the daemon did not end within {seconds} s of SIGTERM:\n{self.stderr()}") from None
        return self.process.returncode

    def __enter__(self) -> "Daemon":
        return self.start()

    def __exit__(self, kind, *_) -> None:
        code = self.stop()
        if kind is None and code != 0:
            raise RuntimeError(f"the daemon ended with {code}:\n{self.stderr()}")

    def stderr(self) -> str:
        return self.stderr_file.read_text(errors="replace")[-8000:]

    def connect(self, timeout: float = 30) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def request(self, method: str, target: str, headers: dict | None = None, body: bytes | str | None = None,
                timeout: float = 30) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, target, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def get(self, target: str, headers: dict | None = None) -> tuple[int, http.client.HTTPMessage, bytes]:
        return self.request("GET", target, headers)

    def admin(self, method: str, target: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=30)
        try:
            connection.request(method, target)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def access_log(self, at_least: int = 0, seconds: float = 10) -> list[dict]:
        """The access log's objects so far; waits until there are that many (lines are written off the request path)."""
        until = time.monotonic() + seconds
        while True:
            text = self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
            lines = text[:text.rfind("\n") + 1].splitlines()  # the last one may be half written
            entries = [entry for entry in map(json.loads, filter(None, lines)) if "status" in entry]
            if len(entries) >= at_least or time.monotonic() > until:
                return entries
            time.sleep(0.02)
