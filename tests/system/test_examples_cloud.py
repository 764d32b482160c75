"""config/examples against stand-ins of the cloud: each example's own document, unchanged, with credentials in the
configuration in place of folders and programs, gives the answers that its README shows."""
import contextlib
import mimetypes
import pathlib
import shutil
import subprocess

import pytest

pytest.importorskip("jwt", reason="python3-jwt is not installed: run .ci/setup test")
pytest.importorskip("cryptography", reason="python3-cryptography is not installed: run .ci/setup test")
from conftest import ROOT, node_22, serving  # noqa: E402
from cloud import CloudContainer, CloudFunctions, Function  # noqa: E402
from daemon import Daemon, free_port  # noqa: E402
from iam import Iam, ServiceAccountKey  # noqa: E402
from s3 import S3Server, serving_s3  # noqa: E402
from test_examples import requests  # noqa: E402

EXAMPLES = ROOT / "config" / "examples"

def media_type(name: str) -> str:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return kind + "; charset=utf-8" if kind.startswith("text/") else kind


def upload(server, bucket: str, folder: pathlib.Path) -> None:
    objects = {str(path.relative_to(folder)): (path.read_bytes(), {"ContentType": media_type(path.name)})
               for path in folder.rglob("*") if path.is_file()}
    assert objects
    server.put(bucket, objects)


@pytest.fixture(scope="module", params=["s3rver", "swift"])
def s3(request, tmp_path_factory):
    yield from serving_s3(request.param, tmp_path_factory.mktemp(request.param), node_22())


class Example:
    """An example in the cloud of stand-ins."""

    def __init__(self, name: str, account: str, tmp_path: pathlib.Path, stack: contextlib.ExitStack):
        self.folder, self.account, self.tmp_path, self.stack = EXAMPLES / name, account, tmp_path, stack
        self.key = ServiceAccountKey(account, warning=True)
        self.iam = stack.enter_context(Iam(self.key))
        self.credentials = {"authorized_key": "sa.json"}
        self.services = {"iam": {"endpoint": self.iam.url}}

    def functions(self, **functions: Function) -> CloudFunctions:
        server = self.stack.enter_context(CloudFunctions(functions, self.iam.issued))
        self.services["cloud_functions"] = {"endpoint": server.url}
        return server

    def container(self, container: str, command: list[str], folder: pathlib.Path) -> CloudContainer:
        port = free_port()
        self.stack.enter_context(serving(command, port, cwd=folder, env={"PORT": str(port)}))
        server = self.stack.enter_context(CloudContainer(container, port, self.iam.issued))
        self.services["serverless_containers"] = {"endpoint": server.url}
        return server

    def bucket(self, s3: S3Server, bucket: str, folder: pathlib.Path) -> None:
        upload(s3, bucket, folder)
        self.credentials |= {"static_key": {"id": s3.key, "secret": s3.secret}, "prefer": "static_key"}
        self.services["object_storage"] = {"endpoint": s3.url}

    def answers_as_the_readme_says(self) -> Daemon:
        home = self.tmp_path / "daemon"
        home.mkdir()
        # The document alone: nothing of the example's code is where the daemon could run it.
        shutil.copy(self.folder / "openapi.yaml", home)
        (home / "sa.json").write_text(self.key.file)
        daemon = Daemon(home, {}, {"gateways": [{"spec": "openapi.yaml"}], "service_accounts": {self.account: self.credentials},
                                   "services": self.services})
        self.stack.enter_context(daemon)
        pairs = requests((self.folder / "README.md").read_text())
        assert len(pairs) >= 4
        for command, wanted in pairs:
            done = subprocess.run(["bash", "-c", command.replace(":8080", f":{daemon.port}")], capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, timeout=60)
            got = done.stdout.replace(f":{daemon.port}", ":8080")
            assert got.rstrip("\n") == wanted.rstrip("\n"), f"$ {command}\n{done.stderr}\n{daemon.access_log(1)[-1]}"
        written = daemon.log_file.read_text() + daemon.stderr() + daemon.admin("GET", "/metrics")[1].decode()
        for secret in [*self.iam.issued, "PRIVATE KEY", self.credentials.get("static_key", {}).get("secret", "PRIVATE KEY")]:
            assert secret not in written
        assert not self.iam.refused
        return daemon


@pytest.fixture
def example(tmp_path):
    with contextlib.ExitStack() as stack:
        yield lambda name, account: Example(name, account, tmp_path, stack)


def test_the_bot(example):
    bot = example("bot", "ajebotexample0000001")
    functions = bot.functions(d4ebotexample0000001=Function("node", bot.folder / "function", "index.handler", {"WEBHOOK_SECRET": "swordfish"}))
    bot.answers_as_the_readme_says()
    assert len(functions.requests) == 3 and len(bot.iam.issued) == 1


def test_the_shortener(example):
    shortener = example("shortener", "ajeshortexample00001")
    functions = shortener.functions(d4eshortexample00001=Function("python", shortener.folder / "function", "index.handler"))
    shortener.answers_as_the_readme_says()
    assert len(functions.requests) == 4


def test_the_album(example, s3):
    album = example("album", "ajealbumexample00001")
    functions = album.functions(d4ealbumexample00001=Function("python", album.folder / "functions", "page.handler"),
                                d4ealbumexample00002=Function("python", album.folder / "functions", "photos.handler"))
    album.bucket(s3, "album-photos", album.folder / "photos")
    album.answers_as_the_readme_says()
    assert len(functions.requests) == 5


def test_the_site(example, s3):
    site = example("site", "ajesiteexample000001")
    container = site.container("bbasiteexample000001", ["/usr/bin/python3", "server.py"], site.folder / "api")
    site.bucket(s3, "shopping-list-site", site.folder / "public")
    daemon = site.answers_as_the_readme_says()
    assert len(container.requests) == 4
    assert daemon.get("/style.css")[2] == (site.folder / "public" / "style.css").read_bytes()


def test_none_is_forgotten():
    assert {path.name for path in EXAMPLES.iterdir() if path.is_dir()} == {"bot", "shortener", "album", "site"}
