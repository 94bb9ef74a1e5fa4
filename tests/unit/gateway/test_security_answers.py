"""Answers by which a function could make a client or a proxy read two."""

import pytest

from runwright.gateway.outgoing import head, whole
from runwright.model.execution import Outcome

_SMUGGLED = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


@pytest.mark.parametrize("status", [100, 101, 102, 103, 199])
@pytest.mark.parametrize("body", [b"", _SMUGGLED])
def test_a_status_that_announces_another_answer_is_never_sent(status: int, body: bytes) -> None:
    answer = whole(Outcome(status_code=status, body=body), "e", accept="", is_head=False)
    assert answer.status == 500
    assert _SMUGGLED not in answer.body


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_sends_none(status: int) -> None:
    answer = whole(Outcome(status_code=status, body=_SMUGGLED), "e", accept="", is_head=False)
    assert (answer.status, answer.body) == (status, b"")


HEADERS = [
    ("x", "a\r\nset-cookie: b=c"),
    ("x", "a\nb"),
    ("x", "a\x00b"),
    ("x\r\ny", "a"),
    ("x y", "a"),
    ("x:", "a"),
    ("", "a"),
    ("transfer-encoding", "chunked"),
    ("Transfer-Encoding", "chunked"),
    ("content-length", "3"),
    ("connection", "x-secret"),
    ("upgrade", "h2c"),
    ("keep-alive", "timeout=1"),
    ("x-appwrite-execution-id", "another"),
    ("X-Open-Runtimes-Log-Id", "x"),
]


@pytest.mark.parametrize(("name", "value"), HEADERS)
def test_headers_that_frame_the_message_or_are_ours_are_left_out(name: str, value: str) -> None:
    assert head(((name, value), ("kept", "1")), "e") == [
        (b"kept", b"1"),
        (b"x-appwrite-execution-id", b"e"),
    ]
