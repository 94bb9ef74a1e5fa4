"""The load of the benchmarks: every failure is counted, and no answer is taken for another's."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import pytest

from bench import driver
from bench.driver import Connection, Times, ask_timed

pytestmark = pytest.mark.anyio

ASKED: Final = driver.request("/", {"host": "h"}, method="GET")
WHOLE: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
Answer = Callable[[asyncio.StreamWriter, int], None]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Connection]:
    """A connection to a server that calls `answer` with the number of each request."""
    number, writers = 0, list[asyncio.StreamWriter]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal number
        writers.append(writer)
        while not writer.is_closing() and await reader.readline():
            while await reader.readline() not in (b"\r\n", b""):
                pass
            answer(writer, number)
            number += 1

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        connection = Connection(server.sockets[0].getsockname()[1])
        yield connection
        connection.close()
        for writer in writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def asked(connection: Connection, count: int) -> Times:
    times = Times()
    async with asyncio.timeout(30):
        for _ in range(count):
            await ask_timed(connection, ASKED, times, 0.0)
    return times


@pytest.mark.parametrize(
    "answer",
    [WHOLE, b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\n\r\n"],
)
async def test_answers_are_read_one_after_the_other(answer: bytes) -> None:
    async with serving(lambda writer, _: writer.write(answer)) as connection:
        times = await asked(connection, 3)
    assert (len(times.taken), times.failed) == (3, 0)


async def test_a_connection_that_ended_between_two_requests_is_opened_anew() -> None:
    def answer(writer: asyncio.StreamWriter, _: int) -> None:
        writer.write(WHOLE)
        writer.close()

    async with serving(answer) as connection:
        for _ in range(3):
            times = await asked(connection, 1)
            assert (len(times.taken), times.failed) == (1, 0)
            async with asyncio.timeout(30):
                while connection.is_open:
                    await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        WHOLE + b"HTTP/1.1 408 Request Timeout\r\n\r\n",
        b"not HTTP\r\n\r\n",
    ],
    ids=["to the end", "chunked", "more than asked for", "no HTTP"],
)
async def test_what_cannot_be_told_apart_counts_as_failed(answer: bytes) -> None:
    def one_of_two(writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(WHOLE if number % 2 else answer)

    async with serving(one_of_two) as connection:
        times = await asked(connection, 4)
    assert (len(times.taken), times.failed) == (2, 2)


async def test_an_answer_that_breaks_off_or_is_refused_counts_as_failed() -> None:
    def answer(writer: asyncio.StreamWriter, number: int) -> None:
        if number == 1:
            writer.write(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")
        else:
            writer.write(WHOLE[:-1])
            writer.close()

    async with serving(answer) as connection:
        times = await asked(connection, 3)
    assert (len(times.taken), times.failed) == (1, 3)


async def test_no_answer_in_time_counts_as_failed_and_spoils_no_later_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver, "ANSWER_S", 0.2)

    def answer(writer: asyncio.StreamWriter, number: int) -> None:
        if number:
            writer.write(WHOLE)

    async with serving(answer) as connection:
        late = await asked(connection, 1)
        monkeypatch.setattr(driver, "ANSWER_S", 30.0)
        times = await asked(connection, 2)
    assert (len(late.taken), late.failed) == (0, 1)
    assert (len(times.taken), times.failed) == (2, 0)
