"""Whose word is believed, and what is told of a request: to upstreams, in the access log, in the metrics.
daemon.md, "Operation"."""
import json
import re
import socket
import time
import uuid

import pytest

from conftest import document, paths

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def pair(start, upstream):
    """pair(trusted…) → (daemon, upstream) with an http operation, a container and a function that sees its event."""
    def begin(*trusted, **configuration):
        def handler(request, wire):
            if request.target.startswith("/f"):
                wire.answer(200, json.dumps({"body": json.loads(request.body)}).encode())
            else:
                wire.answer(200, b"ok")
        server = upstream(handler)
        url = f"http://127.0.0.1:{server.port}"
        daemon = start({"a.json": paths({
            "/http/{id}": {"operationId": "viaHttp", "type": "http", "url": f"{url}/{{id}}", "headers": {"*": "*"}},
            "/bare/{id}": {"type": "http", "url": f"{url}/{{id}}"},
            "/own/{id}": {"type": "http", "url": f"{url}/{{id}}",
                          "headers": {"*": "*", "X-Forwarded-For": "mine", "X-Request-Id": "mine", "traceparent": "mine"}},
            "/container/{id}": {"type": "serverless_containers", "container_id": "bba1"},
            "/function": {"type": "cloud_functions", "function_id": "d4e1"},
            "/static": {"get": {"type": "dummy", "content": {"*": "static"}}},
        })}, {"containers": {"bba1": {"url": url}}, "functions": {"d4e1": {"url": f"{url}/f"}},
              **({"trusted_proxies": list(trusted)} if trusted else {}), **configuration})
        return daemon, server
    return begin


FORGED = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "public.example",
          "X-Request-Id": "from-the-proxy", "Forwarded": "for=203.0.113.9"}


@pytest.mark.parametrize("path", ["/http/x", "/bare/x", "/container/x"])
def test_a_stranger_is_not_believed(pair, path):
    daemon, server = pair()
    daemon.request("GET", path, {**FORGED, "Host": "asked.example"})
    seen = server.requests[0]
    assert seen.get("X-Forwarded-For") == "127.0.0.1"
    assert seen.get("X-Forwarded-Proto") == "http" and seen.get("X-Forwarded-Host") == "asked.example"
    assert uuid.UUID(seen.get("X-Request-Id")) and seen.get("Forwarded") is None
    entry = daemon.access_log(1)[0]
    assert entry["client"] == "127.0.0.1" and entry["request_id"] == seen.get("X-Request-Id")


@pytest.mark.parametrize("path", ["/http/x", "/bare/x", "/container/x"])
def test_a_trusted_proxy_is(pair, path):
    daemon, server = pair("127.0.0.0/8")
    daemon.request("GET", path, {**FORGED, "Host": "inner.example"})
    seen = server.requests[0]
    assert seen.get("X-Forwarded-For") == "203.0.113.9, 198.51.100.7, 127.0.0.1"
    assert seen.get("X-Forwarded-Proto") == "https" and seen.get("X-Forwarded-Host") == "public.example"
    assert seen.get("X-Request-Id") == "from-the-proxy"
    assert daemon.access_log(1)[0]["client"] == "198.51.100.7"


@pytest.mark.parametrize("trusted,forwarded,source", [
    (["127.0.0.1"], "203.0.113.9, 198.51.100.7", "198.51.100.7"),
    (["127.0.0.1", "198.51.100.0/24"], "203.0.113.9, 198.51.100.7", "203.0.113.9"),
    (["127.0.0.1", "198.51.100.0/24", "203.0.113.0/24"], "203.0.113.9, 198.51.100.7", "203.0.113.9"),
    (["127.0.0.1"], "nonsense", "127.0.0.1"), (["127.0.0.1"], "", "127.0.0.1"), (["127.0.0.1"], None, "127.0.0.1"),
    (["127.0.0.1"], "203.0.113.9, [2001:db8::1]:4711", "2001:db8::1"), (["127.0.0.1"], "203.0.113.9:80", "203.0.113.9"),
    (["10.0.0.0/8"], "203.0.113.9", "127.0.0.1"), ([], "203.0.113.9", "127.0.0.1"),
])
def test_source_address(pair, trusted, forwarded, source):
    daemon, _ = pair(*trusted)
    status, _, body = daemon.get("/function", {"X-Forwarded-For": forwarded} if forwarded is not None else {})
    event = json.loads(body)
    assert event["requestContext"]["identity"]["sourceIp"] == source
    assert daemon.access_log(1)[0]["client"] == source


@pytest.mark.parametrize("trusted", [True, False])
def test_unix_peers_are_trusted_where_the_configuration_says_so(pair, tmp_path, trusted):
    listen = tmp_path / "in.sock"
    daemon, server = pair(*["unix"] if trusted else ["10.0.0.0/8"])
    daemon.configuration["listen"].append({"unix": str(listen)})
    daemon.write_configuration()
    assert daemon.admin("POST", "/reload")[0] == 200
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(listen))
        client.sendall(b"GET /http/x HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\nX-Request-Id: theirs\r\n"
                       b"Connection: close\r\n\r\n")
        assert b"".join(iter(lambda: client.recv(4096), b"")).startswith(b"HTTP/1.1 200 ")
    seen = server.requests[0]
    assert (seen.get("X-Request-Id") == "theirs") is trusted
    assert ("203.0.113.9" in (seen.get("X-Forwarded-For") or "")) is trusted
    assert daemon.access_log(1)[0]["client"] == ("203.0.113.9" if trusted else "unix")


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "é".encode().decode("latin-1")])
def test_a_request_id_that_is_none(pair, given):
    daemon, server = pair("127.0.0.1")
    daemon.get("/http/x", {"X-Request-Id": given})
    assert uuid.UUID(server.requests[0].get("X-Request-Id"))


@pytest.mark.parametrize("given,kept", [
    (TRACE, True), (TRACE[:-2] + "00", True), ("cc" + TRACE[2:] + "-more", True),
    ("ff" + TRACE[2:], False), (TRACE.upper(), False), (TRACE[:-1], False), (TRACE + "-x", False), ("nonsense", False),
    ("00-" + "0" * 32 + "-b7ad6b7169203331-01", False), ("00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01", False),
    (None, False),
])
def test_traceparent(pair, given, kept):
    daemon, server = pair()
    headers = {"tracestate": "a=1", **({"traceparent": given} if given is not None else {})}
    for path in ("/http/x", "/container/x", "/bare/x"):
        daemon.get(path, headers)
    daemon.get("/function", headers)
    entries = {entry["request_id"]: entry for entry in daemon.access_log(4)}
    for seen in server.requests:
        passed = seen.get("traceparent")
        assert re.fullmatch(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", passed)
        assert (passed == given) is kept
        assert entries[seen.get("X-Request-Id")]["trace_id"] == passed.split("-")[1]
        if seen.target == "/x" and seen.get("tracestate") is not None:
            assert kept
    assert server.requests[0].get("tracestate") == ("a=1" if kept else None)


def test_an_entry_of_the_document_wins(pair):
    daemon, server = pair()
    daemon.get("/own/x", FORGED)
    seen = server.requests[0]
    assert seen.all("X-Forwarded-For") == ["mine"] and seen.all("X-Request-Id") == ["mine"] and seen.all("traceparent") == ["mine"]


def test_access_log(pair):
    daemon, _ = pair()
    daemon.request("POST", "/http/a%20b?token=secret-in-query", {"User-Agent": "me/1", "Host": "shop.example"}, b"12345")
    daemon.get("/static")
    daemon.get("/nowhere/at/all?x=1")
    daemon.request("DELETE", "/static")
    with daemon.connect() as client:
        client.sendall(b"GET / HTTP/9.9\r\nHost: x\r\n\r\n")
        client.recv(4096)
    entries = daemon.access_log(5)
    first = next(entry for entry in entries if entry["method"] == "POST")
    assert first["gateway"] == "a" and first["path"] == "/http/a%20b" and first["template"] == "/http/{id}"
    assert first["operation"] == "viaHttp" and first["status"] == 200 and first["host"] == "shop.example"
    assert first["integration"] == "http" and 0 < first["integration_duration"] <= first["duration"] < 10
    assert first["bytes"] > 2 and first["bytes_in"] > 5 and first["release"] == "stable" and first["protocol"] == "HTTP/1.1"
    assert first["user_agent"] == "me/1" and first["tls_version"] == "" and len(first["trace_id"]) == 32
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["time"])
    statuses = {entry["path"]: (entry["status"], entry.get("slug", "")) for entry in entries if entry["method"] != "POST"}
    assert statuses["/nowhere/at/all"] == (404, "route_not_found")
    assert sorted(entry["status"] for entry in entries) == [200, 200, 404, 405, 505]
    assert "secret-in-query" not in daemon.log_file.read_text()


SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? '
                    r'(-?[0-9.]+(?:e[+-]?[0-9]+)?|[+-]Inf|NaN)')


def parse(text):
    """Prometheus text 0.0.4 by its rules → {family: (type, {labels: value})}."""
    families, current = {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            assert name not in families, f"{name} comes twice"
            families[name] = [None, {}]
            current = name
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current and kind in ("counter", "gauge", "histogram")
            families[name][0] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            name, labels, value = match.groups()
            family = re.sub(r"_(bucket|sum|count)$", "", name) if families[current][0] == "histogram" else name
            assert family == current, line
            key = (name, labels or "")
            assert key not in families[family][1], line
            families[family][1][key] = float(value)
    for name, (kind, samples) in families.items():
        assert kind and samples, name
        assert (kind == "counter") == name.endswith("_total"), name
        assert re.fullmatch(r"(sluice|process)_[a-z0-9_]+", name)
        if kind == "histogram":
            check_histogram(name, samples)
    return families


def check_histogram(name, samples):
    series = {}
    for (sample, labels), value in samples.items():
        if sample == f"{name}_bucket":
            bound = re.search(r'le="([^"]+)"', labels).group(1)
            series.setdefault(re.sub(r',?le="[^"]+"', "", labels), []).append((float(bound.replace("+Inf", "inf")), value))
    for labels, buckets in series.items():
        assert buckets == sorted(buckets) and buckets[-1][0] == float("inf")
        assert buckets[-1][1] == samples[(f"{name}_count", labels)]
        assert (f"{name}_sum", labels) in samples


def test_metrics(pair):
    daemon, _ = pair()
    for number in range(300):
        daemon.request(("GET", "POST", "X" + str(number))[number % 3],
                       ("/http/{}", "/nowhere/{}", "/container/{}", "/static?{}")[number % 4].format(f"id-{number}"),
                       {"Host": f"host-{number}.example", "User-Agent": f"agent-{number}"})
    daemon.get("/function")
    text = daemon.admin("GET", "/metrics")[1].decode()
    for word in ("id-", "host-1", "agent-", "nowhere", '"X1'):
        assert word not in text, word
    families = parse(text)
    requests = families["sluice_http_requests_total"][1]
    assert sum(requests.values()) == 301
    names = {tuple(re.findall(r'(\w+)="', labels)) for _, labels in requests}
    assert names == {("gateway", "path", "operation", "release", "code")}
    assert {re.search(r'path="([^"]*)"', labels).group(1) for _, labels in requests} == {
        "", "/http/{id}", "/container/{id}", "/static", "/function"}
    assert len(requests) < 20
    durations = families["sluice_http_request_duration_seconds"][1]
    assert sum(value for (name, _), value in durations.items() if name.endswith("_count")) == 301
    again = parse(daemon.admin("GET", "/metrics")[1].decode())
    assert {name: set(samples) for name, (_, samples) in again.items()} == \
        {name: set(samples) for name, (_, samples) in families.items()}
    assert families["sluice_build_info"][1] and families["process_cpu_seconds_total"][0] == "counter"


def test_metrics_of_failures_and_reloads(pair):
    daemon, server = pair()
    server.close()
    daemon.configuration["limits"] = {"connect_retry": "0s"}
    daemon.write_configuration()
    assert daemon.admin("POST", "/reload")[0] == 200
    assert daemon.get("/http/x")[0] == 502
    daemon.write("a.json", "{")
    assert daemon.admin("POST", "/reload")[0] == 422
    families = parse(daemon.admin("GET", "/metrics")[1].decode())
    assert families["sluice_integration_errors_total"][1] == {
        ("sluice_integration_errors_total", 'type="http",slug="connect_failed"'): 1}
    assert families["sluice_reloads_total"][1] == {("sluice_reloads_total", 'result="failed"'): 1,
                                                   ("sluice_reloads_total", 'result="ok"'): 1}
    assert families["sluice_http_requests_in_flight"][1] and all(
        value == 0 for value in families["sluice_http_requests_in_flight"][1].values())


def test_refused_heads_are_counted_and_logged(start):
    daemon = start({"a.yaml": document()})
    for raw in (b"GET / HTTP/1.1\r\n\r\n", b"BAD\r\n\r\n", b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n"):
        with daemon.connect() as client:
            client.sendall(raw)
            answer = b"".join(iter(lambda: client.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 400 ") and json.loads(answer.partition(b"\r\n\r\n")[2])["requestId"]
    entries = daemon.access_log(3)
    assert [entry["status"] for entry in entries] == [400] * 3 and all(entry["slug"] for entry in entries)
    assert '{gateway="",path="",operation="",release="stable",code="400"} 3' in daemon.admin("GET", "/metrics")[1].decode()
