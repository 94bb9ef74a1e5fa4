"""A web socket on a domain, as the `Channel` of the call that holds it.

The handshake is an ordinary call: the same checks, the same record, and the function decides.
When it accepts, the two byte streams of the call carry messages as records, see
`executor/wire.py`; frames, pings and the closing belong to the server's own protocol.
"""

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Self

from runwright.gateway.domain import BrokenAnswer, Gateway
from runwright.gateway.errors import NoWebSocket
from runwright.gateway.messages import (
    MESSAGE_BYTES,
    MESSAGE_LIMIT,
    SWITCHING,
    GatewayAnswer,
    RawHeaders,
    RawRequest,
)
from runwright.gateway.pages import error_answer
from runwright.gateway.router import Place
from runwright.model.execution import ErrorClass

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_TEXT: Final = 1
_BYTES: Final = 2
_CLOSE: Final = 8
_HEAD: Final = struct.Struct("<BI")
_CODE: Final = struct.Struct("<H")
_MAX_REASON_BYTES: Final = 123
_DONE: Final = 1000
_LEAVING: Final = 1001
_LOST: Final = 1006
_POLICY: Final = 1008
_FAILED: Final = 1011
_RECORDS_PER_TURN: Final = 64  # what the client's side takes at once must not hold up the rest
_REFUSAL_BYTES: Final = 64 * 1024  # of a refusal that the function streams
# What the protocol says for itself; an extension that it does not speak must not be announced.
_OURS: Final = frozenset(
    {
        b"content-type",
        b"content-length",
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-version",
    }
)
_PROTOCOL: Final = b"sec-websocket-protocol"
_BROKEN: Final = "The function failed."
_WHY: Final[dict[ErrorClass | None, tuple[int, str]]] = {
    None: (_POLICY, "You may not call this function any longer."),
    ErrorClass.PLATFORM: (_LEAVING, "The server is stopping."),
    ErrorClass.TIMEOUT: (_FAILED, "The function reached its timeout."),
    ErrorClass.CANCELLED: (_FAILED, "The execution was cancelled."),
}


class _BadRecord(ConnectionError):
    """The function's process sent what is no message."""


class SocketChannel:
    """One web socket. Messages of the client are read one at a time, so that a function that
    does not take them slows their sender down."""

    is_socket = True

    @classmethod
    async def of(cls, scope: Message, receive: Receive, send: Send) -> Self:
        allow = scope.get("extensions", {}).get(MESSAGE_LIMIT)
        if allow is not None:
            allow(MESSAGE_BYTES)
        await receive()  # that somebody wants to connect
        return cls(receive, send)

    def __init__(self, receive: Receive, send: Send) -> None:
        self.on_gone: Callable[[], None] | None = None
        self._receive = receive
        self._send = send
        self._opening: asyncio.Task[None] | None = None
        self._is_accepted = False
        self._is_over = False  # nothing can be sent any more
        self._has_left = False  # the client has
        self._refusal: tuple[int, RawHeaders, bytearray] | None = None
        self._held = bytearray()  # of a record that has not come whole

    # What the gateway asks

    async def read_body(self, most: int) -> bytes:
        return b""

    async def read_part(self) -> bytes:
        """The next message as a record; after the last one what the client closed with."""
        if self._has_left:
            if self.on_gone is not None:
                self.on_gone()
            return b""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._has_left = self._is_over = True
            code, reason = message.get("code") or _LOST, message.get("reason") or ""
            return _record(_CLOSE, _CODE.pack(code) + reason.encode())
        text = message.get("text")
        if text is not None:
            return _record(_TEXT, text.encode())
        return _record(_BYTES, message["bytes"])

    def start(self, status: int, headers: RawHeaders) -> None:
        if status != SWITCHING:
            self._refusal = (status, headers, bytearray())
            return
        chosen = next((value for name, value in headers if name == _PROTOCOL), None)
        kept = [pair for pair in headers if pair[0] not in _OURS and pair[0] != _PROTOCOL]
        self._is_accepted = True
        self._opening = asyncio.create_task(self._open(chosen, kept))

    async def write(self, chunk: bytes) -> None:
        if self._refusal is not None:
            self._refusal[2].extend(chunk[: _REFUSAL_BYTES - len(self._refusal[2])])
            return
        if self._opening is not None:
            await self._opening
            self._opening = None
        if self._is_over:
            raise ConnectionError("the web socket is closed")
        self._held += chunk
        try:
            await self._pass_all_on()
        except _BadRecord:
            with contextlib.suppress(ConnectionError):
                await self._close(_FAILED, _BROKEN)
            raise

    # The end

    async def conclude(self, answer: GatewayAnswer | None) -> None:
        """The function has ended, or was never called."""
        if self._opening is not None:
            await self._opening
        if self._is_accepted:
            await self._close(_DONE, "")
            return
        if self._refusal is not None:
            status, headers, body = self._refusal
            answer = GatewayAnswer(status, headers, bytes(body))
        if answer is None or answer.status < 300:
            answer = error_answer(NoWebSocket(), "application/json", extra=[])
        await self._tell(
            {
                "type": "websocket.http.response.start",
                "status": answer.status,
                "headers": [pair for pair in answer.headers if pair[0] != b"connection"],
            }
        )
        await self._tell({"type": "websocket.http.response.body", "body": answer.body})

    async def break_off(self, error_class: ErrorClass | None) -> None:
        """The function's side broke in the middle."""
        if self._opening is not None:
            await self._opening
        code, reason = _WHY.get(error_class, (_FAILED, _BROKEN))
        await self._close(code, reason)

    def drop(self) -> None:
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()

    # Inside

    async def _open(self, protocol: bytes | None, headers: RawHeaders) -> None:
        chosen = protocol.decode("latin-1") if protocol is not None else None
        message = {"type": "websocket.accept", "subprotocol": chosen, "headers": headers}
        try:
            await self._send(message)
        except Exception:  # whatever the server calls it, the client has gone
            self._is_over = True

    async def _close(self, code: int, reason: str) -> None:
        if not self._is_over:
            self._is_over = True
            await self._tell({"type": "websocket.close", "code": code, "reason": reason})

    async def _pass_all_on(self) -> None:
        count = 0
        while (record := self._taken()) is not None:
            await self._pass_on(*record)
            count += 1
            if count % _RECORDS_PER_TURN == 0:
                await asyncio.sleep(0)

    async def _pass_on(self, kind: int, payload: bytes) -> None:
        if kind == _CLOSE:
            if len(payload) < _CODE.size or len(payload) > _CODE.size + _MAX_REASON_BYTES:
                raise _BadRecord
            code = _CODE.unpack_from(payload)[0]
            is_sound = code == _DONE or 3000 <= code <= 4999
            reason = payload[_CODE.size :].decode("utf-8", "ignore")
            await self._close(code if is_sound else _FAILED, reason)
        elif kind == _TEXT:
            text = payload.decode("utf-8", "replace")
            await self._tell({"type": "websocket.send", "text": text})
        elif kind == _BYTES:
            await self._tell({"type": "websocket.send", "bytes": payload})
        else:
            raise _BadRecord

    async def _tell(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError as exc:  # the server's word for a client that has gone is one, too
            self._is_over = True
            raise ConnectionError("the client has gone") from exc

    def _taken(self) -> tuple[int, bytes] | None:
        """The first record that has come whole."""
        if len(self._held) < _HEAD.size:
            return None
        kind, size = _HEAD.unpack_from(self._held)
        if size > MESSAGE_BYTES:
            raise _BadRecord
        end = _HEAD.size + size
        if len(self._held) < end:
            return None
        payload = bytes(self._held[_HEAD.size : end])
        del self._held[:end]
        return kind, payload


async def hold(gateway: Gateway, place: Place, request: RawRequest, channel: SocketChannel) -> None:
    """Carry one web socket from its handshake to its end."""
    try:
        await channel.conclude(await gateway.answer(place, request, channel))
    except BrokenAnswer as broken:
        with contextlib.suppress(ConnectionError):
            await channel.break_off(broken.error_class)
    except ConnectionError:
        return
    finally:
        channel.drop()


def _record(kind: int, payload: bytes) -> bytes:
    return _HEAD.pack(kind, len(payload)) + payload
