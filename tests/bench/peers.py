"""The servers that are measured, each with the same paths on a plain and a TLS port:

    /static         200 with a JSON text of 120 bytes or so
    /proxy/small    from the upstream: a small JSON text
    /proxy/big      from the upstream: 1 MiB
    /proxy/up       to the upstream: the request's body
    /files/…        files of one folder: 1k.html (1 KiB), 1m.bin (1 MiB); nginx and Sluice only

among a hundred paths, with request ids and timeouts on and access logs off; one core, one worker.
"""
import os
import pathlib
import shutil

import machine

JSON = '{"message": "a static answer of the gateway", "items": [1, 2, 3], "nested": {"ok": true, "name": "sluice"}}'
OTHERS = [f"/resource/{name}/kind{number}" for name in ("users", "orders", "items", "photos") for number in range(24)]


def site(folder: pathlib.Path) -> pathlib.Path:
    """The folder of files that are served, made at first."""
    files = folder / "site"
    files.mkdir(exist_ok=True)
    for name, size in (("1k.html", 1 << 10), ("1m.bin", 1 << 20)):
        if not (files / name).exists():
            (files / name).write_bytes(b"0123456789abcde\n" * (size >> 4))
    return files


class Peer:
    """One of them. `name` is what the tables say."""

    name = "?"

    def __init__(self, folder: pathlib.Path, upstream: int):
        self.folder = folder / self.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.upstream = upstream
        self.port, self.tls_port = machine.free_ports(2)
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self.site = site(folder)
        self.process: machine.Process | None = None

    def command(self) -> list:
        raise NotImplementedError

    def start(self, wrapper: list | None = None, wait: float = 30) -> None:
        """`wrapper`: a command that runs the server's, such as strace."""
        self.process = machine.Process([*(wrapper or []), *self.command()], machine.SERVER_CORE, self.folder / "log")
        self.process.wait_for(self.port, wait)

    def stop(self) -> None:
        if self.process:
            self.process.stop()


class Nginx(Peer):
    name = "nginx"

    def command(self) -> list:
        others = "\n".join(f"    location = {path} {{ return 200 '{{}}'; }}" for path in OTHERS)
        # The folder of a benchmark is its user's alone.
        user = "user root;" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(f"""
{user}
worker_processes 1;
worker_rlimit_nofile 20000;
daemon off;
pid {self.folder}/pid;
error_log {self.folder}/error.log error;
events {{ worker_connections 12000; }}
http {{
  access_log off;
  default_type application/json;
  types {{ text/html html; application/octet-stream bin; }}
  sendfile on;
  keepalive_requests 1000000000;
  keepalive_timeout 75s;
  client_max_body_size 0;
  client_body_temp_path {self.folder}/body;
  proxy_temp_path {self.folder}/proxy;
  fastcgi_temp_path {self.folder}/f; uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;
  upstream back {{ server 127.0.0.1:{self.upstream}; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{self.port} backlog=4096;
    listen 127.0.0.1:{self.tls_port} ssl backlog=4096;
    ssl_certificate {self.cert};
    ssl_certificate_key {self.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    add_header X-Request-Id $request_id;
    location = /static {{ return 200 '{JSON}'; }}
{others}
    location /files/ {{ alias {self.site}/; }}
    location /proxy/ {{
      proxy_pass http://back/;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Request-Id $request_id;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_buffers 16 64k;
    }}
  }}
}}
""")
        return [shutil.which("nginx") or "/usr/sbin/nginx", "-p", self.folder, "-c", self.folder / "nginx.conf"]


class Haproxy(Peer):
    name = "haproxy"

    def command(self) -> list:
        (self.folder / "both.pem").write_text(self.cert.read_text() + self.key.read_text())
        (self.folder / "static.json").write_text(JSON)
        (self.folder / "paths").write_text("\n".join(OTHERS) + "\n")
        (self.folder / "haproxy.cfg").write_text(f"""
global
  nbthread 1
  maxconn 9000
  tune.ssl.default-dh-param 2048
defaults
  mode http
  timeout connect 5s
  timeout client 75s
  timeout server 300s
  timeout http-request 10s
  timeout http-keep-alive 75s
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
frontend front
  bind 127.0.0.1:{self.port} backlog 4096
  bind 127.0.0.1:{self.tls_port} ssl crt {self.folder}/both.pem alpn http/1.1 backlog 4096
  http-request return status 200 content-type application/json hdr X-Request-Id %[unique-id] file {self.folder}/static.json if {{ path /static }}
  http-request return status 200 content-type application/json string "{{}}" if {{ path -f {self.folder}/paths }}
  default_backend back
backend back
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  http-request replace-path /proxy(/.*) \\1
  http-reuse always
  server one 127.0.0.1:{self.upstream}
""")
        return [shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", self.folder / "haproxy.cfg"]


class Sluice(Peer):
    name = "sluice"
    binary = machine.SLUICE

    def document(self) -> str:
        lines = ["openapi: 3.0.0", "info: {title: bench, version: 1.0.0}", "paths:"]
        static = f"{{type: dummy, http_code: 200, http_headers: {{Content-Type: application/json}}, content: {{'*': '{JSON}'}}}}"
        lines.append(f"  /static: {{get: {{x-yc-apigateway-integration: {static}}}}}")
        for method, name in (("get", "small"), ("get", "big"), ("post", "up")):
            url = f"http://127.0.0.1:{self.upstream}/{name}"
            lines.append(f"  /proxy/{name}: {{{method}: {{x-yc-apigateway-integration: {{type: http, url: '{url}'}}}}}}")
        files = "{type: object_storage, bucket: site, object: '{name}'}"
        lines.append(f"  /files/{{name}}: {{get: {{x-yc-apigateway-integration: {files}}}}}")
        lines += [f"  {path}: {{get: {{x-yc-apigateway-integration: {{type: dummy, content: {{'*': '{{}}'}}}}}}}}" for path in OTHERS]
        return "\n".join(lines) + "\n"

    def command(self) -> list:
        (self.folder / "bench.yaml").write_text(self.document())
        (self.folder / "sluice.yaml").write_text(f"""
listen:
  - {{address: 127.0.0.1, port: {self.port}}}
  - {{address: 127.0.0.1, port: {self.tls_port}, tls: true}}
workers: 1
gateways: [{{id: bench, spec: bench.yaml}}]
buckets: {{site: {{directory: {self.site}}}}}
certificates: [{{domains: [localhost], certificate: {self.cert}, private_key: {self.key}}}]
log: {{level: warn, access: false}}
""")
        return [self.binary, "serve", "--config", self.folder / "sluice.yaml"]


class SluiceWithFunctions(Sluice):
    """The same, and /function: a Node function that answers what the upstream's /small does."""

    processes = 8

    def document(self) -> str:
        return super().document() + "  /function: {get: {x-yc-apigateway-integration: {type: cloud_functions, function_id: fn}}}\n"

    def command(self) -> list:
        command = super().command()
        (self.folder / "fn").mkdir(exist_ok=True)
        (self.folder / "fn" / "index.js").write_text(f"""
const body = {JSON!r};
exports.handler = async (event) => ({{statusCode: 200, headers: {{'Content-Type': 'application/json'}}, body}});
""")
        with (self.folder / "sluice.yaml").open("a") as file:
            file.write(f"functions: {{fn: {{runtime: nodejs, handler: index.handler, directory: fn, workers: {self.processes}}}}}\n")
        return command


ALL = {peer.name: peer for peer in (Nginx, Haproxy, Sluice)}
