"""Buckets behind S3: two servers of others whose objects boto3 put there, and a stand-in for what they do not do."""
import json
import pathlib
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from conftest import node_22, paths
from s3 import serving_s3

BODIES = {
    "a.txt": b"hello a",
    "dir/b c+d&e=f.txt": b"spaces and plus",
    "\u043f\u0430\u043f\u043a\u0430/\u0442\u0435\u0441\u0442 \u2713.txt": "не ASCII".encode(),
    "x//y": b"two slashes",
    "100%25.txt": b"percent",
    "it's (one)!*~.txt": b"marks",
    "big": bytes(range(256)) * 4096,
}
KEY = [{"name": "key", "in": "query", "schema": {"type": "string"}}]


@pytest.fixture(scope="module", params=["s3rver", "swift"])
def s3(request, tmp_path_factory):
    about = {"ContentType": "text/x-test", "Metadata": {"who": "me"}, "CacheControl": "max-age=77", "ContentDisposition": "inline"}
    for server in serving_s3(request.param, tmp_path_factory.mktemp(request.param), node_22()):
        server.put("site", {name: (body, about) for name, body in BODIES.items()})
        yield server


def serve(start, server, operations=None, secret=None, region="ru-central1", **more):
    operations = operations or {
        "/o": {"get": {"type": "object_storage", "bucket": "site", "object": "{key}", "service_account_id": "aje1", "parameters": KEY}},
        "/redirect": {"get": {"type": "object_storage", "bucket": "site", "object": "{key}", "service_account_id": "aje1",
                              "presigned_redirect": True, "parameters": KEY}},
        "/site/{path+}": {"get": {"type": "object_storage", "bucket": "site", "object": "{path}", "service_account_id": "aje1",
                                  "default_object": "a.txt"}},
        "/nowhere": {"get": {"type": "object_storage", "bucket": "no-such-bucket", "object": "a", "service_account_id": "aje1"}},
    }
    key = getattr(server, "key", None)
    accounts = {"aje1": {"static_key": {"id": key, "secret": secret or server.secret}}} if key else {"aje1": {"token": "t1.bearer-token"}}
    return start({"api.json": paths(operations)}, {
        "service_accounts": accounts,
        "services": {"object_storage": {"endpoint": f"http://127.0.0.1:{server.port}", "region": region}}, **more})


def ask(daemon, route, key, headers=None, method="GET"):
    return daemon.request(method, f"{route}?key={urllib.parse.quote(key, safe='')}", headers)


def test_objects_with_any_key(start, s3):
    daemon = serve(start, s3)
    for name, body in BODIES.items():
        status, headers, got = ask(daemon, "/o", name)
        assert (status, got) == (200, body), (name, status, got[:200], daemon.access_log()[-1])
        assert headers["Content-Type"] == "text/x-test" and headers["ETag"] and headers["Last-Modified"]
        assert headers["x-amz-meta-who"] == "me" and headers["Content-Length"] == str(len(body))
        assert "x-amz-request-id" not in {field.lower() for field in headers.keys()}
    status, headers, _ = ask(daemon, "/o", "a.txt")
    assert headers["Cache-Control"] == "max-age=77" and headers["Content-Disposition"] == "inline"
    assert daemon.get("/site/dir/b%20c+d&e=f.txt")[2] == b"spaces and plus"
    assert daemon.get("/site/no/such/page")[::2] == (200, b"hello a")


def test_ranges_conditions_and_head(start, s3):
    daemon = serve(start, s3)
    status, headers, body = ask(daemon, "/o", "big", {"Range": "bytes=256-511"})
    assert (status, body) == (206, bytes(range(256)))
    assert headers["Content-Range"] == f"bytes 256-511/{len(BODIES['big'])}"
    if s3.name == "swift":  # s3rver takes the last bytes for the first ones
        assert ask(daemon, "/o", "big", {"Range": "bytes=-3"})[2] == b"\xfd\xfe\xff"
    status, headers, body = ask(daemon, "/o", "a.txt", {"Range": "bytes=100-"})
    assert status == 416 and set(json.loads(body)) == {"message", "requestId"}
    tag = ask(daemon, "/o", "a.txt")[1]["ETag"]
    status, headers, body = ask(daemon, "/o", "a.txt", {"If-None-Match": tag})
    assert (status, body) == (304, b"")
    if s3.name == "swift":  # s3rver knows no If-Match
        assert ask(daemon, "/o", "a.txt", {"If-Match": '"other"'})[0] == 412
    status, headers, body = ask(daemon, "/o", "big", method="HEAD")
    assert (status, body, headers["Content-Length"], headers["ETag"] != "") == (200, b"", str(len(BODIES["big"])), True)
    assert daemon.request("POST", "/o?key=a.txt", body=b"x")[0] == 405


def test_what_is_not_there(start, s3):
    daemon = serve(start, s3)
    for route, key in (("/o", "missing"), ("/nowhere", "a"), ("/o", "../a.txt"), ("/o", "x/./y")):
        status, headers, body = ask(daemon, route, key)
        assert (status, headers["Content-Type"]) == (404, "application/json"), (route, key, status, body)
        assert set(json.loads(body)) == {"message", "requestId"} and b"bucket" not in body and b"site" not in body
    told = " ".join(entry["detail"] for entry in daemon.access_log(4))
    assert "NoSuchKey" in told and "NoSuchBucket" in told and "check the bucket's name" in told


def test_presigned_redirects(start, s3):
    daemon = serve(start, s3)
    for name, body in BODIES.items():
        status, headers, _ = ask(daemon, "/redirect", name)
        assert status == 302
        url = headers["Location"]
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
        assert query["X-Amz-Expires"] == ["3600"] and query["X-Amz-SignedHeaders"] == ["host"]
        with urllib.request.urlopen(url, timeout=20) as answer:
            assert answer.read() == body, name
    broken = url[:-1] + ("0" if url[-1] != "0" else "1")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(broken, timeout=20)
    assert refused.value.code == 403


def test_a_wrong_secret_is_told_to_the_operator_only(start, s3):
    daemon = serve(start, s3, secret="not-the-secret")
    status, _, body = ask(daemon, "/o", "a.txt")
    assert status == 403 and json.loads(body)["message"] == "The object may not be read"
    told = daemon.access_log(1)[0]["detail"]
    assert "SignatureDoesNotMatch" in told and "check the secret" in told
    written = daemon.log_file.read_text() + daemon.stderr()
    assert "not-the-secret" not in written


def test_another_region_is_refused_by_a_strict_server(start, s3):
    if s3.name != "swift":
        pytest.skip("s3rver does not look at the region")
    daemon = serve(start, s3, region="eu-west-1")
    status, _, body = ask(daemon, "/o", "a.txt")
    assert status in (400, 403) and b"region" not in body
    assert "check services.object_storage.region" in daemon.access_log(1)[0]["detail"]


def test_anonymous_objects(start, s3):
    operation = {"/o": {"get": {"type": "object_storage", "bucket": "site", "object": "a.txt"}},
                 "/redirect": {"get": {"type": "object_storage", "bucket": "site", "object": "a.txt", "presigned_redirect": True}}}
    daemon = serve(start, s3, operation)
    # Swift refuses what nobody signed.
    assert daemon.get("/o")[0] in ([200] if s3.name == "s3rver" else [400, 403])
    assert daemon.get("/redirect")[1]["Location"] == f"{s3.url}/site/a.txt"


# ---- what the servers above do not do

TOKEN = {"type": "object_storage", "bucket": "site", "object": "{key}", "service_account_id": "aje1", "parameters": KEY}


def test_a_token_goes_as_bearer(start, upstream):
    server = upstream(lambda request, wire: wire.answer(200, b"body", {"Content-Type": "a/b", "Set-Cookie": "x=1", "X-Amz-Id-2": "z"}))
    daemon = serve(start, server, {"/o": {"get": TOKEN}})
    status, headers, body = ask(daemon, "/o", "a b", {"Authorization": "Basic mine", "Cookie": "c=1", "If-None-Match": '"x"'})
    assert (status, body, headers["Content-Type"], headers["Set-Cookie"]) == (200, b"body", "a/b", None)
    request = server.requests[0]
    assert request.target == "/site/a%20b" and request.get("Authorization") == "Bearer t1.bearer-token"
    assert request.get("If-None-Match") == '"x"' and request.get("Cookie") is None
    assert request.get("Host") == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("status,expected", [(400, 400), (401, 401), (403, 403), (404, 404), (409, 409), (429, 429), (500, 502), (503, 502), (301, 502), (407, 502)])
def test_statuses(start, upstream, status, expected):
    xml_body = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>bucket site &amp; more</Message><BucketName>site</BucketName></Error>"
    server = upstream(lambda request, wire: wire.answer(status, xml_body, {"Content-Type": "application/xml"}))
    daemon = serve(start, server, {"/o": {"get": TOKEN}}, workers=1)
    for _ in range(2):
        got, headers, body = ask(daemon, "/o", "a")
        assert (got, headers["Content-Type"]) == (expected, "application/json")
        assert b"site" not in body and b"SlowDown" not in body
    assert f"answered {status}: SlowDown, bucket site & more" in daemon.access_log(2)[0]["detail"]
    assert server.connections == 1  # errors do not cost the connection


@pytest.mark.parametrize("document", [b"", b"<Error", b"<Code>", b"\xff" * 3000, b"<Code>" + b"A" * 200000 + b"</Code>", b"<Code>\r\nX-Evil: 1</Code>"],
                         ids=["empty", "cut", "open", "bytes", "long", "lines"])
def test_errors_that_are_no_xml(start, upstream, document):
    server = upstream(lambda request, wire: wire.answer(403, document))
    daemon = serve(start, server, {"/o": {"get": TOKEN}})
    assert ask(daemon, "/o", "a")[0] == 403
    assert len(daemon.access_log(1)[0]["detail"]) < 500


def test_a_store_that_is_down(start, upstream):
    server = upstream()
    server.close()
    daemon = serve(start, server, {"/o": {"get": TOKEN}}, limits={"connect_retry": "0s"})
    status, _, body = ask(daemon, "/o", "a")
    assert status == 502 and b"127.0.0.1" not in body


def test_large_objects_stream_with_back_pressure(start, upstream):
    size, sent = 256 << 20, []

    def pour(request, wire):
        wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        block, done = b"x" * 65536, 0
        while done < size:
            wire.send(block)
            done += len(block)
            sent.append(len(block))
    server = upstream(pour)
    daemon = serve(start, server, {"/o": {"get": TOKEN}})
    with daemon.connect() as client:
        client.sendall(b"GET /o?key=a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1024).startswith(b"HTTP/1.1 200 ")
        time.sleep(1.0)
        held = len(sent)
        time.sleep(0.3)
        assert len(sent) == held and held * 65536 < 32 << 20, "nobody reads, and the store still pours"
        resident = int(next(line.split()[1] for line in pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines()
                            if line.startswith("VmRSS")))
        assert resident < 120 * 1024
    # The client has gone: so has the call.
    until = time.monotonic() + 10
    while server.open and time.monotonic() < until:
        time.sleep(0.05)
    assert not server.open


def test_an_object_that_breaks_off(start, upstream):
    def break_off(request, wire):
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        return False
    daemon = serve(start, upstream(break_off), {"/o": {"get": TOKEN}})
    with daemon.connect() as client:
        client.sendall(b"GET /o?key=a HTTP/1.1\r\nHost: x\r\n\r\n")
        got = b""
        try:
            while data := client.recv(65536):
                got += data
        except ConnectionError:
            pass
    assert got.endswith(b"half") and b"Content-Length: 1000" in got
