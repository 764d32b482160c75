"""Raw HTTP/1.1 through the gateway to a strict upstream (http1/README.md): what must be refused is, nothing that can be
read in two ways is passed on, and the next request of a connection gets its own answer."""
import json
import pathlib
import time

import pytest
import raw

FOLDER = pathlib.Path(__file__).parent / "http1"
CASES = [(file.stem, case) for file in sorted(FOLDER.glob("*.json")) for case in json.loads(file.read_text(encoding="utf-8"))]
IDS = [f"{file}: {case['name']}" for file, case in CASES]


def put_together(pieces: str | list) -> bytes:
    """`send`, `body`, `target`: strings and repetitions, a character a byte."""
    pieces = [pieces] if isinstance(pieces, str) else pieces
    return b"".join((piece if isinstance(piece, str) else piece["repeat"] * piece["times"]).encode("latin-1") for piece in pieces)


def unroutable(target: bytes) -> bool:
    """A greedy parameter does not begin with an empty segment: the router answers 404, the message was fine."""
    return target.startswith(b"//")


def check_answer(expected: dict, answer: raw.Answer | None) -> None:
    """The answer to one message is what the case says."""
    if "refuse" in expected:
        # Where the head was good the answer may have begun before the body broke; then the connection just ends.
        if answer is not None or "method" not in expected:
            assert answer is not None, "no answer to what must be refused"
            assert answer.status == expected["refuse"]
            assert answer.closes
    elif expected.get("incomplete"):
        assert answer is None or answer.status in (400, 408)
    elif expected.get("gateway"):
        assert answer is not None
        assert answer.status == expected.get("status", answer.status)
    else:
        assert answer is not None, "no answer to a good request"
        if unroutable(put_together(expected["target"])):
            assert answer.status == 404
            return
        assert answer.status == 200
        if expected["method"] != "HEAD":
            echo = json.loads(answer.body)
            assert echo["method"] == expected["method"]
            assert echo["target"].encode("latin-1") == put_together(expected["target"])
            assert echo["length"] == len(put_together(expected["body"]))


def check_upstream(expect: list[dict], messages: list[dict]) -> None:
    """The upstream saw the accepted messages, in order, and nothing else."""
    good = [expected for expected in expect if "method" in expected and "refuse" not in expected
            and not unroutable(put_together(expected["target"]))]
    assert [message["method"] for message in messages] == [expected["method"] for expected in good]
    for message, expected in zip(messages, good):
        assert message["target"].encode("latin-1") == put_together(expected["target"])
        assert message["body"] == put_together(expected["body"])
        if "host" in expected:
            assert dict(message["headers"])["host"] == expected["host"]


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=IDS)
def test_raw_input(gateway, upstream, case):
    upstream.take()
    connection = raw.Connection(gateway)
    try:
        connection.send(put_together(case["send"]))
        incomplete = any(expected.get("incomplete") for expected in case["expect"])
        for expected in case["expect"]:
            if expected.get("incomplete"):
                connection.end()
            check_answer(expected, connection.answer(head_request=expected.get("method") == "HEAD"))
        if case["close"]:
            assert connection.at_end(), "the connection stays open, or bytes follow the last answer"
        elif not incomplete:
            # Whatever was sent, the next request gets its own answer.
            connection.send(b"GET /follow-up HTTP/1.1\r\nHost: a\r\n\r\n")
            follow_up = connection.answer()
            assert follow_up is not None and follow_up.status == 200
            assert json.loads(follow_up.body)["target"] == "/follow-up"
    finally:
        connection.close()
    messages, ambiguities = upstream.take()
    if messages and messages[-1]["target"] == "/follow-up":
        messages.pop()
    assert ambiguities == []
    check_upstream(case["expect"], messages)


def test_nothing_came_later(upstream):
    """What was refused is not sent on with a delay either."""
    time.sleep(0.3)
    messages, ambiguities = upstream.take()
    assert messages == []
    assert ambiguities == []


def test_there_are_enough_inputs():
    assert len(CASES) >= 200
