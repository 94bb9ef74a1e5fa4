"""The runner's side of the frame protocol against the host's."""

import pytest
from _runwright import frames  # type: ignore[import-not-found]  # not a package of ours
from hypothesis import given
from hypothesis import strategies as st

from runwright.executor import wire
from runwright.model.execution import request_head
from tests.frames import decode_log

IDS = st.integers(0, 2**32 - 1)
BYTES = st.binary(max_size=300)
HEADER_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=20)


def cut(data: bytes, sizes: list[int]) -> list[tuple[int, int, bytes]]:
    """The frames of a stream that arrives in pieces of the given sizes."""
    reader = frames.Wire()
    found = []
    at = 0
    for size in [*sizes, len(data)]:
        found += reader.cut(data[at : at + size])
        at += size
    return found


@given(st.lists(st.tuples(st.integers(1, 6), IDS, BYTES)), st.lists(st.integers(1, 50)))
def test_a_stream_cut_anywhere_gives_the_same_frames(
    sent: list[tuple[int, int, bytes]], sizes: list[int]
) -> None:
    data = b"".join(frames.frame(*one) for one in sent)

    assert cut(data, sizes) == sent


@given(IDS, st.lists(st.tuples(HEADER_TEXT, HEADER_TEXT), max_size=4), BYTES, st.booleans())
def test_requests_of_the_host_are_understood(
    request_id: int, headers: list[tuple[str, str]], body: bytes, is_logging: bool
) -> None:
    head_lines = request_head("GET", "/a?b", tuple(headers))
    data = wire.encode_request(request_id, head_lines, body, is_logging=is_logging)

    [(kind, got_id, payload)] = cut(data, [])
    flags, head, got_body = frames.split_request(payload)
    assert (kind, got_id, got_body) == (frames.REQUEST, request_id, body)
    assert bool(flags & frames.FLAG_LOGGING) == is_logging
    assert flags & frames.FLAG_END
    lines = [f"{name}:{value}" for name, value in headers]
    assert head.decode().split("\n") == ["GET /a?b", *lines]


@given(IDS, st.integers(0, 3), st.integers(100, 599), st.integers(0, 2**32 - 1), BYTES)
def test_answers_are_understood_by_the_host(
    request_id: int, result: int, status: int, micros: int, body: bytes
) -> None:
    head = "content-type:text/plain\nx-é:ü".encode()
    data = frames.response_frame(request_id, frames.FLAG_END, result, status, micros, head, body)

    [(kind, got_id, payload)] = wire.FrameReader().feed(data)
    answer = wire.ResponseHead(payload)
    assert (kind, got_id) == (wire.Kind.RESPONSE, request_id)
    assert (answer.result, answer.status_code, answer.body) == (result, status, body)
    assert answer.is_complete
    assert answer.user_s == micros / 1e6
    assert answer.headers() == (("content-type", "text/plain"), ("x-é", "ü"))


@given(IDS, st.booleans(), st.text(st.characters(codec="utf-8")))
def test_logs_and_ends_are_understood_by_the_host(
    request_id: int, is_error: bool, text: str
) -> None:
    data = frames.log_frame(request_id, is_error, text.encode())
    data += frames.end_frame(request_id, 1, 2_500_000)

    log, end = wire.FrameReader().feed(data)
    assert log[:2] == (wire.Kind.LOG, request_id)
    assert decode_log(log[2]) == (is_error, text)
    assert end[:2] == (wire.Kind.END, request_id)
    assert wire.decode_end(end[2]) == (wire.ResultClass.USER_EXCEPTION, 2.5)


def test_kinds_and_limits_are_the_same_on_both_sides() -> None:
    for kind in wire.Kind:
        assert getattr(frames, kind.name) == kind
    for name in ("MAX_FRAME_BYTES", "PART_BYTES", "WINDOW_BYTES", "MAX_REQUEST_BYTES"):
        assert getattr(frames, name) == getattr(wire, name)
    for result in wire.ResultClass:
        assert getattr(frames, f"RESULT_{result.name}") == result


@pytest.mark.parametrize("length", [0, 4, wire.MAX_FRAME_BYTES + 1, 2**32 - 1])
def test_lengths_out_of_bounds_are_refused(length: int) -> None:
    with pytest.raises(frames.Malformed):
        frames.Wire().cut(length.to_bytes(4, "little") + bytes(5))
