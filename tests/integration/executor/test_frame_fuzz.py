"""Arbitrary bytes in place of a runner's frames."""

import asyncio
import struct
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from runwright.executor import wire
from runwright.executor.spawn import Exit
from tests.unit.executor.test_hostile_frames import OpenSink, an_assigned_sandbox, asked

_FRAMES = st.builds(
    lambda kind, number, payload: struct.pack("<IBI", len(payload) + 5, kind, number) + payload,
    st.one_of(st.sampled_from([int(kind) for kind in wire.Kind]), st.integers(0, 255)),
    st.one_of(st.integers(0, 3), st.integers(0, 0xFFFFFFFF)),
    st.one_of(
        st.binary(max_size=64),
        st.builds(
            lambda flags, result, status, length, rest: (
                struct.pack("<BBHII", flags, result, status, 0, length) + rest
            ),
            st.integers(0, 3),
            st.integers(0, 5),
            st.integers(0, 1000),
            st.integers(0, 40),
            st.binary(max_size=64),
        ),
    ),
)
_BYTES = st.lists(st.one_of(_FRAMES, st.binary(max_size=32)), max_size=12).map(b"".join)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    at = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:stop] for start, stop in pairwise(at)]


@settings(max_examples=150, deadline=None)
@given(data=_BYTES, places=st.lists(st.integers(0, 2000), max_size=6))
def test_the_reader_finds_the_same_frames_however_the_bytes_arrive(
    data: bytes, places: list[int]
) -> None:
    def read(parts: Sequence[bytes]) -> tuple[list[tuple[int, int, bytes]], bool]:
        reader, found = wire.FrameReader(), []
        for part in parts:
            try:
                found += reader.feed(part)
            except wire.WireError:
                return found, True
        assert len(reader._held) <= wire.MAX_FRAME_BYTES + wire.HEADER.size
        return found, False

    whole, is_broken_whole = read([data])
    pieces, is_broken_pieces = read(cut(data, places))
    assert is_broken_whole == is_broken_pieces
    # Of bytes that break the rules, those that came before may have been taken already.
    assert pieces == whole or (is_broken_whole and pieces[: len(whole)] == whole)


@settings(max_examples=150, deadline=None)
@given(data=_BYTES, places=st.lists(st.integers(0, 2000), max_size=6))
def test_any_bytes_leave_every_call_with_one_outcome(data: bytes, places: list[int]) -> None:
    async def play() -> None:
        sandbox, pipe = an_assigned_sandbox()
        calls = [asked(sandbox, OpenSink()), asked(sandbox), asked(sandbox)]
        for part in cut(data, places):
            if not pipe.is_aborted:
                sandbox.data_received(part)
            assert sandbox.live_calls == sum(not call.done() for call in sandbox.calls.values())
        sandbox.connection_lost(None)
        sandbox.exited(Exit(code=137))
        for call in calls:
            await asyncio.wait_for(call.future, 60)
        for _ in range(3):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(play())
