"""Raw bytes to the daemon, and the answers that come back, read strictly."""
import contextlib
import re
import socket


class Answer:
    """One response; `body` is decoded from its framing."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes):
        self.status, self.headers, self.body = status, headers, body

    def get(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name.lower()), None)

    @property
    def closes(self) -> bool:
        return "close" in (self.get("connection") or "").lower()


class BadAnswer(Exception):
    """The daemon's own bytes do not follow HTTP/1.1."""


class Connection:
    """Sends bytes and takes answers one by one."""

    def __init__(self, gateway, timeout: float = 15):
        self.socket = gateway.connect(timeout)
        self.buffer, self.ended = b"", False

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        # A peer that refused may have closed already; what it answered is still to be read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def _fill(self) -> bool:
        if self.ended:
            return False
        try:
            block = self.socket.recv(65536)
        except ConnectionResetError:
            block = b""
        self.ended = not block
        self.buffer += block
        return not self.ended

    def _until(self, mark: bytes) -> bytes | None:
        while mark not in self.buffer:
            if not self._fill():
                return None
        data, _, self.buffer = self.buffer.partition(mark)
        return data

    def _exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            if not self._fill():
                raise BadAnswer(f"the answer ends {count - len(self.buffer)} bytes early")
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def at_end(self, seconds: float = 5) -> bool:
        """Whether the daemon closes within that time."""
        self.socket.settimeout(seconds)
        try:
            return not self._fill() and not self.buffer
        except TimeoutError:
            return False

    def answer(self, head_request: bool = False) -> Answer | None:
        """The next answer (after 1xx), None where the connection ended before its first byte."""
        while True:
            head = self._until(b"\r\n\r\n")
            if head is None:
                if self.buffer:
                    raise BadAnswer(f"bytes that are no answer: {self.buffer[:200]!r}")
                return None
            lines = head.split(b"\r\n")
            start = re.fullmatch(rb"HTTP/1\.1 ([1-5][0-9][0-9]) [ -~]*", lines[0])
            if not start:
                raise BadAnswer(f"not a status line: {lines[0][:200]!r}")
            status = int(start[1])
            headers = []
            for line in lines[1:]:
                field = re.fullmatch(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t -~\x80-\xff]*)", line)
                if not field:
                    raise BadAnswer(f"not a header line: {line[:200]!r}")
                headers.append((field[1].decode().lower(), field[2].decode("latin-1").strip()))
            if status != 100:
                break
        answer = Answer(status, headers, b"")
        if head_request or status in (204, 304):
            return answer
        lengths, coding = [value for name, value in headers if name == "content-length"], answer.get("transfer-encoding")
        if coding and lengths:
            raise BadAnswer("both Content-Length and Transfer-Encoding")
        if coding:
            answer.body = self._chunks()
        elif lengths:
            if len(lengths) > 1:
                raise BadAnswer("Content-Length twice")
            answer.body = self._exactly(int(lengths[0]))
        else:
            while self._fill():
                pass
            answer.body, self.buffer = self.buffer, b""
        return answer

    def _chunks(self) -> bytes:
        body = b""
        while True:
            size = self._until(b"\r\n")
            if size is None or not re.fullmatch(rb"[0-9A-Fa-f]+", size):
                raise BadAnswer(f"not a chunk size: {size!r}")
            if int(size, 16) == 0:
                while self._until(b"\r\n"):
                    pass
                return body
            body += self._exactly(int(size, 16))
            if self._exactly(2) != b"\r\n":
                raise BadAnswer("a chunk without its CRLF")


def exchange(gateway, data: bytes, count: int = 1) -> list[Answer]:
    """Sends it on a connection of its own and takes up to `count` answers."""
    connection = Connection(gateway)
    try:
        connection.send(data)
        answers = []
        for _ in range(count):
            answer = connection.answer()
            if answer is None:
                break
            answers.append(answer)
        return answers
    finally:
        connection.close()
