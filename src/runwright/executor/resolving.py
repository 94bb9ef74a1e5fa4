"""The host's resolvers, asked on behalf of sandboxes: one plain question each time."""

import asyncio
import os
import re
import socket
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from runwright.executor.egress import DNS_PORT
from runwright.executor.naming import Question

_ANSWER_S: Final = 3.0
_SIZE: Final = struct.Struct(">H")

Server = tuple[str, int]


def resolvers(path: Path = Path("/etc/resolv.conf")) -> list[Server]:
    """The host's name servers."""
    try:
        text = path.read_text()
    except OSError:
        return []
    found = re.findall(r"^\s*nameserver\s+([0-9a-fA-F:.]+)", text, re.MULTILINE)
    return [(address, DNS_PORT) for address in found]


async def ask(servers: Sequence[Server], question: Question, *, over_tcp: bool) -> bytes | None:
    """The first answer, under the asker's id; None when no server gives one in time."""
    once = _over_tcp if over_tcp else _over_udp
    for server in servers:
        number = int.from_bytes(os.urandom(2), "big")
        try:
            async with asyncio.timeout(_ANSWER_S):
                answer = await once(server, question, number)
        except (OSError, EOFError, TimeoutError):
            continue
        if answer is not None:
            return question.handed_on(answer)
    return None


def _socket(server: Server, kind: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    return socket.socket(family, kind | socket.SOCK_NONBLOCK)


async def _over_udp(server: Server, question: Question, number: int) -> bytes | None:
    """From a fresh port; only an answer from this server, to this question, counts."""
    loop = asyncio.get_running_loop()
    with _socket(server, socket.SOCK_DGRAM) as asking:
        asking.connect(server)
        await loop.sock_sendall(asking, question.forwarded(number))
        while True:
            answer = await loop.sock_recv(asking, 65535)
            if question.is_answered_by(answer, number):
                return answer


async def _over_tcp(server: Server, question: Question, number: int) -> bytes | None:
    loop = asyncio.get_running_loop()
    with _socket(server, socket.SOCK_STREAM) as asking:
        await loop.sock_connect(asking, server)
        await loop.sock_sendall(asking, framed(question.forwarded(number)))
        answer = await read_framed(asking, 65535)
    return answer if question.is_answered_by(answer, number) else None


def framed(message: bytes) -> bytes:
    return _SIZE.pack(len(message)) + message


async def read_framed(link: socket.socket, most_bytes: int) -> bytes:
    """One message behind its length. Raises EOFError when there is no whole one of that size."""
    (size,) = _SIZE.unpack(await _exactly(link, _SIZE.size))
    if size > most_bytes:
        raise EOFError("too long")
    return await _exactly(link, size)


async def _exactly(link: socket.socket, size: int) -> bytes:
    loop, data = asyncio.get_running_loop(), b""
    while len(data) < size:
        part = await loop.sock_recv(link, size - len(data))
        if not part:
            raise EOFError("cut short")
        data += part
    return data
