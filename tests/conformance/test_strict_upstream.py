"""The strict upstream itself: it understands what is strict and notes what is not."""
import socket

import pytest
from strict_upstream import StrictUpstream


def send(upstream: StrictUpstream, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while block := connection.recv(65536):
            answer += block
        return answer


@pytest.mark.parametrize("data, body", [
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    (b"GET /a%20b?c=%2F HTTP/1.1\r\nHost: a:80\r\nX: y z\r\n\r\n", b""),
    (b"POST / HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n",
     b"abc0123456789"),
])
def test_strict_messages_are_understood(data, body):
    with StrictUpstream() as upstream:
        answer = send(upstream, data)
        messages, ambiguities = upstream.take()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert ambiguities == []
    assert [message["body"] for message in messages] == [body]


HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /% HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\\ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
    HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    HEAD + b"Content-Length: +1\r\n\r\na",
    HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    HEAD + b"Content-Length: 1\r\n\r\naGET / HTTP/1.1\r\n",
])
def test_the_rest_is_noted(data):
    with StrictUpstream() as upstream:
        send(upstream, data)
        _, ambiguities = upstream.take()
    assert len(ambiguities) == 1


@pytest.mark.parametrize("data", [
    b"GET / HT",
    b"GET / HTTP/1.1\r\nHost: a\r\n",
    HEAD + b"Content-Length: 5\r\n\r\na",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
])
def test_half_a_message_is_none(data):
    with StrictUpstream() as upstream:
        send(upstream, data)
        assert upstream.take() == ([], [])
