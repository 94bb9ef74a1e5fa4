"""Web sockets end, whatever their clients do or leave undone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from runwright.gateway import sockets
from runwright.gateway.sockets import SocketProtocol

pytestmark = pytest.mark.anyio

WAIT_S = 60.0
HELLO = b"\r\n".join(
    [
        b"GET / HTTP/1.1",
        b"Host: localhost",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        b"",
        b"",
    ]
)
NO_MASK = b"\x00\x00\x00\x00"
PONG = b"\x8a\x80" + NO_MASK
PING = b"\x89\xfd" + NO_MASK + b"p" * 125

Scope = MutableMapping[str, Any]
Ask = Callable[..., Awaitable[Any]]


class Echo:
    """Sends back what it gets; told to, it sends more than anybody reads and then closes, or
    talks until it cannot."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.failure: Exception | None = None

    async def __call__(self, scope: Scope, receive: Ask, send: Ask) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            while (message := await receive())["type"] == "websocket.receive":
                if message["text"] == "flood":
                    await send({"type": "websocket.send", "text": "x" * 16_000_000})
                    return
                while message["text"] == "talk":
                    await send({"type": "websocket.send", "text": "x"})
                    await asyncio.sleep(0)  # so it is about to send whenever anything happens
                await send({"type": "websocket.send", "text": message["text"]})
        except Exception as exc:
            self.failure = exc
            raise
        finally:
            self.ended.set()


class Late(Echo):
    """Takes nothing before it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_take = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Ask, send: Ask) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await self.may_take.wait()
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"]})


class Slow(Echo):
    """Begins before it accepts."""

    def __init__(self) -> None:
        super().__init__()
        self.has_begun = asyncio.Event()
        self.may_accept = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Ask, send: Ask) -> None:
        self.has_begun.set()
        await self.may_accept.wait()
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello"})


@asynccontextmanager
async def serving(app: Echo) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    config = uvicorn.Config(
        app,
        port=0,
        ws=SocketProtocol,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=60,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server, server.servers[0].sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


@asynccontextmanager
async def upgraded(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection whose client reads no more than it is asked to."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(HELLO)
    assert b"101" in await reader.readuntil(b"\r\n\r\n")
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def text(words: bytes, *, is_first: bool = True, is_last: bool = True) -> bytes:
    kind = (0x80 if is_last else 0) | (1 if is_first else 0)
    return bytes([kind, 0x80 | len(words)]) + NO_MASK + words


async def cut(server: uvicorn.Server) -> None:
    """Return when the server has no connection any more."""
    async with asyncio.timeout(WAIT_S):
        while server.server_state.connections:
            await asyncio.sleep(0.02)


async def test_a_message_may_come_in_parts_but_not_in_any_number() -> None:
    async with serving(Echo()) as (server, port), upgraded(port) as (reader, writer):
        parts = [text(b"a", is_first=n == 0, is_last=n == 99) for n in range(100)]
        writer.write(b"".join(parts))
        assert await reader.readexactly(102) == b"\x81\x64" + b"a" * 100
        writer.write(text(b"", is_last=False))
        writer.write(text(b"", is_first=False, is_last=False) * (sockets.MOST_PARTS + 1))
        await cut(server)


async def test_who_asks_for_answers_without_reading_them_is_cut_off() -> None:
    async with serving(Echo()) as (server, port), upgraded(port) as (_, writer):
        async with asyncio.timeout(WAIT_S):
            while server.server_state.connections:
                writer.write(PING * 1000)
                await asyncio.sleep(0)
                if writer.transport.is_closing():
                    break
        await cut(server)


async def test_who_breaks_the_rules_while_it_is_told_something_has_just_gone() -> None:
    app = Echo()
    async with serving(app) as (server, port), upgraded(port) as (reader, writer):
        writer.write(text(b"talk"))
        await reader.readexactly(3)
        writer.write(b"\x83\x80" + NO_MASK)  # a kind of frame that does not exist
        async with asyncio.timeout(WAIT_S):
            while await reader.read(1024):
                pass
            await app.ended.wait()
        await cut(server)
    assert isinstance(app.failure, OSError)  # by which applications know it


async def test_who_breaks_the_rules_before_it_is_accepted_has_just_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Slow()
    async with serving(app) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(WAIT_S):
            writer.write(HELLO)
            await app.has_begun.wait()
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await reader.read() == b""
        app.may_accept.set()
        writer.close()
        await cut(server)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_close_that_the_client_does_not_let_through_is_followed_by_a_cut() -> None:
    app = Echo()
    async with serving(app) as (server, port), upgraded(port) as (_, writer):
        writer.write(text(b"flood"))
        async with asyncio.timeout(WAIT_S):
            await app.ended.wait()
        assert server.server_state.connections
        await cut(server)


async def test_a_server_that_stops_does_not_wait_for_who_does_not_read() -> None:
    app = Echo()
    async with serving(app) as (server, port), upgraded(port) as (_, writer):
        writer.write(text(b"flood"))
        async with asyncio.timeout(WAIT_S):
            await app.ended.wait()
            await server.shutdown()
        assert not server.server_state.connections


async def test_a_server_that_stops_says_so_to_both_sides() -> None:
    app = Echo()
    async with serving(app) as (server, port), upgraded(port) as (reader, _):
        async with asyncio.timeout(WAIT_S):
            stopping = asyncio.create_task(server.shutdown())
            assert await reader.readexactly(4) == b"\x88\x02" + (1001).to_bytes(2, "big")
            await app.ended.wait()
            await stopping
        assert app.failure is None


async def test_a_client_whose_messages_nobody_takes_is_not_taken_for_dead() -> None:
    app = Late()
    async with serving(app) as (server, port), upgraded(port) as (reader, writer):
        async with asyncio.timeout(WAIT_S):
            writer.write(text(b"one"))
            (connection,) = server.server_state.connections
            assert isinstance(connection, SocketProtocol)
            while not connection.read_paused:
                await asyncio.sleep(0.01)
            connection.keepalive_timeout()  # its pong stands behind the message
            app.may_take.set()
            assert (await reader.readexactly(5))[2:] == b"one"


async def test_messages_that_come_at_once_are_read_as_they_are_taken() -> None:
    async with serving(Echo()) as (server, port), upgraded(port) as (reader, writer):
        writer.write(text(b"one"))
        assert (await reader.readexactly(5))[2:] == b"one"
        (connection,) = server.server_state.connections
        assert isinstance(connection, SocketProtocol)
        connection.data_received(text(b"two") + text(b"three") * 5000)
        connection.data_received(text(b"four"))
        assert connection._intake is not None
        assert connection._intake.is_busy
        assert connection.queue.qsize() < 1000
        async with asyncio.timeout(WAIT_S):
            expected = b"\x81\x03two" + b"\x81\x05three" * 5000 + b"\x81\x04four"
            assert await reader.readexactly(len(expected)) == expected
        assert not connection._intake.is_busy
        writer.write(text(b"five"))
        assert (await reader.readexactly(6))[2:] == b"five"


async def test_who_sends_nothing_but_pongs_is_cut_off() -> None:
    async with serving(Echo()) as (server, port), upgraded(port) as (_, writer):
        writer.write(PONG * (sockets.MOST_CONTROLS - 1))
        writer.write(text(b"one"))
        await asyncio.sleep(0)
        writer.write(PONG * 100_000)
        await cut(server)


async def test_a_head_that_is_too_long_is_refused() -> None:
    async with serving(Echo()) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HELLO[:-2] + b"Long: " + b"x" * 20_000 + b"\r\n\r\n")
        async with asyncio.timeout(WAIT_S):
            assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()
        await cut(server)
