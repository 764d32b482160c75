"""What the conformance tests share: a gateway in front of a strict upstream."""
import json
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

from daemon import Daemon  # noqa: E402
from strict_upstream import StrictUpstream  # noqa: E402


def document(upstream_port: int) -> str:
    """Everything goes to the upstream as it came, but /admin/secret and /static, which are answered here."""
    everything = {"x-yc-apigateway-any-method": {"x-yc-apigateway-integration": {
        "type": "serverless_containers", "container_id": "strict"}}}
    # A page of its own for the http integration, which builds its request from templates.
    through = {"type": "http", "url": f"http://127.0.0.1:{upstream_port}/through/{{rest}}",
               "headers": {"*": "*"}, "query": {"*": "*"}}
    text = {"type": "dummy", "http_code": 200, "http_headers": {"Content-Type": "text/plain"}}
    return json.dumps({
        "openapi": "3.0.0", "info": {"title": "conformance", "version": "1.0.0"},
        "x-yc-apigateway": {"ignoreTrailingSlashes": False},
        "paths": {
            "/": everything,
            "/{rest+}": everything,
            "/http/{rest+}": {"x-yc-apigateway-any-method": {"x-yc-apigateway-integration": through}},
            "/admin/secret": {"get": {"x-yc-apigateway-integration": {**text, "content": {"*": "the secret page"}}}},
            "/static": {"x-yc-apigateway-any-method": {"x-yc-apigateway-integration": {**text, "content": {"*": "static"}}}},
        }})


@pytest.fixture(scope="module")
def upstream():
    with StrictUpstream() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    configuration = {"containers": {"strict": {"url": f"http://127.0.0.1:{upstream.port}"}}, "workers": 1}
    with Daemon(tmp_path_factory.mktemp("gateway"), {"conformance.json": document(upstream.port)}, configuration) as daemon:
        yield daemon
