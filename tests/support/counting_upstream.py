"""An HTTP/1.1 server to be killed: it notes the id of each POST in a file before it answers, so that the notes outlive it.

    counting_upstream.py PORT FILE

It prints "waiting", and listens when a line comes on stdin: its start costs nothing then.
"""
import asyncio
import os
import re
import sys


class Server(asyncio.Protocol):
    notes = -1

    def connection_made(self, transport):
        self.transport, self.pending = transport, b""

    def data_received(self, data):
        self.pending += data
        while (end := self.pending.find(b"\r\n\r\n")) >= 0:
            head = self.pending[:end].decode("latin-1")
            length = re.search(r"(?i)\r\ncontent-length: *(\d+)", head)
            size = end + 4 + (int(length.group(1)) if length else 0)
            if len(self.pending) < size:
                return
            self.pending = self.pending[size:]
            method, target, _ = head.split("\r\n", 1)[0].split(" ", 2)
            if method == "POST":
                os.write(self.notes, target.encode() + b"\n")
            body = f"{method} {target}".encode()
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


async def main():
    port, file = int(sys.argv[1]), sys.argv[2]
    Server.notes = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    print("waiting", flush=True)
    sys.stdin.readline()
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", port, backlog=512, reuse_address=True)
    await server.serve_forever()


asyncio.run(main())
