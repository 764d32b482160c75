"""Processes, cores, ports and counters of the machine that a benchmark runs on. Linux only."""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SLUICE_BUILD_DIR", ROOT / "build"))
SLUICE = pathlib.Path(os.environ.get("SLUICE_BIN", BUILD / "sluice"))
LOAD = BUILD / "tests" / "bench" / "bench_load"
SERVER = BUILD / "tests" / "bench" / "bench_server"

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = CORES[0]  # what is measured
LOAD_CORE = CORES[1 % len(CORES)]  # the load tool and the upstream
TICK = os.sysconf("SC_CLK_TCK")


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Process:
    """A server of a benchmark: started on a core, ended by `stop`."""

    def __init__(self, command: list, core: int, log: pathlib.Path, env: dict | None = None):
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={**os.environ, **(env or {})}, preexec_fn=lambda: os.sched_setaffinity(0, {core}))
        self.pid = self.process.pid

    def tree(self) -> list[int]:
        """This process and everything below it."""
        found, todo = [], [self.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    todo += map(int, task.read_text().split())
        return found

    def own_cpu_seconds(self) -> float:
        """User and system time of the process itself, without its children."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cpu_seconds(self) -> float:
        """User and system time of the whole tree."""
        ticks = 0
        for pid in self.tree():
            with contextlib.suppress(OSError):
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / TICK

    def memory(self, key: str = "Pss") -> int:
        """Bytes of the whole tree: Pss (shared pages counted by halves) or Rss."""
        total = 0
        for pid in self.tree():
            with contextlib.suppress(OSError):
                for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith(f"{key}:"):
                        total += int(line.split()[1]) * 1024
        return total

    def wait_for(self, port: int, seconds: float = 30) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.02)
        tail = self.log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{self.process.args[0]} does not listen on port {port}:\n{tail}")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def load(mode: str, port: int, *arguments, core: int = LOAD_CORE) -> dict:
    """Runs the load tool to its end and returns what it counted; errors of any kind are an exception."""
    command = [str(LOAD), mode, "--port", str(port), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
                          preexec_fn=lambda: os.sched_setaffinity(0, {core}))
    if done.returncode == 2 or not done.stdout.strip():
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    counted = json.loads(done.stdout.strip().splitlines()[-1])
    if counted["errors"]:
        raise RuntimeError(f"{' '.join(command)}: {counted['errors']} errors, first: {counted['first_error']}")
    return counted


class IdleConnections:
    """Connections that had one answer each and are now held open."""

    def __init__(self, port: int, path: str, count: int, tls: bool):
        command = [str(LOAD), "idle", "--port", str(port), "--path", path, "--connections", str(count)]
        self.process = subprocess.Popen(command + (["--tls"] if tls else []), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True,
                                        preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CORE}))
        line = self.process.stdout.readline()
        if line.strip() != "ready":
            raise RuntimeError(f"idle connections to port {port}: {line}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        counted = json.loads(self.process.stdout.read())
        self.process.wait()
        if counted["errors"] and sys.exc_info()[0] is None:
            raise RuntimeError(f"idle connections: {counted['errors']} errors, first: {counted['first_error']}")


def certificate(folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """A P-256 certificate for localhost, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", str(key), "-out", str(cert)],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return cert, key


def need(*tools: str) -> None:
    """Ends with a message where a tool is missing."""
    for tool in tools:
        if not shutil.which(tool) and not pathlib.Path(tool).exists():
            sys.exit(f"{tool} is missing; make bench installs and builds what is needed")
