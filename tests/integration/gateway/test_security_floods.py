"""Callers that never come to the end of a head, or hide headers behind a body."""

import asyncio

import pytest

from runwright.gateway import protocol
from tests.integration.gateway.test_over_http import CHOSEN, WAIT_S, head_of, serving
from tests.unit.gateway.door import HOST

pytestmark = pytest.mark.anyio

_PART = b"a" * 65536
_START = f"GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n".encode()
_CHUNKED = (
    f"POST / HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n"
    "transfer-encoding: chunked\r\n\r\n1\r\nx\r\n"
).encode()


@pytest.fixture(autouse=True)
def our_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHOSEN, "road", "quick")


async def sent_until_cut(port: int, start: bytes, part: bytes) -> int:
    """Bytes that the server took before it ended the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = 0
    try:
        async with asyncio.timeout(WAIT_S):
            writer.write(start)
            while not reader.at_eof() and taken < 64 * 1024 * 1024:
                writer.write(part)
                await writer.drain()
                taken += len(part)
                await asyncio.sleep(0)
    except ConnectionError:
        pass
    finally:
        writer.close()
    return taken


@pytest.mark.parametrize(
    ("start", "part"),
    [
        (b"GET /", _PART),
        (_START + b"x-long: ", _PART),
        (_START, b"x-many: 1\r\n" * 6000),
        (_CHUNKED + b"0\r\nx-trailer: ", _PART),
        (_CHUNKED + b"0\r\n", b"x-many: 1\r\n" * 6000),
        (_CHUNKED + b"1;x=", _PART),
    ],
    ids=["target", "header", "headers", "trailer", "trailers", "chunk extension"],
)
async def test_what_never_becomes_a_request_is_cut_off(start: bytes, part: bytes) -> None:
    async with serving() as web:
        # What the sockets of both ends buffer comes on top of what the server has read.
        assert await sent_until_cut(web.port, start, part) < 24 * 1024 * 1024
        status, _ = head_of(await web.get("/"))
    assert status == 200


async def test_a_long_head_is_told_why() -> None:
    async with serving() as web:
        long = b"x-long: " + b"a" * (protocol.SILENT_BYTES + 1)
        answer = await web.talk(_START + long)
    # The rest may still be under way when the connection ends: then there is no answer to read.
    assert not answer or head_of(answer)[0] == 431


async def test_a_body_in_many_parts_is_no_flood() -> None:
    async with serving() as web:
        body = (b"10000\r\n" + _PART + b"\r\n") * 32 + b"0\r\n\r\n"
        status, _ = head_of(await web.talk(_CHUNKED + body))
        invocation = web.door.bench.code.calls[0][1]
    assert status == 200
    assert len(invocation.body) == 1 + 32 * 65536


async def test_a_head_that_does_not_come_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "HEAD_WAIT_S", 0.2)
    async with serving() as web:
        assert await web.talk(b"") == b""
        assert await web.talk(_START) == b""
        keep = f"GET / HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode()
        answer = await web.talk(keep, keep[:10])
        assert head_of(answer)[0] == 200
        assert answer.count(b"HTTP/1.1 200") == 1


async def test_fields_behind_a_body_do_not_become_headers() -> None:
    async with serving() as web:
        tail = b"0\r\nx-appwrite-user-jwt: a.b.c\r\nx-late: 1\r\nhost: other.test\r\n\r\n"
        status, _ = head_of(await web.talk(_CHUNKED + tail))
        names = {name for name, _ in web.door.bench.code.calls[0][1].headers}
    assert status == 200
    assert "x-late" not in names
