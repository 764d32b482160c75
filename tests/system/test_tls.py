"""TLS towards clients and upstreams, with certificates that the test makes. daemon.md, "Operation" (Domains)."""
import http.client
import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest

from conftest import document, free_port, paths


def client_context(authority, low=ssl.TLSVersion.TLSv1_2, high=ssl.TLSVersion.TLSv1_3):
    context = ssl.create_default_context(cafile=str(authority.ca))
    context.minimum_version, context.maximum_version = low, high
    return context


def handshake(port, context, name, session=None):
    raw = socket.create_connection(("127.0.0.1", port), timeout=10)
    try:
        return context.wrap_socket(raw, server_hostname=name, session=session)
    except BaseException:
        raw.close()
        raise


def ask(tls, target="/version", host="x"):
    tls.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    answer = http.client.HTTPResponse(tls)
    answer.begin()
    return answer.status, answer.read().decode()


@pytest.fixture
def tls_port():
    return free_port()


@pytest.fixture
def daemon(start, authority, tls_port):
    def entry(domains, *names):
        certificate, key = authority(*names)
        return {"domains": domains, "certificate": str(certificate), "private_key": str(key)}
    daemon = start({"a.yaml": document("default"), "b.yaml": document("shop")}, {
        "gateways": [{"spec": "a.yaml"}, {"spec": "b.yaml", "domains": ["shop.example", "*.shop.example"]}],
        "certificates": [entry(["first.example"], "first.example", "127.0.0.1"), entry(["shop.example"], "shop.example"),
                         entry(["*.shop.example"], "*.shop.example"), entry(["exact.shop.example"], "exact.shop.example", "other.example")],
        "listen": [{"address": "127.0.0.1", "port": tls_port, "tls": True}]}, ready_port=tls_port)
    daemon.tls_port = tls_port
    return daemon


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name,names,served", [
    ("first.example", {"first.example", "127.0.0.1"}, "default"), ("shop.example", {"shop.example"}, "shop"),
    ("SHOP.example", {"shop.example"}, "shop"), ("a.shop.example", {"*.shop.example"}, "shop"),
    ("exact.shop.example", {"exact.shop.example", "other.example"}, "shop"),
])
def test_server_names_pick_the_certificate(daemon, authority, version, name, names, served):
    with handshake(daemon.tls_port, client_context(authority, version, version), name) as tls:
        assert tls.version() == version.name.replace("_", ".")
        assert {value for _, value in tls.getpeercert()["subjectAltName"]} == names
        assert tls.cipher()[0].startswith(("ECDHE", "TLS_AES", "TLS_CHACHA"))
        assert ask(tls, host=name) == (200, f"version {served}")
        assert ask(tls, host=name) == (200, f"version {served}")
    entry = daemon.access_log(1)[0]
    assert entry["tls_version"] == version.name.replace("_", ".")


@pytest.mark.parametrize("name", ["unknown.example", "a.b.shop.example", "127.0.0.1", None])
def test_others_get_the_first_certificate(daemon, authority, name):
    context = client_context(authority)
    context.check_hostname = False
    with handshake(daemon.tls_port, context, name) as tls:
        assert ("DNS", "first.example") in tls.getpeercert()["subjectAltName"]
        assert ask(tls)[0] == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_versions_and_weak_ciphers_are_refused(daemon, authority):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(daemon.tls_port, old, "first.example")
    for ciphers in ("ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0"):
        weak = client_context(authority, high=ssl.TLSVersion.TLSv1_2)
        weak.set_ciphers(ciphers)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            handshake(daemon.tls_port, weak, "first.example")
    with handshake(daemon.tls_port, client_context(authority), "first.example") as tls:
        assert ask(tls)[0] == 200


def test_alpn(daemon, authority):
    context = client_context(authority)
    context.set_alpn_protocols(["http/1.1"])
    with handshake(daemon.tls_port, context, "first.example") as tls:
        assert tls.selected_alpn_protocol() == "http/1.1"
        assert ask(tls)[0] == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_live_over_a_reload(daemon, authority, version):
    context = client_context(authority, version, version)
    with handshake(daemon.tls_port, context, "shop.example") as tls:
        assert ask(tls)[0] == 200
        session = tls.session
    assert daemon.admin("POST", "/reload")[0] == 200
    with handshake(daemon.tls_port, context, "shop.example", session) as tls:
        assert tls.session_reused
        assert ask(tls, host="shop.example") == (200, "version shop")


def test_what_is_no_handshake(daemon, authority):
    for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 100, b"\x80" * 64, b""):
        with socket.create_connection(("127.0.0.1", daemon.tls_port), timeout=10) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            try:
                while client.recv(4096):
                    pass
            except ConnectionError:
                pass
    with handshake(daemon.tls_port, client_context(authority), "first.example") as tls:
        assert ask(tls)[0] == 200
    metrics = daemon.admin("GET", "/metrics")[1].decode()
    failed = re.search(r'sluice_tls_handshakes_total\{version="",result="failed"\} (\d+)', metrics)
    assert int(failed.group(1)) >= 4
    for name in ("first.example", "*.shop.example"):
        end = re.search(r'sluice_certificate_expiry_timestamp_seconds\{certificate="%s"\} ([0-9.e+]+)' % re.escape(name), metrics)
        assert 29 < (float(end.group(1)) - time.time()) / 86400 < 31


def test_a_handshake_that_does_not_come_is_ended(start, authority, tls_port):
    certificate, key = authority("first.example")
    start({"a.yaml": document()}, {
        "certificates": [{"certificate": str(certificate), "private_key": str(key)}], "limits": {"tls_handshake_timeout": "400ms"},
        "listen": [{"address": "127.0.0.1", "port": tls_port, "tls": True}]}, ready_port=tls_port)
    with socket.create_connection(("127.0.0.1", tls_port), timeout=10) as client:
        began = time.monotonic()
        try:
            assert client.recv(4096) == b""
        except ConnectionError:
            pass
        assert 0.3 < time.monotonic() - began < 3


def test_large_bodies_and_what_is_told_of_tls(start, authority, tls_port, upstream):
    body = bytes(range(256)) * 8192
    server = upstream(lambda request, wire: wire.answer(200, request.body))
    certificate, key = authority("shop.example")
    daemon = start({"a.json": paths({"/up": {"type": "serverless_containers", "container_id": "bba1"}})}, {
        "gateways": [{"spec": "a.json", "id": "shop"}],
        "containers": {"bba1": {"url": f"http://127.0.0.1:{server.port}"}},
        "certificates": [{"domains": ["shop.example"], "certificate": str(certificate), "private_key": str(key)}],
        "listen": [{"address": "127.0.0.1", "port": tls_port, "tls": True}]}, ready_port=tls_port)
    with handshake(tls_port, client_context(authority), "shop.example") as tls:
        for _ in range(3):
            tls.sendall(b"POST /up HTTP/1.1\r\nHost: shop.example\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            answer = http.client.HTTPResponse(tls)
            answer.begin()
            assert answer.status == 200 and answer.read() == body
    seen = server.requests[0]
    assert seen.get("X-Forwarded-Proto") == "https"
    assert json.loads(seen.get("X-Serverless-Certificate-Ids")) == {"shop.example": "shop.example"}
    assert len(daemon.access_log(3)) == 3


def test_reloads_under_tls_clients(daemon, authority):
    stop, faults, answers = threading.Event(), [], []

    def client(number):
        try:
            with handshake(daemon.tls_port, client_context(authority), "shop.example") as tls:
                while not stop.is_set():
                    answer = ask(tls, host="shop.example")
                    if answer != (200, "version shop"):
                        faults.append(answer)
                    answers.append(number)
                    time.sleep(0.005)
        except OSError as error:
            faults.append(repr(error))
    clients = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(16)]
    for one in clients:
        one.start()
    for _ in range(10):
        assert daemon.admin("POST", "/reload")[0] == 200
        time.sleep(0.05)
    stop.set()
    for one in clients:
        one.join(timeout=30)
    assert faults == [] and set(answers) == set(range(16))


class TestUpstreams:
    @pytest.fixture
    def secure(self, authority, upstream):
        """secure(names…) → an Upstream over TLS with a certificate for these names."""
        def begin(*names, days=30):
            certificate, key = authority(*names, days=days)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            return upstream(tls=context)
        return begin

    @staticmethod
    def refused(daemon, *hidden):
        status, headers, body = daemon.get("/up")
        assert status == 502, body
        told = json.loads(body)
        assert set(told) == {"message", "requestId"} and told["requestId"] == headers["x-request-id"]
        for word in ("localhost", "127.0.0.1", "certificate", "self", "verify", "CN=", *hidden):
            assert word not in told["message"].lower(), told
        entry = next(one for one in daemon.access_log(1) if one["request_id"] == told["requestId"])
        assert entry["slug"] == "tls_failed" and "localhost" in entry["detail"]
        return entry["detail"]

    def test_the_configurations_authority(self, start, secure, authority):
        server = secure("localhost")
        origin = f"https://localhost:{server.port}"
        text = paths({"/up": {"get": {"type": "http", "url": f"{origin}/x"}}})
        trusted = start({"a.json": text}, {"upstreams": [{"origin": origin, "ca": str(authority.ca)}]})
        assert trusted.get("/up")[0] == 200
        assert server.requests[0].target == "/x"
        unknown = start({"a.json": text}, name="unknown")
        self.refused(unknown)
        assert len(server.requests) == 1

    def test_an_authority_for_one_origin_is_none_for_another(self, start, secure, authority):
        server = secure("localhost")
        daemon = start({"a.json": paths({"/up": {"get": {"type": "http", "url": f"https://localhost:{server.port}/"}}})},
                       {"upstreams": [{"origin": "https://localhost:1", "ca": str(authority.ca)}]})
        self.refused(daemon)

    def test_another_authority(self, start, secure, authority, tmp_path):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        tmp_path / "k.pem", "-out", tmp_path / "other.pem", "-days", "3", "-subj", "/CN=Other root"],
                       check=True, capture_output=True)
        server = secure("localhost")
        origin = f"https://localhost:{server.port}"
        daemon = start({"a.json": paths({"/up": {"get": {"type": "http", "url": origin}}})},
                       {"upstreams": [{"origin": origin, "ca": str(tmp_path / "other.pem")}]})
        self.refused(daemon)
        assert server.requests == []

    def test_another_name(self, start, secure, authority):
        server = secure("elsewhere.example")
        origin = f"https://localhost:{server.port}"
        daemon = start({"a.json": paths({"/up": {"get": {"type": "http", "url": origin}}})},
                       {"upstreams": [{"origin": origin, "ca": str(authority.ca)}]})
        self.refused(daemon, "elsewhere")

    def test_an_upstream_that_speaks_no_tls(self, start):
        def plain(listener):
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=plain, args=(listener,), daemon=True).start()
            port = listener.getsockname()[1]
            daemon = start({"a.json": paths({"/up": {"get": {"type": "http", "url": f"https://localhost:{port}"}}})})
            self.refused(daemon)
            listener.shutdown(socket.SHUT_RDWR)

    def test_a_new_authority_file_counts_from_the_reload_on(self, start, secure, authority, tmp_path):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        tmp_path / "k.pem", "-out", tmp_path / "ca.pem", "-days", "3", "-subj", "/CN=Other root"],
                       check=True, capture_output=True)
        server = secure("localhost")
        origin = f"https://localhost:{server.port}"
        daemon = start({"a.json": paths({"/up": {"get": {"type": "http", "url": origin}}})},
                       {"upstreams": [{"origin": origin, "ca": str(tmp_path / "ca.pem")}]})
        self.refused(daemon)
        shutil.copy(authority.ca, tmp_path / "ca.pem")
        assert daemon.admin("POST", "/reload")[0] == 200
        assert daemon.get("/up")[0] == 200
        (tmp_path / "ca.pem").write_text("no certificate")
        assert daemon.admin("POST", "/reload")[0] == 422
        assert daemon.get("/up")[0] == 200

    def test_functions_and_containers_over_tls(self, start, secure, authority):
        server = secure("localhost")
        origin = f"https://localhost:{server.port}"
        daemon = start({"a.json": paths({"/c": {"type": "serverless_containers", "container_id": "bba1"}})},
                       {"containers": {"bba1": {"url": origin}}, "upstreams": [{"origin": origin, "ca": str(authority.ca)}]})
        assert daemon.request("POST", "/c", body=b"x" * 300_000)[0] == 200
        assert server.requests[0].body == b"x" * 300_000
