"""What later versions build: a warning, 501 where it matters, never open; everything else serves."""
import json
import time

import pytest

DOCUMENT = """
openapi: 3.0.0
info: {title: later, version: '1'}
paths:
  /open:
    get:
      x-yc-apigateway-integration: &ok {type: dummy, content: {text/plain: served}}
  /authorizer/function:
    get:
      security: [{function: []}]
      x-yc-apigateway-integration: *ok
  /authorizer/jwt:
    get:
      security: [{jwt: [read]}]
      x-yc-apigateway-integration: *ok
  /authorizer/optional:
    get:
      security: [{}, {function: []}]
      x-yc-apigateway-integration: *ok
  /opened:
    get:
      security: []
      x-yc-apigateway-integration: *ok
  /validator/inline:
    get:
      x-yc-apigateway-validator: {validateRequestParameters: true}
      x-yc-apigateway-integration: *ok
  /validator/ref:
    get:
      x-yc-apigateway-validator: {$ref: '#/components/x-yc-apigateway-validators/all'}
      x-yc-apigateway-integration: *ok
  /validator/off:
    get:
      x-yc-apigateway-validator: {validateRequestBody: false}
      x-yc-apigateway-integration: *ok
  /limit/operation:
    get:
      x-yc-apigateway-rate-limit: {allRequests: {rps: 10}}
      x-yc-apigateway-integration: *ok
    post:
      x-yc-apigateway-integration: *ok
  /limit/path:
    x-yc-apigateway-rate-limit: {allRequests: {rpm: 10}}
    get:
      x-yc-apigateway-integration: *ok
  /mapping/status:
    get:
      responses: {'200': {description: ok, x-yc-status-mapping: 201}}
      x-yc-apigateway-integration: *ok
  /mapping/schema:
    get:
      responses:
        '200':
          description: ok
          content: {application/json: {schema: {x-yc-schema-mapping: {type: static, template: {a: '${.b}'}}}}}
      x-yc-apigateway-integration: *ok
  /queue:
    post:
      x-yc-apigateway-integration: {type: cloud_ymq, action: SendMessage, queue_url: 'https://q.example/q', folder_id: b1g, service_account_id: aje1}
  /stream:
    post:
      x-yc-apigateway-integration: {type: cloud_datastreams, action: PutRecord, stream_name: /a/b/c/d, service_account_id: aje1}
  /table:
    get:
      x-yc-apigateway-integration: {type: cloud_ydb, action: GetItem, database: /a/b/c, table_name: t, key: '{"id": "1"}', service_account_id: aje1}
  /sphere:
    post:
      x-yc-apigateway-integration: {type: cloud_datasphere, folder_id: b1g, node_id: n, service_account_id: aje1}
  /socket:
    x-yc-apigateway-websocket-message:
      x-yc-apigateway-integration: *ok
    get:
      x-yc-apigateway-integration: *ok
  /nothing:
    get: {}
components:
  securitySchemes:
    function:
      type: http
      scheme: bearer
      x-yc-apigateway-authorizer: {type: function, function_id: d4eauth, service_account_id: aje1}
    jwt:
      type: openIdConnect
      openIdConnectUrl: https://issuer.example/.well-known/openid-configuration
      x-yc-apigateway-authorizer: {type: jwt, jwksUri: https://issuer.example/jwks, identitySource: {in: header, name: Authorization, prefix: 'Bearer '}}
  x-yc-apigateway-validators:
    all: {validateRequestBody: true}
"""

CONFIGURATION = {
    "gateways": [{"spec": "later.yaml", "canary": {"weight": 50, "variables": {}}}],
    "service_accounts": {"aje1": {"token": "t1.secret-token-value"}},
    "compression": {"types": ["text/plain"], "min_size": "1B"},
    "security_profiles": {"strict": {"deny": ["127.0.0.0/8"]}},
    "limits": {"websocket_idle": "1m"},
}

REFUSED = [
    "/authorizer/function", "/authorizer/jwt", "/authorizer/optional", "/validator/inline", "/validator/ref", "/limit/operation",
    "/limit/path", "/mapping/status", "/mapping/schema", "/table"]


@pytest.fixture
def daemon(start):
    return start({"later.yaml": DOCUMENT}, CONFIGURATION)


def test_what_needs_it_answers_501_and_the_rest_serves(daemon):
    for path in REFUSED:
        status, headers, body = daemon.get(path, {"Authorization": "Bearer x"})
        assert status == 501, (path, status, body)
        assert json.loads(body)["requestId"] == headers["x-request-id"] and b"served" not in body
    for path in ("/queue", "/stream", "/sphere"):
        assert daemon.request("POST", path, body=b"{}")[0] == 501
    slugs = {entry["slug"] for entry in daemon.access_log(len(REFUSED) + 3)}
    assert slugs == {"not_built"}
    for path in ("/open", "/opened", "/validator/off", "/socket"):
        assert daemon.get(path)[::2] == (200, b"served"), path
    assert daemon.request("POST", "/limit/operation")[::2] == (200, b"served")
    assert daemon.get("/nothing")[0] == 501
    last = next(entry for entry in daemon.access_log(len(REFUSED) + 9) if entry["path"] == "/nothing")
    assert last["slug"] == "no_integration"


def test_a_websocket_upgrade_is_not_taken_for_a_get(daemon):
    with daemon.connect() as client:
        client.sendall(b"GET /socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 501 ")


def test_answers_are_not_compressed(daemon):
    _, headers, body = daemon.get("/open", {"Accept-Encoding": "gzip, br"})
    assert body == b"served" and headers["content-encoding"] is None


def test_each_is_a_warning(daemon, sluice):
    checked = sluice("check", "--config", daemon.folder / "sluice.yaml", "--format", "json")
    assert checked.code == 0, checked.out
    found = [entry for entry in json.loads(checked.out) if entry["rule"] == "not-built"]
    assert all(entry["severity"] == "warning" and entry["hint"] is not None for entry in found)
    in_document = {entry["line"] for entry in found if entry["file"].endswith("later.yaml")}
    in_configuration = [entry["message"] for entry in found if entry["file"].endswith("sluice.yaml")]
    lines = DOCUMENT.splitlines()
    for word in ("{type: function,", "{type: jwt,", "validateRequestParameters", "all: {validateRequestBody", "x-yc-apigateway-rate-limit: {allRequests: {rps",
                 "rpm: 10", "x-yc-status-mapping", "cloud_ymq", "cloud_datastreams",
                 "cloud_ydb", "cloud_datasphere", "x-yc-apigateway-websocket-message"):
        number = next(index for index, line in enumerate(lines, 1) if word in line)
        assert {number - 1, number, number + 1} & in_document, (word, sorted(in_document))
    for word in ("canary", "compression", "security_profiles", "websocket_idle"):
        assert any(word in message for message in in_configuration), (word, in_configuration)
    until = time.monotonic() + 10  # lines are written by a thread of their own
    while (logged := daemon.log_file.read_text()).count("[not-built]") < len(found) and time.monotonic() < until:
        time.sleep(0.02)
    assert logged.count("[not-built]") >= len(found) and "t1.secret-token-value" not in logged


def test_security_of_the_whole_document(start):
    text = DOCUMENT.replace("components:", "security: [{function: []}]\ncomponents:")
    daemon = start({"later.yaml": text}, CONFIGURATION)
    assert daemon.get("/open")[0] == 501
    assert daemon.get("/opened")[0] == 200
    assert daemon.request("POST", "/limit/operation")[0] == 501


@pytest.mark.parametrize("key", ["validator: {validateRequestBody: true}", "rateLimit: {allRequests: {rps: 5}}",
                                 "smartWebSecurity: {securityProfileId: strict}"])
def test_settings_of_the_whole_document(start, key):
    daemon = start({"later.yaml": DOCUMENT.replace("paths:", f"x-yc-apigateway: {{{key}}}\npaths:", 1)}, CONFIGURATION)
    assert daemon.get("/open")[0] == 501
    # An operation's own validator replaces the document's.
    assert daemon.get("/validator/off")[0] == (200 if "validator" in key else 501)


def test_an_unknown_security_profile_is_a_warning_only(start):
    daemon = start({"later.yaml": DOCUMENT.replace(
        "paths:", "x-yc-apigateway: {smartWebSecurity: {securityProfileId: nobody}}\npaths:", 1)}, CONFIGURATION)
    assert daemon.get("/open")[0] == 200


def test_check_without_a_configuration(sluice, tmp_path):
    (tmp_path / "later.yaml").write_text(DOCUMENT)
    checked = sluice("check", "later.yaml")
    assert checked.code == 0 and checked.out.count("[not-built]") >= 10
    assert "d4ehere" not in checked.out, "without a configuration unmapped ids are no finding"
    assert sluice("check", "--strict", "later.yaml").code == 1
