"""Nobody's bytes are parsed for longer than a turn, and none are lost for that."""

import asyncio
from typing import Any

import pytest

from runwright.gateway.intake import PIECE_BYTES, HeldFlow, Intake
from runwright.gateway.protocol import PIPELINED
from tests.unit.executions.bench import until
from tests.unit.gateway.test_warm_road import HOST_LINE, a_line

pytestmark = pytest.mark.anyio


class Pipe:
    """A transport that says whether it is read."""

    is_read = True

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def is_closing(self) -> bool:
        return False


class Clock:
    """A loop whose time goes on by `cost_s` per look, and that runs what is due when told."""

    def __init__(self, cost_s: float) -> None:
        self._cost_s = cost_s
        self._now = 0.0
        self.due: list[Any] = []

    def time(self) -> float:
        self._now += self._cost_s
        return self._now

    def call_soon(self, callback: Any) -> Any:
        self.due.append(callback)
        return asyncio.Handle(callback, (), asyncio.get_running_loop())

    def run(self) -> None:
        due, self.due = self.due, []
        for callback in due:
            callback()


class Taking:
    def __init__(self, cost_s: float) -> None:
        self.pipe, self.clock = Pipe(), Clock(cost_s)
        transport: Any = self.pipe
        loop: Any = self.clock
        self.flow = HeldFlow(transport)
        self.pieces: list[bytes] = []
        self.is_full = False
        self.intake = Intake(loop, self.flow, self.pieces.append, lambda: self.is_full)

    @property
    def fed(self) -> bytes:
        return b"".join(self.pieces)


async def test_what_costs_much_is_parsed_in_turns_and_nothing_is_read_meanwhile() -> None:
    taking = Taking(0.001)
    data = bytes(range(256)) * 100
    taking.intake.take(data)
    turns = 0
    while taking.clock.due:
        assert not taking.pipe.is_read
        assert max(map(len, taking.pieces)) <= PIECE_BYTES
        turns += 1
        taking.clock.run()
    assert turns >= 2
    assert taking.fed == data
    assert taking.pipe.is_read


async def test_what_costs_little_is_parsed_at_once_in_growing_pieces() -> None:
    taking = Taking(0.000_01)
    taking.intake.take(bytes(256 * 1024))
    assert not taking.clock.due
    assert len(taking.pieces) < 10
    assert len(taking.fed) == 256 * 1024


async def test_who_has_much_to_wait_for_is_fed_no_more_until_there_is_room() -> None:
    taking = Taking(0.000_01)
    taking.is_full = True
    taking.intake.take(b"a" * 5000)
    taking.intake.take(b"b" * 5000)
    assert (taking.fed, taking.pipe.is_read, taking.clock.due) == (b"", False, [])
    taking.is_full = False
    taking.intake.wake()
    taking.clock.run()
    assert taking.fed == b"a" * 5000 + b"b" * 5000
    assert taking.pipe.is_read


async def test_what_was_paused_meanwhile_stays_so_afterwards() -> None:
    taking = Taking(0.001)
    taking.flow.pause_reading()
    taking.intake.take(bytes(20_000))
    taking.flow.resume_reading()
    assert not taking.pipe.is_read
    taking.flow.pause_reading()
    while taking.clock.due:
        taking.clock.run()
    assert not taking.pipe.is_read
    taking.flow.resume_reading()
    assert taking.pipe.is_read


async def test_what_nobody_will_read_is_dropped() -> None:
    taking = Taking(0.001)
    taking.intake.take(bytes(20_000))
    fed = len(taking.fed)
    taking.intake.drop()
    taking.intake.wake()
    taking.clock.run()
    assert len(taking.fed) == fed


async def test_thousands_of_pipelined_requests_wait_in_bytes_and_are_all_answered() -> None:
    count = 100
    request = f"GET /{'x' * 100} HTTP/1.1\r\n{HOST_LINE}\r\n".encode()
    async with a_line() as line:
        line.protocol.data_received(request * count)
        most = PIECE_BYTES // len(request) + 1 + PIPELINED
        assert line.parsed <= most
        for _ in range(count):
            assert (await line.answer())[2] == b"hello"
            assert len(line.protocol.pipeline) <= most
        assert line.parsed == count


async def test_a_flood_behind_a_closed_connection_is_not_parsed() -> None:
    async with a_line() as line:
        line.protocol.data_received(
            b"no http\r\n\r\n" + f"GET / HTTP/1.1\r\n{HOST_LINE}\r\n".encode() * 1000
        )
        await until(lambda: line.socket.is_closed)
        assert line.parsed == 0
        assert line.protocol._intake is None


async def test_who_leaves_has_left_all_requests_on_the_line() -> None:
    async with a_line() as line:
        protocol = line.protocol
        protocol.data_received(f"GET / HTTP/1.1\r\n{HOST_LINE}\r\n".encode() * 3)
        first = protocol._ahead
        assert first is not None
        assert len(protocol.pipeline) == 2
        line.socket.is_closed = True
        protocol.connection_lost(None)
        assert first.disconnected
        assert not protocol.pipeline
        assert protocol._ahead is None
