"""A web socket as user code sees it. The host speaks the protocol; here messages are records in
the two byte streams of a call, see runwright/executor/wire.py.

Waiting is blocking in a plain `main` and awaiting under asyncio, as for `context.res`.
"""

from __future__ import annotations

import _thread
import struct

from _runwright.call import CallerGone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Generator, Iterator
    from typing import Any

    from _runwright.call import Call
    from _runwright.inlet import Inlet

    Message = str | bytes | None

TEXT = 1
BYTES = 2
CLOSE = 8
MAX_MESSAGE_BYTES = 1024 * 1024
MAX_REASON_BYTES = 123
ABNORMAL = 1006

_HEAD = struct.Struct("<BI")
_CODE = struct.Struct("<H")


class WebSocket:
    def __init__(self, call: Call, inlet: Inlet) -> None:
        self._call = call
        self._inlet = inlet
        self._held = bytearray()  # of a record that has not come whole
        self._is_closing = False
        self._sending = _thread.allocate_lock()  # records of several threads must not mix
        self.code: int | None = None  # with which the other side closed
        self.reason = ""

    def __await__(self) -> Generator[None, None, WebSocket]:
        return self
        yield

    @property
    def is_open(self) -> bool:
        call = self._call
        return not (self._is_closing or self.code is not None or call.is_gone or call.is_ended)

    def send(self, message: str | bytes) -> Awaitable[None]:
        """Send text or bytes; waits while the other side is slow. Raises ConnectionError."""
        if isinstance(message, str):
            kind, data = TEXT, message.encode()
        elif isinstance(message, (bytes, bytearray, memoryview)):
            kind, data = BYTES, bytes(message)
        else:
            raise TypeError(f"send() needs str or bytes, not {type(message).__name__}.")
        if len(data) > MAX_MESSAGE_BYTES:
            raise ValueError(f"A message may have {MAX_MESSAGE_BYTES} bytes, not {len(data)}.")
        if self._is_closing:
            raise RuntimeError("This web socket is closed.")
        return self._put(kind, data)

    def receive(self) -> Message | Awaitable[Message]:
        """The next message; None when the other side has closed or left."""
        return self._receive_soon() if self._inlet.is_async() else self._receive()

    def close(self, code: int = 1000, reason: str = "") -> Awaitable[None]:
        """Say goodbye. Messages that are under way may still be received."""
        from _runwright.call import DONE

        if code != 1000 and not 3000 <= code <= 4999:
            raise ValueError(f"close() takes the code 1000 or one from 3000 to 4999, not {code}.")
        text = reason.encode()
        if len(text) > MAX_REASON_BYTES:
            raise ValueError(f"A reason may have {MAX_REASON_BYTES} bytes.")
        if not self.is_open:
            return DONE
        done = self._put(CLOSE, _CODE.pack(code) + text)
        self._is_closing = True
        return done

    def __iter__(self) -> Iterator[str | bytes]:
        while (message := self._receive()) is not None:
            yield message

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while (message := await self._receive_soon()) is not None:
            yield message

    def _put(self, kind: int, data: bytes) -> Awaitable[None]:
        record = _HEAD.pack(kind, len(data)) + data
        if self._inlet.is_async():
            return self._call.stream_write(record)
        with self._sending:
            return self._call.stream_write(record)

    def _receive(self) -> Message:
        while (record := self._record()) is None:
            try:
                part = self._inlet.read()
            except CallerGone:
                part = b""
            if not part:
                return self._left()
            self._held += part
        return self._taken(*record)

    async def _receive_soon(self) -> Message:
        while (record := self._record()) is None:
            try:
                part = await self._inlet.read_soon()
            except CallerGone:
                part = b""
            if not part:
                return self._left()
            self._held += part
        return self._taken(*record)

    def _record(self) -> tuple[int, bytes] | None:
        """The first record that is held, if all of it is."""
        if len(self._held) < _HEAD.size:
            return None
        kind, size = _HEAD.unpack_from(self._held)
        end = _HEAD.size + size
        if len(self._held) < end:
            return None
        data = bytes(self._held[_HEAD.size : end])
        del self._held[:end]
        return kind, data

    def _taken(self, kind: int, data: bytes) -> Message:
        if kind == TEXT:
            return data.decode()
        if kind == BYTES:
            return data
        if self.code is None:
            self.code, self.reason = _CODE.unpack_from(data)[0], data[2:].decode()
        return None

    def _left(self) -> None:
        if self.code is None:
            self.code = ABNORMAL


def accept(call: Call, protocol: str | None, headers: Any) -> WebSocket:
    inlet = call.inlet
    # Only the host lets this header through.
    if inlet is None or b"\nupgrade:" not in call.head:
        raise RuntimeError("This request does not ask for a web socket.")
    fields = dict(headers or {})
    if protocol is not None:
        fields["sec-websocket-protocol"] = protocol
    call.stream_start(101, fields)
    call.is_bodiless = False
    return WebSocket(call, inlet)
