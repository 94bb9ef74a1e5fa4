"""An end to connections whose other side does not read what was written for it.

A transport that is closed first sends what it holds, and one that is full holds it: both for
ever, if nobody reads. What is slow goes on: only a connection of which nothing at all was taken
between two looks is cut.
"""

import asyncio
import fcntl
import struct
import termios
from collections.abc import Callable
from typing import Final

UNREAD_WAIT_S: Final = 120.0  # between two looks
_COUNT: Final = struct.Struct("i")


class UnreadWatch:
    """Looks now and then; `can_grow` tells whether more may be written without waiting."""

    __slots__ = ("_can_grow", "_has_moved", "_left", "_loop", "_timer", "_transport")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        can_grow: Callable[[], bool],
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._can_grow = can_grow
        self._left = 0  # bytes that were unread at the last look
        self._has_moved = False
        self._timer = loop.call_later(UNREAD_WAIT_S, self.look)

    def moved(self) -> None:
        """Something was read, or more was asked for."""
        self._has_moved = True

    def close(self) -> None:
        self._timer.cancel()

    def look(self) -> None:
        held = self._transport.get_write_buffer_size()
        left = held + _queued(self._transport) if held else 0
        is_stuck = 0 < self._left <= left and not self._has_moved
        if is_stuck and not self._can_grow():
            self._transport.abort()
            return
        self._left, self._has_moved = left, False
        self._timer = self._loop.call_later(UNREAD_WAIT_S, self.look)


def has_arrived(transport: asyncio.Transport) -> bool:
    """Whether the other side has all that was written. A transport of TLS knows nothing of what
    waits in the one below it, which does so only behind a full queue of the kernel."""
    return not transport.get_write_buffer_size() and not _queued(transport)


def _queued(transport: asyncio.Transport) -> int:
    """Bytes in the kernel: a slow reader takes many of them before there is room for more."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return 0
    try:
        count = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(_COUNT.size))
    except (OSError, ValueError):
        return 0
    return int(_COUNT.unpack(count)[0])
