"""What functions and containers start ends with them, in whatever session it is: no process is left, none becomes a zombie,
nobody else's process is touched."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from conftest import paths
from local_functions import ask, begin, python, read

# Leaves two behind: a child in a session of its own, and one that has lost its parent, as daemons do.
LEAVES = """
import os, subprocess, sys, time
def handler(event, context):
    step = event["queryStringParameters"]["do"]
    child = subprocess.Popen(["setsid", "sleep", "1000"])
    orphan = subprocess.run(["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $!"], capture_output=True, text=True).stdout
    print("left", os.getpid(), child.pid, orphan, flush=True)
    with open("left", "w") as file:
        file.write(f"{os.getpid()} {child.pid} {orphan}")
    if step == "loop":
        time.sleep(60)
    if step == "exit":
        os._exit(3)
    if step == "memory":
        subprocess.run(["sh", "-c", "setsid python3 -c 'held = bytearray(400 << 20); import time; time.sleep(60)' &"])
        time.sleep(60)
    return {"body": "fine"}
"""


def state(pid: int) -> str:
    text = read(pathlib.Path(f"/proc/{pid}/stat"))
    return text[text.rfind(")") + 2] if text else ""


def gone(pids, seconds=5) -> bool:
    until = time.monotonic() + seconds
    while any(state(pid) for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def left(daemon) -> list[int]:
    return [int(pid) for pid in read(daemon.folder / "fn/left").split()]


@pytest.mark.parametrize("step, status", [("loop", 504), ("exit", 502), ("memory", 502)])
def test_what_a_function_leaves_behind_ends_with_it(start, step, status):
    daemon = begin(start, {"fn/main.py": LEAVES}, fn=python(directory="fn", timeout="2s", memory="128MiB", workers=1))
    bystander = subprocess.Popen(["setsid", "sleep", "1000"])
    try:
        got, body = ask(daemon, f"/fn?do={step}")
        assert got == status, body
        family = left(daemon)
        assert len(family) == 3 and gone(family), [(pid, state(pid)) for pid in family]
        assert ask(daemon, "/fn?do=fine") == (200, "fine")
        family = left(daemon)
        assert all(state(pid) in "SRD" for pid in family), "they live as long as their function's process"
        assert daemon.stop() == 0
        assert gone(family) and state(bystander.pid) in "SRD"
    finally:
        bystander.kill()
        bystander.wait()


def test_orphans_that_end_are_no_zombies(start):
    code = """
import subprocess
def handler(event, context):
    out = subprocess.run(["sh", "-c", "setsid sh -c 'sleep 0.1' >/dev/null 2>&1 </dev/null & echo $!"], capture_output=True, text=True).stdout
    return {"body": out.strip()}
"""
    daemon = begin(start, {"main.py": code}, fn=python(workers=1))
    pids = [int(ask(daemon, "/fn")[1]) for _ in range(20)]
    assert gone(pids), "orphans are not reaped"


def test_a_container_that_daemonizes_ends_whole(start):
    server = ("import os, http.server, subprocess\nsubprocess.run(['sh', '-c', 'setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $! > orphan'])\n"
              "class H(http.server.BaseHTTPRequestHandler):\n"
              "    def do_GET(self):\n"
              "        text = open('orphan').read().encode()\n"
              "        self.send_response(200); self.send_header('Content-Length', str(len(text))); self.end_headers(); self.wfile.write(text)\n"
              "http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), H).serve_forever()\n")
    daemon = start({"api.yaml": paths({"/{rest+}": {"type": "serverless_containers", "container_id": "bba1"}}), "app/server.py": server},
                   {"containers": {"bba1": {"command": [sys.executable, "server.py"], "directory": "app"}}})
    orphan = int(daemon.get("/x")[2])
    assert state(orphan) in "SRD"
    parent = int(read(pathlib.Path(f"/proc/{orphan}/stat")).rsplit(")", 1)[1].split()[1])
    assert parent == daemon.process.pid
    leader = next(int(pid) for task in pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir() for pid in read(task / "children").split() if int(pid) != orphan)
    os.kill(leader, signal.SIGKILL)
    assert gone([orphan])
    again = int(daemon.get("/x")[2])
    assert again != orphan and state(again) in "SRD"
    assert daemon.stop() == 0
    assert gone([again])


@pytest.mark.skipif(os.getuid() != 0, reason="needs root for a process namespace")
def test_as_the_first_process_of_a_container(start, tmp_path):
    """It reaps what is nobody's there, its own or not, and kills only its own."""
    daemon = begin(start, {"fn/main.py": LEAVES}, fn=python(directory="fn", workers=1, timeout="2s"))
    port = daemon.port
    assert daemon.stop() == 0
    binary = daemon.process.args[0]
    inside = subprocess.Popen(["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", binary, "serve", "--config", str(daemon.folder / "sluice.yaml")],
                              stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while True:
            try:
                assert daemon.get("/fn?do=fine")[0] == 200
                break
            except OSError:
                assert time.monotonic() < until, port
                time.sleep(0.05)
        first = int(read(pathlib.Path(f"/proc/{inside.pid}/task/{inside.pid}/children")))
        # As `docker exec` does: a process beside it, whose orphan becomes a child of the first one.
        subprocess.run(["nsenter", "--pid", "--mount", "--target", str(first), "sh", "-c",
                        "setsid sleep 0.2 & setsid sleep 1000 & sleep 0.1"], check=True)
        assert ask(daemon, "/fn?do=loop")[0] == 504 and ask(daemon, "/fn?do=fine")[0] == 200
        time.sleep(0.3)

        def below(pid: int) -> list[int]:
            found = []
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                for child in map(int, read(task / "children").split()):
                    found += [child, *below(child)]
            return found
        family = below(first)
        names = sorted(read(pathlib.Path(f"/proc/{pid}/comm")).strip() for pid in family)
        assert not [pid for pid in family if state(pid) == "Z"], "a zombie"
        # The stranger, and what the warm process has started.
        assert names.count("sleep") == 3, names
        os.kill(first, signal.SIGTERM)
        assert inside.wait(20) == 0
    finally:
        inside.kill()
        inside.wait()
