"""Swagger UI as a client sees it: its parts over HTTP, and the page in headless Chromium."""
import gzip
import json
import re
import shutil
import subprocess

import pytest

from conftest import ROOT, free_port, node_22

NPM = ROOT / "tests" / "support" / "npm"

DOCUMENT = """
openapi: 3.0.0
info: {title: 'Pets & <friends>', version: 1.0}
servers: [{url: 'https://elsewhere.example'}]
x-yc-apigateway:
  variables: {db.password: {default: hunter2hunter2}}
paths:
  /docs:
    get:
      summary: This page
      x-yc-apigateway-integration: {type: swagger}
  /api/v1/docs:
    x-yc-apigateway-any-method:
      x-yc-apigateway-integration: {type: swagger}
  /pets/{id}:
    get:
      summary: One pet (${var.db.password})
      tags: [pets]
      parameters: [{name: verbose, in: query, schema: {type: boolean}}]
      responses: {200: {description: ok, content: {application/json: {schema: {$ref: 'models.yaml#/Pet'}}}}}
      x-yc-apigateway-integration: {type: http, url: 'UPSTREAM/pets/{id}', query: {'*': '*'}}
  /files/{path+}:
    x-yc-apigateway-any-method:
      tags: [files]
      parameters: [{name: path, in: path, required: false, schema: {type: string}}]
      x-yc-apigateway-integration: {type: dummy, content: {application/json: '{"file": "{path}"}'}}
"""
MODELS = "Pet: {type: object, properties: {id: {type: string}, friends: {type: array, items: {$ref: '#/Pet'}}}}\n"


@pytest.fixture
def daemon(start, upstream):
    there = upstream(lambda request, wire: wire.answer(200, json.dumps({"asked": request.target}).encode(),
                                                       {"Content-Type": "application/json"}))
    one = start({"api.yaml": DOCUMENT.replace("UPSTREAM", f"http://127.0.0.1:{there.port}"), "models.yaml": MODELS})
    if one.get("/docs")[0] == 501:
        pytest.skip("this build has no Swagger UI: run .ci/setup swagger and build again")
    return one


def test_the_page_leads_to_its_parts(daemon):
    status, headers, page = daemon.get("/docs")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "Pets &amp; &lt;friends&gt;" in page.decode()
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    references = re.findall(r'(?:src|href)="([^"]*)"', page.decode())
    assert len(references) >= 6 and all(reference.startswith("?") for reference in references)
    for reference in references:
        status, headers, body = daemon.get("/docs" + reference)
        assert status == 200 and body and headers["ETag"] and headers["X-Content-Type-Options"] == "nosniff"
        again = daemon.get("/docs" + reference, {"If-None-Match": headers["ETag"]})
        assert (again[0], again[2]) == (304, b"")
        length = daemon.request("HEAD", "/docs" + reference)
        assert (length[0], length[1]["Content-Length"], length[2]) == (200, str(len(body)), b"")
        packed = daemon.get("/docs" + reference, {"Accept-Encoding": "gzip, br"})
        if packed[1]["Content-Encoding"] == "gzip":
            assert gzip.decompress(packed[2]) == body
    assert daemon.get("/docs?asset=swagger-ui-bundle.js")[1]["Content-Type"].startswith("text/javascript")
    assert daemon.get("/docs?asset=unknown")[0] == 404
    assert daemon.request("POST", "/api/v1/docs")[0] == 405


def test_the_document_keeps_what_is_not_for_clients(daemon):
    status, headers, body = daemon.get("/api/v1/docs?document")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    document = json.loads(body)
    assert document["servers"] == [{"url": "../../", "description": "This gateway"}]
    for gone in ("x-yc", "hunter2", "127.0.0.1", "elsewhere", "models.yaml"):
        assert gone not in body.decode()
    assert set(document["paths"]) == {"/docs", "/api/v1/docs", "/pets/{id}", "/files/{path}"}
    assert set(document["paths"]["/files/{path}"]) == {"get", "put", "post", "delete", "patch"}
    pet = document["paths"]["/pets/{id}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert pet == {"$ref": "#/components/schemas/Pet"}
    assert document["components"]["schemas"]["Pet"]["properties"]["friends"]["items"] == pet


def browse(tmp_path, url, *tries):
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed: run .ci/setup test")
    if not (NPM / "node_modules" / "playwright-core").is_dir():
        pytest.skip("tests/support/npm is not installed: run .ci/setup npm")
    picture = tmp_path / "swagger.png"
    done = subprocess.run([node_22(), NPM / "browse.mjs", program, tmp_path / "profile", url, picture, *tries],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=150)
    assert done.returncode == 0, done.stderr
    assert picture.stat().st_size > 10_000
    return json.loads(done.stdout)


def test_a_person_tries_it_out(daemon, tmp_path):
    here = f"http://127.0.0.1:{daemon.port}"
    seen = browse(tmp_path, here + "/docs", "GET /pets/{id}", "id", "a b", "GET /files/{path}", "path", "x y/z.txt")
    assert seen["errors"] == []
    assert seen["title"] == "Pets & <friends>"
    assert "GET /docs" in seen["operations"] and "DELETE /files/{path}" in seen["operations"]
    assert len(seen["operations"]) == 12
    assert all(request.startswith("200 " + here) for request in seen["requests"])
    pet, file = seen["tried"]
    assert (pet["url"], pet["status"]) == (here + "/pets/a%20b", "200")
    assert json.loads(pet["body"]) == {"asked": "/pets/a%20b"}
    assert file["url"] == here + "/files/x%20y/z.txt"
    assert json.loads(file["body"]) == {"file": "x y/z.txt"}


def test_behind_tls_and_a_prefix(daemon, nginx, authority, tmp_path):
    certificate, key = authority("127.0.0.1")
    port = free_port()
    nginx(f"listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};"
          f"location /shop/ {{ proxy_pass http://127.0.0.1:{daemon.port}/; }}")
    here = f"https://127.0.0.1:{port}/shop"
    seen = browse(tmp_path, here + "/api/v1/docs", "GET /pets/{id}", "id", "7")
    assert seen["errors"] == []
    assert all(request.startswith("200 " + here) for request in seen["requests"])
    assert seen["tried"] == [{"url": here + "/pets/7", "status": "200", "body": seen["tried"][0]["body"]}]
    assert json.loads(seen["tried"][0]["body"]) == {"asked": "/pets/7"}
