"""An HTTP/1.1 server for tests that notes what it got, byte for byte, and answers as the test says.

    with Upstream(lambda request, wire: wire.answer(200, b"hello")) as upstream:
        …  # http://127.0.0.1:{upstream.port}/
        assert upstream.requests[0].target == "/x"
"""
import dataclasses
import json
import pathlib
import socket
import ssl
import threading
import time


@dataclasses.dataclass
class Request:
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    head: bytes  # as it came, with its empty line

    def get(self, name: str) -> str | None:
        """The value of a header that came once at most."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def names(self) -> set[str]:
        return {key.lower() for key, _ in self.headers}


class Wire:
    """One connection's end at the upstream."""

    def __init__(self, connection: socket.socket):
        self.connection, self.pending = connection, b""

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def answer(self, status: int, body: bytes = b"", headers: dict | None = None, reason: str = "X") -> None:
        lines = [f"HTTP/1.1 {status} {reason}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if not any(name.lower() == "content-length" for name in headers or {}) and status not in (204, 304):
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def chunk(self, data: bytes) -> None:
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def ended_within(self, seconds: float) -> bool:
        """Whether the other side closes its connection in that time."""
        self.connection.settimeout(seconds)
        try:
            while self.connection.recv(65536):
                pass
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def _fill(self) -> bool:
        data = self.connection.recv(65536)
        self.pending += data
        return bool(data)

    def read_head(self) -> bytes | None:
        while b"\r\n\r\n" not in self.pending:
            if not self._fill():
                return None
        head, _, self.pending = self.pending.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n"

    def read_exactly(self, count: int) -> bytes:
        while len(self.pending) < count:
            if not self._fill():
                raise ConnectionError("the body ends early")
        data, self.pending = self.pending[:count], self.pending[count:]
        return data

    def read_line(self) -> bytes:
        while b"\r\n" not in self.pending:
            if not self._fill():
                raise ConnectionError("the body ends early")
        line, _, self.pending = self.pending.partition(b"\r\n")
        return line

    def read_body(self, headers: list[tuple[str, str]]) -> bytes:
        named = {name.lower(): value for name, value in headers}
        if named.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.read_line(), 16):
                body += self.read_exactly(size)
                self.read_exactly(2)
            while self.read_line():
                pass
            return body
        return self.read_exactly(int(named.get("content-length", "0")))


def echo(request: Request, wire: Wire) -> None:
    """What came, as JSON."""
    body = json.dumps({"method": request.method, "target": request.target, "headers": request.headers,
                       "body": request.body.decode("latin-1")}).encode()
    wire.answer(200, b"" if request.method == "HEAD" else body,
                {"Content-Type": "application/json", "Content-Length": str(len(body))})


class Upstream:
    """`handler(request, wire)` answers; what it returns as False ends the connection. `unix`: a path instead of a port.
    `tls`: an ssl.SSLContext. `read_bodies=False`: the handler reads the body itself, or not at all."""

    def __init__(self, handler=echo, unix: pathlib.Path | None = None, tls: ssl.SSLContext | None = None,
                 read_bodies: bool = True, host: str = "127.0.0.1"):
        self.handler, self.tls, self.read_bodies = handler, tls, read_bodies
        self.requests: list[Request] = []
        self.connections = 0
        self.open: set[socket.socket] = set()
        self.lock = threading.Lock()
        if unix is not None:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(unix))
            self.listener.listen(256)
            self.port = 0
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self.listener = socket.create_server((host, 0), backlog=256, family=family)
            self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def __enter__(self) -> "Upstream":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Ends the listener and all connections."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        except OSError:
            pass
        self.listener.close()
        with self.lock:
            for connection in self.open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def wait_for(self, count: int, seconds: float = 20) -> list[Request]:
        """The requests, once there are that many."""
        until = time.monotonic() + seconds
        while len(self.requests) < count and time.monotonic() < until:
            time.sleep(0.01)
        assert len(self.requests) >= count, f"{len(self.requests)} requests came, not {count}"
        return self.requests

    def take(self) -> list[Request]:
        with self.lock:
            taken, self.requests = self.requests, []
        return taken

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self.lock:
            self.connections += 1
            self.open.add(connection)
        try:
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            wire = Wire(connection)
            while head := wire.read_head():
                lines = head.decode("latin-1").split("\r\n")
                method, target, _ = lines[0].split(" ", 2)
                headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if line]
                request = Request(method, target, headers, b"", head)
                if self.read_bodies:
                    request.body = wire.read_body(headers)
                with self.lock:
                    self.requests.append(request)
                if self.handler(request, wire) is False:
                    break
        except (OSError, ValueError):
            pass  # the test ends a connection, or the gateway does: what came before is noted
        finally:
            with self.lock:
                self.open.discard(connection)
            connection.close()
