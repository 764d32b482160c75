"""An upstream that is killed and comes back: nobody who reads notices, and nothing is sent twice. backends.md, "Retries"."""
import collections
import http.client
import itertools
import pathlib
import subprocess
import sys
import threading
import time

import pytest

from conftest import ROOT, free_port, paths, wait_for_port


class Restartable:
    """The counting upstream; the next one is started beforehand, so that its start takes no time."""

    def __init__(self, folder: pathlib.Path):
        self.port, self.notes, self.running, self.next = free_port(), folder / "posts", None, None
        self.prepare()

    def prepare(self):
        self.next = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "support" / "counting_upstream.py"), str(self.port), str(self.notes)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.next.stdout.readline() == "waiting\n"

    def begin(self):
        self.running, self.next = self.next, None
        self.running.stdin.write("\n")
        self.running.stdin.flush()

    def kill(self):
        self.running.kill()
        self.running.wait()

    def close(self):
        for process in (self.running, self.next):
            if process is not None:
                process.kill()
                process.wait()
                process.stdin.close()
                process.stdout.close()


class Client(threading.Thread):
    def __init__(self, port: int, number: int, stop: threading.Event, method: str):
        super().__init__(daemon=True)
        self.port, self.number, self.stop, self.method = port, number, stop, method
        self.statuses = collections.Counter()
        self.faults, self.connections = [], 0

    def run(self):
        connection = None
        for count in itertools.count():
            if self.stop.is_set():
                break
            target = f"/x/{self.number}-{count}"
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                    self.connections += 1
                connection.request(self.method, target, body=b"once" if self.method == "POST" else None)
                answer = connection.getresponse()
                body = answer.read()
                self.statuses[answer.status] += 1
                if answer.status == 200 and body != f"{self.method} {target}".encode():
                    self.faults.append(f"{target} got {body!r}")
                if answer.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                self.faults.append(f"{target}: {error!r}")
                connection = None
            time.sleep(0.002)
        if connection is not None:
            connection.close()


@pytest.mark.parametrize("kind", ["http", "container"])
def test_killed_three_times_under_load(start, tmp_path, kind):
    server = Restartable(tmp_path)
    integration = {"type": "http", "url": f"http://127.0.0.1:{server.port}/x/{{id}}", "headers": {"*": "*"}} \
        if kind == "http" else {"type": "serverless_containers", "container_id": "bba1"}
    daemon = start({"a.json": paths({"/x/{id}": integration})},
                   {"containers": {"bba1": {"url": f"http://127.0.0.1:{server.port}"}}})
    stop = threading.Event()
    readers = [Client(daemon.port, number, stop, "GET") for number in range(24)]
    writers = [Client(daemon.port, number, stop, "POST") for number in range(24, 32)]
    try:
        server.begin()
        wait_for_port(server.port)
        for client in readers + writers:
            client.start()
        time.sleep(1)
        for _ in range(3):
            server.prepare()
            server.kill()
            time.sleep(0.5)
            server.begin()
            time.sleep(1)
    finally:
        stop.set()
        for client in readers + writers:
            if client.is_alive():
                client.join(timeout=30)
        server.close()
    read = sum((client.statuses for client in readers), collections.Counter())
    written = sum((client.statuses for client in writers), collections.Counter())
    assert [fault for client in readers + writers for fault in client.faults] == []
    told = [(entry["slug"], entry["detail"], entry["duration"]) for entry in daemon.access_log()
            if entry["status"] != 200 and entry["method"] == "GET"]
    assert set(read) == {200} and read[200] > 1000, (read, told)
    # A request that may have been carried out is not tried again: its client is told.
    assert set(written) <= {200, 502} and written[502] <= 10 * len(writers), written
    times = collections.Counter(server.notes.read_text().split())
    assert max(times.values()) == 1, [target for target, count in times.items() if count > 1]
    assert len(times) >= written[200]
    assert all(client.connections == 1 for client in readers + writers)


def test_a_connection_that_the_upstream_closes_between_two_requests(start, upstream):
    """Keep-alive races: the upstream ends each connection right after an answer that said nothing of it."""
    def handler(request, wire):
        wire.answer(200, request.target.encode())
        return False
    server = upstream(handler)
    daemon = start({"a.json": paths({"/x/{id}": {"type": "http", "url": f"http://127.0.0.1:{server.port}/{{id}}"}})})
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
    for number in range(300):
        method = ("GET", "POST", "PUT")[number % 3]
        connection.request(method, f"/x/{number}")
        answer = connection.getresponse()
        body = answer.read()
        if method != "POST" or answer.status == 200:
            assert (answer.status, body) == (200, f"/{number}".encode()), (method, number)
        else:
            assert answer.status == 502
    connection.close()
    times = collections.Counter(request.target for request in server.requests if request.method == "POST")
    assert not times or max(times.values()) == 1


def test_a_refused_connect_is_tried_for_a_second_by_any_method(start, tmp_path):
    server = Restartable(tmp_path)
    daemon = start({"a.json": paths({"/x/{id}": {"type": "http", "url": f"http://127.0.0.1:{server.port}/x/{{id}}"}})})
    try:
        threading.Timer(0.4, server.begin).start()
        status, _, body = daemon.request("POST", "/x/1", body=b"once")
        assert (status, body) == (200, b"POST /x/1")
        assert server.notes.read_text() == "/x/1\n"
        server.kill()
        began = time.monotonic()
        assert daemon.request("GET", "/x/2")[0] == 502
        assert 0.5 < time.monotonic() - began < 4
    finally:
        time.sleep(0.1)
        server.close()
