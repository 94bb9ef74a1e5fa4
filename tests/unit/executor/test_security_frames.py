"""Runners that keep to the frame rules and try to exhaust the host all the same."""

import asyncio
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from runwright.executor import wire
from runwright.executor.sandbox import Owner, Sandbox, State
from runwright.model.execution import ErrorClass, Headers, Invocation
from tests.unit.executor.waiting import WaitedCall

pytestmark = pytest.mark.anyio

_RESPONSE = struct.pack("<BBHII", 0, 0, 200, 0, 0)  # the body follows
_END = struct.pack("<BI", 0, 0)


class Pipe:
    """The host's end of a frame socket whose other end never reads."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.is_aborted = False
        self.is_reading = True

    def write(self, data: bytes) -> None:
        self.written += data

    def set_write_buffer_limits(self, high: int) -> None: ...

    def is_closing(self) -> bool:
        return self.is_aborted

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def abort(self) -> None:
        self.is_aborted = True


class ShutSink:
    """A caller that does not read until `gate` opens."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.body = bytearray()

    def start(self, status_code: int, headers: Headers) -> None: ...

    async def write(self, chunk: bytes) -> None:
        await self.gate.wait()
        self.body += chunk


def a_sandbox(now: Callable[[], float] = time.monotonic) -> tuple[Sandbox, Pipe]:
    sandbox = Sandbox(
        1,
        Owner(),
        send_signal=lambda _id, _signal: None,
        max_calls=4,
        max_body_bytes=4 * 1024 * 1024,
        now=now,
    )
    pipe: Any = Pipe()
    sandbox.connection_made(pipe)
    return sandbox, pipe


def received(sandbox: Sandbox, data: bytes) -> None:
    """All of it, without the rests between."""
    sandbox.data_received(data)
    while sandbox._reader.is_behind:
        sandbox._rested()


def submitted(sandbox: Sandbox, sink: ShutSink | None = None) -> WaitedCall:
    invocation = Invocation(
        execution_id="e", method="GET", target="/", headers=(), body=b"", timeout_s=30.0
    )
    call = WaitedCall(invocation, sink, time.monotonic())
    sandbox.submit(call, time.monotonic())
    sandbox.data_received(wire.frame(wire.Kind.RESPONSE, 1, _RESPONSE))
    return call


def chunks(part: bytes, count: int) -> bytes:
    return wire.frame(wire.Kind.CHUNK, 1, part) * count


async def growth(work: Callable[[], None]) -> int:
    """Blocks of memory that stay allocated by `work`."""
    before = sys.getallocatedblocks()
    work()
    return sys.getallocatedblocks() - before


async def test_parts_without_content_are_not_kept_for_a_caller_that_does_not_read() -> None:
    sandbox, _ = a_sandbox()
    sink = ShutSink()
    call = submitted(sandbox, sink)
    sandbox.data_received(chunks(b"a", 1) + chunks(b"", 10_000) + chunks(b"b", 1))
    assert call.stream is not None
    assert len(call.stream._parts) <= 2
    sandbox.data_received(wire.frame(wire.Kind.END, 1, _END))
    sink.gate.set()
    await asyncio.wait_for(call.future, 60)
    assert sink.body == b"ab"


async def test_tiny_parts_for_a_caller_that_does_not_read_take_little_more_than_their_size() -> (
    None
):
    sandbox, _ = a_sandbox()
    sink = ShutSink()
    call = submitted(sandbox, sink)
    kept = await growth(lambda: received(sandbox, chunks(b"xy", 5_000)))
    assert kept < 1_000
    sandbox.data_received(wire.frame(wire.Kind.CHUNK, 1, b"end" * 4096))
    sandbox.data_received(wire.frame(wire.Kind.END, 1, _END))
    sink.gate.set()
    await asyncio.wait_for(call.future, 60)
    assert sink.body == b"xy" * 5_000 + b"end" * 4096


async def test_a_body_in_tiny_parts_is_held_as_one() -> None:
    sandbox, _ = a_sandbox()
    call = submitted(sandbox)
    kept = await growth(lambda: received(sandbox, chunks(b"xy", 5_000)))
    assert kept < 1_000
    sandbox.data_received(wire.frame(wire.Kind.END, 1, _END))
    assert (await call.future).body == b"xy" * 5_000


async def test_a_runner_that_never_reads_cannot_make_the_host_pile_up_answers() -> None:
    sandbox, pipe = a_sandbox()
    submitted(sandbox)
    pipe.written.clear()
    received(sandbox, chunks(b"x", 20_000) + chunks(b"", 20_000))
    assert len(pipe.written) == 0  # the window has room for far more
    taken = 0
    for _ in range(32):
        part = b"x" * (wire.PART_BYTES // 2)
        sandbox.data_received(chunks(part, 1))
        taken += len(part)
    opened = len(pipe.written) // (wire.HEADER.size + 4)
    assert 0 < opened <= taken // wire.WINDOW_STEP_BYTES + 1
    assert not pipe.is_aborted


async def test_a_frame_that_comes_byte_by_byte_is_not_copied_for_each_of_them() -> None:
    """Cost must grow with the bytes, so it is counted in bytes, not in seconds."""
    reader = wire.FrameReader()
    whole = wire.frame(wire.Kind.LOG, 1, b"\0" + b"x" * 1_000_000)
    half = len(whole) // 2
    assert reader.feed(whole[:half]) == []
    place = id(reader._held)
    for at in range(half, half + 1000):
        assert reader.feed(whole[at : at + 1]) == []
    assert id(reader._held) == place  # the same buffer, grown in place
    assert len(reader._held) == half + 1000
    frames = reader.feed(whole[half + 1000 :] + wire.frame(wire.Kind.PONG, 0))
    assert [(kind, number, len(payload)) for kind, number, payload in frames] == [
        (wire.Kind.LOG, 1, 1_000_001),
        (wire.Kind.PONG, 0, 0),
    ]


async def test_a_read_full_of_tiny_frames_leaves_the_loop_to_others_between() -> None:
    sandbox, pipe = a_sandbox()
    submitted(sandbox)
    sandbox.data_received(chunks(b"", 29_000))
    assert sandbox._reader.is_behind
    assert not pipe.is_reading  # nothing more is read before these have had their turn
    turns = 0
    while sandbox._reader.is_behind:
        sandbox._rested()
        turns += 1
    assert turns >= 100
    assert pipe.is_reading


async def test_an_answer_to_a_ping_that_was_not_sent_ends_the_sandbox() -> None:
    sandbox, pipe = a_sandbox()
    submitted(sandbox)
    sandbox.ask()
    sandbox.data_received(wire.frame(wire.Kind.PONG, 0))
    assert not pipe.is_aborted
    sandbox.data_received(wire.frame(wire.Kind.PONG, 0))
    assert pipe.is_aborted


async def test_an_oversized_frame_is_refused_at_its_header() -> None:
    reader = wire.FrameReader()
    head = struct.pack("<IBI", wire.MAX_FRAME_BYTES + 1, wire.Kind.LOG, 1)
    assert reader.feed(head[:5]) == []
    with pytest.raises(wire.WireError):
        reader.feed(head[5:])


async def test_a_sandbox_whose_frames_hold_the_loop_up_is_not_read_for_a_while() -> None:
    ticks = iter(range(100))
    sandbox, pipe = a_sandbox(lambda: next(ticks) * 0.003)  # each look at the clock: 3 ms
    submitted(sandbox)
    assert pipe.is_reading
    sandbox.data_received(chunks(b"", 3_000))
    assert not pipe.is_reading
    async with asyncio.timeout(60):
        while not pipe.is_reading:
            await asyncio.sleep(0.01)


async def test_large_parts_that_take_no_time_are_read_on() -> None:
    sandbox, pipe = a_sandbox(lambda: 1.0)
    submitted(sandbox)
    sandbox.data_received(chunks(b"x" * wire.PART_BYTES, 1))
    assert pipe.is_reading


async def test_user_code_whose_call_has_its_outcome_already_ends_at_its_deadline() -> None:
    sandbox, _ = a_sandbox()
    sandbox.data_received(wire.frame(wire.Kind.HELLO, 0, b'{"version":1}'))
    call = submitted(sandbox)
    for _ in range(5):
        received(sandbox, chunks(b"x" * wire.WINDOW_BYTES, 1))
    end = await asyncio.wait_for(call.future, 60)
    assert end.error_class is ErrorClass.PAYLOAD
    sandbox.check_deadlines(call.deadline - 1)
    assert sandbox.state < State.DRAINING
    sandbox.check_deadlines(call.deadline)
    assert (sandbox.state, sandbox.live_calls) == (State.ENDING, 0)
