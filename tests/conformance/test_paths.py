"""Path confusion: whatever is sent, route, access log and upstream see one canonical path (path/README.md), and a route
that looks protected by its name is reached by that path alone (routes.json)."""
import json
import pathlib

import pytest
import raw

HERE = pathlib.Path(__file__).parent
PATHS = [case for file in sorted((HERE / "path").glob("*.json")) for case in json.loads(file.read_text(encoding="utf-8"))]
ROUTES = json.loads((HERE / "routes.json").read_text(encoding="utf-8"))


def ask(gateway, upstream, target: str):
    """Sends GET; returns the answer, what the upstream saw, and the access log's entry."""
    upstream.take()
    logged = len(gateway.access_log())
    request = f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode("latin-1")
    answer = raw.exchange(gateway, request)[0]
    messages, ambiguities = upstream.take()
    assert ambiguities == []
    entries = gateway.access_log(logged + 1)
    assert len(entries) == logged + 1
    return answer, messages, entries[logged]


@pytest.mark.parametrize("case", PATHS, ids=lambda case: case["path"])
def test_one_canonical_path(gateway, upstream, case):
    answer, messages, entry = ask(gateway, upstream, case["path"])
    assert entry["status"] == answer.status
    if "refuse" in case:
        assert answer.status == case["refuse"]
        assert messages == []
        return
    assert entry["path"] == case["canonical"]
    if case["canonical"].startswith("//"):  # a greedy parameter does not begin with an empty segment
        assert answer.status == 404
        assert messages == []
        return
    assert answer.status == 200
    assert [message["target"] for message in messages] == [case["canonical"]]
    assert entry["template"] == ("/" if case["canonical"] == "/" else "/{rest+}")


@pytest.mark.parametrize("case", ROUTES, ids=lambda case: case["target"])
def test_route_sees_the_same_path(gateway, upstream, case):
    answer, messages, entry = ask(gateway, upstream, case["target"])
    assert entry["path"] == case["canonical"]
    if case["secret"]:
        assert answer.body == b"the secret page"
        assert messages == []
        assert entry["template"] == "/admin/secret"
    else:
        assert b"secret page" not in answer.body
        assert entry["template"] != "/admin/secret"


@pytest.mark.parametrize("sent, seen", [
    ("/http/a", "/through/a"),
    ("/http/a/b", "/through/a/b"),
    ("/http/a/", "/through/a/"),
    ("/http/a%2Fb", "/through/a%2Fb"),
    ("/http/a%2fb/%63", "/through/a%2Fb/c"),
    ("/http/a%3Fb=c%23d", "/through/a%3Fb%3Dc%23d"),
    ("/http/a%40b:80", "/through/a%40b%3A80"),
    ("/http/x/../a", "/through/a"),
    ("/http/%D0%9F", "/through/%D0%9F"),
    ("/http/a%0D%0Ab", "/through/a%0D%0Ab"),
    ("/http/a%252e%252e", "/through/a%252e%252e"),
])
def test_http_integration_substitutes_the_decoded_path_encoded(gateway, upstream, sent, seen):
    answer, messages, _ = ask(gateway, upstream, sent)
    assert answer.status == 200
    # Sub-delimiters, ':' and '@' may stand in a segment either way (RFC 3986 section 3.3).
    for plain, encoded in ((":", "%3A"), ("@", "%40"), ("=", "%3D")):
        seen = seen.replace(encoded, plain)
        messages[0]["target"] = messages[0]["target"].replace(encoded, plain)
    assert messages[0]["target"] == seen
