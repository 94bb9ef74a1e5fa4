"""Too many connections: those that are idle for longest end, down to what may stay."""

import asyncio

import pytest

from runwright.gateway.crowd import SHORT_IDLE_S, Crowd
from tests.fakes.loop_time import pass_by
from tests.unit.gateway.door import HOST, a_door
from tests.unit.gateway.test_warm_road import connected

pytestmark = pytest.mark.anyio
LONG_S = SHORT_IDLE_S + 1
AHEAD_S = 600.0  # how much later a connection was used, so that this is no matter of pace
UPGRADE = (
    b"GET /v1/realtime HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Line:
    def __init__(self, crowd: Crowd, *, idle_s: float | None) -> None:
        now = asyncio.get_running_loop().time()
        self.idle_since = 0.0 if idle_s is None else now - idle_s
        self.is_open = True
        self._crowd = crowd
        crowd.join(self)

    def end_if_idle(self) -> None:
        self.is_open = False
        self._crowd.leave(self)


async def still_open(crowd: Crowd, *idle_s: float | None) -> list[bool]:
    """Which of connections that have been idle for so long are open two seconds later."""
    lines = [Line(crowd, idle_s=seconds) for seconds in idle_s]
    for _ in range(2):
        await pass_by(1.0)
    return [line.is_open for line in lines]


async def test_as_many_as_may_be_there_stay_however_idle_they_are() -> None:
    assert await still_open(Crowd(most=3), 90.0, 100.0, 100.0) == [True] * 3


async def test_the_idlest_end_when_there_are_more() -> None:
    assert await still_open(Crowd(most=2), 60.0, 90.0, 70.0, 100.0) == [True, False, True, False]


async def test_what_has_something_to_do_or_just_had_stays_until_it_is_idle_too() -> None:
    crowd = Crowd(most=1)
    assert await still_open(crowd, None, -AHEAD_S, 60.0, -AHEAD_S) == [True, True, False, True]
    assert len(crowd) == 3
    await pass_by(AHEAD_S + LONG_S)
    assert len(crowd) == 1


async def test_connections_that_were_used_once_end_in_a_crowd_and_one_that_asks_does_not() -> None:
    async with a_door() as door:
        door.quick.crowd = Crowd(most=1)
        await door.hosts.find(HOST.encode())
        used, silent, asking = (connected(door) for _ in range(3))
        await used.get()
        asking.protocol.data_received(b"GET / HT")
        await pass_by(LONG_S)
        await pass_by(1.0)
        assert used.socket.is_closed
        assert silent.socket.is_closed
        assert not asking.socket.is_closed
        for line in (used, silent, asking):
            line.protocol.connection_lost(None)
        assert len(door.quick.crowd) == 0


async def test_a_request_that_came_in_the_same_turn_is_answered() -> None:
    async with a_door() as door:
        await door.hosts.find(HOST.encode())
        line = connected(door)
        await line.get()
        line.protocol._held = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
        line.protocol.end_if_idle()
        assert (await line.answer())[0] == 200
        line.protocol.connection_lost(None)


async def test_a_connection_that_becomes_a_web_socket_is_no_longer_one_of_them() -> None:
    async with a_door() as door:
        line = connected(door)
        assert len(door.quick.crowd) == 1
        line.protocol.data_received(UPGRADE)
        assert len(door.quick.crowd) == 0


@pytest.mark.parametrize("lines", ["", "Expect: 100-continue\r\n"])  # both roads
async def test_no_web_socket_begins_while_an_answer_is_due(lines: str) -> None:
    async with a_door() as door:
        await door.hosts.find(HOST.encode())
        line = connected(door)
        line.protocol.data_received(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n".encode())
        due = line.protocol.cycle
        line.protocol.data_received(UPGRADE)
        assert line.socket.is_closed
        assert len(door.quick.crowd) == 1  # still of the protocol that knows whom to tell
        line.protocol.connection_lost(None)
        assert due.disconnected
