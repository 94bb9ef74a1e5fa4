"""The frame socket. Layout and meaning of the frames: runwright/executor/wire.py.

Writing blocks until the kernel has taken the bytes: what a program said before it hung or died
is known, and a flood of output runs no faster than the host reads it.
"""

from __future__ import annotations

import _thread
import os
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    Frame = tuple[Any, int, Any]  # kind, request id, payload

FD = 3
MAX_FRAME_BYTES = 4 * 1024 * 1024
PART_BYTES = 256 * 1024
WINDOW_BYTES = 1024 * 1024
MAX_REQUEST_BYTES = 20 * 1024 * 1024
READ_BYTES = 256 * 1024
EXIT_PROTOCOL = 70

FLAG_END = 1
FLAG_LOGGING = 2
FLAG_STREAM = 4
FLAG_BROKEN = 2  # of BODY

LOAD = 1
REQUEST = 2
BODY = 3
CANCEL = 4
WINDOW = 5
PING = 6
GONE = 7
TEMPLATE = 8
FORK = 9
REAP = 10
HELLO = 16
LOG = 17
RESPONSE = 18
CHUNK = 19
END = 20
PONG = 21
TAKEN = 22
LOADED = 23
ENDED = 24

RESULT_OK = 0
RESULT_USER_EXCEPTION = 1
RESULT_ENTRYPOINT = 2
RESULT_PAYLOAD = 3

_HEADER = struct.Struct("<IBI")
_REQUEST = struct.Struct("<BI")
_RESPONSE = struct.Struct("<IBIBBHII")
_U32 = struct.Struct("<I")
_END = struct.Struct("<IBIBI")

# User code may replace the attributes of `os`; the runner must go on.
_write, _readv, _exit = os.write, os.readv, os._exit


class Malformed(Exception):
    """The host broke the frame rules."""


def frame(kind: int, request_id: int, payload: bytes = b"") -> bytes:
    return _HEADER.pack(len(payload) + 5, kind, request_id) + payload


def log_frame(request_id: int, stream: int, data: bytes) -> bytes:
    return _HEADER.pack(len(data) + 6, LOG, request_id) + (b"\1" if stream else b"\0") + data


def response_frame(
    request_id: int, flags: int, result: int, status: int, micros: int, head: bytes, body: bytes
) -> bytes:
    size = len(head)
    return (
        _RESPONSE.pack(
            17 + size + len(body), RESPONSE, request_id, flags, result, status, micros, size
        )
        + head
        + body
    )


def end_frame(request_id: int, result: int, micros: int) -> bytes:
    return _END.pack(10, END, request_id, result, micros)


def taken_frame(request_id: int, size: int) -> bytes:
    return frame(TAKEN, request_id, _U32.pack(size))


def loaded_frame(taken_s: float, obstacle: str = "") -> bytes:
    return frame(LOADED, 0, _U32.pack(int(taken_s * 1000)) + obstacle.encode("utf-8", "replace"))


def split_request(payload: bytes) -> tuple[int, bytes, bytes]:
    """(flags, head, body) of a REQUEST frame."""
    if len(payload) < 5:
        raise Malformed("REQUEST")
    flags, size = _REQUEST.unpack_from(payload)
    if 5 + size > len(payload):
        raise Malformed("REQUEST")
    return flags, payload[5 : 5 + size], payload[5 + size :]


def whole_request(head: bytes) -> bytes:
    """The payload of a REQUEST frame without a body, of a call that is not logged."""
    return _REQUEST.pack(FLAG_END, len(head)) + head


def window_bytes(payload: bytes) -> int:
    if len(payload) != 4:
        raise Malformed("WINDOW")
    size: int = _U32.unpack(payload)[0]
    return size


class Wire:
    """Sends whole frames from any thread; reads from the one thread that has the reading role."""

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._memory = bytearray(READ_BYTES)
        self._view = memoryview(self._memory)
        self._rest = b""
        self.is_open = True

    def send(self, data: bytes) -> None:
        if not self.is_open:
            return
        try:
            with self._lock:
                sent = _write(FD, data)
                if sent != len(data):
                    view = memoryview(data)
                    while sent < len(data):
                        sent += _write(FD, view[sent:])
        except OSError:
            _exit(0)  # without its host a runner has no purpose

    def read(self) -> list[Frame]:
        """The frames of one read, as `(kind, request id, payload)`; ends the process at its end."""
        try:
            size = _readv(FD, [self._memory])
        except OSError:
            size = 0
        if not size:
            _exit(0)
        return self.cut(bytes(self._view[:size]))

    def cut(self, data: bytes) -> list[Frame]:
        """Every frame that these bytes complete."""
        if self._rest:
            data = self._rest + data
        frames: list[Frame] = []
        at, size = 0, len(data)
        unpack = _HEADER.unpack_from
        while size - at >= 9:
            length, kind, request_id = unpack(data, at)
            if not 5 <= length <= MAX_FRAME_BYTES:
                raise Malformed("frame length out of bounds")
            end = at + 4 + length
            if end > size:
                break
            frames.append((kind, request_id, data[at + 9 : end]))
            at = end
        self._rest = data[at:] if at else data
        return frames

    def broken(self, reason: str) -> NoReturn:
        try:
            _write(2, b"runner: the host broke the frame rules: %s\n" % reason.encode())
        except OSError:
            pass  # nobody reads stderr; the exit code says enough
        _exit(EXIT_PROTOCOL)

    def greet(self) -> None:
        version = ".".join(map(str, sys.version_info[:3]))
        self.send(frame(HELLO, 0, b'{"version":"%s"}' % version.encode()))

    def renew(self) -> None:
        """In a fork that has got a socket of its own."""
        self._rest = b""
        self.is_open = True

    def shut(self) -> None:
        """In a forked child: the socket belongs to the parent."""
        self.is_open = False
