"""Path confusion: whatever is sent, route, access log and upstream see one canonical path (paths.json)."""
import json
import pathlib

import pytest
import raw

CASES = json.loads((pathlib.Path(__file__).parent / "paths.json").read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["sent"])
def test_one_canonical_path(gateway, upstream, case):
    upstream.take()
    logged = len(gateway.access_log())
    answer = raw.exchange(gateway, f"GET {case['sent']} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode("latin-1"))[0]
    messages, ambiguities = upstream.take()
    assert ambiguities == []
    entry = gateway.access_log(logged + 1)[logged]
    if case["path"] is None:
        assert answer.status == 400
        assert messages == []
        assert entry["status"] == 400
        return
    assert answer.status == 200
    assert entry["path"] == case["path"]
    if case.get("admin"):
        assert answer.body == b"the secret page"
        assert messages == []
        assert entry["template"] == "/admin/secret"
        return
    query = "?" + case["sent"].partition("?")[2] if "?" in case["sent"] else ""
    assert [message["target"].partition("?")[0] for message in messages] == [case["path"]]
    assert messages[0]["target"] in (case["path"] + query, case["path"] + query.rstrip("?"))
    assert entry["template"] == ("/" if case["path"] == "/" else "/{rest+}")
