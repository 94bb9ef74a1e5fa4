"""Request bodies that come in parts, web sockets, and callers that leave."""

import struct
from collections.abc import Iterator
from typing import Final

import pytest

from runwright.executor.wire import (
    FLAG_BROKEN,
    FLAG_END,
    INTAKE_BYTES,
    WINDOW_BYTES,
    Kind,
    ResultClass,
    encode_part,
    encode_window,
    frame,
)
from tests.integration.runners.harness import Runner, Variant

TEXT: Final = 1
BYTES: Final = 2
CLOSE: Final = 8


@pytest.fixture(autouse=True)
def _those_that_can(variant: Variant) -> None:
    if not variant.can("streamed requests"):
        pytest.skip(f"{variant.language} lacks: streamed requests")


def record(kind: int, payload: bytes) -> bytes:
    return struct.pack("<BI", kind, len(payload)) + payload


def records(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        kind, size = struct.unpack_from("<BI", data)
        yield kind, data[5 : 5 + size]
        data = data[5 + size :]


def test_a_body_is_taken_as_it_comes(runner: Runner) -> None:
    request_id = runner.begin("takeStream", is_streamed=True)
    result = runner.results[request_id]
    runner.feed(request_id, b"first")
    runner.wait(lambda: "began\n" in result.logs)
    runner.feed(request_id, b"x" * 5_000_000)
    runner.feed(request_id, b"\x07", FLAG_END)
    assert runner.end(request_id).json == {"size": 5_000_006, "last": 7}
    assert 5_000_006 - INTAKE_BYTES < result.taken <= 5_000_006


def test_a_body_in_one_piece_can_be_taken_in_the_same_way(runner: Runner) -> None:
    assert runner.call("takeStream", body=b"whole\x09").json == {"size": 6, "last": 9}
    assert runner.call("takeStream").json == {"size": 0, "last": 0}


def test_the_whole_of_a_body_in_parts_is_refused_with_advice(runner: Runner) -> None:
    request_id = runner.begin("bodyOfStream", is_streamed=True)
    result = runner.end(request_id)
    assert (result.status, result.result) == (500, ResultClass.USER_EXCEPTION)
    assert "req.stream" in result.errors


def test_a_body_that_breaks_off_is_an_error_and_no_end(runner: Runner) -> None:
    request_id = runner.begin("takeStream", is_streamed=True)
    runner.feed(request_id, b"half")
    runner.send(encode_part(request_id, b"", FLAG_END | FLAG_BROKEN))
    result = runner.end(request_id)
    assert (result.status, result.result) == (500, ResultClass.USER_EXCEPTION)
    assert "The caller of this function has left." in result.errors


def test_a_host_that_sends_beyond_the_window_breaks_the_rules(own: Runner) -> None:
    request_id = own.begin("hold", is_streamed=True)
    own.send(b"".join(encode_part(request_id, bytes(65536)) for _ in range(4)))
    own.send(encode_part(request_id, b"x"))
    assert own.drain() == 70


def test_a_function_whose_caller_left_is_told_and_ends_as_it_should(
    runner: Runner, variant: Variant
) -> None:
    runner.opens_windows = False
    try:
        request_id = runner.begin("writeForEver")
        result = runner.results[request_id]
        runner.wait(lambda: len(result.body) == WINDOW_BYTES)
        runner.send(frame(Kind.GONE, request_id))
        runner.end(request_id)
    finally:
        runner.opens_windows = True
    assert result.result == ResultClass.OK
    assert result.logs.endswith("CALLER_GONE\n" if variant.is_javascript else "told: False\n")
    assert result.errors == ""
    assert runner.call("text").status == 200


def test_a_web_socket_carries_messages_both_ways(runner: Runner) -> None:
    request_id = runner.begin(
        "echoSocket", method="GET", headers=[("upgrade", "websocket")], is_streamed=True
    )
    result = runner.results[request_id]
    big = bytes(range(256)) * 4096
    # A record may be cut anywhere, and several may come at once.
    hello = record(TEXT, "héllo".encode()) + record(BYTES, b"\0\xff") + record(TEXT, b"")
    for byte in hello:
        runner.feed(request_id, bytes([byte]))
    runner.feed(request_id, record(BYTES, big))
    runner.feed(request_id, record(TEXT, b"close"))
    runner.wait(lambda: result.body.endswith(b"as asked"))
    runner.feed(request_id, record(CLOSE, struct.pack("<H", 4001) + b"bye"))
    runner.feed(request_id, b"", FLAG_END)
    runner.end(request_id)
    assert (result.status, result.result) == (101, ResultClass.OK)
    assert result.header("sec-websocket-protocol") == "chat"
    assert result.header("x-own") == "value"
    assert list(records(result.body)) == [
        (TEXT, "héllo".encode()),
        (BYTES, b"\0\xff"),
        (TEXT, b""),
        (BYTES, big),
        (CLOSE, struct.pack("<H", 4001) + b"as asked"),
    ]
    assert result.logs.endswith("closed: 4001 bye\n")


def test_a_web_socket_whose_other_side_vanishes_ends_with_code_1006(runner: Runner) -> None:
    request_id = runner.begin(
        "echoSocket", method="GET", headers=[("upgrade", "websocket")], is_streamed=True
    )
    runner.wait(lambda: runner.results[request_id].status == 101)
    runner.send(encode_part(request_id, b"\1\2"))  # in the middle of a record
    runner.send(frame(Kind.GONE, request_id))
    assert runner.end(request_id).logs.endswith("closed: 1006 \n")
    assert runner.results[request_id].result == ResultClass.OK


def test_other_requests_cannot_be_upgraded(runner: Runner) -> None:
    for headers, is_streamed in (([], True), ([("upgrade", "websocket")], False)):
        request_id = runner.begin("echoSocket", headers=headers, is_streamed=is_streamed)
        result = runner.end(request_id)
        assert (result.status, result.result) == (500, ResultClass.USER_EXCEPTION)
        assert "does not ask for a web socket" in result.errors


def test_others_are_served_while_a_body_is_waited_for(runner: Runner) -> None:
    request_id = runner.begin("takeStream", is_streamed=True)
    runner.feed(request_id, b"first")
    runner.wait(lambda: "began\n" in runner.results[request_id].logs)
    assert runner.call("text").status == 200
    runner.send(encode_window(request_id, 10))
    runner.feed(request_id, b"", FLAG_END)
    assert runner.end(request_id).json == {"size": 5, "last": ord("t")}
