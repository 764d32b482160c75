"""Service accounts against a stand-in for IAM: tokens, outages, what is told to whom."""
import concurrent.futures
import http.client
import json
import re
import signal
import time

import pytest

pytest.importorskip("jwt", reason="python3-jwt is not installed: run .ci/setup test")
pytest.importorskip("cryptography", reason="python3-cryptography is not installed: run .ci/setup test")
from conftest import paths  # noqa: E402
from iam import Iam, ServiceAccountKey  # noqa: E402

FUNCTION = {"type": "cloud_functions", "function_id": "d4ecloud", "service_account_id": "aje1"}


@pytest.fixture(scope="module")
def key():
    return ServiceAccountKey("aje1", warning=True)


@pytest.fixture
def iam(key):
    with Iam(key) as server:
        yield server


@pytest.fixture
def functions(upstream):
    """A stand-in for the functions' service: answers with the token that it was called with."""
    return upstream(lambda request, wire: wire.answer(200, json.dumps(
        {"statusCode": 200, "body": {"authorization": request.get("Authorization"), "target": request.target}}).encode()))


def configuration(iam, functions=None, **more):
    services = {"iam": {"endpoint": iam.url}}
    if functions:
        services["cloud_functions"] = {"endpoint": f"http://127.0.0.1:{functions.port}"}
    return {"service_accounts": {"aje1": {"authorized_key": "keys/sa.json"}}, "services": services, **more}


def launch_with(start, iam, functions, key, document=None, **more):
    return start({"api.json": document or paths({"/f": {"get": dict(FUNCTION)}}), "keys/sa.json": key.file},
                 configuration(iam, functions, **more))


def everything_written(daemon) -> str:
    return daemon.log_file.read_text() + daemon.stderr()


def wait_for_log(daemon, pattern, seconds=10):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := re.search(pattern, everything_written(daemon)):
            return found
        time.sleep(0.02)
    raise AssertionError(f"no {pattern!r} in:\n{everything_written(daemon)}")


def test_many_first_calls_make_one_exchange(start, iam, functions, key):
    iam.delay = 0.3
    daemon = launch_with(start, iam, functions, key, workers=2)
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: daemon.get("/f"), range(120)))
    assert {status for status, _, _ in answers} == {200}, answers[0]
    assert len(iam.requests) == 1 and not iam.refused
    told = json.loads(answers[0][2])
    assert told == {"authorization": "Bearer " + iam.issued[0], "target": "/d4ecloud?integration=raw&tag=%24latest"}
    written = everything_written(daemon) + daemon.admin("GET", "/metrics")[1].decode()
    assert iam.issued[0] not in written and "BEGIN PRIVATE KEY" not in written
    assert 'sluice_iam_exchanges_total{outcome="ok"} 1' in written and "sluice_iam_tokens_valid 1" in written


def test_a_token_is_renewed_early_and_an_outage_is_bridged(start, iam, functions, key):
    iam.life = 4
    daemon = launch_with(start, iam, functions, key)
    assert daemon.get("/f")[0] == 200
    until = time.monotonic() + 4
    while len(iam.issued) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    assert len(iam.issued) == 2, "no new token before the first one ended"
    begin = time.monotonic()  # of the second token's four seconds
    iam.fail = 503
    while json.loads(daemon.get("/f")[2])["authorization"] != "Bearer " + iam.issued[1]:
        assert time.monotonic() - begin < 3
    wait_for_log(daemon, "could not be refreshed; the old one serves until it ends")
    served = 0
    while (answer := daemon.get("/f"))[0] == 200:
        assert json.loads(answer[2])["authorization"] == "Bearer " + iam.issued[1]
        served = time.monotonic() - begin
        assert served < 8
        time.sleep(0.05)
    assert served > 3, f"the old token served for {served} s only"
    status, _, body = answer
    assert status == 502 and json.loads(body)["message"] == "The gateway has no valid credentials for this call"
    assert "127.0.0.1" not in body.decode()
    wait_for_log(daemon, '"credentials_unavailable"')
    iam.fail = None
    until = time.monotonic() + 15
    while daemon.get("/f")[0] != 200 and time.monotonic() < until:
        time.sleep(0.1)
    assert daemon.get("/f")[0] == 200


@pytest.mark.parametrize("ahead", [7200, -7200])
def test_a_wrong_clock_is_told_and_made_up_for(start, iam, functions, key, ahead):
    iam.ahead = ahead
    daemon = launch_with(start, iam, functions, key)
    assert daemon.get("/f")[0] == 200
    assert len(iam.refused) == 1
    told = json.loads(wait_for_log(daemon, r'\{[^\n]*clock differs[^\n]*\}').group(0))
    assert abs(told["seconds_ahead"] + ahead) <= 5 and told["service_account"] == "aje1"


def test_a_refused_key(start, iam, functions, key):
    other = ServiceAccountKey("aje1", key.key_id)
    daemon = launch_with(start, iam, functions, other)
    for _ in range(3):
        status, _, body = daemon.get("/f")
        assert status == 502 and set(json.loads(body)) == {"message", "requestId"}
    assert not functions.requests and len(iam.requests) == 1  # back-off
    told = json.loads(wait_for_log(daemon, r'\{[^\n]*"no IAM token"[^\n]*\}').group(0))
    for word in ("ajekey1", "was refused", iam.url, "answered 401", "yc iam key create"):
        assert word in told["reason"], told
    assert json.loads(iam.requests[0].body)["jwt"] not in everything_written(daemon)


def test_a_service_that_hangs(start, iam, functions, key):
    iam.hang = True
    daemon = launch_with(start, iam, functions, key, limits={"token_timeout": "700ms"})
    begin = time.monotonic()
    assert daemon.get("/f")[0] == 502
    assert 0.6 < time.monotonic() - begin < 5
    wait_for_log(daemon, "cannot be reached")


def test_the_gateways_timeout_is_not_passed(start, iam, functions, key):
    iam.hang = True
    daemon = launch_with(start, iam, functions, key, gateways=[{"spec": "api.json", "timeout": "500ms"}])
    begin = time.monotonic()
    assert daemon.get("/f")[0] == 504
    assert time.monotonic() - begin < 5


def test_a_reload_keeps_tokens_and_reads_files_again(start, iam, functions, key):
    document = paths({"/f": {"get": dict(FUNCTION)}, "/g": {"get": {**FUNCTION, "service_account_id": "aje2"}}})
    daemon = start(
        {"api.json": document, "keys/sa.json": key.file, "token": "t1.fixed-one\n"},
        {**configuration(iam, functions), "service_accounts": {"aje1": {"authorized_key": "keys/sa.json"},
                                                               "aje2": {"token": "${file:token}"}}})
    first = json.loads(daemon.get("/f")[2])["authorization"]
    assert json.loads(daemon.get("/g")[2])["authorization"] == "Bearer t1.fixed-one"
    daemon.write("token", "t1.fixed-two\n")
    assert daemon.admin("POST", "/reload")[0] == 200
    assert json.loads(daemon.get("/g")[2])["authorization"] == "Bearer t1.fixed-two"
    assert json.loads(daemon.get("/f")[2])["authorization"] == first
    assert len(iam.requests) == 1
    again = ServiceAccountKey("aje1", "ajekey2")
    iam.keys["ajekey2"] = again
    daemon.write("keys/sa.json", again.file)
    daemon.signal(signal.SIGHUP)
    until = time.monotonic() + 10
    while json.loads(daemon.get("/f")[2])["authorization"] == first and time.monotonic() < until:
        time.sleep(0.05)
    assert len(iam.requests) == 2 and not iam.refused
    written = everything_written(daemon)
    assert "t1.fixed" not in written and "t1.secret" not in written


def test_the_metadata_service(start, upstream, functions):
    seen = []

    def metadata(request, wire):
        seen.append((request.method, request.target, request.get("Metadata-Flavor")))
        wire.answer(200, b'{"access_token": "t1.vm", "expires_in": 40000, "token_type": "Bearer"}')
    server = upstream(metadata)
    daemon = start({"api.json": paths({"/f": {"get": dict(FUNCTION)}})},
                   {"service_accounts": {"aje1": {"metadata": True}},
                    "services": {"cloud_functions": {"endpoint": f"http://127.0.0.1:{functions.port}"}}},
                   env={"YC_METADATA_ADDR": f"127.0.0.1:{server.port}"})
    assert json.loads(daemon.get("/f")[2])["authorization"] == "Bearer t1.vm"
    assert seen == [("GET", "/computeMetadata/v1/instance/service-accounts/default/token", "Google")]


def test_containers_and_urls_with_an_account(start, iam, upstream, key):
    cloud = upstream()
    document = paths({
        "/c/{rest+}": {"type": "serverless_containers", "container_id": "bbacloud"},
        "/h": {"get": {"type": "http", "url": f"http://127.0.0.1:{cloud.port}/h", "headers": {"*": "*"}, "service_account_id": "aje1"}},
        "/plain": {"get": {"type": "http", "url": f"http://127.0.0.1:{cloud.port}/h"}},
    }, **{"x-yc-apigateway": {"service_account_id": "aje1"}})
    services = {"iam": {"endpoint": iam.url}, "serverless_containers": {"endpoint": f"http://127.0.0.1:{cloud.port}"}}
    daemon = start({"api.json": document, "keys/sa.json": key.file}, {**configuration(iam), "services": services})
    status, _, body = daemon.request("PUT", "/c/a%20b?x=1", {"Host": "api.example", "Authorization": "Bearer mine"}, b"body")
    got = json.loads(body)
    fields = {name.lower(): value for name, value in got["headers"]}
    assert (status, got["method"], got["target"], got["body"]) == (200, "PUT", "/c/a%20b?x=1", "body")
    assert fields["host"] == "bbacloud.containers.yandexcloud.net" and fields["x-forwarded-host"] == "api.example"
    assert [value for name, value in got["headers"] if name.lower() == "authorization"] == ["Bearer " + iam.issued[0]]
    got = json.loads(daemon.get("/h", {"Authorization": "Basic mine"})[2])
    assert [value for name, value in got["headers"] if name.lower() == "authorization"] == ["Bearer " + iam.issued[0]]
    # The document's default account is not for URLs.
    got = json.loads(daemon.get("/plain")[2])
    assert "authorization" not in {name.lower() for name, _ in got["headers"]}
    assert len(iam.requests) == 1


PROGRAM = r"""
import http.server, json, os, urllib.error, urllib.request

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        base = "http://" + os.environ["YC_METADATA_ADDR"]
        tail = "/computeMetadata/v1/instance/service-accounts/default/token"
        def ask(url, headers={"Metadata-Flavor": "Google"}, method="GET"):
            try:
                with urllib.request.urlopen(urllib.request.Request(url, headers=headers, method=method)) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                return error.code, None
        host = "http://" + os.environ["YC_METADATA_ADDR"].split("/")[0]
        body = json.dumps({"token": ask(base + tail), "no header": ask(base + tail, {})[0],
                           "forwarded": ask(base + tail, {"Metadata-Flavor": "Google", "X-Forwarded-For": "1.2.3.4"})[0],
                           "post": ask(base + tail, method="POST")[0], "no secret": ask(host + tail)[0],
                           "wrong secret": ask(host + "/" + "0" * 48 + tail)[0], "other path": ask(base + "/")[0],
                           "address": os.environ["YC_METADATA_ADDR"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def test_a_local_container_finds_its_token(start, iam, key):
    document = paths({"/c": {"get": {"type": "serverless_containers", "container_id": "bbahere"}}})
    daemon = start({"api.json": document, "keys/sa.json": key.file, "app/app.py": PROGRAM},
                   {**configuration(iam), "containers": {
                       "bbahere": {"command": ["/usr/bin/python3", "app.py"], "directory": "app", "service_account": "aje1"}}})
    got = json.loads(daemon.get("/c")[2])
    status, token = got["token"]
    assert status == 200 and token["access_token"] == iam.issued[0] and token["token_type"] == "Bearer"
    assert 3500 < token["expires_in"] <= 3600
    assert (got["no header"], got["forwarded"], got["post"]) == (403, 403, 405)
    assert (got["no secret"], got["wrong secret"], got["other path"]) == (404, 404, 404)
    assert re.fullmatch(r"127\.0\.0\.1:\d+/[0-9a-f]{48}", got["address"])
    assert got["address"].split("/")[1] not in everything_written(daemon)


def test_mistakes_of_the_configuration(sluice, tmp_path, key):
    (tmp_path / "api.json").write_text(paths({"/f": {"get": dict(FUNCTION)}, "/u": {"get": {**FUNCTION, "service_account_id": "aje9"}}}))
    (tmp_path / "bad.json").write_text(json.dumps({"id": "a", "service_account_id": "b", "private_key": "hush-hush"}))
    (tmp_path / "sluice.yaml").write_text(
        "gateways: [{spec: api.json}]\nservice_accounts:\n  aje1: {authorized_key: bad.json}\n  aje2: {authorized_key: gone.json}\n"
        "functions: {d4e: {url: 'http://h/', service_account: aje3}}\n")
    checked = sluice("check", "--config", "sluice.yaml")
    assert checked.code == 1
    for pattern in (r"sluice\.yaml:3:26: error: bad\.json is no authorized key: `private_key` holds no PEM",
                    r"sluice\.yaml:4:26: error: the authorized key gone\.json cannot be read",
                    r"sluice\.yaml:5:\d+: error: the service account aje3 is not configured",
                    r"api\.json:\d+:\d+: error: the cloud_functions integration needs the service account aje9"):
        assert re.search(pattern, checked.out), (pattern, checked.out)
    assert "hush" not in checked.out + checked.err
    started = sluice("serve", "--config", "sluice.yaml")
    assert started.code == 1 and "bad.json is no authorized key" in started.err


def test_without_a_configuration_no_cloud_is_called(launch, tmp_path):
    (tmp_path / "api.json").write_text(paths({
        "/f": {"get": dict(FUNCTION)}, "/c": {"get": {"type": "serverless_containers", "container_id": "bba1", "service_account_id": "aje1"}},
        "/h": {"get": {"type": "http", "url": "http://127.0.0.1:9/", "service_account_id": "aje1"}},
        "/s": {"get": {"type": "object_storage", "bucket": "site", "object": "a", "service_account_id": "aje1"}}}))
    daemon = launch("serve", "--spec", "api.json", "--listen", "127.0.0.1:0")
    for path, hint in (("/f", "functions: {d4ecloud: {url: "), ("/c", "containers: {bba1: {url: "),
                       ("/h", "service_accounts: {aje1: {authorized_key: "), ("/s", "buckets: {site: {directory: ")):
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port(), timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        assert answer.status == 502 and hint in body["message"], (path, answer.status, body)
        connection.close()
    assert daemon.end() == 0


def test_explain_shows_no_secret(sluice, tmp_path):
    (tmp_path / "api.json").write_text(paths({"/f": {"get": dict(FUNCTION)}}))
    shown = sluice("explain", "api.json", "GET", "/f", "--format", "json")
    assert shown.code == 0, shown.err
    request = json.loads(shown.out)["integration"]["request"]
    assert request["headers"]["Authorization"] == "Bearer ***"
