"""Requests from this process at a rate or all at once, over plain sockets.

wrk drives as fast as it is answered; what is measured here needs a schedule, and a client that
costs little beside the server.
"""

import asyncio
import re
import time
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Final

ANSWER_S: Final = 60.0
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_ANSWER: Final = (b"HTTP/1.1 2", b"HTTP/1.1 3", b"HTTP/1.1 4", b"HTTP/1.1 5")
_BODYLESS: Final = (b"HTTP/1.1 204 ", b"HTTP/1.1 304 ")


@dataclass(slots=True)
class Times:
    """Seconds until each answer, and how many were none."""

    taken: list[float] = field(default_factory=list)
    failed: int = 0

    def p(self, percent: int) -> float:
        if len(self.taken) < 2:
            return self.taken[0] if self.taken else 0.0
        return quantiles(self.taken, n=100, method="inclusive")[percent - 1]


def request(
    path: str, headers: dict[str, str], body: bytes = b"", *, method: str = "POST"
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection:
    """One request after the other; one that ended meanwhile is opened anew."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._line: _Line | None = None

    @property
    def is_open(self) -> bool:
        return self._line is not None and not self._line.is_lost

    async def open(self) -> "_Line":
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(ANSWER_S):
            _, line = await loop.create_connection(_Line, "127.0.0.1", self._port)
        self._line = line
        return line

    async def ask(self, sent: bytes) -> tuple[int, bytes]:
        """Status and body. Raises OSError, of which TimeoutError is one."""
        line = self._line
        if line is None or line.is_lost:
            line = await self.open()
        return await line.ask(sent)

    def close(self) -> None:
        if self._line is not None:
            self._line.transport.abort()  # nothing is left to be sent
            self._line = None


class _Line(asyncio.Protocol):
    """A protocol, as streams cost twice as much a request."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.is_lost = False
        self._arrived = b""
        self._whole = 0  # length of the answer that arrives; 0 = not known yet
        self._body_at = 0
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def ask(self, sent: bytes) -> "asyncio.Future[tuple[int, bytes]]":
        loop = asyncio.get_running_loop()
        self._answer = answer = loop.create_future()
        if self.is_lost:
            self._end(ConnectionError("closed at once"))
            return answer
        late = loop.call_later(ANSWER_S, self._fail, TimeoutError())
        answer.add_done_callback(lambda _: late.cancel())
        self.transport.write(sent)
        return answer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._arrived += data
        if not self._whole and not self._read_head():
            return
        if len(self._arrived) < self._whole:
            return
        arrived, whole = self._arrived, self._whole
        self._arrived, self._whole = b"", 0
        if len(arrived) > whole or self._answer is None or self._answer.done():
            self._fail(ConnectionError("more than one answer"))
        else:
            self._answer.set_result((int(arrived[9:12]), arrived[self._body_at : whole]))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._end(exc or ConnectionError("closed before the answer"))

    def _read_head(self) -> bool:
        """Whether it is there and says where its answer ends."""
        end = self._arrived.find(b"\r\n\r\n")
        if end < 0:
            return False
        found = _LENGTH.search(self._arrived, 0, end + 2)
        if not self._arrived.startswith(_ANSWER if found else _BODYLESS):
            self._fail(ConnectionError("no answer whose end is known"))
            return False
        self._body_at = end + 4
        self._whole = self._body_at + (int(found[1]) if found else 0)
        return True

    def _fail(self, why: Exception) -> None:
        self.is_lost = True
        self.transport.abort()
        self._end(why)

    def _end(self, why: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(why)


async def ask_timed(connection: Connection, sent: bytes, times: Times, since: float) -> None:
    try:
        status, _ = await connection.ask(sent)
    except OSError:
        connection.close()
        times.failed += 1
        return
    times.failed += status >= 400
    times.taken.append(time.perf_counter() - since)


async def at_once(port: int, requests: list[bytes]) -> Times:
    """Every request at the same moment, each on a connection that is open already."""
    connections = [Connection(port) for _ in requests]
    for connection in connections:
        await connection.open()
    times = Times()
    begun = time.perf_counter()
    await asyncio.gather(
        *(
            ask_timed(connection, sent, times, begun)
            for connection, sent in zip(connections, requests, strict=True)
        )
    )
    for connection in connections:
        connection.close()
    return times


async def as_fast_as_answered(
    port: int, requests: list[bytes], connections: int, seconds: float
) -> float:
    """Requests per second when each connection asks again as soon as it was answered."""
    times = Times()
    end = time.perf_counter() + seconds

    async def drive(first: int) -> None:
        connection, number = Connection(port), first
        while time.perf_counter() < end:
            await ask_timed(
                connection, requests[number % len(requests)], times, time.perf_counter()
            )
            number += 1
        connection.close()

    await asyncio.gather(*(drive(first) for first in range(connections)))
    return len(times.taken) / seconds


async def at_rate(
    port: int, requests: list[bytes], connections: int, rate: float, seconds: float
) -> Times:
    """A schedule that does not wait for answers: a late one counts from when it was due."""
    times, begun = Times(), time.perf_counter()
    count = int(rate * seconds)
    turns = iter(range(count))

    async def drive() -> None:
        connection = Connection(port)
        for number in turns:
            due = begun + number / rate
            pause = due - time.perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            await ask_timed(connection, requests[number % len(requests)], times, due)
        connection.close()

    await asyncio.gather(*(drive() for _ in range(connections)))
    return times
