"""Profile cloud: what would fail there fails here. spec.md section 7."""
import base64
import http.client
import json
import time

import pytest

from conftest import paths

BODY = 2_621_440  # 2.5 MB
ANSWERS = {"/exact": BODY, "/over": BODY + 1}


@pytest.fixture(params=["cloud", "one gateway"])
def pair(request, start, upstream):
    def handler(seen, wire):
        path = seen.target.split("?")[0]
        path = path[2:] if path.startswith("/c/") else path
        if path in ANSWERS:
            wire.answer(200, b"x" * ANSWERS[path])
        elif path == "/chunked":
            wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(41):
                wire.chunk(b"x" * 65536)
            wire.send(b"0\r\n\r\n")
        elif path == "/slow":
            wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(30):
                wire.chunk(b"x")
                time.sleep(0.1)
            wire.send(b"0\r\n\r\n")
        elif path == "/f":
            event = json.loads(seen.body)
            size = int(event["queryStringParameters"].get("size", 0))
            wire.answer(200, json.dumps({"body": "x" * size if size else str(len(event["body"])),
                                         "headers": {"X-Auth": event["headers"].get("Authorization", "none")}}).encode())
        else:
            wire.answer(200, str(len(seen.body)).encode(), {"X-Auth": seen.get("Authorization") or "none"})
    server = upstream(handler)
    url = f"http://127.0.0.1:{server.port}"
    profile = {"profile": "cloud", "gateways": [{"spec": "a.json", "timeout": "1s"}]} if request.param == "cloud" else \
        {"gateways": [{"spec": "a.json", "timeout": "1s", "profile": "cloud"}]}
    daemon = start({"a.json": paths({
        "/http/{path}": {"type": "http", "url": f"{url}/{{path}}", "headers": {"*": "*"}},
        "/f": {"type": "cloud_functions", "function_id": "d4e1"},
        "/c/{rest+}": {"type": "serverless_containers", "container_id": "bba1"},
    })}, {"functions": {"d4e1": {"url": f"{url}/f"}}, "containers": {"bba1": {"url": url}}, **profile})
    return daemon, server


@pytest.mark.parametrize("path", ["/http/up", "/c/up"])
def test_request_bodies(pair, path):
    daemon, server = pair
    assert daemon.request("POST", path, body=b"x" * BODY)[::2] == (200, str(BODY).encode())
    count = len(server.requests)
    with daemon.connect() as client:  # a declared size is refused before the body comes
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {BODY + 1}\r\n\r\n".encode())
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.status == 413 and json.loads(answer.read())["requestId"]
    assert len(server.requests) == count
    pieces = (b"x" * 65536 for _ in range(41))  # 2.5625 MiB
    try:
        assert daemon.request("POST", path, body=pieces)[0] == 413
    except (BrokenPipeError, ConnectionResetError):
        assert 413 in {entry["status"] for entry in daemon.access_log(3)}
    assert len(server.requests) == count, "the upstream has read a whole body that was too large"


@pytest.mark.parametrize("prefix", ["/http", "/c"])
def test_answers(pair, prefix):
    daemon, _ = pair
    assert len(daemon.get(f"{prefix}/exact")[2]) == BODY
    status, headers, body = daemon.get(f"{prefix}/over")
    assert status == 502 and json.loads(body)["requestId"] == headers["x-request-id"]
    assert "response_body_too_large" in {entry.get("slug") for entry in daemon.access_log(2)}
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        daemon.get(f"{prefix}/chunked")


def test_functions(pair):
    daemon, _ = pair
    text = b"x" * BODY
    assert daemon.request("POST", "/f", {"Content-Type": "text/plain"}, text)[::2] == (200, str(BODY).encode())
    assert daemon.request("POST", "/f", {"Content-Type": "text/plain"}, text + b"x")[0] == 413
    status, _, body = daemon.request("POST", "/f", {}, b"\xff" * 1000)
    assert (status, body) == (200, str(len(base64.b64encode(b"\xff" * 1000))).encode())
    assert len(daemon.get(f"/f?size={BODY}")[2]) == BODY
    assert daemon.get(f"/f?size={BODY + 1}")[0] == 502
    assert daemon.get("/f?size=3670017")[0] == 502


def test_authorization_is_for_nobody_but_http(pair):
    daemon, _ = pair
    given = {"Authorization": "Bearer t"}
    assert daemon.get("/http/x", given)[1]["X-Auth"] == "Bearer t"
    assert daemon.get("/f", given)[1]["X-Auth"] == "none"
    assert daemon.get("/c/x", given)[1]["X-Auth"] == "none"


def test_the_timeout_ends_streamed_answers_too(pair):
    daemon, _ = pair
    began = time.monotonic()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        daemon.get("/http/slow")
    assert 0.8 < time.monotonic() - began < 2.5


def test_limits_are_settings(start, upstream):
    server = upstream(lambda request, wire: wire.answer(200, b"x" * len(request.body)))
    daemon = start({"a.json": paths({"/up": {"type": "http", "url": f"http://127.0.0.1:{server.port}/"}})},
                   {"profile": "cloud", "limits": {"request_body": "10KiB", "response_body": "5KiB"}})
    assert daemon.request("POST", "/up", body=b"x" * 5120)[0] == 200
    assert daemon.request("POST", "/up", body=b"x" * 5121)[0] == 502
    assert daemon.request("POST", "/up", body=b"x" * 10241)[0] == 413


def test_profile_open_has_no_cap(start, upstream):
    server = upstream(lambda request, wire: wire.answer(200, request.body))
    daemon = start({"a.json": paths({"/up": {"type": "http", "url": f"http://127.0.0.1:{server.port}/"}})})
    body = b"x" * (2 * BODY)
    assert daemon.request("POST", "/up", body=body)[::2] == (200, body)


def test_documents_and_timeouts_beyond_the_clouds(launch, tmp_path):
    (tmp_path / "a.json").write_text(paths({"/a": {"get": {"type": "dummy", "content": {"*": "x" * 3_700_000}}}}))
    (tmp_path / "c.yaml").write_text("gateways: [{spec: a.json, profile: cloud, timeout: 11m}]\n")
    daemon = launch("serve", "--config", "c.yaml")
    assert daemon.wait() == 1
    assert "document-too-large" in daemon.text() and "out-of-range" in daemon.text()
