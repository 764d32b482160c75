"""Integration `http` and its streams: against nginx, httpbin under gunicorn, and an upstream that notes every byte.
spec.md sections 4 and 7."""
import gzip
import hashlib
import http.client
import json
import random
import socket
import threading
import time

import pytest

from conftest import free_port, paths

EVERYTHING = {"headers": {"*": "*"}, "query": {"*": "*"}}
MIB = random.Random(7).randbytes(1 << 20)


def through(port, path="{rest}", **options):
    return {"type": "http", "url": f"http://127.0.0.1:{port}/{path}", **EVERYTHING, **options}


class TestHttpbin:
    @pytest.fixture
    def daemon(self, start, httpbin):
        return start({"a.json": paths({
            "/all/{rest+}": through(httpbin),
            "/bare/{rest+}": {"type": "http", "url": f"http://127.0.0.1:{httpbin}/{{rest}}"},
            "/named/{name}": {"get": {
                "type": "http", "url": f"http://127.0.0.1:{httpbin}/anything/{{name}}", "method": "POST",
                "headers": {"X-Name": "n={name}", "X-List": ["a", "{q}"], "X-Empty": "", "X-Null": None},
                "query": {"name": "{name}", "list": ["1", "{q}"], "empty": ""},
                "parameters": [{"name": "q", "in": "query", "schema": {"type": "string", "default": "d"}}]}},
            "/omit": {"get": {"type": "http", "url": f"http://127.0.0.1:{httpbin}/anything",
                              "headers": {"*": "*", "X-Empty": "", "X-Null": None, "X-Q": "{q}"}, "query": {"a": "", "b": "{q}"},
                              "omitEmptyHeaders": True, "omitEmptyQueryParameters": True,
                              "parameters": [{"name": "q", "in": "query"}]}},
            "/slow": {"get": through(httpbin, "delay/3", timeouts={"connect": 1, "read": 0.3})},
        })})

    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
    def test_methods_and_what_passes(self, daemon, method):
        body = None if method == "GET" else b'{"a": 1}'
        status, headers, text = daemon.request(
            method, "/all/anything/x%20y?a=1&a=2&b=%2F", {"X-One": "1", "Content-Type": "application/json"}, body)
        assert status == 200 and headers["server"].startswith("gunicorn")
        seen = json.loads(text)
        assert seen["method"] == method
        assert seen["args"] == {"a": ["1", "2"], "b": "/"}
        assert seen["headers"]["X-One"] == "1" and seen["headers"]["Host"] == f"127.0.0.1:{daemon_port(seen)}"
        assert seen["json"] == (json.loads(body) if body else None)
        assert seen["url"].endswith("/anything/x%20y?a=1&a=2&b=%2F")
        assert seen["origin"] == "127.0.0.1"

    def test_only_user_agent_passes_by_itself(self, daemon):
        seen = json.loads(daemon.get("/bare/headers?a=1", {"X-One": "1", "Cookie": "c=1", "User-Agent": "me/1",
                                                           "Accept": "application/json"})[2])["headers"]
        assert seen.pop("User-Agent") == "me/1"
        assert seen.pop("Host").startswith("127.0.0.1:")
        assert len(seen.pop("Traceparent")) == 55
        for name in ("X-Request-Id", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"):
            seen.pop(name, None)  # httpbin hides some of them itself
        assert seen == {}

    def test_named_headers_and_query(self, daemon):
        seen = json.loads(daemon.get("/named/b%26c?q=%C3%A9&other=1", {"X-Name": "client's"})[2])
        assert seen["method"] == "POST"
        assert seen["headers"]["X-Name"] == "n=b&c" and seen["headers"]["X-List"] == "a,é".encode().decode("latin-1")
        assert seen["headers"]["X-Empty"] == "" and seen["headers"]["X-Null"] == ""
        assert seen["args"] == {"name": "b&c", "list": "1,é", "empty": ""}
        assert seen["url"].split("?")[0].endswith("/anything/b%26c")

    def test_omitted_when_empty(self, daemon):
        seen = json.loads(daemon.get("/omit?q=", {"X-Empty": "client's"})[2])
        assert "X-Empty" not in seen["headers"] and "X-Null" not in seen["headers"] and "X-Q" not in seen["headers"]
        assert seen["args"] == {}
        assert json.loads(daemon.get("/omit?q=1")[2])["args"] == {"b": "1"}

    def test_compressed_answers_pass_as_they_are(self, daemon):
        status, headers, body = daemon.get("/all/gzip", {"Accept-Encoding": "gzip"})
        assert status == 200 and headers["content-encoding"] == "gzip"
        assert json.loads(gzip.decompress(body))["gzipped"] is True

    def test_redirects_are_the_clients(self, daemon):
        status, headers, _ = daemon.get("/all/redirect-to?url=http%3A%2F%2Felsewhere.example%2F&status_code=307")
        assert status == 307 and headers["location"] == "http://elsewhere.example/"

    @pytest.mark.parametrize("code", [200, 201, 204, 304, 400, 401, 404, 418, 500, 502, 503])
    def test_statuses_pass(self, daemon, code):
        with daemon.connect() as client:  # one connection: a body that is not there would show in the next answer
            for _ in range(2):
                client.sendall(f"GET /all/status/{code} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                answer = http.client.HTTPResponse(client)
                answer.begin()
                answer.read()
                assert answer.status == code

    def test_head(self, daemon):
        length = daemon.get("/all/bytes/2000?seed=1")[1]["content-length"]
        status, headers, body = daemon.request("HEAD", "/all/bytes/2000?seed=1")
        assert status == 200 and body == b"" and headers["content-length"] == length == "2000"

    def test_chunked_uploads(self, daemon):
        body = [b"one,", b"two," * 1000, b"three"]
        seen = json.loads(daemon.request("POST", "/all/post", {"Content-Type": "text/plain"}, iter(body))[2])
        assert seen["data"] == b"".join(body).decode()

    def test_chunked_answers(self, daemon):
        status, headers, body = daemon.get("/all/stream/20")
        assert status == 200 and headers["content-length"] in (None, str(len(body)))  # the latter where all came at once
        assert [json.loads(line)["id"] for line in body.splitlines()] == list(range(20))

    def test_a_slow_upstream_is_504(self, daemon):
        began = time.monotonic()
        status, headers, body = daemon.get("/slow")
        assert status == 504 and time.monotonic() - began < 2.5
        assert json.loads(body)["requestId"] == headers["x-request-id"]

    def test_cookies_both_ways(self, daemon):
        status, headers, _ = daemon.get("/all/cookies/set?a=1&b=2")
        assert status == 302 and sorted(headers.get_all("set-cookie")) == ["a=1; Path=/", "b=2; Path=/"]
        assert json.loads(daemon.get("/all/cookies", {"Cookie": "a=1; b=2"})[2])["cookies"] == {"a": "1", "b": "2"}


def daemon_port(seen) -> str:
    """The port in the Host that httpbin saw: the upstream's, never the client's."""
    return seen["headers"]["Host"].rpartition(":")[2]


class TestNginx:
    @pytest.fixture
    def daemon(self, start, nginx, tmp_path):
        port = nginx("""
            client_max_body_size 64m; client_body_buffer_size 2m;
            location /files/ { dav_methods PUT; create_full_put_path on; }
            location /moved { return 301 https://elsewhere.example/x; }
            location /empty { return 204; }
            location /host { default_type text/plain; return 200 "$http_host $http_connection $http_te $http_upgrade"; }
            location /limited { limit_rate 200k; alias /; }
            location /raw { default_type text/plain; return 200 $request_uri; }""")
        (tmp_path / f"nginx-{port}" / "files").mkdir()
        daemon = start({"a.json": paths({"/{rest+}": through(port)})})
        daemon.nginx_files = tmp_path / f"nginx-{port}" / "files"
        daemon.nginx_port = port
        return daemon

    def test_a_mebibyte_each_way(self, daemon):
        for number in range(3):
            assert daemon.request("PUT", f"/files/{number}.bin", body=MIB)[0] == 201
            assert (daemon.nginx_files / f"{number}.bin").read_bytes() == MIB
            status, headers, body = daemon.get(f"/files/{number}.bin")
            assert status == 200 and body == MIB and headers["content-length"] == str(len(MIB))

    def test_a_mebibyte_up_in_chunks(self, daemon):
        pieces = [MIB[at:at + 10_007] for at in range(0, len(MIB), 10_007)]
        assert daemon.request("PUT", "/files/chunked.bin", body=iter(pieces))[0] == 201
        assert (daemon.nginx_files / "chunked.bin").read_bytes() == MIB

    def test_large_bodies_are_streamed(self, daemon):
        """64 MiB both ways, with the daemon's memory bounded."""
        block = MIB * 8
        assert daemon.request("PUT", "/files/large.bin", {"Content-Length": str(8 * len(block))},
                              (block for _ in range(8)), timeout=120)[0] == 201
        assert (daemon.nginx_files / "large.bin").stat().st_size == 8 * len(block)
        (daemon.nginx_files / "down.bin").write_bytes(block * 8)
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=120)
        connection.request("GET", "/files/down.bin")
        answer, digest = connection.getresponse(), hashlib.sha256()
        while data := answer.read(1 << 20):
            digest.update(data)
        assert digest.digest() == hashlib.sha256(block * 8).digest()
        connection.close()
        peak = next(int(line.split()[1]) for line in open(f"/proc/{daemon.process.pid}/status") if line.startswith("VmHWM"))
        assert peak < 100 << 10, f"{peak >> 10} MiB"

    def test_ranges_and_conditions(self, daemon):
        (daemon.nginx_files / "a.txt").write_bytes(b"0123456789")
        status, headers, body = daemon.get("/files/a.txt")
        assert (status, body) == (200, b"0123456789")
        tag = headers["etag"]
        status, headers, body = daemon.get("/files/a.txt", {"If-None-Match": tag})
        assert (status, body) == (304, b"") and headers["etag"] == tag
        status, headers, body = daemon.get("/files/a.txt", {"Range": "bytes=2-4"})
        assert (status, body) == (206, b"234") and headers["content-range"] == "bytes 2-4/10"
        status, headers, body = daemon.request("HEAD", "/files/a.txt")
        assert (status, body) == (200, b"") and headers["content-length"] == "10"
        assert daemon.get("/files/a.txt", {"Range": "bytes=50-"})[0] == 416

    def test_no_content_and_redirects(self, daemon):
        assert daemon.get("/empty")[::2] == (204, b"")
        status, headers, _ = daemon.get("/moved")
        assert status == 301 and headers["location"] == "https://elsewhere.example/x"

    def test_hop_by_hop_headers_stay_here(self, daemon):
        status, _, body = daemon.get("/host", {"Connection": "keep-alive, X-Gone", "X-Gone": "1", "TE": "trailers",
                                               "Upgrade": "h2c"})
        assert status == 200 and body.decode().split() == [f"127.0.0.1:{daemon.nginx_port}"]

    @pytest.mark.parametrize("target,seen", [
        ("/raw/a%20b?x=%20y+z&&=", "/raw/a%20b?x=%20y+z&&="), ("/raw/./a/../b", "/raw/b"), ("/raw/%41%2fb", "/raw/A%2Fb"),
        ("/raw/é".encode().decode("latin-1"), "/raw/%C3%A9"), ("/raw//a/", "/raw//a/"), ("/raw/;p=1,2:@!$&'()*+", "/raw/;p=1,2:@!$&'()*+"),
    ])
    def test_the_upstream_sees_the_canonical_path(self, daemon, target, seen):
        with daemon.connect() as client:
            client.sendall(b"GET " + target.encode("latin-1") + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = http.client.HTTPResponse(client)
            answer.begin()
            assert answer.read().decode() == seen


class TestStreams:
    def test_events_come_without_delay(self, start, upstream):
        """Each event is read before the upstream writes the next one."""
        sent, seen = [], threading.Semaphore(0)

        def events(request, wire):
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number in range(5):
                sent.append(time.monotonic())
                wire.chunk(f"data: {number}\n\n".encode())
                assert seen.acquire(timeout=10), "the event never reached the client"
            wire.send(b"0\r\n\r\n")
        server = upstream(events)
        daemon = start({"a.json": paths({"/events": {"get": through(server.port, "events")}})})
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
        connection.request("GET", "/events")
        answer = connection.getresponse()
        assert answer.headers["content-type"] == "text/event-stream"
        for number in range(5):
            assert answer.readline() == f"data: {number}\n".encode() and answer.readline() == b"\n"
            assert time.monotonic() - sent[number] < 1
            seen.release()
        assert answer.read() == b""

    def test_the_head_comes_before_the_first_byte_of_the_body(self, start, upstream):
        go = threading.Event()

        def late(request, wire):
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
            assert go.wait(20)
            wire.send(b"late")
        server = upstream(late)
        daemon = start({"a.json": paths({"/late": {"get": through(server.port, "late")}})})
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
        connection.request("GET", "/late")
        answer = connection.getresponse()
        assert answer.status == 200 and not go.is_set()
        go.set()
        assert answer.read() == b"late"

    def test_an_upload_reaches_the_upstream_while_it_is_sent(self, start, upstream):
        pieces, seen = [], threading.Semaphore(0)

        def take(request, wire):
            for _ in range(3):
                size = int(wire.read_line(), 16)
                pieces.append(wire.read_exactly(size))
                wire.read_exactly(2)
                seen.release()
            assert wire.read_line() == b"0" and wire.read_line() == b""
            wire.answer(200, b"all")
        server = upstream(take, read_bodies=False)
        daemon = start({"a.json": paths({"/up": through(server.port, "up")})})
        with daemon.connect(20) as client:
            client.sendall(b"POST /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in (b"one", b"two", b"three"):
                client.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                assert seen.acquire(timeout=10), "the piece never reached the upstream"
                assert b"".join(pieces).endswith(piece)
            client.sendall(b"0\r\n\r\n")
            assert client.recv(4096).endswith(b"all")
        assert server.requests[0].get("Transfer-Encoding") == "chunked"

    def test_a_client_that_does_not_read_holds_the_upstream_back(self, start, upstream):
        wrote = []

        def flood(request, wire):
            total = 256 << 20
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
            wire.connection.settimeout(1.5)
            try:
                for _ in range(total // len(MIB)):
                    wire.send(MIB)
                    wrote.append(len(MIB))
            except TimeoutError:
                wrote.append("held")
            return False
        server = upstream(flood)
        daemon = start({"a.json": paths({"/flood": {"get": through(server.port, "flood")}})})
        with daemon.connect() as client:
            client.sendall(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
            until = time.monotonic() + 20
            while "held" not in wrote and time.monotonic() < until:
                time.sleep(0.05)
        assert wrote[-1] == "held" and sum(wrote[:-1]) < 64 << 20

    @pytest.mark.parametrize("answer", [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nZZ\r\n",
    ])
    def test_an_answer_that_breaks_off_never_ends_cleanly(self, start, upstream, answer):
        server = upstream(lambda request, wire: wire.send(answer) or False)
        daemon = start({"a.json": paths({"/half": {"get": through(server.port, "half")}})})
        try:
            assert daemon.get("/half")[0] == 502  # the break was there before the head went out
        except (http.client.IncompleteRead, ConnectionError):
            entry = daemon.access_log(1)[0]
            assert entry["status"] == 200 and entry["aborted"] is True

    @pytest.mark.parametrize("answer", [
        b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", b"HTTP/1.1 099 X\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad name: 1\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ], ids=range(8))
    def test_a_bad_answer_is_502(self, start, upstream, answer):
        server = upstream(lambda request, wire: wire.send(answer) or False)
        daemon = start({"a.json": paths({"/bad": {"post": through(server.port, "bad")}})})
        status, headers, body = daemon.request("POST", "/bad")
        assert status == 502 and json.loads(body)["requestId"] == headers["x-request-id"]
        assert b"127.0.0.1" not in body
        assert len(server.requests) == 1

    def test_interim_answers_and_trailers(self, start, upstream):
        def handler(request, wire):
            wire.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
                      b"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n")
        server = upstream(handler)
        daemon = start({"a.json": paths({"/t": {"get": through(server.port, "t")}})})
        with daemon.connect() as client:
            client.sendall(b"GET /t HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: close\r\n\r\n")
            raw = b"".join(iter(lambda: client.recv(65536), b""))
        assert raw.startswith(b"HTTP/1.1 200 ") and b"103" not in raw
        assert raw.lower().endswith(b"\r\n0\r\nx-sum: 7\r\n\r\n")


class TestFailures:
    def test_nobody_there_is_502(self, start):
        port = free_port()
        daemon = start({"a.json": paths({"/down": through(port, "secret-path")})}, {"limits": {"connect_retry": "200ms"}})
        began = time.monotonic()
        status, headers, body = daemon.get("/down")
        assert status == 502 and time.monotonic() - began < 5
        told = json.loads(body)
        assert told["requestId"] == headers["x-request-id"] and set(told) == {"message", "requestId"}
        assert b"127.0.0.1" not in body and str(port).encode() not in body and b"secret-path" not in body
        entry = daemon.access_log(1)[0]
        assert entry["status"] == 502 and entry["slug"] == "connect_failed" and str(port) in entry["detail"]

    def test_a_name_that_is_nobodys_is_502(self, start):
        daemon = start({"a.json": paths({"/down": {"get": {"type": "http", "url": "http://nobody.invalid/"}}})})
        status, _, body = daemon.get("/down")
        assert status == 502 and b"nobody" not in body

    def test_an_upstream_that_never_answers_is_504(self, start):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            daemon = start({"a.json": paths({"/silent": {"get": through(port, "", timeouts={"read": 0.4})}})})
            began = time.monotonic()
            status, _, body = daemon.get("/silent")
            assert status == 504 and 0.3 < time.monotonic() - began < 3
            assert set(json.loads(body)) == {"message", "requestId"}

    def test_a_gateways_timeout_is_504(self, start, upstream):
        server = upstream(lambda request, wire: time.sleep(3))
        daemon = start({"a.json": paths({"/slow": {"get": through(server.port, "slow")}})},
                       {"gateways": [{"spec": "a.json", "timeout": "400ms"}]})
        began = time.monotonic()
        assert daemon.get("/slow")[0] == 504 and time.monotonic() - began < 2

    def test_silence_in_the_middle_of_an_answer(self, start, upstream):
        def handler(request, wire):
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            wire.ended_within(20)
            return False
        server = upstream(handler)
        daemon = start({"a.json": paths({"/half": {"get": through(server.port, "", timeouts={"read": 0.4})}})})
        began = time.monotonic()
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            daemon.get("/half")
        assert time.monotonic() - began < 5

    def test_a_streamed_answer_may_take_longer_than_the_gateways_timeout(self, start, upstream):
        def handler(request, wire):
            wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number in range(6):
                wire.chunk(b"x")
                time.sleep(0.15)
            wire.send(b"0\r\n\r\n")
        server = upstream(handler)
        daemon = start({"a.json": paths({"/long": {"get": through(server.port, "")}})},
                       {"gateways": [{"spec": "a.json", "timeout": "400ms"}]})
        assert daemon.get("/long")[::2] == (200, b"xxxxxx")


class TestGone:
    """A client that goes away."""

    @pytest.mark.parametrize("kind", ["http", "container"])
    @pytest.mark.parametrize("when", ["before the answer", "during the answer", "during the upload"])
    def test_the_upstream_is_told_within_2_s(self, start, upstream, kind, when):
        result, there = [], threading.Event()

        def handler(request, wire):
            if when == "during the answer":
                wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
            there.set()
            began = time.monotonic()
            result.append(wire.ended_within(10) and time.monotonic() - began)
            return False
        server = upstream(handler, read_bodies=False)
        integration = through(server.port, "x") if kind == "http" else \
            {"type": "serverless_containers", "container_id": "bba1"}
        daemon = start({"a.json": paths({"/x": integration})},
                       {"containers": {"bba1": {"url": f"http://127.0.0.1:{server.port}"}}})
        client = daemon.connect()
        client.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf" if when == "during the upload"
                       else b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert there.wait(20)
        if when == "during the answer":
            assert client.recv(65536)
        client.close()
        until = time.monotonic() + 15
        while not result and time.monotonic() < until:
            time.sleep(0.02)
        assert result and result[0] is not False and result[0] < 2.0, result
        entry = daemon.access_log(1)[0]
        # An end in the middle of a body may be a client that waits for an answer: it gets its 400.
        assert entry["status"] in {"during the answer": (200,), "before the answer": (499,)}.get(when, (400, 499))

    def test_a_half_closed_client_still_gets_a_quick_answer(self, start, upstream):
        server = upstream()
        daemon = start({"a.json": paths({"/x": {"get": through(server.port, "x")}})})
        with daemon.connect() as client:
            client.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
            assert b"".join(iter(lambda: client.recv(65536), b"")).startswith(b"HTTP/1.1 200 ")


class TestAllowPrivate:
    def test_a_host_from_a_parameter_may_not_be_internal(self, start, upstream):
        server = upstream()
        integration = {"get": {"type": "http", "url": "http://{host}/x", "parameters": [{"name": "host", "in": "query"}]}}
        daemon = start({"a.json": paths({"/x": integration})})
        for host in (f"127.0.0.1:{server.port}", f"localhost:{server.port}", f"[::1]:{server.port}",
                     f"[::ffff:127.0.0.1]:{server.port}", f"0.0.0.0:{server.port}", "169.254.169.254", f"2130706433:{server.port}",
                     f"0x7f.1:{server.port}"):
            status, _, body = daemon.get(f"/x?host={host}")
            assert status in (400, 502), (host, status, body)
        assert server.requests == []
        allowed = start({"a.json": paths({"/x": integration})}, {"http": {"allow_private": True}}, name="allowed")
        assert allowed.get(f"/x?host=127.0.0.1:{server.port}")[0] == 200
