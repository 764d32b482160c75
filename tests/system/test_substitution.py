"""Values that want to break out of where they are put: nothing of a request's shape may change. spec.md section 3."""
import base64
import html
import itertools
import json
import urllib.parse

import pytest

from conftest import Daemon, Upstream, paths

VALUES = [
    "/", "//evil.example/", "?", "?x=1", "#", "#f", "@", "user@evil.example", "a:b@evil.example:80/", "\r\n", "\r\nX-Evil: 1",
    "a\r\nX-Evil: 1\r\n\r\nGET /smuggled HTTP/1.1", "\n", "\r", "\0", "'", '"', '"}', '","evil":"1', "'; DROP", "\\", "\\\"", "\\u0022",
    "..", "../..", "../../etc/passwd", "..%2f..", "%2e%2e", "./", ".", "...", "a/../b", "http://evil.example/", "https://evil.example/x?y#z",
    "//", "://", "&", "&evil=1", "=", ";", "a;b", "+", " ", "\t", "%", "%00", "%0d%0a", "%25", "é", "\u2028", "日本", "{id}", "{q}", "${var.x}",
    "{{x}}", "<script>", "]]>", "*", "\x7f", "\x01", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "x" * 300, "[1]",
    "{\"a\":1}", "null", "true", "1e5", "-", "evil.example", "localhost:1", "[::1]", "1.2.3.4", "xn--e1afmkfd",
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    with Upstream() as server:
        url = f"http://127.0.0.1:{server.port}"
        query = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in ("q", "host")]
        with Daemon(tmp_path_factory.mktemp("substitution"), {"a.json": paths({
            "/segment/{id}": {"get": {"type": "http", "url": f"{url}/base/{{id}}/end", "parameters": query}},
            "/inside/{id}": {"get": {"type": "http", "url": f"{url}/base/a-{{q}}-b/end", "parameters": query}},
            "/greedy/{id+}": {"get": {"type": "http", "url": f"{url}/base/{{id}}", "parameters": query}},
            "/query/{id}": {"get": {"type": "http", "url": f"{url}/base?fixed=1&v={{q}}&w={{q}}", "parameters": query}},
            "/entry/{id}": {"get": {"type": "http", "url": f"{url}/base", "query": {"v": "{q}", "fixed": "1"}, "parameters": query}},
            "/header/{id}": {"get": {"type": "http", "url": f"{url}/base", "parameters": query,
                                     "headers": {"X-Value": "a {q} b", "X-List": ["{q}", "z"], "X-Fixed": "1"}}},
            "/hosthead/{id}": {"get": {"type": "http", "url": f"{url}/base", "headers": {"Host": "{q}"}, "parameters": query}},
            "/host/{id}": {"get": {"type": "http", "url": f"http://{{host}}.invalid:{server.port}/base", "parameters": query}},
            "/context/{id}": {"get": {"type": "serverless_containers", "container_id": "bba1", "parameters": query,
                                      "context": {"v": "{q}", "fixed": {"w": "a {q} b"}}}},
            "/function/{id}": {"get": {"type": "cloud_functions", "function_id": "d4e1", "tag": "{q}", "parameters": query}},
            "/dummy/{id}": {"get": {"type": "dummy", "http_headers": {"X-Value": "a{q}b", "X-Fixed": "1"}, "parameters": query,
                                    "content": {"application/json": '{"v": "{q}", "fixed": "1"}', "text/html": "<p title=\"{q}\">{q}</p>"}}},
        })}, {"containers": {"bba1": {"url": url}}, "functions": {"d4e1": {"url": f"{url}/f?k=1"}},
              "limits": {"connect_retry": "0s", "header_bytes": "64KiB"}}) as daemon:
            yield daemon, server


def ask(pair, path, headers=None):
    """(status, headers, body, what the upstream saw: one request or none)."""
    daemon, server = pair
    server.take()
    status, headers, body = daemon.get(path, headers)
    seen = server.take()
    assert len(seen) <= 1, [request.head for request in seen]
    for request in seen:
        assert request.get("X-Evil") is None and request.target.startswith("/")
        assert request.head.count(b"\r\n") == len(request.headers) + 2
    assert headers.get("X-Evil") is None
    if status >= 400 and not seen:
        assert json.loads(body)["requestId"]
    return status, headers, body, seen[0] if seen else None


def encoded(value):
    return urllib.parse.quote(value, safe="")


@pytest.mark.parametrize("value", VALUES)
def test_a_path_segment(pair, value):
    status, _, _, seen = ask(pair, "/segment/" + encoded(value))
    if seen is None:
        assert status in (400, 404), status
        return
    parts = seen.target.split("/")
    assert parts[:2] == ["", "base"] and parts[-1] == "end" and len(parts) == 4 and "?" not in seen.target
    assert urllib.parse.unquote(parts[2]) == value and parts[2] not in (".", "..", "")


@pytest.mark.parametrize("value", VALUES)
def test_inside_a_path_segment(pair, value):
    status, _, _, seen = ask(pair, "/inside/x?q=" + encoded(value))
    assert status == 200
    parts = seen.target.split("/")
    assert len(parts) == 4 and parts[1] == "base" and parts[3] == "end" and "?" not in seen.target
    assert urllib.parse.unquote(parts[2]) == f"a-{value}-b"


@pytest.mark.parametrize("value", VALUES)
def test_a_greedy_parameter(pair, value):
    status, _, _, seen = ask(pair, "/greedy/a/" + encoded(value) + "/b")
    if seen is None:
        assert status in (400, 404)
        return
    assert seen.target.startswith("/base/") and "?" not in seen.target and "#" not in seen.target
    segments = [urllib.parse.unquote(part) for part in seen.target.split("/")[2:]]
    assert ".." not in segments and "." not in segments
    # Only `.` and `..` (resolved before the route was looked for) change the segments.
    assert segments == (["b"] if value == ".." else ["a", "b"] if value == "." else ["a", value, "b"])


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("path", ["/query", "/entry"])
def test_a_query(pair, path, value):
    status, _, _, seen = ask(pair, f"{path}/x?q=" + encoded(value))
    assert status == 200
    split = urllib.parse.urlsplit(seen.target)
    assert split.path == "/base" and split.fragment == "" and "#" not in seen.target
    pairs = urllib.parse.parse_qsl(split.query, keep_blank_values=True, strict_parsing=True)
    expected = [("fixed", "1"), ("v", value), ("w", value)] if path == "/query" else [("v", value), ("fixed", "1")]
    assert sorted(pairs) == sorted(expected)


@pytest.mark.parametrize("value", VALUES)
def test_a_header(pair, value):
    status, _, _, seen = ask(pair, "/header/x?q=" + encoded(value))
    if any(ord(char) < 0x20 and char != "\t" or char == "\x7f" for char in value):
        assert status == 400 and seen is None
        return
    assert status == 200
    text = value.encode().decode("latin-1")
    assert seen.get("X-Value") == f"a {text} b" and seen.get("X-Fixed") == "1"
    assert seen.names() == {"host", "x-value", "x-list", "x-fixed", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host",
                            "x-request-id", "traceparent"}


@pytest.mark.parametrize("value", VALUES)
def test_the_host_header(pair, value):
    status, _, _, seen = ask(pair, "/hosthead/x?q=" + encoded(value))
    if seen is None:
        assert status == 400
        return
    assert seen.get("Host") == value and all(char.isalnum() or char in "-._:[]" for char in value) and value.isascii()


@pytest.mark.parametrize("value", VALUES)
def test_the_host_of_a_url(pair, value):
    """`.invalid` behind the value never resolves: whatever connects has left its place."""
    status, _, body, seen = ask(pair, "/host/x?host=" + encoded(value))
    assert seen is None and status in (400, 502), (status, body)
    if not (value.isascii() and all(char.isalnum() or char in "-._" for char in value)):
        assert status == 400


@pytest.mark.parametrize("value", VALUES)
def test_a_context(pair, value):
    status, _, _, seen = ask(pair, "/context/x?q=" + encoded(value))
    assert status == 200
    context = json.loads(base64.b64decode(seen.get("X-Yc-ApiGateway-Operation-Context"), validate=True))
    assert context == {"v": value, "fixed": {"w": f"a {value} b"}}


@pytest.mark.parametrize("value", VALUES)
def test_a_functions_tag(pair, value):
    _, _, _, seen = ask(pair, "/function/x?q=" + encoded(value))
    split = urllib.parse.urlsplit(seen.target)
    assert split.path == "/f" and "#" not in seen.target
    assert urllib.parse.parse_qsl(split.query, keep_blank_values=True) == [("k", "1"), ("integration", "raw"), ("tag", value)]
    event = json.loads(seen.body)
    assert event["params"] == {"q": value, "id": "x"} and event["queryStringParameters"] == {"q": value}
    assert seen.method == "POST"


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("kind", ["application/json", "text/html"])
def test_a_dummy(pair, value, kind):
    status, headers, body, _ = ask(pair, "/dummy/x?q=" + encoded(value), {"Accept": kind})
    if any(ord(char) < 0x20 and char != "\t" or char == "\x7f" for char in value):
        assert status == 400  # for the header
        return
    assert status == 200 and headers["X-Fixed"] == "1" and headers["Content-Type"].startswith(kind)
    assert {name.lower() for name in headers} == {"x-value", "x-fixed", "content-type", "content-length", "date"}
    if kind == "application/json":
        assert json.loads(body) == {"v": value, "fixed": "1"}
    else:
        text = body.decode()
        assert text.count("<") == 2 and text.count(">") == 2 and text.count('"') == 2
        assert html.unescape(text) == f'<p title="{value}">{value}</p>'


def test_pairs_of_values(pair):
    """Two values beside each other do not make together what neither may alone."""
    for first, second in itertools.product([".", "/", "%", "2", "%2", "\r", "{", "}", "\\"], repeat=2):
        status, _, _, seen = ask(pair, "/segment/" + encoded(first) + encoded(second))
        if seen is not None:
            parts = seen.target.split("/")
            assert len(parts) == 4 and urllib.parse.unquote(parts[2]) == first + second and parts[2] != ".."
        else:
            assert status in (400, 404)
