"""Requests to the launcher that strangers can make as large as they like."""

import asyncio
import socket
from typing import Any

import pytest

from runwright.executor.channel import Channel
from runwright.executor.spawn import SpawnFailed

pytestmark = pytest.mark.anyio


async def test_a_message_beyond_the_socket_fails_alone_and_the_channel_lives() -> None:
    """Variables of a build travel in one message. Where the machine allows small buffers only,
    a long one must not look like the end of the launcher, which ends every sandbox."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024)
    closed: list[bool] = []
    received: list[dict[str, Any]] = []
    channel = Channel(ours, received.append, lambda: closed.append(True))
    try:
        with pytest.raises(SpawnFailed):
            channel.send({"env": "x" * 128 * 1024})
        assert channel.is_open
        assert not closed
        channel.send({"op": "signal"})
        theirs.setblocking(False)
        loop = asyncio.get_running_loop()
        assert await asyncio.wait_for(loop.sock_recv(theirs, 1024), 60) == b'{"op": "signal"}'
    finally:
        channel.close()
        theirs.close()
