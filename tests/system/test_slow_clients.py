"""Clients that hold connections and do nothing with them. engineering defaults; docs/configuration.md, `limits`."""
import http.client
import os
import resource
import select
import socket
import threading
import time

import pytest

from conftest import document

SOCKETS = 2000


@pytest.fixture(autouse=True, scope="module")
def enough_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * SOCKETS + 200:
        pytest.skip(f"only {hard} open files are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(65536, hard if hard != resource.RLIM_INFINITY else 65536)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Probes(threading.Thread):
    """Asks over new connections again and again."""

    def __init__(self, port: int):
        super().__init__(daemon=True)
        self.port, self.stop, self.times, self.faults = port, threading.Event(), [], []

    def run(self):
        while not self.stop.is_set():
            began = time.monotonic()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                connection.request("GET", "/version")
                answer = connection.getresponse()
                if answer.status != 200 or answer.read() != b"version 1":
                    self.faults.append(answer.status)
                connection.close()
                self.times.append(time.monotonic() - began)
            except OSError as error:
                self.faults.append(repr(error))
            time.sleep(0.02)


def test_two_thousand_slow_heads(start):
    daemon = start({"a.yaml": document()})
    began = time.monotonic()
    held = {}
    poller = select.poll()
    probes = Probes(daemon.port)
    probes.start()
    try:
        for _ in range(SOCKETS):
            client = daemon.connect()
            client.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            client.setblocking(False)
            held[client.fileno()] = client
            poller.register(client, select.POLLIN)
        opened = time.monotonic()
        answers, ends, next_byte = {}, {}, opened + 1
        while len(ends) < SOCKETS and time.monotonic() < opened + 20:
            for descriptor, _ in poller.poll(200):
                client = held[descriptor]
                try:
                    data = client.recv(4096)
                except BlockingIOError:
                    continue
                except ConnectionError:
                    data = b""
                answers[descriptor] = answers.get(descriptor, b"") + data
                if not data or b"Connection: close" in answers[descriptor]:
                    ends[descriptor] = time.monotonic()
                    poller.unregister(client)
                    client.close()
            if time.monotonic() > next_byte:  # another byte each second, as such clients do
                next_byte += 1
                for descriptor, client in held.items():
                    if descriptor not in ends:
                        try:
                            client.send(b"y")
                        except OSError:
                            pass
    finally:
        probes.stop.set()
        probes.join(timeout=20)
        for client in held.values():
            client.close()
    assert len(ends) == SOCKETS
    assert max(ends.values()) - opened < 12, max(ends.values()) - opened
    assert min(ends.values()) - began > 9
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers.values())
    assert probes.faults == [] and len(probes.times) > 50
    assert max(probes.times) < 2, max(probes.times)
    until = time.monotonic() + 5
    while "sluice_connections 1\n" not in daemon.admin("GET", "/metrics")[1].decode() and time.monotonic() < until:
        time.sleep(0.1)
    count = next(line for line in daemon.admin("GET", "/metrics")[1].decode().splitlines()
                 if line.startswith("sluice_connections "))
    assert float(count.split()[1]) <= 1


@pytest.mark.parametrize("limits,begin,status", [
    ({"header_timeout": "500ms"}, b"GET / HT", 408),
    ({"header_timeout": "500ms"}, b"GET /version HTTP/1.1\r\nHost: x\r\n\r\nGET /ver", 408),
    ({"keep_alive_timeout": "500ms"}, b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n", None),
    ({"keep_alive_timeout": "500ms"}, b"", None),
    ({"body_grace": "500ms"}, b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nhalf", 408),
])
def test_times_of_a_connection(start, upstream, limits, begin, status):
    server = upstream()
    daemon = start({"a.yaml": document(extra=f"""  /up:
    post:
      x-yc-apigateway-integration: {{type: http, url: 'http://127.0.0.1:{server.port}/'}}
""")}, {"limits": limits})
    with daemon.connect(10) as client:
        began = time.monotonic()
        client.sendall(begin)
        raw = b"".join(iter(lambda: client.recv(65536), b""))
        assert 0.3 < time.monotonic() - began < 4
    answers = [part for part in raw.split(b"HTTP/1.1 ")[1:]]
    if status is not None:
        assert answers[-1].startswith(str(status).encode()) and b"requestId" in answers[-1]
    else:
        assert all(answer.startswith(b"200") for answer in answers)


def test_a_body_that_trickles_above_the_rate_is_taken(start, upstream):
    server = upstream()
    daemon = start({"a.yaml": document(extra=f"""  /up:
    post:
      x-yc-apigateway-integration: {{type: http, url: 'http://127.0.0.1:{server.port}/'}}
""")}, {"limits": {"body_grace": "300ms", "body_rate": "500B"}})
    with daemon.connect(10) as client:
        client.sendall(b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n")
        for _ in range(20):
            client.sendall(b"x" * 100)
            time.sleep(0.05)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.skipif("ASAN_OPTIONS" in os.environ, reason="what ASan puts around memory is not the daemon's")
def test_idle_connections_are_cheap(start):
    daemon = start({"a.yaml": document()}, {"workers": 1})

    def memory():
        with open(f"/proc/{daemon.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    held = []
    for _ in range(20):
        assert daemon.get("/version")[0] == 200
    before = memory()
    for _ in range(1000):
        client = socket.create_connection(("127.0.0.1", daemon.port), timeout=10)
        client.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"version 1" in client.recv(4096)
        held.append(client)
    time.sleep(2.5)
    each = (memory() - before) / len(held)
    for client in held:
        client.close()
    assert each < 8, f"{each} KiB a connection"
