"""One web socket connection: uvicorn's protocol, with an end to everything.

The protocol closes a connection by waiting until all has been sent, which a client that does
not read can put off for ever. It answers pings, and gathers the parts of a message, however many
there are. And it leaves a connection open whose head its library refuses. All of this ends here.
"""

import asyncio
import contextlib
from typing import Any, Final

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame
from websockets.http11 import Request

from runwright.gateway.intake import PIECE_BYTES, HeldFlow, Intake
from runwright.gateway.messages import MESSAGE_LIMIT

_LEAVING: Final = 1001
_BROKEN: Final = 1006
CLOSE_WAIT_S: Final = 2.0  # for the client's side of the goodbye
MOST_PARTS: Final = 256  # of one message
MOST_CONTROLS: Final = 256  # pings and pongs of a second; they cost a client next to nothing
_BAD_HEAD: Final = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class SocketProtocol(WebSocketsSansIOProtocol):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.close_timeout = CLOSE_WAIT_S
        self._cut: asyncio.TimerHandle | None = None
        self._intake: Intake | None = None  # once more arrived than is read at once
        self._flow: HeldFlow | None = None
        self._controls = 0  # pings and pongs that came since then:
        self._controls_since = 0.0

    def connection_lost(self, exc: Exception | None) -> None:
        if self._cut is not None:
            self._cut.cancel()
            self._cut = None
        if self._intake is not None:
            self._intake.drop()
            self._intake = self._flow = None  # they lead back here
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._intake is None and len(data) <= PIECE_BYTES:
            self._feed(data)
            return
        if self._intake is None:
            self._flow = HeldFlow(self.transport)
            self._intake = Intake(self.loop, self._flow, self._feed, lambda: self.read_paused)
        self._intake.take(data)

    def _feed(self, data: bytes) -> None:
        self._read(data)
        if self._flow is not None:
            self._flow.read_paused = self.read_paused
        if self._intake is not None and self.transport.is_closing():
            self._intake.drop()

    def _read(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # The protocol has no answer to a head that its library does not take.
            self.handshake_complete = self.close_sent = True
            self.transport.write(_BAD_HEAD)
            self.transport.close()
            self._cut_soon(CLOSE_WAIT_S)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:
            extensions: Any = self.scope["extensions"]
            extensions[MESSAGE_LIMIT] = self._limit_messages

    def _limit_messages(self, most_bytes: int) -> None:
        self.conn.max_message_size = most_bytes

    def shutdown(self) -> None:
        if self.handshake_complete and not self.close_sent:
            self.close_sent = True
            self.queue.put_nowait({"type": "websocket.disconnect", "code": _LEAVING})
            with contextlib.suppress(InvalidState):
                self.conn.send_close(_LEAVING)
                self.transport.write(b"".join(self.conn.data_to_send()))
        super().shutdown()
        self._cut_soon(CLOSE_WAIT_S / 2)

    def keepalive_timeout(self) -> None:
        if self.read_paused:
            # Its answer stands behind messages that nobody has taken yet.
            self.pong_timer = self.pending_ping_payload = None
            self.schedule_ping()
            return
        super().keepalive_timeout()
        self._cut_soon(CLOSE_WAIT_S)

    async def run_asgi(self) -> None:
        try:
            await super().run_asgi()
        finally:
            # The close timer, if there is one, only asks for a close.
            self._cut_soon(2 * CLOSE_WAIT_S)

    async def receive(self) -> Any:
        message = await super().receive()
        self._may_read_on()
        return message

    def _may_read_on(self) -> None:
        """The base class resumes reading by itself, though there may be more at hand already."""
        if self._intake is None or self._flow is None:
            return
        self._flow.read_paused = self.read_paused
        if self._intake.is_busy and not self.transport.is_closing():
            self.transport.pause_reading()
        self._intake.wake()

    async def send(self, message: Any) -> None:
        # The protocol closes by itself when a client breaks the rules, and may do so while
        # there is more to be told. That is no fault of the application, which cannot know.
        is_over = self.close_sent and message["type"] in ("websocket.send", "websocket.close")
        if is_over or (self.transport.is_closing() and not self.handshake_complete):
            raise ClientDisconnected
        await super().send(message)
        self._may_read_on()

    def handle_parser_exception(self) -> None:
        if self.conn.close_sent is not None:
            super().handle_parser_exception()
            return
        # Before it was accepted there is nothing to close with a code.
        self.queue.put_nowait({"type": "websocket.disconnect", "code": _BROKEN})
        self.transport.close()
        self._cut_soon(CLOSE_WAIT_S)

    def handle_ping(self) -> None:
        super().handle_ping()
        if not self.writable.is_set():
            self.transport.abort()  # it asks for answers that it does not read
        self._count_control()

    def handle_pong(self, event: Frame) -> None:
        super().handle_pong(event)
        self._count_control()

    def _count_control(self) -> None:
        now = self.loop.time()
        if now - self._controls_since > 1.0:
            self._controls, self._controls_since = 0, now
        self._controls += 1
        if self._controls > MOST_CONTROLS:
            self.transport.abort()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MOST_PARTS:
            self.transport.abort()
            return
        super().handle_cont(event)

    def _cut_soon(self, seconds: float) -> None:
        if self._cut is None and not self.disconnected:
            self._cut = self.loop.call_later(seconds, self.transport.abort)
