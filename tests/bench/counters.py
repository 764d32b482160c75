"""What a request costs by counters that noise hardly touches: instructions (callgrind) and system calls (strace).

Each is the difference of two runs with different numbers of requests, so that start and end do not count.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import machine
import peers

FEW, MANY = 2000, 12000
CONNECTIONS = 64
PATHS = {"static": "/static", "proxied": "/proxy/small"}


class Unavailable(Exception):
    """The tool cannot run here (ptrace forbidden, for example)."""


def _without_debug(folder: pathlib.Path) -> pathlib.Path:
    """A copy of the daemon without debug information: valgrind 3.19 cannot read what clang 19 writes."""
    copy = folder / "sluice-without-debug"
    if not copy.exists():
        tool = shutil.which("objcopy") or shutil.which("llvm-objcopy-19")
        if not tool:
            raise Unavailable("neither objcopy nor llvm-objcopy-19 is there")
        subprocess.run([tool, "--strip-debug", machine.SLUICE, copy], check=True)
    return copy


def _run(folder: pathlib.Path, upstream: int, wrapper: list, path: str, requests: int,
         binary: pathlib.Path = machine.SLUICE) -> None:
    """Runs sluice below a tool, sends that many requests, ends it as an operator would."""
    peer = peers.Sluice(folder, upstream)
    peer.binary = binary
    try:
        peer.start(wrapper, wait=60)
    except RuntimeError as error:
        peer.stop()
        raise Unavailable(str(error)) from error
    try:
        machine.load("closed", peer.port, "--path", path, "--requests", requests, "--connections", CONNECTIONS)
        children = [pid for pid in peer.process.tree() if pid != peer.process.pid]
        # valgrind is the daemon itself, strace has it as its child.
        os.kill(children[0] if children else peer.process.pid, signal.SIGTERM)
        until = time.monotonic() + 60
        while peer.process.process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        peer.stop()


def instructions(folder: pathlib.Path, upstream: int, path: str) -> float:
    machine.need("valgrind")
    totals = []
    for requests in (FEW, MANY):
        log, out = folder / "callgrind.log", folder / "callgrind.out"
        log.unlink(missing_ok=True)
        wrapper = ["valgrind", "--tool=callgrind", f"--log-file={log}", f"--callgrind-out-file={out}"]
        try:
            _run(folder, upstream, wrapper, path, requests, _without_debug(folder))
        except Unavailable as error:
            raise Unavailable(log.read_text(errors="replace")[-1000:] if log.exists() else str(error)) from error
        collected = re.findall(r"Collected\s*:\s*(\d+)", log.read_text(errors="replace"))
        if not collected:
            raise Unavailable(log.read_text(errors="replace")[-1000:])
        totals.append(int(collected[-1]))
    return (totals[1] - totals[0]) / (MANY - FEW)


def system_calls(folder: pathlib.Path, upstream: int, path: str) -> float:
    machine.need("strace")
    totals = []
    for requests in (FEW, MANY):
        out = folder / "strace.out"
        out.unlink(missing_ok=True)
        _run(folder, upstream, ["strace", "-f", "-c", "-o", str(out)], path, requests)
        text = out.read_text(errors="replace") if out.exists() else ""
        total = re.search(r"^\s*100\.00\s+\S+\s+\S+\s+(\d+).*total", text, re.MULTILINE)
        if not total:
            raise Unavailable(text[-1000:] or "strace wrote nothing")
        totals.append(int(total[1]))
    return (totals[1] - totals[0]) / (MANY - FEW)
