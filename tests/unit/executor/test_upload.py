"""A request body on its way into a sandbox: bounded by what user code takes."""

import asyncio
import struct
from collections import deque
from collections.abc import Callable

import pytest

from runwright.executor import wire
from runwright.executor.upload import Upload
from runwright.model.execution import Invocation
from tests.unit.executor.test_security_frames import a_sandbox
from tests.unit.executor.waiting import WaitedCall

pytestmark = pytest.mark.anyio

PART = 64 * 1024
WINDOW_PARTS = wire.INTAKE_BYTES // PART


class Source:
    """Gives its parts one by one, then ends or breaks."""

    def __init__(self, *parts: bytes, end: Exception | None = None) -> None:
        self.parts = deque(parts)
        self.end = end
        self.asked = 0

    @property
    def is_over(self) -> bool:
        return not self.parts

    async def read(self) -> bytes:
        self.asked += 1
        if self.parts:
            return self.parts.popleft()
        if self.end is not None:
            raise self.end
        return b""


class Inside:
    """What came into the sandbox."""

    def __init__(self) -> None:
        self.reader = wire.FrameReader()
        self.body = b""
        self.flags = 0
        self.is_blocked = False

    def send(self, data: bytes) -> None:
        for kind, request_id, payload in self.reader.feed(data):
            assert (kind, request_id) == (wire.Kind.BODY, 7)
            self.flags |= payload[0]
            self.body += payload[1:]


def begun(source: Source, inside: Inside) -> Upload:
    return Upload(source, 7, inside.send, lambda: inside.is_blocked)


async def settled(is_done: Callable[[], bool] = lambda: False) -> None:
    """Give every task its turns."""
    for _ in range(50):
        if is_done():
            return
        await asyncio.sleep(0)


async def test_a_body_comes_whole_with_its_end() -> None:
    inside = Inside()
    begun(Source(b"one", b"two"), inside)
    await settled(lambda: inside.flags != 0)
    assert (inside.body, inside.flags) == (b"onetwo", wire.FLAG_END)


async def test_a_body_of_tiny_parts_leaves_turns_to_others() -> None:
    source, inside = Source(*[b"x"] * 1000), Inside()
    upload = begun(source, inside)
    await asyncio.sleep(0)
    assert 0 < source.asked < 100
    upload.close()
    await settled()


async def test_no_more_is_read_than_user_code_takes() -> None:
    source, inside = Source(*[bytes(PART)] * 100), Inside()
    upload = begun(source, inside)
    await settled()
    assert len(inside.body) == wire.INTAKE_BYTES
    assert source.asked == WINDOW_PARTS + 1  # the last waits for its turn
    upload.taken(PART)
    await settled()
    assert len(inside.body) == wire.INTAKE_BYTES + PART
    assert source.asked == WINDOW_PARTS + 2
    upload.close()
    await settled()


async def test_a_part_beyond_the_window_is_cut() -> None:
    inside = Inside()
    upload = begun(Source(bytes(2 * wire.INTAKE_BYTES)), inside)
    await settled()
    assert len(inside.body) == wire.INTAKE_BYTES
    upload.taken(10)
    await settled()
    assert len(inside.body) == wire.INTAKE_BYTES + 10
    upload.close()
    await settled()


async def test_what_the_socket_has_no_room_for_is_not_sent_whatever_was_said_to_be_taken() -> None:
    source, inside = Source(*[bytes(PART)] * 100), Inside()
    inside.is_blocked = True
    upload = begun(source, inside)
    await settled()
    assert (inside.body, source.asked) == (b"", 1)
    inside.is_blocked = False
    upload.wake()
    await settled()
    assert len(inside.body) == wire.INTAKE_BYTES
    upload.close()
    await settled()


async def test_more_cannot_be_taken_than_was_sent() -> None:
    upload = begun(Source(b"four", end=ConnectionError()), Inside())
    await settled()
    upload.taken(4)
    with pytest.raises(wire.WireError):
        upload.taken(1)


@pytest.mark.parametrize("fault", [ConnectionError(), ValueError()])
async def test_a_body_that_breaks_off_is_told_as_such(fault: Exception) -> None:
    inside = Inside()
    begun(Source(b"half", end=fault), inside)
    await settled(lambda: inside.flags != 0)
    assert (inside.body, inside.flags) == (b"half", wire.FLAG_END | wire.FLAG_BROKEN)


async def test_a_process_that_claims_what_it_was_not_sent_is_ended_and_a_late_one_is_not() -> None:
    sandbox, pipe = a_sandbox()
    invocation = Invocation(
        execution_id="e", method="PUT", target="/", headers=(), body=b"", timeout_s=30.0
    )
    call = WaitedCall(invocation, None, 0.0)
    call.source = Source(b"four")
    sandbox.submit(call, 0.0)
    await settled(lambda: b"four" in pipe.written)
    claim = struct.pack("<I", 4)
    sandbox.data_received(wire.frame(wire.Kind.TAKEN, 1, claim))
    sandbox.data_received(wire.frame(wire.Kind.TAKEN, 99, claim))  # of a call that has ended
    assert not pipe.is_aborted
    sandbox.data_received(wire.frame(wire.Kind.TAKEN, 1, claim))
    assert pipe.is_aborted
