"""Requests of one turn of the event loop are begun together, and answered together."""

import asyncio
from dataclasses import dataclass, field

import pytest

from runwright.gateway.bursts import Bursts
from tests.unit.executions.bench import until
from tests.unit.gateway.test_warm_road import HOST_LINE, a_line, connected

pytestmark = pytest.mark.anyio


def a_request(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\n{HOST_LINE}\r\n".encode()


@dataclass
class Party:
    """A connection and its request in one."""

    done: list[str] = field(default_factory=list)
    fault: Exception | None = None

    def begin_held(self) -> None:
        self._do("began")

    def send_whole(self, answer: bytes) -> None:
        self._do("sent")

    def fail(self) -> None:
        self.done.append("failed")

    def _do(self, what: str) -> None:
        if self.fault is not None:
            raise self.fault
        self.done.append(what)


async def test_who_is_alone_does_not_wait() -> None:
    bursts, party = Bursts(), Party()
    bursts.begin(party)
    assert party.done == ["began"]
    bursts.send(party, b"")
    assert party.done == ["began", "sent"]


async def test_who_has_company_waits_for_the_end_of_the_turn() -> None:
    bursts, one, other = Bursts(), Party(), Party()
    bursts.running = 1
    bursts.begin(one)
    bursts.send(other, b"")
    assert one.done == other.done == []
    await asyncio.sleep(0)
    assert (one.done, other.done) == (["began"], ["sent"])


async def test_a_fault_of_one_is_not_the_fault_of_the_next() -> None:
    bursts, bad, good = Bursts(), Party(fault=RuntimeError()), Party()
    bursts.running = 1
    for party in (bad, good):
        bursts.begin(party)
        bursts.send(party, b"")
    await asyncio.sleep(0)
    assert bad.done == ["failed", "failed"]
    assert good.done == ["began", "sent"]


async def test_requests_of_one_turn_are_all_answered() -> None:
    async with a_line() as line:
        lines = [line, *(connected(line.door) for _ in range(4))]
        for number, one in enumerate(lines):
            one.protocol.data_received(a_request(f"/{number}"))
        for one in lines:
            assert (await one.answer())[0] == 200
        seen = sorted(call.target for _, call in line.door.bench.code.calls)
        assert seen == ["/0", "/1", "/2", "/3", "/4"]


async def test_a_request_that_waits_for_the_turn_is_run_though_its_caller_leaves() -> None:
    async with a_line() as line:
        other = connected(line.door)
        line.protocol.data_received(a_request("/first"))
        other.protocol.data_received(a_request("/left"))
        other.protocol.connection_lost(None)
        calls = line.door.bench.code.calls
        await until(lambda: sorted(call.target for _, call in calls) == ["/first", "/left"])


async def test_what_follows_a_request_that_waits_is_answered_after_it() -> None:
    async with a_line() as line:
        other = connected(line.door)
        line.protocol.data_received(a_request("/"))
        other.protocol.data_received(a_request("/a"))
        other.protocol.data_received(a_request("/b"))
        assert (await other.answer())[0] == 200
        assert (await other.answer())[0] == 200
        targets = [call.target for _, call in line.door.bench.code.calls]
        assert targets.index("/a") < targets.index("/b")
        other.protocol.connection_lost(None)
