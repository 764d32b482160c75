"""Reload: all or nothing, seen by nobody. daemon.md, "Operation"."""
import http.client
import json
import os
import re
import signal
import socket
import threading
import time

import pytest

from conftest import document, free_port


def reload(daemon):
    status, body = daemon.admin("POST", "/reload")
    return status, json.loads(body)


def wait_for_version(daemon, version, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if daemon.get("/version")[1]["X-Version"] == version:
            return
        time.sleep(0.02)
    raise AssertionError(f"version {version} never came:\n{daemon.stderr()}")


def wait_for_log(daemon, text, seconds=20):
    """Lines are written by a thread of their own."""
    until = time.monotonic() + seconds
    while text not in daemon.log_file.read_text() and time.monotonic() < until:
        time.sleep(0.02)
    assert text in daemon.log_file.read_text()


class Client(threading.Thread):
    """Asks over one connection that it keeps, and notes whatever is not as it should be."""

    def __init__(self, port, path, stop, pause=0.0):
        super().__init__(daemon=True)
        self.port, self.path, self.stop, self.pause = port, path, stop, pause
        self.answers = self.connections = 0
        self.faults, self.versions = [], []

    def run(self):
        while not self.stop.is_set():
            try:
                self.one_connection()
            except OSError as error:
                self.faults.append(f"lost: {error!r}")

    def one_connection(self):
        self.connections += 1
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request = f"GET {self.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            pending, first = b"", True
            while not self.stop.is_set():
                client.sendall(request)
                while (end := pending.find(b"\r\n\r\n")) < 0:
                    data = client.recv(65536)
                    if not data:
                        self.faults.append("lost: no answer on a new connection" if first else "stale close")
                        return
                    pending += data
                head = pending[:end].decode()
                length = int(re.search(r"(?i)\r\ncontent-length: (\d+)", head).group(1))
                while len(pending) < end + 4 + length:
                    data = client.recv(65536)
                    if not data:
                        self.faults.append("lost: cut body")
                        return
                    pending += data
                body, pending = pending[end + 4:end + 4 + length].decode(), pending[end + 4 + length:]
                self.check(head, body)
                self.answers += 1
                first = False
                if "connection: close" in head.lower():
                    return
                if self.pause:
                    time.sleep(self.pause)

    def check(self, head, body):
        version = re.search(r"(?i)\r\nx-version: (\w+)", head)
        if not head.startswith("HTTP/1.1 200 "):
            self.faults.append(f"wrong: {head.splitlines()[0]}")
        elif not version or f"version {version.group(1)}" not in body:
            self.faults.append(f"mixed: {version and version.group(1)} and {body!r}")
        elif not self.versions or self.versions[-1] != version.group(1):
            self.versions.append(version.group(1))


@pytest.mark.parametrize("way", ["admin", "signal"])
def test_twenty_reloads_under_load(start, way):
    daemon = start({"a.yaml": document("v0")})
    stop = threading.Event()
    clients = [Client(daemon.port, "/version" if index % 2 else "/hello/x", stop, 0.001) for index in range(32)]
    for client in clients:
        client.start()
    time.sleep(0.2)
    for number in range(1, 21):
        daemon.write("a.yaml", document(f"v{number}"))
        if way == "admin":
            assert reload(daemon)[0] == 200
        else:
            daemon.signal(signal.SIGHUP)
        wait_for_version(daemon, f"v{number}")
    time.sleep(0.2)
    stop.set()
    for client in clients:
        client.join(timeout=60)
    faults = [fault for client in clients for fault in client.faults]
    assert faults == []
    assert all(client.connections == 1 for client in clients)
    assert sum(client.answers for client in clients) > 1000
    for client in clients:
        order = [int(version[1:]) for version in client.versions]
        assert order == sorted(order) and order[-1] == 20


def test_after_the_answer_of_reload_every_request_is_new(start):
    daemon = start({"a.yaml": document("v0")})
    connections = [http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30) for _ in range(8)]
    for number in range(1, 11):
        daemon.write("a.yaml", document(f"v{number}"))
        assert reload(daemon)[0] == 200
        for connection in connections:
            connection.request("GET", "/version")
            assert connection.getresponse().read().decode() == f"version v{number}"


def test_a_bad_reload_changes_nothing(start):
    daemon = start({"a.yaml": document("v0"), "b.yaml": document("w0")},
                   {"gateways": [{"spec": "a.yaml"}, {"spec": "b.yaml", "domains": ["b.example"]}]})
    keep = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
    keep.request("GET", "/version")
    assert keep.getresponse().read() == b"version v0"
    daemon.write("a.yaml", document("v1"))
    daemon.write("b.yaml", document("w1").replace("type: dummy", "type: dumy"))
    daemon.configuration["limits"] = {"header_bytes": 12}
    daemon.write_configuration()
    status, body = reload(daemon)
    assert status == 422
    assert body["result"] == "failed"
    rules = [(entry["file"].rsplit("/", 1)[-1], entry["severity"]) for entry in body["errors"]]
    assert rules.count(("b.yaml", "error")) == 2 and ("sluice.yaml", "error") in rules
    assert all({"file", "line", "column", "severity", "rule", "message", "hint"} == set(entry) for entry in body["errors"])
    keep.request("GET", "/version")
    assert keep.getresponse().read() == b"version v0"
    assert daemon.get("/version", {"Host": "b.example"})[2] == b"version w0"
    shown = json.loads(daemon.admin("GET", "/gateways")[1])
    assert all(entry["last_error"] == body["errors"] and entry["version"] == 1 for entry in shown)
    metrics = daemon.admin("GET", "/metrics")[1].decode()
    assert 'sluice_reloads_total{result="failed"} 1' in metrics and "sluice_reload_last_failed 1" in metrics
    wait_for_log(daemon, "reload failed")
    # Mended, it goes through.
    daemon.write("b.yaml", document("w1"))
    del daemon.configuration["limits"]
    daemon.write_configuration()
    assert reload(daemon)[0] == 200
    assert daemon.get("/version", {"Host": "b.example"})[2] == b"version w1"
    assert all(entry["last_error"] is None and entry["version"] == 2 for entry in json.loads(daemon.admin("GET", "/gateways")[1]))
    assert "sluice_reload_last_failed 0" in daemon.admin("GET", "/metrics")[1].decode()


def test_a_bad_reload_by_signal(start):
    daemon = start({"a.yaml": document("v0")})
    for number in range(1, 4):
        daemon.write("a.yaml", document(f"v{number}").replace("type: dummy", "type: dumy", 1))
        daemon.signal(signal.SIGHUP)
        until = time.monotonic() + 20
        while f'result="failed"}} {number}\n' not in daemon.admin("GET", "/metrics")[1].decode() and time.monotonic() < until:
            time.sleep(0.02)
        assert f'result="failed"}} {number}\n' in daemon.admin("GET", "/metrics")[1].decode()
        assert daemon.get("/version")[2] == b"version v0" and daemon.get("/hello/x")[2] == b"version v0 x"
    assert json.loads(daemon.admin("GET", "/gateways")[1])[0]["last_error"][0]["line"] == 9
    daemon.write("a.yaml", document("v4"))
    daemon.signal(signal.SIGHUP)
    wait_for_version(daemon, "v4")


@pytest.mark.parametrize("damage", ["", "openapi: [", "openapi: 3.0.0\npaths: {}\npaths: {}\n", "\0\1\2", "a: &a [*a]"])
def test_damaged_documents_keep_what_runs(start, damage):
    daemon = start({"a.yaml": document("v0")})
    daemon.write("a.yaml", damage)
    assert reload(daemon)[0] == 422
    (daemon.folder / "a.yaml").unlink()
    assert reload(daemon)[0] == 422
    assert daemon.get("/version")[2] == b"version v0"


def test_a_request_in_flight_ends_on_its_version(start, nginx):
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        port = upstream.getsockname()[1]
        slow = """  /slow:
    get:
      x-yc-apigateway-integration: {type: http, url: 'http://127.0.0.1:%d/%s'}
"""
        daemon = start({"a.yaml": document("v0", slow % (port, "old"))})
        results = []
        thread = threading.Thread(target=lambda: results.append(daemon.get("/slow")))
        thread.start()
        peer, _ = upstream.accept()
        assert b"GET /old " in peer.recv(4096)
        daemon.write("a.yaml", document("v1", slow % (port, "new")))
        assert reload(daemon)[0] == 200
        assert daemon.get("/version")[2] == b"version v1"
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold")
        thread.join(timeout=30)
        assert results[0][::2] == (200, b"old")
        peer.close()


def test_listeners_come_and_go(start):
    daemon = start({"a.yaml": document("v0")})
    second = free_port()
    keep = daemon.connect()
    keep.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"version v0" in keep.recv(4096)
    first = daemon.configuration["listen"]
    daemon.configuration["listen"] = [{"address": "127.0.0.1", "port": second}]
    daemon.write_configuration()
    assert reload(daemon)[0] == 200
    # The connection of the removed listener was idle: it is closed. Nobody listens there any more.
    assert keep.recv(4096) == b""
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", daemon.port), timeout=5)
    moved = http.client.HTTPConnection("127.0.0.1", second, timeout=30)
    moved.request("GET", "/version")
    assert moved.getresponse().status == 200
    daemon.configuration["listen"] = first
    daemon.write_configuration()
    assert reload(daemon)[0] == 200
    assert daemon.get("/version")[0] == 200


def test_from_one_address_to_all_and_back(start):
    daemon = start({"a.yaml": document("v0")})
    for address in ("0.0.0.0", "127.0.0.1", "0.0.0.0"):
        daemon.configuration["listen"] = [{"address": address, "port": daemon.port}]
        daemon.write_configuration()
        status, body = reload(daemon)
        assert status == 200, body
        assert daemon.get("/version")[0] == 200


def test_a_listener_that_cannot_be_opened_keeps_what_runs(start):
    daemon = start({"a.yaml": document("v0")})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        daemon.configuration["listen"] = [{"address": "127.0.0.1", "port": taken.getsockname()[1]}]
        daemon.write("a.yaml", document("v1"))
        daemon.write_configuration()
        status, body = reload(daemon)
    assert status == 422 and body["errors"][0]["rule"] == "cannot-listen"
    assert daemon.get("/version")[2] == b"version v0"


def test_limits_change_between_two_requests(start):
    daemon = start({"a.yaml": document("v0")})
    keep = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
    keep.request("GET", "/version", headers={"X-Long": "x" * 3000})
    assert keep.getresponse().read() == b"version v0"
    daemon.configuration["limits"] = {"line_bytes": "1KiB"}
    daemon.write_configuration()
    assert reload(daemon)[0] == 200
    keep.request("GET", "/version", headers={"X-Long": "x" * 3000})
    assert keep.getresponse().status == 431


def test_workers_need_a_restart(start):
    daemon = start({"a.yaml": document("v0")})
    daemon.configuration["workers"] = 7
    daemon.write_configuration()
    status, body = reload(daemon)
    assert status == 200
    assert any("workers" in entry["message"] and entry["severity"] == "warning" for entry in body["warnings"])


def test_certificates_are_read_again(start, authority):
    import ssl
    import shutil
    port = free_port()
    one, one_key = authority("one.example")
    two, two_key = authority("one.example", days=20)
    folder = one.parent / "served"
    folder.mkdir(exist_ok=True)
    shutil.copy(one, folder / "c.pem")
    shutil.copy(one_key, folder / "k.pem")
    daemon = start({"a.yaml": document("v0")})
    daemon.configuration["listen"].append({"address": "127.0.0.1", "port": port, "tls": True})
    daemon.write_configuration()
    status, body = reload(daemon)
    assert status == 422 and "certificates" in body["errors"][0]["message"]
    daemon.configuration["certificates"] = [{"certificate": str(folder / "c.pem"), "private_key": str(folder / "k.pem")}]
    daemon.write_configuration()
    assert reload(daemon)[0] == 200

    def served():
        context = ssl.create_default_context(cafile=str(authority.ca))
        with socket.create_connection(("127.0.0.1", port)) as raw, \
                context.wrap_socket(raw, server_hostname="one.example") as tls:
            return tls.getpeercert()["serialNumber"]
    first = served()
    shutil.copy(two, folder / "c.pem")
    shutil.copy(two_key, folder / "k.pem")
    assert reload(daemon)[0] == 200
    second = served()
    assert first != second
    shutil.copy(one_key, folder / "k.pem")
    assert reload(daemon)[0] == 422
    assert served() == second


class TestWatch:
    @pytest.fixture
    def daemon(self, start):
        return start({"a.yaml": document("v0", """  /shared:
    get:
      x-yc-apigateway-integration: {$ref: 'shared.yaml#/answer'}
"""), "shared.yaml": "answer: {type: dummy, content: {text/plain: s0}}\n"},
            {"watch": True, "gateways": [{"spec": "a.yaml"}]})

    def wait_for(self, daemon, path, body, seconds=20):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if daemon.get(path)[2] == body:
                return
            time.sleep(0.05)
        raise AssertionError(f"{path} never gave {body}:\n{daemon.stderr()}")

    def extended(self, daemon, version):
        return (daemon.folder / "a.yaml").read_text().replace("v0", version)

    def test_written_in_place(self, daemon):
        daemon.write("a.yaml", self.extended(daemon, "v1"))
        self.wait_for(daemon, "/version", b"version v1")

    def test_replaced_as_editors_do(self, daemon):
        for number in range(1, 4):
            text = document(f"v{number}")
            fresh = daemon.write(".a.yaml.swp", text)
            os.replace(fresh, daemon.folder / "a.yaml")
            self.wait_for(daemon, "/version", f"version v{number}".encode())

    def test_moved_away_and_written_anew(self, daemon):
        (daemon.folder / "a.yaml").rename(daemon.folder / "a.yaml~")
        time.sleep(0.5)
        assert daemon.get("/version")[2] == b"version v0"
        daemon.write("a.yaml", document("v1"))
        self.wait_for(daemon, "/version", b"version v1")

    def test_a_file_that_the_document_names(self, daemon):
        daemon.write("shared.yaml", "answer: {type: dummy, content: {text/plain: s1}}\n")
        self.wait_for(daemon, "/shared", b"s1")

    def test_the_configuration_itself(self, daemon):
        daemon.write("b.yaml", document("b"))
        daemon.configuration["gateways"].append({"spec": "b.yaml", "domains": ["b.example"]})
        daemon.write_configuration()
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if daemon.get("/version", {"Host": "b.example"})[2] == b"version b":
                break
            time.sleep(0.05)
        daemon.write("b.yaml", document("c"))
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if daemon.get("/version", {"Host": "b.example"})[2] == b"version c":
                return
            time.sleep(0.05)
        raise AssertionError(daemon.stderr())

    def test_a_mistake_and_its_correction(self, daemon):
        good = self.extended(daemon, "v1")
        daemon.write("a.yaml", "openapi: [")
        until = time.monotonic() + 20
        while 'result="failed"} 1' not in daemon.admin("GET", "/metrics")[1].decode() and time.monotonic() < until:
            time.sleep(0.05)
        assert daemon.get("/version")[2] == b"version v0"
        daemon.write("a.yaml", good)
        self.wait_for(daemon, "/version", b"version v1")

    def test_a_mounted_volume_that_switches_links(self, start, tmp_path):
        volume = tmp_path / "volume"
        for number in (0, 1):
            (volume / f"..data{number}").mkdir(parents=True)
            (volume / f"..data{number}" / "a.yaml").write_text(document(f"v{number}"))
        (volume / "..data").symlink_to("..data0")
        (volume / "a.yaml").symlink_to("..data/a.yaml")
        daemon = start({"unused.yaml": document()}, {"watch": True, "gateways": [{"spec": str(volume / "a.yaml")}]},
                       name="links")
        assert daemon.get("/version")[2] == b"version v0"
        (volume / "..next").symlink_to("..data1")
        os.replace(volume / "..next", volume / "..data")
        self.wait_for(daemon, "/version", b"version v1")

    def test_other_files_do_not_matter(self, daemon):
        daemon.write("other.yaml", "x")
        time.sleep(0.6)
        assert 'sluice_reloads_total{result="ok"} 0' in daemon.admin("GET", "/metrics")[1].decode()


def test_a_standalone_document_is_reloaded_and_watched(launch, tmp_path):
    (tmp_path / "a.yaml").write_text(document("v0"))
    daemon = launch("serve", "--spec", "a.yaml", "--listen", "127.0.0.1:0", "--watch")
    port = daemon.port()
    daemon.wait_for("ready")

    def version():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/version")
        return connection.getresponse().read().decode()
    for number, signalled in ((1, False), (2, True)):
        (tmp_path / "a.yaml").write_text(document(f"v{number}"))
        if signalled:
            daemon.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + 20
        while version() != f"version v{number}" and time.monotonic() < until:
            time.sleep(0.05)
        assert version() == f"version v{number}", daemon.text()
    assert daemon.end() == 0
