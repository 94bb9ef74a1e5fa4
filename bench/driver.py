"""Requests from this process at a rate or all at once, over plain sockets.

wrk drives as fast as it is answered; what is measured here needs a schedule, and a client that
costs little beside the server.
"""

import asyncio
import time
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Final

ANSWER_S: Final = 60.0


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
    def __init__(self, port: int) -> None:
        self._port = port
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def ask(self, sent: bytes) -> tuple[int, bytes]:
        if self._writer is None:
            await self.open()
        assert self._writer is not None
        self._writer.write(sent)
        async with asyncio.timeout(ANSWER_S):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line[15:])
            body = await self._reader.readexactly(length) if length else b""
        return int(head[9:12]), body

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


async def ask_timed(connection: Connection, sent: bytes, times: Times, since: float) -> None:
    try:
        status, _ = await connection.ask(sent)
    except (OSError, asyncio.IncompleteReadError, TimeoutError):
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
