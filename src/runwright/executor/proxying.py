"""An HTTP proxy inside of a sandbox, for hosts where connections cannot be steered."""

import asyncio
import re
import socket
from typing import Final, Protocol

from runwright.executor.egress import Refused

_HEAD_S: Final = 10.0
_MAX_HEAD_BYTES: Final = 16 * 1024
_LAST_PORT: Final = 65535
_LINE: Final = re.compile(rb"([A-Z]+) (\S+) (HTTP/1\.[01])\r\n")
_REFUSAL: Final = b"This address is not open to functions.\n"


class Carrier(Protocol):
    """What connects and carries on behalf of one sandbox."""

    async def dial_name(self, host: str, port: int) -> socket.socket:
        """Raises Refused, OSError."""

    async def join(self, inside: socket.socket, outside: socket.socket, first: bytes) -> None:
        """Carry both ways from now on, beginning with `first` to the outside."""


async def serve(carrier: Carrier, connection: socket.socket) -> None:
    """Answer one request; the connection is taken over."""
    try:
        async with asyncio.timeout(_HEAD_S):
            head = await _read_head(connection)
        await _serve(carrier, connection, head)
    except (OSError, TimeoutError, ValueError):
        connection.close()


async def _read_head(connection: socket.socket) -> bytes:
    loop, head = asyncio.get_running_loop(), b""
    while b"\r\n\r\n" not in head:
        data = await loop.sock_recv(connection, 4096)
        head += data
        if not data or len(head) > _MAX_HEAD_BYTES:
            raise ValueError("no request")
    return head


async def _serve(carrier: Carrier, connection: socket.socket, head: bytes) -> None:
    loop = asyncio.get_running_loop()
    line = _LINE.match(head)
    if line is None:
        raise ValueError("not a proxy request")
    method, target, version = line.groups()
    try:
        if method == b"CONNECT":
            host, port, path = *_split_host(target.decode("ascii"), 0), ""
        else:
            host, port, path = split_url(target.decode("ascii"))
    except ValueError:
        await loop.sock_sendall(connection, _answer("400 Bad Request"))
        raise
    try:
        outside = await carrier.dial_name(host, port)
    except Refused:
        await loop.sock_sendall(connection, _answer("403 Forbidden", _REFUSAL))
        raise ValueError("refused") from None
    except OSError:
        await loop.sock_sendall(connection, _answer("502 Bad Gateway"))
        raise
    rest = head[line.end() :]
    if method == b"CONNECT":
        _, _, first = rest.partition(b"\r\n\r\n")
        await loop.sock_sendall(connection, b"HTTP/1.1 200 OK\r\n\r\n")
    else:
        first = b"%s %s %s\r\n" % (method, path.encode("ascii"), version)
        first += b"connection: close\r\n" + without_hop_headers(rest)
    await carrier.join(connection, outside, first)


def _answer(status: str, body: bytes = b"") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\n"
    return f"{head}connection: close\r\n\r\n".encode() + body


def _split_host(text: str, default_port: int) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text, str(default_port)
    if not 1 <= int(port) <= _LAST_PORT:
        raise ValueError("not a port")
    return host.strip("[]"), int(port)


def split_url(text: str) -> tuple[str, int, str]:
    scheme, _, rest = text.partition("://")
    if scheme.lower() != "http":
        raise ValueError("not an http address")
    authority, slash, path = rest.partition("/")
    return *_split_host(authority.rpartition("@")[2], 80), slash + path or "/"


def without_hop_headers(head: bytes) -> bytes:
    lines, _, body = head.partition(b"\r\n\r\n")
    kept = [
        line
        for line in lines.split(b"\r\n")
        if not line.lower().startswith((b"connection:", b"proxy-", b"keep-alive:"))
    ]
    return b"\r\n".join([*kept, b"", body])
