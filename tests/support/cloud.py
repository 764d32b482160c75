"""Stand-ins for the cloud's functions and containers: they judge the call as the cloud does (address, tag, Bearer) and
then run the code itself, so that a document is answered as it would be there."""
import http.client
import json
import os
import pathlib
import subprocess
import threading

from upstream import Upstream

# Each line in is {"handler", "event"}; each line out is {"ok": answer} or {"error": message}.
PYTHON = r"""
import asyncio, importlib, inspect, json, sys
out = sys.stdout
sys.stdout = sys.stderr
for line in sys.stdin:
    call = json.loads(line)
    module, _, name = call["handler"].rpartition(".")
    try:
        value = getattr(importlib.import_module(module), name)(call["event"], None)
        answer = {"ok": asyncio.run(value) if inspect.isawaitable(value) else value}
    except Exception as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), file=out, flush=True)
"""
NODE = r"""
const path = require('path');
const lines = require('readline').createInterface({input: process.stdin});
console.log = console.error;
lines.on('line', async (line) => {
  const {handler, event} = JSON.parse(line);
  const dot = handler.lastIndexOf('.');
  let answer;
  try {
    const module = require(path.resolve(handler.slice(0, dot)));
    answer = {ok: await module[handler.slice(dot + 1)](event, {})};
  } catch (error) {
    answer = {error: String(error.message)};
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
});
"""


class Function:
    """One warm instance."""

    def __init__(self, language: str, folder: pathlib.Path, handler: str, env: dict | None = None):
        command = {"python": ["/usr/bin/python3", "-c", PYTHON], "node": ["node", "-e", NODE]}[language]
        self.handler, self.lock = handler, threading.Lock()
        self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})})

    def __call__(self, event):
        with self.lock:
            self.process.stdin.write(json.dumps({"handler": self.handler, "event": event}) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=20)
        self.process.stdout.close()


class CloudFunctions(Upstream):
    """`functions`: id → Function. `tokens`: those that hold, as a list that may grow."""

    def __init__(self, functions: dict[str, Function], tokens: list[str]):
        self.functions, self.tokens = functions, tokens
        super().__init__(self._invoke)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        super().close()
        for function in self.functions.values():
            function.close()

    def _invoke(self, request, wire):
        path, _, query = request.target.partition("?")
        function = self.functions.get(path[1:])
        if request.get("Authorization") not in [f"Bearer {token}" for token in self.tokens]:
            wire.answer(401, b'{"errorCode": 401, "errorMessage": "Unauthorized"}')
        elif function is None or request.method != "POST":
            wire.answer(404, b'{"errorCode": 404, "errorMessage": "Not Found"}')
        elif query != "integration=raw&tag=%24latest" or request.get("Content-Type") != "application/json":
            wire.answer(400, json.dumps({"errorCode": 400, "errorMessage": f"{query!r}"}).encode())
        else:
            answer = function(json.loads(request.body))
            if "ok" in answer:
                wire.answer(200, json.dumps(answer["ok"]).encode(), {"Content-Type": "application/json"})
            else:
                wire.answer(502, json.dumps({"errorMessage": answer["error"]}).encode(), {"X-Function-Error": "true"})


class CloudContainer(Upstream):
    """The address of one container in front of an HTTP server at `port`."""

    def __init__(self, container: str, port: int, tokens: list[str]):
        self.container, self.target, self.tokens = container, port, tokens
        super().__init__(self._pass)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _pass(self, request, wire):
        if request.get("Host") != f"{self.container}.containers.yandexcloud.net":
            wire.answer(404, b"no such container")
            return
        if request.get("Authorization") not in [f"Bearer {token}" for token in self.tokens]:
            wire.answer(403, b"no permission")
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=20)
        hop_by_hop = {"connection", "transfer-encoding", "content-length", "keep-alive"}
        connection.request(request.method, request.target, request.body or None,
                           {name: value for name, value in request.headers if name.lower() not in hop_by_hop})
        answer = connection.getresponse()
        body = answer.read()
        wire.answer(answer.status, body, {name: value for name, value in answer.getheaders() if name.lower() not in hop_by_hop})
        connection.close()
