"""Start and listeners: what `serve` needs, refuses and says."""
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from conftest import SLUICE, document, free_port


def get(port, path, host="127.0.0.1", headers=None):
    connection = http.client.HTTPConnection(host, port, timeout=30)
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def test_one_document_without_a_configuration(launch, tmp_path):
    (tmp_path / "a.yaml").write_text(document())
    daemon = launch("serve", "--spec", "a.yaml", "--listen", "127.0.0.1:0")
    port = daemon.port()
    assert get(port, "/hello/Ada") == (200, "version 1 Ada")
    assert get(port, "/hello/Ada", headers={"Host": "whatever.example"}) == (200, "version 1 Ada")
    assert daemon.end() == 0
    assert "stopped" in daemon.text()


def test_variables_on_the_command_line(launch, tmp_path):
    text = document().replace("paths:", "x-yc-apigateway: {variables: {name: {default: d}, n: {default: 1}}}\npaths:")
    text = text.replace("version 1 {name}", "${var.name} ${var.n}")
    (tmp_path / "a.yaml").write_text(text)
    daemon = launch("serve", "--spec", "a.yaml", "--listen", "127.0.0.1:0", "--var", "name=a=b", "--var", "n=7")
    assert get(daemon.port(), "/hello/x") == (200, "a=b 7")


def test_every_mistake_of_a_start_is_listed(launch, tmp_path):
    (tmp_path / "a.yaml").write_text(document().replace("type: dummy", "type: dumy"))
    (tmp_path / "b.yaml").write_text("openapi: 2.0\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "c.yaml").write_text(f"""listen: [{{address: 127.0.0.1, port: {port}}}]
workers: many
gateways:
  - {{spec: a.yaml, timeout: 30}}
  - {{spec: b.yaml}}
limits: {{header_timeout: 10}}
""")
        daemon = launch("serve", "--config", "c.yaml")
        assert daemon.wait() == 1
    text = daemon.text()
    assert "a.yaml:9:" in text and "a.yaml:17:" in text, text
    for part in ("b.yaml:1:", "c.yaml:1:", "c.yaml:2:", "c.yaml:4:", "c.yaml:6:", "30s", str(port)):
        assert part in text, text
    assert all(line.endswith("]") for line in text.splitlines()), text


def test_standalone_mistakes_are_listed_together(launch, tmp_path):
    (tmp_path / "a.yaml").write_text(document())
    daemon = launch("serve", "--spec", "a.yaml", "--listen", "nowhere", "--var", "x")
    assert daemon.wait() == 1
    assert "--listen" in daemon.text() and "--var" in daemon.text()


def test_unmapped_ids_start_and_answer_502_with_the_key_to_add(launch, tmp_path):
    (tmp_path / "a.yaml").write_text(document(extra="""  /f:
    get:
      x-yc-apigateway-integration: {type: cloud_functions, function_id: d4eNOWHERE}
"""))
    daemon = launch("serve", "--spec", "a.yaml", "--listen", "127.0.0.1:0")
    status, body = get(daemon.port(), "/f")
    assert status == 502 and "d4eNOWHERE" in body and "functions" in body


def test_two_daemons_on_one_port(launch, tmp_path):
    (tmp_path / "a.yaml").write_text(document())
    first = launch("serve", "--spec", "a.yaml", "--listen", "127.0.0.1:0")
    port = first.port()
    second = launch("serve", "--spec", "a.yaml", "--listen", f"127.0.0.1:{port}")
    assert second.wait() == 1
    assert f"127.0.0.1:{port}" in second.text() and "already" in second.text()
    assert get(port, "/version")[0] == 200


def test_addresses_of_all_kinds(launch, tmp_path):
    (tmp_path / "a.yaml").write_text(document())
    (tmp_path / "c.yaml").write_text("""listen:
  - {address: 127.0.0.1, port: 0}
  - {address: "::1", port: 0}
  - {unix: run.sock}
gateways: [{spec: a.yaml}]
log: {format: text}
""")
    daemon = launch("serve", "--config", "c.yaml")
    port = daemon.port()
    v6 = int(daemon.wait_for(r"listening on http://\[::1\]:(\d+)").group(1))
    daemon.wait_for(r"listening on unix:.*run\.sock")
    assert get(port, "/version") == (200, "version 1")
    assert get(v6, "/version", host="::1") == (200, "version 1")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "run.sock"))
        client.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"version 1" in b"".join(iter(lambda: client.recv(4096), b""))
    assert daemon.end() == 0
    assert not (tmp_path / "run.sock").exists()


def test_a_unix_socket_that_was_left_behind_is_replaced(launch, tmp_path):
    (tmp_path / "a.yaml").write_text(document())
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "run.sock"))
    left.close()
    daemon = launch("serve", "--spec", "a.yaml", "--listen", "unix:run.sock")
    daemon.wait_for("ready")
    assert daemon.end() == 0
    (tmp_path / "plain").write_text("precious")
    daemon = launch("serve", "--spec", "a.yaml", "--listen", "unix:plain")
    assert daemon.wait() == 1
    assert (tmp_path / "plain").read_text() == "precious"


def test_domains_pick_the_gateway(start):
    daemon = start({"a.yaml": document("exact"), "b.yaml": document("wild"), "c.yaml": document("other")}, {
        "service_domain": "gw.example",
        "gateways": [{"spec": "a.yaml", "domains": ["api.shop.example"]},
                     {"spec": "b.yaml", "domains": ["*.shop.example"]}, {"spec": "c.yaml"}]})
    for host, version in {"api.shop.example": "exact", "API.shop.example.:80": "exact", "x.shop.example": "wild",
                          "shop.example": "other", "a.b.shop.example": "other", "other": "other",
                          "a.gw.example": "exact", "b.localhost": "wild", "nobody.gw.example": "other"}.items():
        assert daemon.get("/version", {"Host": host})[2].decode() == f"version {version}", host


def test_a_host_that_no_gateway_serves(start):
    daemon = start({"a.yaml": document()}, {"gateways": [{"spec": "a.yaml", "domains": ["a.example"]}]})
    assert daemon.get("/version", {"Host": "a.example"})[0] == 200
    status, headers, body = daemon.get("/version", {"Host": "b.example"})
    assert status == 404
    assert json.loads(body)["requestId"] == headers["x-request-id"]


def test_references_and_secrets(launch, tmp_path):
    (tmp_path / "a.yaml").write_text(document().replace("paths:", "x-yc-apigateway: {variables: {v: {default: d}}}\npaths:")
                                     .replace("version 1 {name}", "${var.v}"))
    (tmp_path / "value").write_text("from a file\n")
    (tmp_path / "c.yaml").write_text("""listen: [{address: 127.0.0.1, port: "${env:TEST_PORT}"}]
gateways: [{spec: a.yaml, variables: {v: "${file:value} and ${env:TEST_WORD}"}}]
service_accounts: {aje1: {token: "${env:TEST_TOKEN}"}}
log: {format: text, level: debug}
""")
    environment = {"TEST_PORT": "0", "TEST_WORD": "env", "TEST_TOKEN": "t0psecret-token"}
    daemon = launch("serve", "--config", "c.yaml", env=environment)
    assert get(daemon.port(), "/hello/x") == (200, "from a file and env")
    assert daemon.end() == 0
    assert "t0psecret" not in daemon.text()
    missing = launch("serve", "--config", "c.yaml", env={"TEST_PORT": "0", "TEST_WORD": "env"})
    assert missing.wait() == 1
    assert "c.yaml:3:" in missing.text() and "TEST_TOKEN" in missing.text()


def test_tls_by_server_name(launch, tmp_path, authority):
    import ssl
    (tmp_path / "a.yaml").write_text(document())
    one, one_key = authority("one.example")
    wild, wild_key = authority("*.wild.example")
    (tmp_path / "c.yaml").write_text(json.dumps({
        "listen": [{"address": "127.0.0.1", "port": 0, "tls": True}], "gateways": [{"spec": "a.yaml"}],
        "certificates": [
            {"domains": ["one.example"], "certificate": str(one), "private_key": str(one_key)},
            {"domains": ["*.wild.example"], "certificate": str(wild), "private_key": str(wild_key)}]}))
    daemon = launch("serve", "--config", "c.yaml")
    port = daemon.port()
    context = ssl.create_default_context(cafile=str(authority.ca))
    for name in ("one.example", "a.wild.example"):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_2, version
            with socket.create_connection(("127.0.0.1", port)) as plain, \
                    context.wrap_socket(plain, server_hostname=name) as tls:
                tls.sendall(b"GET /version HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % name.encode())
                assert b"version 1" in b"".join(iter(lambda: tls.recv(4096), b""))
    with socket.create_connection(("127.0.0.1", port)) as plain, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(plain, server_hostname="wild.example")
    assert daemon.end() == 0


def test_a_certificate_that_does_not_fit_is_a_mistake(launch, tmp_path, authority):
    (tmp_path / "a.yaml").write_text(document())
    one, _ = authority("one.example")
    _, other_key = authority("two.example")
    (tmp_path / "c.yaml").write_text(json.dumps({
        "listen": [{"address": "127.0.0.1", "port": 0, "tls": True}], "gateways": [{"spec": "a.yaml"}],
        "certificates": [{"certificate": str(one), "private_key": str(other_key)},
                         {"certificate": "none.pem", "private_key": "none.key"}]}))
    daemon = launch("serve", "--config", "c.yaml")
    assert daemon.wait() == 1
    assert str(other_key) in daemon.text() and "none.pem" in daemon.text()


def test_upstream_with_an_authority_of_its_own(start, nginx, authority):
    certificate, key = authority("127.0.0.1", "localhost")
    client, client_key = authority("client.example")
    port = free_port()
    nginx(f"listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; "
          f"ssl_client_certificate {authority.ca}; ssl_verify_client on; "
          "location / { default_type text/plain; return 200 \"client $ssl_client_s_dn\"; }")
    text = document(extra=f"""  /up:
    get:
      x-yc-apigateway-integration: {{type: http, url: 'https://localhost:{port}/'}}
""")
    origin = f"https://localhost:{port}"
    trusted = start({"a.yaml": text}, {"upstreams": [{"origin": origin, "ca": str(authority.ca),
                                                      "certificate": str(client), "private_key": str(client_key)}]})
    assert trusted.get("/up")[::2] == (200, b"client CN=client.example")
    strange = start({"a.yaml": text}, name="strange")
    status, _, body = strange.get("/up")
    assert status == 502
    assert b"localhost" not in body and b"certificate" not in body.lower()


def test_connections_beyond_the_limit_get_503(start):
    daemon = start({"a.yaml": document()}, {"limits": {"connections": 4}})
    held = []
    for _ in range(4):
        client = daemon.connect()
        client.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in client.recv(4096)
        held.append(client)
    with daemon.connect() as extra:
        answer = b"".join(iter(lambda: extra.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 503 ") and b"Connection: close" in answer
    for client in held:
        client.close()
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if daemon.get("/version")[0] == 200:
            break
    assert daemon.get("/version")[0] == 200
    metrics = daemon.admin("GET", "/metrics")[1].decode()
    assert int(next(line for line in metrics.splitlines()
                    if line.startswith("sluice_connections_refused_total")).split()[1]) >= 1


def test_sockets_from_systemd(launch, tmp_path):
    (tmp_path / "a.yaml").write_text(document())
    inherited = socket.create_server(("127.0.0.1", 0))
    port = inherited.getsockname()[1]
    number = inherited.fileno()
    (tmp_path / "c.yaml").write_text(f"listen: [{{address: 127.0.0.1, port: {port}}}]\ngateways: [{{spec: a.yaml}}]\n"
                                     "log: {format: text}\n")
    # LISTEN_PID must be the daemon's own: a shell execs it.
    script = f'exec 3<&{number}; export LISTEN_PID=$$ LISTEN_FDS=1; exec "{SLUICE}" serve --config c.yaml'
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(["/bin/bash", "-c", script], cwd=tmp_path, stdout=log, stderr=log, pass_fds=[number])
    try:
        inherited.close()
        until = time.monotonic() + 30
        while "ready" not in (tmp_path / "log").read_text() and time.monotonic() < until:
            time.sleep(0.02)
        assert "inherited=true" in (tmp_path / "log").read_text()
        assert get(port, "/version") == (200, "version 1")
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


def test_notifications_to_systemd(launch, tmp_path):
    (tmp_path / "a.yaml").write_text(document())
    place = tmp_path / "notify.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(place))
        manager.settimeout(30)
        daemon = launch("serve", "--spec", "a.yaml", "--listen", "127.0.0.1:0",
                        env={"NOTIFY_SOCKET": str(place), "WATCHDOG_USEC": "400000"})

        def until(text):
            while True:
                message = manager.recv(4096).decode()
                if text in message:
                    return message
        until("READY=1")
        assert get(daemon.port(), "/version")[0] == 200
        until("WATCHDOG=1")
        until("WATCHDOG=1")
        daemon.process.send_signal(signal.SIGHUP)
        assert "MONOTONIC_USEC=" in until("RELOADING=1")
        until("READY=1")
        daemon.process.send_signal(signal.SIGTERM)
        until("STOPPING=1")
        assert daemon.wait() == 0


def test_logs_are_reopened(start, tmp_path):
    daemon = start({"a.yaml": document()})
    daemon.get("/version")
    assert daemon.access_log(1)
    rotated = daemon.log_file.with_suffix(".1")
    daemon.log_file.rename(rotated)
    daemon.signal(signal.SIGUSR1)
    until = time.monotonic() + 10
    while not daemon.log_file.exists() and time.monotonic() < until:
        time.sleep(0.02)
    daemon.get("/hello/after")
    assert [entry["path"] for entry in daemon.access_log(1)] == ["/hello/after"]
    assert "/hello/after" not in rotated.read_text()


def test_the_log_can_be_switched_off(start):
    daemon = start({"a.yaml": document()}, {"log": {"access": False, "output": "stderr"}})
    daemon.get("/version")
    time.sleep(0.2)
    assert "request_id" not in daemon.stderr() and "listening on" in daemon.stderr()


@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_listening_port_below_1024_without_the_right_to_it(tmp_path):
    if os.getuid() != 0:
        pytest.skip("drops privileges from root")
    (tmp_path / "a.yaml").write_text(document())
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    code = ("import os, sys; os.setgid(65534); os.setuid(65534); "
            "os.execv(sys.argv[1], sys.argv[1:])")
    done = subprocess.run([sys.executable, "-c", code, SLUICE, "serve", "--spec", str(tmp_path / "a.yaml"), "--listen",
                           "127.0.0.1:81"], capture_output=True, text=True, timeout=30)
    if "Permission denied" in done.stderr and "execv" in done.stderr:
        pytest.skip("the build folder cannot be read without privileges")
    limit = int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if limit <= 81:
        pytest.skip("this machine gives port 81 to everybody")
    assert done.returncode == 1
    assert "127.0.0.1:81" in done.stderr


@pytest.mark.parametrize("which", [1, 2, 3])
def test_who_comes_while_it_opens_its_listener_is_served(start, tmp_path, which):
    """Each of its listen() calls is stretched in turn: a connection that the kernel takes then must find its answer."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed: run .ci/setup test")
    calls = tmp_path / "calls"
    daemon = start({"a.yaml": document()}, {"workers": 2},
                   under=["strace", "-D", "-f", "-qq", "-o", str(calls), "-e", "trace=listen",
                          "-e", f"inject=listen:delay_exit=300000:when={which}"],
                   env={"ASAN_OPTIONS": "detect_leaks=0"})  # which knows no tracer
    assert daemon.get("/hello/Ada")[0] == 200
    assert calls.read_text().count("listen(") >= which
