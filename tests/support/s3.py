"""Object stores of others to test against, and the independent client (boto3) that fills them."""
import json
import os
import pathlib
import signal
import subprocess

import pytest

SUPPORT = pathlib.Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"  # the system's: boto3 and Swift are Debian's packages
PUT = """
import json, sys, boto3
from botocore.config import Config
url, key, secret, bucket, objects = json.load(sys.stdin)
client = boto3.client("s3", endpoint_url=url, aws_access_key_id=key, aws_secret_access_key=secret, region_name="ru-central1",
                      config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 1}))
if bucket not in [known["Name"] for known in client.list_buckets()["Buckets"]]:
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "ru-central1"})
for name, (body, more) in objects.items():
    client.put_object(Bucket=bucket, Key=name, Body=body.encode("latin-1"), **more)
"""


class S3Server:
    """A running store: its loopback port, and the one static key that it knows."""

    def __init__(self, name: str, port: int, key: str | None, secret: str | None):
        self.name, self.port, self.key, self.secret = name, port, key, secret

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def put(self, bucket: str, objects: dict[str, tuple[bytes, dict[str, object]]]) -> None:
        """By boto3: name → body and boto3's further arguments (ContentType, Metadata …)."""
        given = {name: (body.decode("latin-1"), more) for name, (body, more) in objects.items()}
        done = subprocess.run([PYTHON, "-c", PUT], input=json.dumps([self.url, self.key, self.secret, bucket, given]),
                              text=True, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr


def has_module(*names: str) -> bool:
    return subprocess.run([PYTHON, "-c", "import " + ", ".join(names)], capture_output=True).returncode == 0


def serving_s3(name: str, folder: pathlib.Path, node: str):
    """A generator of one S3Server, for a fixture: "s3rver" (npm; does not judge the region) or "swift" (Debian; strict).
    Skips where it is not installed."""
    if not has_module("boto3"):
        pytest.skip("python3-boto3 is not installed: run .ci/setup test")
    if name == "s3rver":
        if not (SUPPORT / "npm" / "node_modules" / "@20minutes" / "s3rver").is_dir():
            pytest.skip("tests/support/npm is not installed: run .ci/setup npm")
        command = [node, str(SUPPORT / "npm" / "s3_server.mjs"), str(folder)]
        server = S3Server(name, 0, "S3RVER", "S3RVER")
    else:
        if not has_module("swift.common.middleware.s3api.s3api", "swift.obj.server"):
            pytest.skip("swift-proxy, swift-object … are not installed: run .ci/setup test")
        command = [PYTHON, str(SUPPORT / "swift_server.py"), str(folder / "swift")]
        server = S3Server(name, 0, "test:tester", "testing")
    with (folder / "stderr.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
                                   start_new_session=True)
    try:
        server.port = json.loads(process.stdout.readline())["port"]
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(process.pid, signal.SIGKILL)  # and what it started
        except ProcessLookupError:
            pass
        process.wait()
