"""Domains through a real HTTP server: what parsers and sockets add to the picture."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import uvicorn

from runwright.gateway.protocol import DomainProtocol
from runwright.model.execution import ErrorClass, Invocation, Outcome, Status
from runwright.ports.executor import ResponseSink
from tests.fakes.loop_time import pass_by
from tests.fakes.user_code import answering
from tests.unit.executions.bench import FUNCTION, a_key, until
from tests.unit.gateway.door import HOST, Door, a_door

pytestmark = pytest.mark.anyio
WAIT_S = 60.0


class Web:
    """A server on a port, and raw conversations with it."""

    def __init__(self, door: Door, port: int) -> None:
        self.door = door
        self.port = port

    async def talk(self, *parts: bytes, is_cut: bool = False) -> bytes:
        """Send bytes on a new connection and read until the server closes it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(WAIT_S):
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                if is_cut:
                    return b""
                return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    async def get(self, target: str = "/", *lines: str, method: str = "GET") -> bytes:
        head = [f"{method} {target} HTTP/1.1", f"host: {HOST}", "connection: close", *lines]
        return await self.talk(("\r\n".join(head) + "\r\n\r\n").encode())


ROADS = ("asgi", "quick")


@pytest.fixture(params=ROADS, autouse=True)
def road(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs over both roads into the gateway."""
    monkeypatch.setitem(CHOSEN, "road", request.param)


CHOSEN = {"road": "asgi"}


@asynccontextmanager
async def serving(*, keep_alive_s: float = 5) -> AsyncIterator[Web]:
    listener = socket.create_server(("127.0.0.1", 0))
    async with a_door() as door:
        http: Any = "httptools"
        if CHOSEN["road"] == "quick":
            http = partial(DomainProtocol, door=door.quick)
            await door.hosts.find(HOST.encode())  # only known hosts are quick
        config = uvicorn.Config(
            door.app,
            http=http,
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=keep_alive_s,  # type: ignore[arg-type]  # passed on to call_later
        )
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started)
        try:
            yield Web(door, listener.getsockname()[1])
        finally:
            server.should_exit = True
            async with asyncio.timeout(WAIT_S):
                await task


def head_of(answer: bytes) -> tuple[int, list[bytes]]:
    head = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return int(head[0].split()[1]), head[1:]


async def test_a_request_comes_through_byte_for_byte_and_so_does_the_answer() -> None:
    async with serving() as web:
        headers = (("content-type", "x/y"), ("set-cookie", "a=1"), ("set-cookie", "b=2"))
        outcome = Outcome(status_code=299, headers=headers, body=b"\x00\xff")
        web.door.bench.code.run_next = answering(outcome)
        answer = await web.get("/a%2Fb//../c?x=%20&y", "X-Odd: \tcaf\u00e9  a")
        invocation = web.door.bench.code.calls[0][1]
    status, lines = head_of(answer)
    assert status == 299
    assert answer.endswith(b"\r\n\r\n\x00\xff")
    assert b"set-cookie: a=1" in lines
    assert b"set-cookie: b=2" in lines
    assert b"content-length: 2" in lines
    assert invocation.target == "/a%2Fb//../c?x=%20&y"
    assert dict(invocation.headers)["x-odd"] == "caf\u00e9  a"


@pytest.mark.parametrize(
    "request_text",
    [
        f"GET / HTTP/1.1\r\nhost: {HOST}\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        f"POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        f"POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 3\r\n"
        "transfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
        f"GET / HTTP/1.1\r\nhost: {HOST}\r\nx-a : b\r\n\r\n",
        f"GET / HTTP/1.1\r\nhost: {HOST}\r\nx-a\x00b: c\r\n\r\n",
        "GET / HTTP/1.1\r\nconnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n",
    ],
)
async def test_a_request_that_two_readers_would_read_differently_never_runs(
    request_text: str,
) -> None:
    async with serving() as web:
        answer = await web.talk(request_text.encode("latin-1"))
        assert web.door.bench.code.calls == []
        assert web.door.api_calls == []
    assert head_of(answer)[0] == 400


async def test_an_old_request_without_a_host_is_for_the_api() -> None:
    async with serving() as web:
        answer = await web.talk(b"GET /v1/health HTTP/1.0\r\n\r\n")
    assert b"api" in answer


async def test_requests_in_a_row_on_one_connection_each_get_their_answer() -> None:
    async def echo(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        return Outcome(status_code=200, body=invocation.target.encode())

    async with serving() as web:
        web.door.bench.code.run_next = echo
        first = f"POST /1 HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 3\r\n\r\nabc"
        second = f"GET /2 HTTP/1.1\r\nhost: {HOST}\r\n\r\n"
        last = "GET /3 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        answer = await web.talk((first + second + last).encode())
        bodies = [invocation.body for _, invocation in web.door.bench.code.calls]
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.index(b"/1") < answer.index(b"/2") < answer.index(b"api")
    assert bodies == [b"abc", b""]


async def test_head_has_the_length_and_no_body() -> None:
    async with serving() as web:
        answer = await web.get(method="HEAD")
    assert answer.endswith(b"\r\n\r\n")
    assert b"content-length: 5" in head_of(answer)[1]


async def test_a_chunked_body_arrives_whole() -> None:
    async with serving() as web:
        head = f"POST / HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n"
        answer = await web.talk(
            (head + "connection: close\r\n\r\n").encode(), b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n"
        )
        assert web.door.bench.code.calls[0][1].body == b"abcde"
    assert head_of(answer)[0] == 200


async def test_a_body_that_is_too_large_is_refused_before_it_is_sent() -> None:
    async with serving() as web:
        head = f"POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 99999999\r\n\r\n"
        answer = await web.talk(head.encode())
        assert web.door.bench.code.calls == []
    assert head_of(answer)[0] == 413


async def test_a_caller_that_leaves_in_the_middle_of_its_body_starts_nothing() -> None:
    async with serving() as web:
        head = f"POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 100\r\n\r\nhalf"
        await web.talk(head.encode(), is_cut=True)
        assert (await web.get()).endswith(b"hello")
        assert len(web.door.bench.code.calls) == 1


async def test_a_slow_reader_slows_the_function_down_and_not_the_memory() -> None:
    part = b"x" * 64 * 1024
    written = 0

    async def stream(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        nonlocal written
        assert sink is not None
        sink.start(200, ())
        for _ in range(800):  # 50 MiB
            await sink.write(part)
            written += 1
        return Outcome(status_code=200)

    async with serving() as web:
        web.door.bench.code.run_next = stream
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port, limit=1024)
        writer.write(f"GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n".encode())
        await until(lambda: written > 0)
        seen = -1
        while seen != written:  # until the buffers between the two are full
            seen = written
            await asyncio.sleep(0.1)
        assert written < 400
        total = 0
        async with asyncio.timeout(WAIT_S):
            while got := await reader.read(1024 * 1024):
                total += len(got)
        writer.close()
    assert written == 800
    assert total > 800 * len(part)


async def test_a_caller_that_leaves_a_stream_ends_the_writing_and_not_the_run() -> None:
    is_told = asyncio.Event()

    async def stream(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        assert sink is not None
        sink.start(200, ())
        while True:
            try:
                await sink.write(b"tick")
            except ConnectionError:
                is_told.set()
                return Outcome(status_code=200, logs="went on")
            await asyncio.sleep(0.005)

    async with serving() as web:
        web.door.bench.code.run_next = stream
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        writer.write(f"GET / HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
        async with asyncio.timeout(WAIT_S):
            await reader.readuntil(b"tick")
            writer.close()
            await is_told.wait()
        execution_id = web.door.bench.code.calls[0][1].execution_id

        async def is_recorded() -> bool:
            found = await web.door.bench.executions.history.get(a_key(), FUNCTION, execution_id)
            return (found.status, found.logs) == (Status.COMPLETED, "went on")

        await until(is_recorded)


async def test_a_stream_that_breaks_is_seen_as_broken() -> None:
    async def stream(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        assert sink is not None
        sink.start(200, ())
        await sink.write(b"half")
        return Outcome(status_code=500, error_class=ErrorClass.EXIT)

    async with serving() as web:
        web.door.bench.code.run_next = stream
        answer = await web.get()
    assert b"half" in answer
    assert not answer.endswith(b"0\r\n\r\n")  # the mark of a whole chunked answer


async def test_an_idle_connection_ends_and_a_used_one_goes_on() -> None:
    async with serving(keep_alive_s=100) as web:
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        request = f"GET / HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode()
        try:
            async with asyncio.timeout(1000):
                for _ in range(4):
                    writer.write(request)
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = next(
                        int(line.split(b":")[1])
                        for line in head.split(b"\r\n")
                        if line.startswith(b"content-length")
                    )
                    await reader.readexactly(length)
                    await pass_by(40)  # less than the limit, longer than it in all
                await pass_by(61)
                assert await reader.read() == b""
        finally:
            writer.close()
