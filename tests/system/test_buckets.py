"""Buckets on disk through the daemon, with clients of others: curl, http.client, and bytes by hand."""
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time

import pytest
from conftest import paths
from daemon import free_port

TEXT = "hello, bucket\n" * 50
BIG = 64 << 20


def storage(key="{file}", **options) -> dict:
    return {"type": "object_storage", "bucket": "site", "object": key, **options}


DOCUMENT = paths({
    "/f/{file+}": {"get": storage()},
    "/any/{file+}": storage(),
    "/spa": {"get": storage("index.html")},
    "/spa/{file+}": {"get": storage(default_object="index.html")},
    "/err/{file+}": {"get": storage(error_object="404.html")},
    "/gone/{file+}": {"get": storage(error_object={"object": "404.html", "statusCode": 410})},
    "/both/{file+}": {"get": storage(default_object="none.html", error_object="404.html")},
    "/none/{file+}": {"get": storage(default_object="none.html", error_object="nothing.html")},
    "/query": {"get": {**storage("{name}"), "parameters": [{"name": "name", "in": "query"}]}},
    "/presigned/{file+}": {"get": storage(presigned_redirect=True)},
})


@pytest.fixture
def site(tmp_path) -> pathlib.Path:
    folder = tmp_path / "daemon" / "site"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("<h1>home</h1>")
    (folder / "404.html").write_text("<h1>lost</h1>")
    (folder / "text.txt").write_text(TEXT)
    (folder / "css").mkdir()
    (folder / "css" / "site.css").write_text("a{}")
    (folder.parent / "secret.txt").write_text("secret")
    return folder


@pytest.fixture
def daemon(start, site):
    return start({"doc.yaml": DOCUMENT}, {"buckets": {"site": {"directory": "site"}}})


def curl(daemon, path, *arguments, binary=False):
    done = subprocess.run(["curl", "-sS", "--path-as-is", "--max-time", "60", *arguments, f"http://127.0.0.1:{daemon.port}{path}"],
                          capture_output=True, check=False)
    return done.stdout if binary else done.stdout.decode()


def raw(daemon, request: bytes) -> bytes:
    with daemon.connect() as client:
        client.sendall(request)
        client.settimeout(10)
        got = []
        with contextlib.suppress(ConnectionResetError):
            while part := client.recv(1 << 20):
                got.append(part)
        return b"".join(got)


def test_a_file_with_its_headers(daemon, site):
    status, headers, body = daemon.get("/f/text.txt")
    assert (status, body.decode()) == (200, TEXT)
    assert headers["content-type"] == "text/plain; charset=utf-8" and headers["accept-ranges"] == "bytes"
    assert re.fullmatch(r'"[0-9a-f]{32}"', headers["etag"]) and headers["content-length"] == str(len(TEXT))
    stamp = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime((site / "text.txt").stat().st_mtime))
    assert headers["last-modified"] == stamp
    assert headers["transfer-encoding"] is None
    entry = daemon.access_log(1)[0]
    assert entry["integration"] == "object_storage" and entry["status"] == 200 and entry["bytes"] > len(TEXT)
    head = curl(daemon, "/f/text.txt", "-I")
    assert f"Content-Length: {len(TEXT)}" in head and head.startswith("HTTP/1.1 200")
    for name in ("ETag", "Last-Modified", "Content-Type", "Accept-Ranges"):
        assert f"{name}: {headers[name]}" in head


def test_ranges_with_curl(daemon):
    data = TEXT.encode()
    assert curl(daemon, "/f/text.txt", "-r", "0-4", binary=True) == data[:5]
    assert curl(daemon, "/f/text.txt", "-r", "100-", binary=True) == data[100:]
    assert curl(daemon, "/f/text.txt", "-r", "-7", binary=True) == data[-7:]
    assert curl(daemon, "/f/text.txt", "-r", "0-1,5-6", binary=True) == data, "as S3: several ranges are none"
    beyond = curl(daemon, "/f/text.txt", "-r", "9999-", "-i")
    assert beyond.startswith("HTTP/1.1 416") and f"Content-Range: bytes */{len(data)}" in beyond
    assert json.loads(beyond.split("\r\n\r\n", 1)[1])["requestId"]
    part = curl(daemon, "/f/text.txt", "-r", "3-5", "-I")
    assert part.startswith("HTTP/1.1 206") and f"Content-Range: bytes 3-5/{len(data)}" in part and "Content-Length: 3\r\n" in part
    assert curl(daemon, "/f/text.txt", "-C", "600", binary=True) == data[600:], "curl resumes"


def test_conditions(daemon):
    _, headers, _ = daemon.get("/f/text.txt")
    etag, modified = headers["etag"], headers["last-modified"]
    for extra, status in (({"If-None-Match": etag}, 304), ({"If-None-Match": "W/" + etag}, 304), ({"If-None-Match": '"x"'}, 200),
                          ({"If-Modified-Since": modified}, 304), ({"If-Match": etag}, 200), ({"If-Match": '"x"'}, 412),
                          ({"If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}, 412),
                          ({"If-None-Match": '"x"', "If-Modified-Since": modified}, 200),
                          ({"Range": "bytes=0-0", "If-Range": etag}, 206), ({"Range": "bytes=0-0", "If-Range": '"x"'}, 200)):
        got, answer, body = daemon.get("/f/text.txt", extra)
        assert got == status, extra
        if status == 304:
            assert body == b"" and answer["etag"] == etag and answer["content-length"] is None and answer["content-type"] is None
        if status == 412:
            assert json.loads(body)["message"] and "site" not in body.decode()
    assert curl(daemon, "/f/text.txt", "-z", modified) == "", "curl -z"


def test_methods(daemon):
    status, headers, _ = daemon.request("POST", "/any/text.txt", body=b"x" * 1000)
    assert status == 405 and headers["allow"] == "GET, HEAD"
    assert daemon.request("DELETE", "/any/text.txt")[0] == 405
    assert daemon.request("HEAD", "/any/text.txt")[::2] == (200, b"")
    status, headers, _ = daemon.request("POST", "/f/text.txt")
    assert status == 405 and "GET" in headers["allow"]


def test_single_page_site_and_error_objects(daemon):
    assert daemon.get("/spa")[2] == b"<h1>home</h1>"
    for path in ("/spa/users/12", "/spa/x.js", "/spa/css", "/spa/css/"):
        status, headers, body = daemon.get(path, {"Range": "bytes=0-1", "If-None-Match": "*"})
        assert (status, body) == (200, b"<h1>home</h1>"), path
        assert headers["content-type"] == "text/html; charset=utf-8"
    assert daemon.get("/spa/css/site.css")[2] == b"a{}"
    assert daemon.request("HEAD", "/spa/users/12")[1]["content-length"] == "13"
    assert daemon.get("/err/nothing")[::2] == (404, b"<h1>lost</h1>")
    assert daemon.get("/gone/nothing")[::2] == (410, b"<h1>lost</h1>")
    assert daemon.get("/both/nothing")[::2] == (404, b"<h1>lost</h1>")
    assert daemon.get("/err/text.txt", {"Range": "bytes=9999-"})[::2] == (416, b"<h1>lost</h1>")
    status, headers, body = daemon.get("/none/nothing")
    assert status == 404 and headers["content-type"] == "application/json"
    assert json.loads(body) == {"message": "There is no such object", "requestId": headers["x-request-id"]}
    assert daemon.get("/presigned/text.txt")[0] == 200, "a folder has no URLs"
    slugs = {entry["path"]: entry.get("slug") for entry in daemon.access_log(12)}
    assert slugs["/none/nothing"] == "object_not_found" and not slugs["/spa/x.js"], slugs


TRAVERSAL = [
    "/f/../secret.txt", "/f/../../secret.txt", "/f/..%2fsecret.txt", "/f/%2e%2e/secret.txt", "/f/%2e%2e%2fsecret.txt",
    "/f/%252e%252e%252fsecret.txt", "/f/..%252fsecret.txt", "/f/css/..%2f..%2fsecret.txt", "/f/css/%2e%2e/%2e%2e/secret.txt",
    "/f/..%5csecret.txt", "/f/..\\secret.txt", "/f/%2fetc%2fpasswd", "/f//etc/passwd", "/f/%2f%2fetc/passwd",
    "/f/text.txt%00", "/f/text.txt%00.png", "/f/%00", "/f/..%00/secret.txt", "/f/.%2e/secret.txt", "/f/%c0%ae%c0%ae/secret.txt",
    "/f/..%c0%afsecret.txt", "/f/....//secret.txt", "/f/..;/secret.txt", "/f/link-out", "/f/link-dir/secret.txt",
    "/f/link-absolute", "/f/link-etc/passwd", "/f/link-twice", "/f/css/link-up", "/f/proc/self/environ", "/f/magic/etc/passwd",
    "/query?name=../secret.txt", "/query?name=..%2Fsecret.txt", "/query?name=%2Fetc%2Fpasswd", "/query?name=text.txt%00",
    "/query?name=css/../../secret.txt", "/query?name=..\\secret.txt", "/query?name=%252e%252e/secret.txt", "/query?name=.",
    "/query?name=..", "/query?name=", "/query?name=/", "/query", "/query?name=css", "/query?name=css/", "/query?name=./text.txt",
    "/query?name=css//site.css", "/query?name=css/./site.css", "/query?name=css/../text.txt", "/query?name=" + "a/" * 3000,
    "/f/" + "a" * 300, "/f/" + "a" * 5000, "/f/pipe", "/f/sock", "/f/text.txt/", "/f/text.txt/x", "/f/css", "/f/css/",
]


def test_no_path_leads_out(daemon, site):
    (site / "link-out").symlink_to("../secret.txt")
    (site / "link-dir").symlink_to("..")
    (site / "link-absolute").symlink_to(site.parent / "secret.txt")
    (site / "link-etc").symlink_to("/etc")
    (site / "link-twice").symlink_to("link-out")
    (site / "css" / "link-up").symlink_to("../../secret.txt")
    (site / "magic").symlink_to("/proc/self/root")
    os.mkfifo(site / "pipe")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
        here = os.getcwd()
        os.chdir(site)
        try:
            server.bind("sock")
        finally:
            os.chdir(here)
        for path in TRAVERSAL:
            answer = raw(daemon, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            status = int(answer.split(b" ", 2)[1])
            assert status in (400, 404, 414), (path, answer[:200])
            assert b"secret" not in answer.split(b"\r\n\r\n", 1)[1] and b"root:" not in answer, path
            assert str(site).encode() not in answer
    (site / "inside").symlink_to("css/site.css")
    (site / "inner").symlink_to("css")
    assert daemon.get("/f/inside")[2] == b"a{}" and daemon.get("/f/inner/site.css")[2] == b"a{}"
    assert daemon.get("/query?name=css/site.css")[2] == b"a{}"


def test_names_with_other_characters(daemon, site):
    for name, path in (("a b+c&d.txt", "a%20b+c&d.txt"), ("ж.txt", "%D0%B6.txt"), ("100%.txt", "100%25.txt"), ("q?x#y", "q%3Fx%23y")):
        (site / name).write_text(name)
        assert daemon.get("/f/" + path)[2].decode() == name, name
    assert daemon.get("/f/%D0%B6.txt")[1]["content-type"] == "text/plain; charset=utf-8"


@pytest.fixture
def big(site):
    with (site / "big.bin").open("wb") as file:
        for number in range(BIG >> 20):
            file.write(hashlib.sha256(str(number).encode()).digest() * (1 << 15))
    return site / "big.bin"


def test_a_large_file_and_a_slow_reader(daemon, big):
    expected = hashlib.sha256(big.read_bytes()).hexdigest()
    # One that reads a little at a time does not hold up others, and nothing piles up in the daemon.
    rss = lambda: int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()).group(1))
    before = rss()
    slow = daemon.connect()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    slow.sendall(b"GET /f/big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    digest, size, head = hashlib.sha256(), 0, b""
    for _ in range(20):
        head += slow.recv(1000)
        time.sleep(0.02)
    began = time.monotonic()
    assert hashlib.sha256(daemon.get("/f/big.bin")[2]).hexdigest() == expected
    assert daemon.get("/f/text.txt")[0] == 200
    assert time.monotonic() - began < 20
    assert rss() - before < 40_000, "KiB"
    body = head.split(b"\r\n\r\n", 1)[1]
    while body:
        digest.update(body)
        size += len(body)
        body = slow.recv(1 << 20)
    assert (size, digest.hexdigest()) == (BIG, expected)
    slow.close()
    assert curl(daemon, "/f/big.bin", "-r", f"{BIG - 5}-", binary=True) == big.read_bytes()[-5:]


def test_http_10(daemon, big):
    answer = raw(daemon, b"GET /f/big.bin HTTP/1.0\r\n\r\n")
    head, body = answer.split(b"\r\n\r\n", 1)
    assert f"Content-Length: {BIG}".encode() in head and b"chunked" not in head and len(body) == BIG
    assert raw(daemon, b"GET /f/text.txt HTTP/1.0\r\n\r\n").endswith(TEXT.encode())


def test_clients_that_go_away_leave_nothing_open(daemon, big):
    def descriptors():
        return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
    daemon.get("/f/text.txt")
    daemon.get("/f/nothing")
    before = descriptors()
    for number in range(30):
        client = daemon.connect()
        client.sendall(b"GET /f/big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        client.recv(1000)
        if number % 2:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.close()
    until = time.monotonic() + 10
    while descriptors() > before + 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert descriptors() <= before + 2
    gone = [entry for entry in daemon.access_log(32) if entry["path"].startswith("/f/big")]
    assert len(gone) == 30


@pytest.mark.parametrize("tls", [False, True])
def test_a_file_that_becomes_shorter_never_ends_cleanly(start, site, big, authority, tls):
    extra = {}
    if tls:
        certificate, key = authority("localhost")
        extra = {"certificates": [{"domains": ["localhost"], "certificate": str(certificate), "private_key": str(key)}]}
    port = free_port()
    daemon = start({"doc.yaml": DOCUMENT}, {"buckets": {"site": {"directory": str(site)}},
                                            "listen": [{"address": "127.0.0.1", "port": port, "tls": tls}], **extra}, ready_port=port)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client = plain
        if tls:
            context = ssl.create_default_context(cafile=authority.ca)
            client = context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)
        client.sendall(b"GET /f/big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got = len(client.recv(65536))
        os.truncate(big, 1 << 20)
        broken = False
        try:
            while part := client.recv(1 << 20):
                got += len(part)
        except (ConnectionResetError, ssl.SSLError):
            broken = True
        assert broken, "the end must not look like one"
        assert got < BIG
    entry = daemon.access_log(1)[-1]
    assert entry.get("aborted") is True or entry.get("detail"), entry


def test_over_tls(start, site, big, authority):
    certificate, key = authority("localhost")
    port = free_port()
    start({"doc.yaml": DOCUMENT}, {
        "buckets": {"site": {"directory": str(site)}}, "listen": [{"address": "127.0.0.1", "port": port, "tls": True}],
        "certificates": [{"domains": ["localhost"], "certificate": str(certificate), "private_key": str(key)}]}, ready_port=port)

    def fetch(path, *arguments):
        return subprocess.run(["curl", "-sS", "--cacert", str(authority.ca), *arguments, f"https://localhost:{port}{path}",
                               "--resolve", f"localhost:{port}:127.0.0.1"], capture_output=True, check=True).stdout
    assert fetch("/f/text.txt").decode() == TEXT
    assert fetch("/f/big.bin") == big.read_bytes()
    assert fetch("/f/big.bin", "-r", "1000000-1999999") == big.read_bytes()[1000000:2000000]


def test_profile_cloud(start, site, big):
    daemon = start({"doc.yaml": DOCUMENT}, {"buckets": {"site": {"directory": str(site)}}, "profile": "cloud"})
    (site / "mib.bin").write_bytes(b"x" * (1 << 20))
    assert daemon.get("/f/text.txt")[2].decode() == TEXT
    assert daemon.get("/f/mib.bin")[2] == b"x" * (1 << 20)
    assert daemon.get("/f/big.bin")[0] == 502
    assert daemon.get("/f/big.bin", {"Range": "bytes=0-9"})[0] == 206


def test_many_at_once(daemon, site):
    (site / "m.bin").write_bytes(os.urandom(1 << 20))
    expected = (site / "m.bin").read_bytes()
    wrong = []

    def work():
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
        for number in range(20):
            connection.request("GET", "/f/m.bin" if number % 2 else "/f/text.txt")
            body = connection.getresponse().read()
            if body != (expected if number % 2 else TEXT.encode()):
                wrong.append(number)
        connection.close()
    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_folder_that_is_replaced_or_removed(daemon, site):
    assert daemon.get("/f/index.html")[0] == 200
    site.rename(site.with_name("old"))
    status, _, body = daemon.get("/f/index.html")
    until = time.monotonic() + 10
    while status == 200 and time.monotonic() < until:  # the folder is looked for once a second
        time.sleep(0.1)
        status, _, body = daemon.get("/f/index.html")
    assert status == 502 and b"site" not in body
    while "the folder of a bucket is gone" not in daemon.log_file.read_text():
        assert time.monotonic() < until
        time.sleep(0.05)
    assert str(site) in daemon.log_file.read_text()
    site.mkdir()
    (site / "index.html").write_text("new")
    while daemon.get("/f/index.html")[2] != b"new":  # each worker looks by itself
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_reload_takes_another_folder(daemon, site):
    other = site.with_name("other")
    other.mkdir()
    (other / "index.html").write_text("other")
    daemon.configuration["buckets"] = {"site": {"directory": "other"}}
    daemon.write_configuration()
    assert daemon.admin("POST", "/reload")[0] == 200
    assert daemon.get("/f/index.html")[2] == b"other"
    daemon.configuration["buckets"] = {"site": {"directory": "nowhere"}}
    daemon.write_configuration()
    status, body = daemon.admin("POST", "/reload")
    assert status == 422 and b"nowhere" in body
    assert daemon.get("/f/index.html")[2] == b"other"


def test_mistakes_at_start(sluice, tmp_path):
    (tmp_path / "doc.yaml").write_text(DOCUMENT)
    (tmp_path / "file").write_text("x")
    (tmp_path / "c.yaml").write_text("gateways: [{spec: doc.yaml}]\nbuckets:\n  site: {directory: nowhere}\n  other:\n    directory: file\n"
                                     "  third: {path: x}\n")
    done = sluice("serve", "--config", "c.yaml", timeout=20)
    assert done.code == 1
    assert re.search(r"c\.yaml:3:\d+: error: the bucket site: the folder '.*nowhere' cannot be used: .*create it", done.err)
    assert re.search(r"c\.yaml:5:\d+: error: the bucket other: .*no folder", done.err)
    assert "`path`" in done.err
    checked = sluice("check", "--config", "c.yaml")
    assert checked.code == 1 and "nowhere" in checked.out
    (tmp_path / "c.yaml").write_text("gateways: [{spec: doc.yaml}]\nbuckets: {site: {directory: .}}\n")
    checked = sluice("check", "--config", "c.yaml")
    assert checked.code == 0 and "exposed-configuration" in checked.out


def test_serve_spec_names_the_key_to_add(launch, sluice, tmp_path):
    (tmp_path / "doc.yaml").write_text(DOCUMENT)
    process = launch("serve", "--spec", "doc.yaml", "--listen", "127.0.0.1:0")
    connection = http.client.HTTPConnection("127.0.0.1", process.port(), timeout=10)
    connection.request("GET", "/f/text.txt")
    answer = connection.getresponse()
    assert answer.status == 502 and "buckets: {site: {directory" in json.loads(answer.read())["message"]
    explained = sluice("explain", "doc.yaml", "GET", "/f/css/a%20b.css")
    assert explained.code == 0 and "https://storage.yandexcloud.net/site/css/a%20b.css" in explained.out
    assert sluice("check", "doc.yaml").out.count("[not-built]") == 0
