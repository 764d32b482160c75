"""The end of the daemon: what is in flight is finished. daemon.md, "Stop"."""
import http.client
import json
import signal
import socket
import threading
import time

import pytest

from conftest import document, free_port, paths


def slow(port):
    return paths({"/slow": {"type": "http", "url": f"http://127.0.0.1:{port}/slow"},
                  "/c": {"type": "serverless_containers", "container_id": "bba1"},
                  "/f": {"type": "cloud_functions", "function_id": "d4e1"},
                  "/quick": {"get": {"type": "dummy", "content": {"*": "quick"}}}})


@pytest.fixture
def held(start, upstream):
    """(daemon, go, upstream): requests to /slow and /f are answered when `go` is set."""
    go = threading.Event()

    def handler(request, wire):
        assert go.wait(30)
        wire.answer(200, json.dumps({"body": "finished"}).encode() if request.target.startswith("/f") else b"finished")
    server = upstream(handler)

    def begin(**configuration):
        url = f"http://127.0.0.1:{server.port}"
        daemon = start({"a.json": slow(server.port)}, {"containers": {"bba1": {"url": url}},
                                                       "functions": {"d4e1": {"url": f"{url}/f"}}, **configuration})
        return daemon, go, server
    yield begin
    go.set()


class Asking(threading.Thread):
    def __init__(self, daemon, path):
        super().__init__(daemon=True)
        self.daemon_, self.path, self.result = daemon, path, None
        self.start()

    def run(self):
        try:
            self.result = self.daemon_.get(self.path)
        except (OSError, http.client.HTTPException) as error:
            self.result = error


def refuses(daemon, seconds=5):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", daemon.port), timeout=2).close()
        except OSError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_in_flight_is_finished(held, number):
    daemon, go, server = held()
    idle = daemon.connect()
    idle.sendall(b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n")
    assert idle.recv(4096).endswith(b"quick")
    asking = [Asking(daemon, path) for path in ("/slow", "/c", "/f")]
    server.wait_for(3)
    daemon.signal(number)
    assert refuses(daemon)
    assert idle.recv(4096) == b"", "an idle connection is closed at once"
    assert daemon.admin("GET", "/readyz")[0] == 503 and daemon.admin("GET", "/healthz")[0] == 200
    assert daemon.admin("POST", "/reload")[0] == 422
    assert daemon.process.poll() is None
    go.set()
    for one in asking:
        one.join(timeout=20)
        status, headers, body = one.result
        assert (status, body) == (200, b"finished") and headers["Connection"] == "close"
    assert daemon.process.wait(timeout=10) == 0
    assert "stopped" in daemon.log_file.read_text()
    assert len(daemon.access_log(4)) == 4


def test_a_second_signal_ends_at_once(held):
    daemon, _, server = held()
    asking = Asking(daemon, "/slow")
    server.wait_for(1)
    daemon.signal(signal.SIGTERM)
    assert refuses(daemon)
    daemon.signal(signal.SIGTERM)
    began = time.monotonic()
    assert daemon.process.wait(timeout=10) == 0 and time.monotonic() - began < 2
    asking.join(timeout=10)
    assert isinstance(asking.result, Exception)


def test_beyond_drain_timeout_it_is_cut(held):
    daemon, _, server = held(limits={"drain_timeout": "500ms"})
    asking = [Asking(daemon, path) for path in ("/slow", "/f")]
    server.wait_for(2)
    began = time.monotonic()
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(timeout=15) == 0
    assert 0.4 < time.monotonic() - began < 8
    for one in asking:
        one.join(timeout=10)
        assert isinstance(one.result, Exception)
    assert "drain_timeout" in daemon.log_file.read_text()


def test_a_download_is_finished(start, upstream):
    started = threading.Event()

    def handler(request, wire):
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(10):
            wire.chunk(b"%d" % number)
            started.set()
            time.sleep(0.1)
        wire.send(b"0\r\n\r\n")
    server = upstream(handler)
    daemon = start({"a.json": slow(server.port)}, {"containers": {"bba1": {"url": f"http://127.0.0.1:{server.port}"}},
                                                   "functions": {"d4e1": {"url": "http://127.0.0.1:1/"}}})
    asking = Asking(daemon, "/slow")
    assert started.wait(10)
    daemon.signal(signal.SIGTERM)
    asking.join(timeout=20)
    assert asking.result[::2] == (200, b"0123456789")
    assert daemon.process.wait(timeout=10) == 0


def test_an_upload_is_finished(start, upstream):
    server = upstream(lambda request, wire: wire.answer(200, str(len(request.body)).encode()))
    daemon = start({"a.json": slow(server.port)}, {"containers": {"bba1": {"url": f"http://127.0.0.1:{server.port}"}},
                                                   "functions": {"d4e1": {"url": "http://127.0.0.1:1/"}}})
    with daemon.connect() as client:
        client.sendall(b"PUT /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
        time.sleep(0.2)
        daemon.signal(signal.SIGTERM)
        assert refuses(daemon)
        client.sendall(b"x" * 500)
        answer = client.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"1000") and b"Connection: close" in answer
    assert daemon.process.wait(timeout=10) == 0


def test_a_head_that_has_begun_is_served(start):
    daemon = start({"a.yaml": document()})
    with daemon.connect() as client:
        client.sendall(b"GET /version HTTP/1.1\r\nHos")
        time.sleep(0.2)
        daemon.signal(signal.SIGTERM)
        assert refuses(daemon)
        client.sendall(b"t: x\r\n\r\n")
        assert b"version 1" in client.recv(4096)
    assert daemon.process.wait(timeout=10) == 0


def test_a_function_whose_client_has_gone_is_waited_for(held):
    daemon, go, server = held()
    client = daemon.connect()
    client.sendall(b"GET /f HTTP/1.1\r\nHost: x\r\n\r\n")
    server.wait_for(1)
    client.close()
    time.sleep(0.2)
    daemon.signal(signal.SIGTERM)
    time.sleep(0.5)
    assert daemon.process.poll() is None
    go.set()
    assert daemon.process.wait(timeout=10) == 0


def test_pipelined_requests_that_are_here_are_answered(start):
    daemon = start({"a.yaml": document()})
    with daemon.connect() as client:
        client.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        daemon.signal(signal.SIGTERM)
        raw = b"".join(iter(lambda: client.recv(65536), b""))
    # The answer that says it is the last one is the last one.
    assert raw.count(b"HTTP/1.1 200 ") == raw.count(b"version 1") >= 1
    assert daemon.process.wait(timeout=10) == 0


def test_clients_that_come_and_go_lose_nothing(start):
    """Every answer that a client waits for when the signal comes is whole, and later connects are refused."""
    daemon = start({"a.yaml": document()})
    faults, answers = [], []

    def client():
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=10)
                connection.connect()
            except OSError:
                return
            try:
                while True:
                    connection.request("GET", "/version")
                    answer = connection.getresponse()
                    if answer.read() != b"version 1":
                        faults.append("wrong")
                    answers.append(1)
                    if answer.will_close:
                        break
            except (OSError, http.client.HTTPException) as error:
                # A keep-alive connection that was idle may be closed as the next request comes: that is no loss.
                if not isinstance(error, (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)):
                    faults.append(repr(error))
            finally:
                connection.close()
    clients = [threading.Thread(target=client, daemon=True) for _ in range(16)]
    for one in clients:
        one.start()
    time.sleep(0.3)
    daemon.signal(signal.SIGTERM)
    for one in clients:
        one.join(timeout=20)
    assert faults == [] and len(answers) > 100
    assert daemon.process.wait(timeout=10) == 0


def test_a_removed_listener_finishes_what_is_in_flight(held):
    daemon, go, server = held()
    asking = Asking(daemon, "/slow")
    server.wait_for(1)
    second = free_port()
    daemon.configuration["listen"] = [{"address": "127.0.0.1", "port": second}]
    daemon.write_configuration()
    assert daemon.admin("POST", "/reload")[0] == 200
    assert refuses(daemon)
    go.set()
    asking.join(timeout=20)
    assert asking.result[::2] == (200, b"finished")
