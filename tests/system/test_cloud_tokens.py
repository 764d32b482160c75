"""Tokens that services refuse, and reloads that change accounts while requests want tokens of them."""
import base64
import http.client
import json
import socket
import threading
import time

import pytest

pytest.importorskip("jwt", reason="python3-jwt is not installed: run .ci/setup test")
pytest.importorskip("cryptography", reason="python3-cryptography is not installed: run .ci/setup test")
from conftest import paths  # noqa: E402
from iam import Iam, ServiceAccountKey  # noqa: E402

FUNCTION = {"type": "cloud_functions", "function_id": "d4ecloud", "service_account_id": "aje1"}
OBJECT = {"type": "object_storage", "bucket": "site", "object": "a.txt", "service_account_id": "aje1"}
CONTAINER = {"type": "serverless_containers", "container_id": "bbacloud", "service_account_id": "aje1"}
XML = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>no</Message></Error>"


@pytest.fixture(scope="module")
def key():
    return ServiceAccountKey("aje1")


@pytest.fixture
def iam(key):
    with Iam(key) as server:
        yield server


class Cloud:
    """Functions, containers and objects behind one port; `revoked` tokens are refused with `status`."""

    def __init__(self, upstream):
        self.revoked, self.status, self.document, self.everyone = set(), 401, b"{}", False
        self.server = upstream(self._answer)
        self.url = f"http://127.0.0.1:{self.server.port}"

    def _answer(self, request, wire):
        token = request.get("Authorization").removeprefix("Bearer ")
        if self.everyone or token in self.revoked:
            wire.answer(self.status, b"" if request.method == "HEAD" else self.document,
                        {"Content-Length": str(len(self.document))})
        else:
            wire.answer(200, b"" if request.method == "HEAD" else json.dumps({"statusCode": 200, "body": token}).encode(),
                        {"Content-Length": "99"} if request.method == "HEAD" else None)

    def calls(self):
        return len(self.server.requests)


@pytest.fixture
def cloud(upstream):
    return Cloud(upstream)


def serve(start, iam, cloud, key, document=None, **more):
    document = document or paths({"/f": dict(FUNCTION), "/o": dict(OBJECT), "/c": dict(CONTAINER)})
    return start({"api.json": document, "sa.json": key.file}, {
        "service_accounts": {"aje1": {"authorized_key": "sa.json"}},
        "services": {"iam": {"endpoint": iam.url}, **{name: {"endpoint": cloud.url} for name in
                     ("cloud_functions", "object_storage", "serverless_containers")}}, **more})


@pytest.mark.parametrize("route,status,document", [
    ("/f", 401, b"{}"), ("/f", 403, b"{}"), ("/c", 401, b"{}"), ("/c", 403, b"{}"),
    ("/o", 401, b"{}"), ("/o", 403, XML % b"AccessDenied"), ("/o", 400, XML % b"ExpiredToken")])
def test_a_refused_call_is_not_repeated_and_the_next_has_a_new_token(start, iam, cloud, key, route, status, document):
    daemon = serve(start, iam, cloud, key)
    assert daemon.get(route)[0] == 200
    cloud.revoked, cloud.status, cloud.document = {iam.issued[0]}, status, document
    assert daemon.get(route)[0] == (502 if route == "/f" else status)
    assert cloud.calls() == 2
    iam.wait_for(2)
    until = time.monotonic() + 5
    while daemon.get(route)[0] != 200:  # until the new token is in force; each answer is that of one call
        assert time.monotonic() < until
        time.sleep(0.02)
    assert len(iam.issued) == 2
    assert cloud.server.requests[-1].get("Authorization") == "Bearer " + iam.issued[1]
    assert iam.issued[0] not in daemon.log_file.read_text() + daemon.stderr()


@pytest.mark.parametrize("route", ["/o", "/f", "/c"])
def test_an_account_that_is_always_refused_does_not_run_over_iam(start, iam, cloud, key, route):
    daemon = serve(start, iam, cloud, key)
    cloud.everyone, cloud.status, cloud.document = True, 403, XML % b"AccessDenied"
    begin = time.monotonic()
    while time.monotonic() - begin < 3:
        assert daemon.get(route)[0] in (403, 502)
    assert len(iam.issued) == 2, "the first one, and one in its place"
    assert cloud.calls() > 10


def test_a_refused_token_serves_on_where_iam_is_down(start, iam, cloud, key):
    daemon = serve(start, iam, cloud, key)
    assert daemon.get("/f")[0] == 200
    cloud.revoked, cloud.document = {iam.issued[0]}, XML % b"AccessDenied"
    iam.fail = 503
    assert daemon.get("/o")[0] == 401
    cloud.revoked = set()
    assert daemon.get("/f")[2].decode() == iam.issued[0]
    iam.fail = None
    until = time.monotonic() + 10
    while daemon.get("/f")[2].decode() != f"t1.secret-2-{iam.port}":
        assert time.monotonic() < until
        time.sleep(0.05)


class Begun:
    """A request whose body is still to come, so that its token is still to be wanted."""

    def __init__(self, daemon, path, body=b"0123456789"):
        self.body = body
        self.wire = socket.create_connection(("127.0.0.1", daemon.port), timeout=30)
        self.wire.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:1])
        time.sleep(0.1)

    def finish(self):
        self.wire.sendall(self.body[1:])
        answer = http.client.HTTPResponse(self.wire)
        answer.begin()
        body = answer.read()
        self.wire.close()
        return answer.status, answer.headers, body


def test_requests_finish_with_the_accounts_that_they_began_with(start, iam, cloud, key):
    daemon = serve(start, iam, cloud, key, workers=2)
    first = Begun(daemon, "/f")
    # Another key in the account's place …
    again = ServiceAccountKey("aje1", "ajekey2")
    iam.keys["ajekey2"] = again
    daemon.write("sa.json", again.file)
    assert daemon.admin("POST", "/reload")[0] == 200
    second = Begun(daemon, "/f")
    # … then a static key only, then no account at all, and several more of these.
    configuration = dict(daemon.configuration)
    daemon.write("api.json", paths({"/f": {"type": "dummy", "content": {"*": "now a dummy"}}}))
    for accounts in ({"aje1": {"static_key": {"id": "k", "secret": "s"}}}, {}, {"aje9": {"token": "t1.x"}}, {}):
        daemon.configuration = {**configuration, "service_accounts": accounts}
        daemon.write_configuration()
        status, told = daemon.admin("POST", "/reload")
        assert status == 200, told
    assert daemon.get("/f")[2] == b"now a dummy"
    for begun, kid in ((first, "ajekey1"), (second, "ajekey2")):
        status, _, body = begun.finish()
        assert (status, body.decode()) == (200, iam.issued[-1]), daemon.access_log(1)
        head = json.loads(iam.requests[-1].body)["jwt"].split(".")[0]
        assert kid in base64.urlsafe_b64decode(head + "==").decode()
    assert len(iam.issued) == 2


def test_a_reload_in_the_middle_of_an_exchange(start, iam, cloud, key):
    iam.delay = 0.7
    daemon = serve(start, iam, cloud, key)
    answers = []
    asking = [threading.Thread(target=lambda: answers.append(daemon.get("/f"))) for _ in range(8)]
    for one in asking:
        one.start()
    iam.wait_for(1)
    daemon.write("api.json", paths({"/f": {"type": "dummy", "content": {"*": "now a dummy"}}}))
    daemon.configuration.pop("service_accounts")
    daemon.write_configuration()
    for _ in range(3):
        assert daemon.admin("POST", "/reload")[0] == 200
    for one in asking:
        one.join()
    assert [answer[0] for answer in answers] == [200] * 8 and len(iam.issued) == 1
    assert daemon.get("/f")[2] == b"now a dummy"


def test_requests_finish_with_the_functions_that_they_began_with(start):
    code = "def handler(event, context):\n    return {'statusCode': 200, 'body': %r}\n"
    daemon = start({"api.json": paths({"/f": {"type": "cloud_functions", "function_id": "d4ehere"}}),
                    "one/index.py": code % "one", "two/index.py": code % "two"},
                   {"functions": {"d4ehere": {"runtime": "python", "handler": "index.handler", "directory": "one"}}})
    first = Begun(daemon, "/f")
    functions = daemon.configuration["functions"]["d4ehere"]
    daemon.configuration["functions"] = {"d4ehere": {**functions, "directory": "two"}}
    daemon.write_configuration()
    assert daemon.admin("POST", "/reload")[0] == 200
    second = Begun(daemon, "/f")
    daemon.write("api.json", paths({"/f": {"type": "dummy", "content": {"*": "now a dummy"}}}))
    daemon.configuration.pop("functions")
    daemon.write_configuration()
    for _ in range(3):
        assert daemon.admin("POST", "/reload")[0] == 200
    assert daemon.get("/f")[2] == b"now a dummy"
    assert first.finish()[::2] == (200, b"one")
    assert second.finish()[::2] == (200, b"two")
