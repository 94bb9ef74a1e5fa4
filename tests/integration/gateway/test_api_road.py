"""Calls of the API over the quick road: the application sees what any server would show it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import uvicorn

from runwright.gateway.protocol import DomainProtocol, Door
from tests.unit.gateway.door import a_door

pytestmark = pytest.mark.anyio
WAIT_S = 60.0
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class App:
    """An API that does as the path says and remembers what it saw."""

    door: Door

    def __init__(self) -> None:
        self.scopes: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.was_left = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        match scope["path"]:
            case "/v1/echo":
                body = (await receive())["body"]
                self.bodies.append(body)
                await answer(send, body, length=True)
            case "/v1/stream":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                for part in (b"one", b"", b"two"):
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b"three"})
            case "/v1/quiet":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await self.go_on.wait()
                await send({"type": "http.response.body", "body": b"late"})
            case "/v1/broken":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"half", "more_body": True})
                raise ConnectionError
            case "/v1/forever":
                await receive()
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b".", "more_body": True})
                assert (await receive())["type"] == "http.disconnect"
                self.was_left.set()
            case _:
                await answer(send, b"", length=True)


async def answer(send: Send, body: bytes, *, length: bool) -> None:
    headers = [(b"content-length", str(len(body)).encode())] if length else []
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[App, int]]:
    listener = socket.create_server(("127.0.0.1", 0))
    app = App()
    async with a_door() as door:
        door.quick.api = app
        app.door = door.quick
        place = await door.hosts.find(b"localhost")
        assert door.hosts.known(b"localhost") == place
        config = uvicorn.Config(
            app,  # for calls that take the other road
            http=partial(DomainProtocol, door=door.quick),  # type: ignore[arg-type]  # a factory
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield app, listener.getsockname()[1]
        finally:
            server.should_exit = True
            await task


async def talk(port: int, *parts: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(WAIT_S):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
            return await reader.read()
    finally:
        writer.close()


def request(path: str, body: bytes = b"", *, method: str = "POST", last: bool = True) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"content-length: {len(body)}"]
    if last:
        lines.append("connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def test_a_call_with_a_body_is_answered_in_one_piece() -> None:
    async with serving() as (app, port):
        got = await talk(port, request("/v1/echo?a=b%20c", b'{"x":1}'))
    assert got.startswith(b"HTTP/1.1 201 Created\r\n")
    assert got.endswith(b'\r\n\r\n{"x":1}')
    scope = app.scopes[0]
    assert (scope["method"], scope["path"], scope["query_string"]) == (
        "POST",
        "/v1/echo",
        b"a=b%20c",
    )
    assert (b"host", b"localhost") in scope["headers"]
    assert scope["state"] == {}  # made here, not by the server's own machinery


class Known:
    """Somebody known, who is answered with what they sent unless that is too odd."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    def find(self, method: str, target: str, headers: Any, scheme: str, peer: str) -> "Known":
        self.asked.append((method, target, peer))
        return self

    async def answer(self, body: bytes) -> tuple[int, bytes, bytes] | None:
        return None if body == b"odd" else (202, b"x-known: yes\r\ncontent-length: 4\r\n", body)


async def test_who_is_known_is_answered_without_the_application() -> None:
    calls = (request("/v1/echo", b"abcd", last=False), request("/v1/echo", b"efgh"))
    async with serving() as (app, port):
        app.door.regulars = known = Known()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(WAIT_S):
            writer.write(calls[0])
            head = await reader.readuntil(b"\r\n\r\n")
            assert head == b"HTTP/1.1 202 Accepted\r\nx-known: yes\r\ncontent-length: 4\r\n\r\n"
            assert await reader.readexactly(4) == b"abcd"
            writer.write(calls[1])
            rest = await reader.read()
        writer.close()
    assert rest.endswith(b"connection: close\r\n\r\nefgh")
    assert known.asked == [("POST", "/v1/echo", "127.0.0.1")] * 2
    assert app.bodies == []


async def test_what_is_odd_of_somebody_known_is_the_applications() -> None:
    async with serving() as (app, port):
        app.door.regulars = Known()
        got = await talk(port, request("/v1/echo", b"odd"))
    assert (app.bodies, got[-3:]) == ([b"odd"], b"odd")


async def test_a_body_that_comes_in_parts_is_read_whole() -> None:
    body = b"x" * 1000
    whole = request("/v1/echo", body)
    async with serving() as (app, port):
        got = await talk(port, whole[:-700], whole[-700:-1], whole[-1:])
    assert app.bodies == [body]
    assert got.endswith(body)


async def test_many_calls_share_a_connection_also_when_they_do_not_wait() -> None:
    calls = [request("/v1/echo", b"%d" % at, last=at == 4) for at in range(5)]
    async with serving() as (app, port):
        got = await talk(port, b"".join(calls))
    assert app.bodies == [b"0", b"1", b"2", b"3", b"4"]
    assert [part[-1:] for part in got.split(b"HTTP/1.1 201")[1:]] == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_head_call_gets_the_length_and_no_body() -> None:
    async with serving() as (_, port):
        got = await talk(port, request("/v1/stream", method="HEAD"))
    assert got.endswith(b"\r\n\r\n")
    assert b"one" not in got


async def test_a_stream_comes_in_parts_and_ends() -> None:
    async with serving() as (_, port):
        got = await talk(port, request("/v1/stream", method="GET"))
    assert b"transfer-encoding: chunked" in got
    assert got.endswith(b"3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n")


async def test_the_head_of_a_stream_does_not_wait_for_its_first_part() -> None:
    async with serving() as (app, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/v1/quiet", method="GET"))
        async with asyncio.timeout(WAIT_S):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            app.go_on.set()
            assert await reader.read() == b"4\r\nlate\r\n0\r\n\r\n"
        writer.close()


async def test_a_stream_that_breaks_has_no_end() -> None:
    async with serving() as (_, port):
        got = await talk(port, request("/v1/broken", method="GET"))
    assert got.endswith(b"4\r\nhalf\r\n")


async def test_an_application_hears_that_its_caller_has_left() -> None:
    async with serving() as (app, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/v1/forever", method="GET"))
        async with asyncio.timeout(WAIT_S):
            await reader.readuntil(b".")
            writer.close()
            await app.was_left.wait()
