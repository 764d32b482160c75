"""Containers behind a URL, on a port or a unix socket: what they get. spec.md section 4, events.md (added headers)."""
import base64
import json
import uuid

import pytest

from conftest import paths

CONTEXT = {"user": "{name}", "nested": [{"deep": "{name}"}, 7, True, None], "fixed": "{unknown}"}
DOCUMENT = paths({
    "/p/{name}/{rest+}": {"type": "serverless_containers", "container_id": "bba1", "context": CONTEXT},
    "/all/{rest+}": {"type": "serverless_containers", "container_id": "bba1"},
    "/gone": {"type": "serverless_containers", "container_id": "bba2"},
    "/unknown": {"type": "serverless_containers", "container_id": "bba3"},
})


@pytest.fixture(params=["tcp", "unix", "tcp with a base"])
def pair(request, start, upstream, tmp_path):
    """(daemon, upstream, base path) for each kind of URL."""
    if request.param == "unix":
        server, url = upstream(unix=tmp_path / "app.sock"), f"unix:{tmp_path}/app.sock"
    else:
        server = upstream()
        url = f"http://127.0.0.1:{server.port}" + ("/base/" if "base" in request.param else "")
    daemon = start({"a.json": DOCUMENT}, {"gateways": [{"spec": "a.json", "id": "shop"}],
                                          "containers": {"bba1": {"url": url}, "bba2": {"url": "http://127.0.0.1:1"}}})
    return daemon, server, "/base" if "base" in request.param else ""


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE"])
def test_the_request_passes(pair, method):
    daemon, server, base = pair
    body = None if method in ("GET", "HEAD", "OPTIONS") else bytes(range(256))
    status, headers, text = daemon.request(method, "/all/caf%C3%A9/./x/../y%2Fz?a=1&a=2&&b=%20+", {
        "Host": "shop.example:8080", "X-One": "1", "Cookie": "a=1; b=2", "Accept-Encoding": "br",
        "Authorization": "Bearer t", "Connection": "close, X-Hop", "X-Hop": "1"}, body)
    assert status == 200 and (method == "HEAD") == (text == b"")
    seen = server.requests[0]
    assert seen.method == method
    assert seen.target == base + "/all/caf%C3%A9/y%2Fz?a=1&a=2&&b=%20+"
    assert seen.body == (body or b"")
    assert seen.get("Host") == "shop.example:8080" and seen.get("X-Forwarded-Host") == "shop.example:8080"
    assert seen.get("X-One") == "1" and seen.get("Cookie") == "a=1; b=2" and seen.get("Accept-Encoding") == "br"
    assert seen.get("Authorization") == "Bearer t"
    assert seen.get("X-Hop") is None
    assert seen.get("X-Yc-ApiGateway-Operation-Context") is None


def test_what_the_gateway_adds(pair):
    daemon, server, _ = pair
    forged = {name: "forged" for name in (
        "X-Request-Id", "X-Trace-Id", "X-Real-Remote-Address", "X-Envoy-External-Address", "X-Envoy-Original-Path",
        "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "Forwarded", "X-Serverless-Gateway-Id",
        "X-Api-Gateway-Function-Id", "X-Serverless-Certificate-Ids", "X-Yc-ApiGateway-Operation-Context",
        "x-yc-apigateway-operation-context", "traceparent")}
    _, headers, _ = daemon.request("GET", "/all/a%20b?q=1", {**forged, "Host": "h.example"})
    seen = server.requests[0]
    assert "forged" not in [value for _, value in seen.headers]
    assert uuid.UUID(seen.get("X-Request-Id"))
    entry = daemon.access_log(1)[0]
    assert entry["request_id"] == seen.get("X-Request-Id")
    assert seen.get("traceparent").split("-")[1] == entry["trace_id"] == seen.get("X-Trace-Id")
    address, _, port = seen.get("X-Real-Remote-Address").rpartition(":")
    assert address == "127.0.0.1" and int(port) > 0
    assert seen.get("X-Envoy-External-Address") == "127.0.0.1"
    assert seen.get("X-Envoy-Original-Path") == "/all/a%20b?q=1"
    assert seen.get("X-Forwarded-For") == "127.0.0.1" and seen.get("X-Forwarded-Proto") == "http"
    assert seen.get("X-Serverless-Gateway-Id") == "shop"
    assert not {"x-api-gateway-function-id", "x-serverless-certificate-ids", "forwarded", "x-forwarded-port"} & seen.names()


def test_the_operations_context(pair):
    daemon, server, base = pair
    assert daemon.request("GET", "/p/a%22b%0D%0A/rest", {"X-Yc-Apigateway-Operation-Context": "forged"})[0] == 200
    seen = server.requests[0]
    assert seen.target == base + "/p/a%22b%0D%0A/rest"
    context = json.loads(base64.b64decode(seen.get("X-Yc-ApiGateway-Operation-Context"), validate=True))
    assert context == {"user": 'a"b\r\n', "nested": [{"deep": 'a"b\r\n'}, 7, True, None], "fixed": "{unknown}"}


def test_large_bodies_both_ways(pair):
    daemon, _, _ = pair
    body = bytes(range(256)) * 4096
    status, _, text = daemon.request("POST", "/all/x", {"Content-Type": "application/octet-stream"}, body)
    assert status == 200 and json.loads(text)["body"].encode("latin-1") == body
    status, _, text = daemon.request("POST", "/all/x", {}, iter([body[:1000], body[1000:]]))
    assert status == 200 and json.loads(text)["body"].encode("latin-1") == body


def test_answers_pass_as_they_come(start, upstream):
    def handler(request, wire):
        wire.send(b"HTTP/1.1 299 Odd\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Custom: \xe9\r\nServer: app\r\nKeep-Alive: x\r\n"
                  b"Connection: X-Hop\r\nX-Hop: 1\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 2\r\n\r\nok")
        return False
    server = upstream(handler)
    daemon = start({"a.json": DOCUMENT}, {"containers": {"bba1": {"url": f"http://127.0.0.1:{server.port}"},
                                                        "bba2": {"url": "http://127.0.0.1:1"}}})
    status, headers, body = daemon.get("/all/x")
    assert (status, body) == (299, b"ok")
    assert headers.get_all("Set-Cookie") == ["a=1", "b=2"] and headers["X-Custom"] == "\xe9" and headers["Server"] == "app"
    assert headers.get_all("Date") == ["Thu, 01 Jan 1970 00:00:00 GMT"]
    assert headers["X-Hop"] is None and headers["Keep-Alive"] is None


def test_one_that_is_down(pair):
    daemon, _, _ = pair
    status, headers, body = daemon.get("/gone")
    assert status == 502 and json.loads(body)["requestId"] == headers["x-request-id"] and b"127.0.0.1" not in body


def test_profile_cloud_passes_no_authorization(start, upstream):
    server = upstream()
    daemon = start({"a.json": DOCUMENT}, {"profile": "cloud", "containers": {
        "bba1": {"url": f"http://127.0.0.1:{server.port}"}, "bba2": {"url": "http://127.0.0.1:1"}}})
    daemon.get("/all/x", {"Authorization": "Bearer t", "X-One": "1"})
    assert server.requests[0].get("Authorization") is None and server.requests[0].get("X-One") == "1"
