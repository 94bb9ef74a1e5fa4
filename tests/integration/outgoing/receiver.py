"""A receiver on loopback that answers as it is told, and remembers what it got."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Received:
    head: str
    body: bytes
    server_name: str = ""

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.split("\r\n")[1:]
        return dict(line.split(": ", 1) for line in lines if line)


Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answer(status: int, body: bytes = b"", *headers: str) -> Reply:
    head = [f"HTTP/1.1 {status} Whatever", f"content-length: {len(body)}", *headers, "", ""]

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join(head).encode() + body)
        await writer.drain()

    return reply


async def silence(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


@dataclass
class Receiver:
    reply: Reply = field(default_factory=lambda: answer(200))
    received: list[Received] = field(default_factory=list)
    port: int = 0
    names: list[str] = field(default_factory=list)  # that clients asked for in TLS

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            got = Received(head.removesuffix("\r\n\r\n"), b"")
            got.body = await reader.readexactly(int(got.headers["Content-Length"]))
            self.received.append(got)
            await self.reply(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away, which some tests want
        finally:
            writer.close()


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await receiver.serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            tasks.discard(task)

    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: receiver.names.append(name or "")
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        for task in list(tasks):
            task.cancel()
        server.close()
        await server.wait_closed()
