"""Functions that run here, for the system tests: a document with a path for each, and what is asked of them."""
import json
import pathlib
import re
import time

from conftest import paths


def functions(**by_name) -> str:
    """A document with a path for each function: /NAME and below it, event format 1.0; /old/NAME, 0.1."""
    operations = {}
    for name in by_name:
        integration = {"type": "cloud_functions", "function_id": name}
        operations[f"/{name}"] = {**integration, "payload_format_version": "1.0"}
        operations[f"/{name}/{{rest+}}"] = {**integration, "payload_format_version": "1.0",
                                            "parameters": [{"name": "rest", "in": "path", "required": True, "schema": {"type": "string"}}]}
        operations[f"/old/{name}"] = integration
    return paths(operations)


def begin(start, files, configuration=None, **by_name):
    return start({"functions.yaml": functions(**by_name), **files}, {"functions": by_name, **(configuration or {})})


def node(handler="index.handler", **more):
    return {"runtime": "nodejs", "handler": handler, **more}


def python(handler="main.handler", **more):
    return {"runtime": "python", "handler": handler, **more}


def ask(daemon, target, body=None, headers=None, method=None):
    status, _, text = daemon.request(method or ("POST" if body is not None else "GET"), target,
                                     {"Content-Type": "application/json", **(headers or {})}, body)
    return status, json.loads(text) if text[:1] in (b"{", b"[") else text.decode()


def logged(daemon, pattern, seconds=10):
    """The log's lines (not of access) whose message matches; waits for the first."""
    until = time.monotonic() + seconds
    while True:
        text = daemon.log_file.read_text() if daemon.log_file.exists() else ""
        lines = [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]
        found = [line for line in lines if "message" in line and re.search(pattern, line["message"])]
        if found or time.monotonic() > until:
            return found
        time.sleep(0.02)


def read(path: pathlib.Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
