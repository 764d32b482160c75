"""Functions behind a URL: an express application behind serverless-http reads the events and builds the answers
(tests/support/npm/function_server.mjs); nothing of it knows Sluice."""
import base64
import json
import pathlib
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from daemon import Daemon  # noqa: E402

NPM = ROOT / "tests" / "support" / "npm"

DOCUMENT = """
openapi: 3.0.0
info: {title: functions, version: '1'}
paths:
  /old/{rest+}:
    x-yc-apigateway-any-method:
      parameters:
        - {name: tag, in: query, schema: {type: string, default: none}}
      x-yc-apigateway-integration: {type: cloud_functions, function_id: express1, tag: 'v-{tag}'}
  /new/{name}/{rest+}:
    x-yc-apigateway-any-method:
      operationId: newOne
      x-yc-apigateway-integration:
        type: cloud_functions
        function_id: express1
        payload_format_version: '1.0'
        context: {user: '{name}', nested: [{rest: '{rest}'}]}
  /gone:
    get:
      x-yc-apigateway-integration: {type: cloud_functions, function_id: gone1}
  /unknown:
    get:
      x-yc-apigateway-integration: {type: cloud_functions, function_id: unknown1}
"""


@pytest.fixture(scope="module")
def express():
    if not (NPM / "node_modules" / "serverless-http").is_dir():
        pytest.skip("tests/support/npm is not installed: run .ci/setup npm")
    process = subprocess.Popen(["node", str(NPM / "function_server.mjs")], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(process.stdout.readline())["port"]
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def daemon(express, tmp_path_factory):
    functions = {"express1": {"url": f"http://127.0.0.1:{express}/"}, "gone1": {"url": "http://127.0.0.1:1/"}}
    with Daemon(tmp_path_factory.mktemp("functions"), {"functions.yaml": DOCUMENT},
                {"functions": functions}) as running:
        yield running


def echo(daemon, method, target, headers=None, body=None):
    status, answered, text = daemon.request(method, target, headers, body)
    assert status == 200, text
    assert answered["content-type"].startswith("application/json")
    return json.loads(text)


@pytest.mark.parametrize("prefix", ["/old", "/new/bob"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE"])
def test_express_sees_the_request(daemon, prefix, method):
    body = None if method in ("GET", "OPTIONS") else b'{"a": "\xd1\x8f"}'
    seen = echo(daemon, method, f"{prefix}/caf%C3%A9/x%2Fy?tag=1&tag=2&q=%D1%8F+z&empty=",
                {"Content-Type": "application/json", "Cookie": "sid=s1; theme=dark", "x-CUSTOM-header": "v",
                 "X-Request-Id": "forged", "User-Agent": "test/1", "X-Forwarded-For": "203.0.113.1"}, body)
    assert seen["method"] == method
    assert seen["path"] == f"{prefix}/caf%C3%A9/x%2Fy"
    assert seen["query"] == {"tag": ["1", "2"], "q": "я z", "empty": ""}
    assert seen["cookies"] == {"sid": "s1", "theme": "dark"}
    assert seen["headers"]["x-custom-header"] == "v"
    assert seen["headers"]["user-agent"] == "test/1"
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert seen["headers"]["x-forwarded-proto"] == "http"
    assert seen["headers"]["x-serverless-gateway-id"] == "functions"
    assert seen["headers"]["x-api-gateway-function-id"] == "express1"
    assert seen["headers"]["host"] == f"127.0.0.1:{daemon.port}"
    assert seen["ip"] == "127.0.0.1"
    assert seen["requestId"] != "forged" and len(seen["requestId"]) == 36
    assert base64.b64decode(seen["body"]) == (body or b"")


@pytest.mark.parametrize("prefix", ["/old", "/new/bob"])
@pytest.mark.parametrize("kind,body", [
    ("application/octet-stream", bytes(range(256))), ("image/png", b"\x89PNG\r\n"), ("text/plain", "я".encode()),
    ("text/plain", b"\xff\xfe"), ("application/x-www-form-urlencoded", b"a=1&b=%20"), ("", b"anything"),
    ("application/problem+json", b"{}"), ("multipart/form-data; boundary=b", b"--b--"),
])
def test_bodies_arrive_whole(daemon, prefix, kind, body):
    seen = echo(daemon, "POST", f"{prefix}/echo", {"Content-Type": kind} if kind else {}, body)
    assert base64.b64decode(seen["body"]) == body


def test_chunked_body_and_a_large_one(daemon):
    seen = echo(daemon, "POST", "/old/echo", {"Content-Type": "text/plain"}, iter([b"one", b"two"]))
    assert seen["text"] == "onetwo"
    large = b"x" * 900_000
    assert len(base64.b64decode(echo(daemon, "POST", "/old/echo", {}, large)["body"])) == len(large)


def test_body_beyond_the_events_limit_is_413(daemon):
    with daemon.connect() as client:
        client.sendall(b"POST /old/echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("prefix", ["/old", "/new/bob"])
def test_what_express_answers(daemon, prefix):
    status, headers, body = daemon.get(f"{prefix}/status/418")
    assert (status, body) == (418, b"status 418") and headers["content-type"] == "text/plain; charset=utf-8"
    status, headers, body = daemon.get(f"{prefix}/cookies")
    assert status == 200 and headers.get_all("set-cookie") == ["one=1; Path=/", "two=2; Path=/; HttpOnly"]
    assert headers["content-length"] == str(len(body)) and headers["etag"]
    status, headers, body = daemon.get(f"{prefix}/binary")
    assert (status, body) == (200, b"\0\xff\xfe\x80\n") and headers["content-type"] == "application/octet-stream"
    status, headers, body = daemon.get(f"{prefix}/redirect")
    assert status == 302 and headers["location"] == "/echo"
    status, _, body = daemon.request("HEAD", f"{prefix}/status/200")
    assert (status, body) == (200, b"")


def test_function_runs_to_its_end_when_the_client_has_gone(daemon):
    def finished():
        return echo(daemon, "GET", "/old/slow-count")["finished"]

    before = finished()
    with daemon.connect() as client:
        client.sendall(b"GET /old/slow?ms=600 HTTP/1.1\r\nHost: h\r\n\r\n")
        time.sleep(0.2)
    until = time.monotonic() + 20
    while finished() == before and time.monotonic() < until:
        time.sleep(0.05)
    assert finished() == before + 1


def event_of(daemon, target, headers=None):
    status, _, text = daemon.get(target, headers)
    assert status == 200, text
    return json.loads(text)


def test_event_of_the_old_format(daemon):
    event = event_of(daemon, "/old/x/event?tag=7", {"Authorization": "Bearer t"})
    assert event["url"] == "/old/x/event?tag=7" and event["path"] == "/old/{rest+}"
    assert event["pathParams"] == {"rest": "x/event"}
    assert event["params"] == {"rest": "x/event", "tag": "7"}
    assert event["multiValueParams"] == {"rest": ["x/event"], "tag": ["7"]}
    assert event["headers"]["Authorization"] == "Bearer t"
    assert event["body"] == "" and event["isBase64Encoded"] is False
    assert "version" not in event and "authorizer" not in event["requestContext"]
    assert event_of(daemon, "/old/event")["url"] == "/old/event?"
    assert event_of(daemon, "/old/event")["params"]["tag"] == "none"
    context = event["requestContext"]
    assert abs(context["requestTimeEpoch"] - time.time()) < 60
    assert context["identity"] == {"sourceIp": "127.0.0.1", "userAgent": ""}


def test_event_of_the_new_format(daemon):
    event = event_of(daemon, "/new/b%20b/../bob/a/event?q=1")
    assert event["version"] == "1.0" and event["operationId"] == "newOne"
    assert event["path"] == "/new/bob/a/event" and event["resource"] == "/new/{name}/{rest+}"
    assert event["pathParameters"] == {"name": "bob", "rest": "a/event"}
    assert event["requestContext"]["apiGateway"]["operationContext"] == {
        "user": "bob", "nested": [{"rest": "a/event"}]}


def raw(daemon, answer):
    text = answer if isinstance(answer, (str, bytes)) else json.dumps(answer)
    return daemon.request("POST", "/old/raw", {"Content-Type": "application/json"}, text)


def test_raw_answers(daemon):
    status, headers, body = raw(daemon, {"statusCode": "201", "body": {"a": 1}, "headers": {"X-A": "1", "Cookie": "x"},
                                         "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}})
    assert status == 201 and json.loads(body) == {"a": 1}
    assert headers["content-type"] == "application/json" and headers["x-a"] == "1" and headers["cookie"] is None
    assert headers.get_all("set-cookie") == ["a=1", "b=2"]
    status, _, body = raw(daemon, {"body": base64.b64encode(b"\0\xff").decode(), "isBase64Encoded": True})
    assert (status, body) == (200, b"\0\xff")


@pytest.mark.parametrize("answer,word", [
    ("<html>SECRET</html>", "no JSON"), ("[1]", "no JSON object"), ({"statuscode": 200, "x": "SECRET"}, "statusCode"),
    ({"statusCode": 99}, "statusCode"), ({"body": "SECRET!", "isBase64Encoded": True}, "base64"),
    ({"headers": {"A": "SECRET\r\nX-Evil: 1"}}, "headers"), ({"headers": {"bad name": "SECRET"}}, "headers"),
])
def test_bad_answers_are_told_but_not_quoted(daemon, answer, word):
    status, headers, body = raw(daemon, answer)
    assert status == 502
    message = json.loads(body)
    assert word in message["message"] and message["requestId"] == headers["x-request-id"]
    assert b"SECRET" not in body and headers["x-evil"] is None


def test_failures(daemon):
    status, headers, body = daemon.get("/old/fail")
    assert status == 502 and headers["x-function-error"] == "true"
    told = json.loads(body)
    assert told["errorMessage"] == "boom" and told["errorType"] == "TypeError" and "stackTrace" not in told
    status, _, body = daemon.get("/gone")
    assert status == 502 and b"127.0.0.1" not in body


def test_a_functions_own_timeout(express, tmp_path):
    functions = {"express1": {"url": f"http://127.0.0.1:{express}/", "timeout": "300ms"},
                 "gone1": {"url": "http://127.0.0.1:1/"}}
    with Daemon(tmp_path / "timeout", {"functions.yaml": DOCUMENT}, {"functions": functions}) as daemon:
        began = time.monotonic()
        status, headers, body = daemon.get("/old/slow?ms=2000")
        assert status == 504 and 0.2 < time.monotonic() - began < 1.8
        assert json.loads(body)["requestId"] == headers["x-request-id"]
        assert daemon.get("/old/slow?ms=10")[0] == 200


def test_standalone_names_the_key_to_add(tmp_path):
    document = tmp_path / "functions.yaml"
    document.write_text(DOCUMENT)
    from daemon import SLUICE, free_port, wait_for_port
    import http.client
    port = free_port()
    process = subprocess.Popen([SLUICE, "serve", "--spec", str(document), "--listen", f"127.0.0.1:{port}"],
                               stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_for_port(port, lambda: process.poll() is None)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/unknown")
        answer = connection.getresponse()
        assert answer.status == 502
        assert "functions: {unknown1: {url:" in json.loads(answer.read())["message"]
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0
