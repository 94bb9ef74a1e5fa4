"""The list of breached passwords over a real connection."""

import asyncio
import hashlib
from typing import Final

import httpx
import pytest

from runwright.clock import SystemClock
from runwright.outgoing.breaches import PwnedRanges

pytestmark = pytest.mark.anyio

DIGEST: Final = hashlib.sha1(b"breached horse").hexdigest().upper()


async def test_ranges_are_read_over_http() -> None:
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head.partition("\r\n")[0])
        body = f"{'0' * 35}:1\r\n{DIGEST[5:]}:42\r\n".encode()
        length = f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write(b"HTTP/1.1 200 OK\r\n" + length.encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx.AsyncClient(timeout=60) as client:
        ranges = PwnedRanges(client, f"http://127.0.0.1:{port}/range", SystemClock())
        assert await ranges.holds("breached horse") is True
        assert await ranges.holds("correct horse") is False
    other = hashlib.sha1(b"correct horse").hexdigest().upper()
    assert asked == [f"GET /range/{prefix[:5]} HTTP/1.1" for prefix in (DIGEST, other)]
    async with httpx.AsyncClient(timeout=60) as client:
        gone = PwnedRanges(client, f"http://127.0.0.1:{port}/range", SystemClock())
        assert await gone.holds("breached horse") is None
