"""An HTTP/1.1 server that forgives nothing: the upstream behind the gateway in the conformance tests.

It reads the bytes of each connection by the letter of RFC 9112 and notes everything that another server might read in
another way (`ambiguities`), and every message that it understood (`messages`). Each answer says which request it
answers (JSON: method, target, body length), so that a client notices when answers and requests get out of step.
"""
import json
import re
import socket
import threading

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~]+) HTTP/1\.1")
# RFC 3986: what a path may be made of, '%' only with two hex digits. A query ends nowhere but at the space, so it may hold
# what browsers send in it (brackets, bars, a lone '%').
TARGET = re.compile(rb"(?:/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*"
                    rb"(?:\?[!\"$-~]*)?|\*)")
VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
HOST = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")


class Ambiguous(Exception):
    """The bytes may be read in more than one way; the connection is over."""


class Incomplete(Exception):
    """The stream ended inside a message: nobody can take it for a request."""


class Reader:
    """A connection's bytes, as they come."""

    def __init__(self, connection: socket.socket):
        self.connection, self.buffer = connection, b""

    def fill(self) -> bool:
        block = self.connection.recv(65536)
        self.buffer += block
        return bool(block)

    def line(self, first: bool = False) -> bytes | None:
        """Up to CRLF; None where the stream ends before the first byte of a message."""
        while b"\n" not in self.buffer:
            if not self.fill():
                if first and not self.buffer:
                    return None
                raise Incomplete(f"the stream ends inside a line: {self.buffer[:80]!r}")
        line, _, self.buffer = self.buffer.partition(b"\n")
        if not line.endswith(b"\r"):
            raise Ambiguous(f"a line ends with a bare LF: {line[:80]!r}")
        line = line[:-1]
        if b"\r" in line or b"\0" in line:
            raise Ambiguous(f"CR or NUL inside a line: {line[:80]!r}")
        return line

    def exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            if not self.fill():
                raise Incomplete(f"the stream ends inside a body, {count - len(self.buffer)} bytes early")
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data


def read_fields(reader: Reader, what: str) -> list[tuple[str, str]]:
    fields = []
    while line := reader.line():
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN.fullmatch(name):
            raise Ambiguous(f"a {what} line without a proper name: {line[:80]!r}")
        value = value.strip(b" \t")
        if not VALUE.fullmatch(value):
            raise Ambiguous(f"a control byte in a {what}: {line[:80]!r}")
        fields.append((name.decode().lower(), value.decode("latin-1")))
    return fields


def read_chunks(reader: Reader) -> tuple[bytes, list[tuple[str, str]]]:
    body = b""
    while True:
        size = reader.line()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size):
            raise Ambiguous(f"a chunk size that is not plain hex: {size[:80]!r}")
        count = int(size, 16)
        if count == 0:
            return body, read_fields(reader, "trailer")
        body += reader.exactly(count)
        if reader.exactly(2) != b"\r\n":
            raise Ambiguous("chunk data without CRLF after it")


def read_request(reader: Reader) -> dict | None:
    line = reader.line(first=True)
    if line is None:
        return None
    match = REQUEST_LINE.fullmatch(line)
    if not match:
        raise Ambiguous(f"not a strict request line: {line[:120]!r}")
    method, target = match.groups()
    if not TARGET.fullmatch(target):
        raise Ambiguous(f"not a strict target: {target[:120]!r}")
    headers = read_fields(reader, "header")
    named: dict[str, list[str]] = {}
    for name, value in headers:
        named.setdefault(name, []).append(value)
    hosts = named.get("host", [])
    if len(hosts) != 1 or not HOST.fullmatch(hosts[0].encode("latin-1")):
        raise Ambiguous(f"not exactly one proper Host: {hosts}")
    lengths, codings = named.get("content-length", []), named.get("transfer-encoding", [])
    if lengths and codings:
        raise Ambiguous("Content-Length and Transfer-Encoding at once")
    if len(lengths) > 1 or len(codings) > 1:
        raise Ambiguous(f"a framing header twice: {lengths or codings}")
    trailers: list[tuple[str, str]] = []
    if codings:
        if codings[0] != "chunked":
            raise Ambiguous(f"a transfer coding other than chunked: {codings[0]!r}")
        body, trailers = read_chunks(reader)
    elif lengths:
        if not re.fullmatch(r"[0-9]{1,19}", lengths[0]):
            raise Ambiguous(f"a Content-Length that is not digits: {lengths[0]!r}")
        body = reader.exactly(int(lengths[0]))
    else:
        body = b""
    if reader.buffer:
        raise Ambiguous(f"bytes after the end of a message, before its answer: {reader.buffer[:80]!r}")
    return {"method": method.decode(), "target": target.decode(), "headers": headers, "body": body, "trailers": trailers}


class StrictUpstream:
    """Listens on a port that the kernel picks. `messages` and `ambiguities` grow; `take()` empties them."""

    def __init__(self):
        self.messages: list[dict] = []
        self.ambiguities: list[str] = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def __enter__(self) -> "StrictUpstream":
        return self

    def __exit__(self, *_) -> None:
        self.listener.close()

    def take(self) -> tuple[list[dict], list[str]]:
        with self.lock:
            taken = self.messages, self.ambiguities
            self.messages, self.ambiguities = [], []
            return taken

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reader = Reader(connection)
            try:
                while message := read_request(reader):
                    with self.lock:
                        self.messages.append(message)
                    echo = json.dumps({"method": message["method"], "target": message["target"],
                                       "length": len(message["body"]), "trailers": message["trailers"]}).encode()
                    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(echo)}\r\n\r\n".encode()
                    connection.sendall(head if message["method"] == "HEAD" else head + echo)
            except Ambiguous as error:
                with self.lock:
                    self.ambiguities.append(str(error))
            except (Incomplete, OSError):
                pass  # the gateway gave the request up: nothing was understood, nothing to note
