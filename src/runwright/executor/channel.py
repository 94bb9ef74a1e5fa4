"""Messages between the server and a helper process: JSON with descriptors, in order.

A SOCK_SEQPACKET pair keeps each message whole, and its closing is how either side learns that
the other is gone.
"""

import asyncio
import contextlib
import json
import socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from runwright.executor.launcher import MAX_MESSAGE_BYTES
from runwright.executor.spawn import SpawnFailed
from runwright.executor.starting import close_all

_SEND_BUFFER: Final = 1024 * 1024
_SO_SNDBUFFORCE: Final = 32  # root may exceed what the machine allows by default
_MESSAGE_OVERHEAD: Final = 64  # the kernel keeps 32 of the buffer
_MAX_UNSENT: Final = 4096


class Channel:
    """One end of a SOCK_SEQPACKET pair on the event loop: JSON messages with descriptors."""

    def __init__(self, end: socket.socket, on_message: Callable[[dict[str, Any]], None],
                 on_close: Callable[[], None]) -> None:  # fmt: skip
        self.socket = end
        self._on_message = on_message
        self._on_close = on_close
        self._unsent: deque[tuple[bytes, list[int]]] = deque()
        self._loop = asyncio.get_running_loop()
        self.is_open = True
        self._buffer = bytearray(MAX_MESSAGE_BYTES)  # making one anew takes 50 us
        # A longer message would be refused by the socket, which looks like its end.
        room = end.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) - _MESSAGE_OVERHEAD
        self._most_bytes = min(MAX_MESSAGE_BYTES, room)
        end.setblocking(False)
        self._loop.add_reader(end.fileno(), self._receive)

    def send(self, message: Mapping[str, Any], fds: Sequence[int] = ()) -> None:
        """Send in order; `fds` are closed once they are on their way. Never blocks.

        Raises SpawnFailed, with `fds` closed, when nobody will ever read it.
        """
        data = json.dumps(message).encode("utf-8", "surrogateescape")
        if not self.is_open or len(data) > self._most_bytes or len(self._unsent) > _MAX_UNSENT:
            close_all(fds)
            raise SpawnFailed("a helper process is gone, or cannot take a message now")
        self._unsent.append((data, list(fds)))
        if len(self._unsent) == 1:
            self._flush()

    def _flush(self) -> None:
        while self._unsent:
            data, fds = self._unsent[0]
            try:
                socket.send_fds(self.socket, [data], fds)
            except BlockingIOError:
                self._loop.add_writer(self.socket.fileno(), self._flush)
                return
            except OSError:
                self.close()
                return
            self._unsent.popleft()
            close_all(fds)
        self._loop.remove_writer(self.socket.fileno())

    def _receive(self) -> None:
        while self.is_open:
            try:
                size = self.socket.recv_into(self._buffer)
            except BlockingIOError:
                return
            except OSError:
                size = 0
            if not size:
                self.close()
                return
            self._on_message(json.loads(self._buffer[:size]))

    def close(self) -> None:
        if not self.is_open:
            return
        self.is_open = False
        self._loop.remove_reader(self.socket.fileno())
        self._loop.remove_writer(self.socket.fileno())
        for _, fds in self._unsent:
            close_all(fds)
        self._unsent.clear()
        self.socket.close()
        self._on_close()


def a_pair() -> tuple[socket.socket, socket.socket]:
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in pair:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SEND_BUFFER)
    return pair
