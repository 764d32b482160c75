"""Workers of functions that are killed at random while events come: every event is answered, none runs twice, nothing is left."""
import collections
import concurrent.futures
import json
import os
import pathlib
import random
import signal
import threading
import time

from local_functions import begin, node, read

EVENTS = int(os.environ.get("SLUICE_CHAOS_EVENTS") or 10_000)
CLIENTS = 8

CODE = """
const fs = require("fs");
exports.handler = async (event) => {
  fs.appendFileSync("ran/log", event.queryStringParameters.n + "\\n");
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
  return {body: event.queryStringParameters.n};
};
"""


def workers_of(pid: int) -> list[int]:
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in read(children).split()]


def test_workers_killed_at_random(start):
    daemon = begin(start, {"fn/index.js": CODE, "fn/ran/log": ""}, fn=node(directory="fn", workers=4))
    assert daemon.get("/fn?n=first")[0] == 200
    descriptors = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
    over = threading.Event()
    killed = 0

    def kill():
        nonlocal killed
        chance = random.Random(7)
        while not over.wait(0.1):
            if running := workers_of(daemon.process.pid):
                try:
                    os.kill(chance.choice(running), signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    pass

    def ask(numbers):
        answers = []
        connection = None
        import http.client
        for number in numbers:
            connection = connection or http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
            connection.request("GET", f"/fn?n={number}")
            answer = connection.getresponse()
            answers.append((number, answer.status, answer.read()))
        connection.close()
        return answers

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            answers = [answer for part in pool.map(ask, [range(first, EVENTS, CLIENTS) for first in range(CLIENTS)]) for answer in part]
    finally:
        over.set()
        killer.join()
    statuses = collections.Counter(status for _, status, _ in answers)
    print(dict(statuses), "killed", killed)
    assert len(answers) == EVENTS and set(statuses) <= {200, 502, 504}, statuses
    assert killed >= 5 and statuses[200] > EVENTS * 0.5, (killed, statuses)
    assert all(body.decode() == str(number) for number, status, body in answers if status == 200)
    ran = collections.Counter((daemon.folder / "fn/ran/log").read_text().split())
    assert not [number for number, times in ran.items() if times > 1], "an event ran twice"
    assert all(ran[str(number)] == 1 for number, status, _ in answers if status == 200)

    # No zombie, no descriptor left: idle processes hold as many as before, each.
    until = time.monotonic() + 10
    while True:
        alive = workers_of(daemon.process.pid)
        zombies = [pid for pid in alive if ") Z " in read(pathlib.Path(f"/proc/{pid}/stat"))]
        now = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
        each = 6 + (os.cpu_count() or 2)  # pidfd, two pipes, control channel, a channel a thread
        if not zombies and now <= descriptors + each * max(0, len(alive) - 1) + CLIENTS:
            break
        assert time.monotonic() < until, (zombies, descriptors, now, alive)
        time.sleep(0.1)
    # Where starting takes longer than the killer gives, starts have failed in a row: the pause after them is 5 s at most.
    until = time.monotonic() + 15
    while (status := daemon.get("/fn?n=last")[0]) != 200:
        assert status == 502 and time.monotonic() < until, status
        time.sleep(0.1)
    metrics = daemon.admin("GET", "/metrics")[1].decode()
    assert 'sluice_function_queue{function="fn"} 0' in metrics
    assert json.dumps(metrics).count("sluice_function_crashes_total{function=") == 1
