"""One request on the quick road, and its answer."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from runwright.gateway import outgoing
from runwright.gateway.domain import BrokenAnswer, Gateway, Stream, Visit
from runwright.gateway.messages import GatewayAnswer, RawHeaders, RawRequest, Regulars
from runwright.gateway.outgoing import BODYLESS
from runwright.gateway.router import Place
from runwright.ids import new_id
from runwright.model.execution import Outcome

if TYPE_CHECKING:
    from runwright.gateway.asgi import Message
    from runwright.gateway.plain import Caller
    from runwright.gateway.protocol import DomainProtocol, Door

log = logging.getLogger(__name__)

Line = tuple[str, str]  # method and target
_CLOSING: Final = b"connection: close\r\n"
_JOINED_BYTES: Final = 64 * 1024  # larger bodies are not worth a copy to save a write


class NoEvent:
    """Stands where the protocol would wake the reader of a body; there is none."""

    def set(self) -> None:
        pass


_NO_EVENT: Final = NoEvent()


class Exchange:
    """A call of a function; also the gateway's channel to its caller.

    The attributes without underscore are those that the base protocol reads and sets.
    """

    is_socket = False
    has_started = False  # a streamed answer
    on_gone: Callable[[], None] | None = None
    _is_chunked = False
    keep_alive = True
    body: bytes | bytearray = b""
    more_body = False
    message_event: NoEvent | asyncio.Event = _NO_EVENT
    disconnected = False
    response_complete = False

    def __init__(self, protocol: "DomainProtocol", method: str, host: str) -> None:
        self._protocol = protocol
        self._method = method
        self._host = host

    async def run(self, gateway: Gateway, place: Place, request: RawRequest) -> None:
        await self._conclude(gateway.answer(place, request, self))

    def end_later(self, work: Coroutine[Any, Any, GatewayAnswer | None]) -> None:
        self._protocol.carry(self._conclude(work))

    async def _conclude(self, work: Coroutine[Any, Any, GatewayAnswer | None]) -> None:
        try:
            answer = await work
            if self._protocol.flow.write_paused:
                await self._protocol.flow.drain()
            if answer is not None:
                self._send(answer)
            elif self._is_chunked:
                self._write(b"0\r\n\r\n")
            self._complete()
        except (BrokenAnswer, ConnectionError):
            # Nothing more is sent, so the caller sees that the answer is not whole.
            self._protocol.transport.close()
        except asyncio.CancelledError:
            self._protocol.transport.close()
            raise
        except Exception:  # the connection must end whatever happens
            log.exception("domain answer failed", extra={"host": self._host})
            self._protocol.transport.close()

    async def read_body(self, most: int) -> bytes:
        return b""

    async def read_part(self) -> bytes:
        return b""

    def left(self) -> None:
        """The caller has, before the end of its answer."""
        if self.on_gone is not None:
            self.on_gone()

    def start(self, status: int, headers: RawHeaders) -> None:
        """Begin a streamed answer."""
        self.has_started = True
        has_length = any(name == b"content-length" for name, _ in headers)
        self._is_chunked = self._may_have_body(status) and not has_length
        framing = [(b"transfer-encoding", b"chunked")] if self._is_chunked else []
        self._write(self._head(status, [*headers, *framing]))

    async def write(self, chunk: bytes) -> None:
        if self._protocol.flow.write_paused:
            await self._protocol.flow.drain()
        # The connection tells its end to the last request on it, which may be a later one.
        if self.disconnected or self._protocol.transport.is_closing():
            raise ConnectionError("the caller has gone")
        if chunk and self._method != "HEAD":
            self._write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._is_chunked else chunk)

    def _send(self, answer: GatewayAnswer) -> None:
        head = self._head(answer.status, answer.headers)
        body = answer.body if self._may_have_body(answer.status) else b""
        if len(body) <= _JOINED_BYTES:
            self._write(head + body)
        else:
            self._write(head)
            self._write(body)

    def _head(self, status: int, headers: RawHeaders) -> bytes:
        lines = [STATUS_LINE[status]]
        for name, value in headers:
            if name == b"connection" and value == b"close":
                self.keep_alive = False
            else:
                lines.append(b"%b: %b\r\n" % (name, value))
        lines.append(b"\r\n" if self.keep_alive else _CLOSING + b"\r\n")
        return b"".join(lines)

    def _may_have_body(self, status: int) -> bool:
        return self._method != "HEAD" and status not in BODYLESS

    def _write(self, data: bytes) -> None:
        # uvloop raises when a closed transport is written to.
        if not self.disconnected and not self._protocol.transport.is_closing():
            self._protocol.transport.write(data)

    def _complete(self) -> None:
        self.response_complete = True
        self.on_gone = None
        if not self.keep_alive:
            self._protocol.transport.close()
        self._protocol.on_response_complete()


class PlainExchange(Exchange):
    """A call on the warm road: it waits for nothing and is told its end.

    It holds nothing that leads back to it. What a ring of objects holds stays until the
    collector comes, which then stops all calls, and meanwhile each call takes fresh memory.
    """

    def __init__(
        self,
        protocol: "DomainProtocol",
        gateway: Gateway,
        caller: "Caller",
        request: Line,
        keep_alive: bool,
    ) -> None:
        self._protocol = protocol
        self._gateway = gateway
        self._caller = caller
        self._method, self._target = request
        self.keep_alive = keep_alive
        self._host = caller.place.host
        self.execution_id = new_id()

    @property
    def peer(self) -> str:
        return self._protocol.peer

    def left(self) -> None:
        self._gateway.hang_up(self.execution_id)

    def told(self, end: Outcome | Exception) -> None:
        self._protocol.bursts.running -= 1
        answer = self._plain(end)
        if answer is None:
            self.end_later(self._gateway.conclude(self._visit(), end))
        else:
            self._protocol.bursts.send(self, answer)

    def send_whole(self, answer: bytes) -> None:
        self._write(answer)
        self._complete()

    def fail(self) -> None:
        self._protocol.fail()

    def _plain(self, end: Outcome | Exception) -> bytes | None:
        """The answer, where it is one that can be sent at once."""
        if (
            not isinstance(end, Outcome)
            or self.has_started
            or self._method == "HEAD"
            or self._protocol.flow.write_paused
        ):
            return None
        try:
            first = STATUS_LINE[end.status_code]
            if not self.keep_alive:
                first += _CLOSING
            return outgoing.plain(end, self.execution_id, first)
        except Exception:  # met again on the longer road, where it is logged and answered
            return None

    def _visit(self) -> Visit:
        caller = self._caller
        rule = caller.place.rule
        assert rule is not None
        request = RawRequest(
            self._method, self._target, [], host=self._host, scheme=caller.scheme, peer=self.peer
        )
        stream = Stream(self, self.execution_id, "")
        stream.has_started = self.has_started
        return Visit(caller.place, rule, request, caller.incoming, stream)


class ApiExchange(Exchange):
    """A request to the API: the ASGI application without a server's general machinery."""

    def __init__(
        self, protocol: "DomainProtocol", request: RawRequest, *, keep_alive: bool
    ) -> None:
        super().__init__(protocol, request.method, request.host)
        self._request = request
        self.keep_alive = keep_alive
        self.body = bytearray()
        self.more_body = True
        self.message_event = asyncio.Event()
        self._head_bytes = b""  # that goes out with the body
        self._is_read = False
        self._is_answered = False

    async def serve(self, door: "Door") -> None:
        try:
            if self.more_body or not await self._answer_regular(door.regulars):
                await door.api(self._scope(), self._receive, self._send_message)
            if self._is_answered:
                self._complete()
            else:  # it broke off, and the caller is to see that
                self._protocol.transport.close()
        except asyncio.CancelledError:
            self._protocol.transport.close()
            raise
        except Exception:  # the connection must end whatever happens
            log.exception("answer failed", extra={"method": self._method})
            self._protocol.transport.close()

    async def _answer_regular(self, regulars: Regulars | None) -> bool:
        """Whether its caller is known, and was answered."""
        request = self._request
        regular = regulars and regulars.find(
            request.method, request.target, request.headers, request.scheme, request.peer
        )
        answer = await regular.answer(bytes(self.body)) if regular else None
        if answer is None:
            return False
        status, lines, body = answer
        if self._protocol.flow.write_paused:
            await self._protocol.flow.drain()
        end = b"\r\n" if self.keep_alive else _CLOSING + b"\r\n"
        self._write(b"".join((STATUS_LINE[status], lines, end, body)))
        self._is_answered = True
        return True

    def _scope(self) -> dict[str, Any]:
        request, protocol = self._request, self._protocol
        target = request.target.encode("utf-8", "surrogateescape")
        raw_path, _, query = target.partition(b"?")
        path = raw_path.decode("ascii", "surrogateescape")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": protocol.server,
            "client": protocol.client,
            "scheme": request.scheme,
            "method": request.method,
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": request.headers,
            "state": {},
        }

    async def _receive(self) -> "Message":
        event = self.message_event
        assert isinstance(event, asyncio.Event)
        while not self.disconnected and (self.more_body or self._is_read):
            if self._is_answered:
                break
            event.clear()
            await event.wait()
        if self.disconnected or self._is_read:
            return {"type": "http.disconnect"}
        self._is_read = True
        return {"type": "http.request", "body": bytes(self.body), "more_body": False}

    async def _send_message(self, message: "Message") -> None:
        if self.disconnected or self._is_answered:
            return
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message["headers"])
            has_length = any(name == b"content-length" for name, _ in headers)
            if self._may_have_body(status) and not has_length:
                self._is_chunked = True
                headers.append((b"transfer-encoding", b"chunked"))
            head = self._head(status, headers)
            if self._is_chunked:  # a stream: who opens one may wait long for its first part
                self._write(head)
            else:
                self._head_bytes = head
            return
        await self._send_part(message.get("body", b""), message.get("more_body", False))

    async def _send_part(self, part: bytes, has_more: bool) -> None:
        if self._protocol.flow.write_paused:
            await self._protocol.flow.drain()
        if self._method == "HEAD":
            part = b""
        if self._is_chunked:
            part = b"%x\r\n%b\r\n" % (len(part), part) if part else b""
            if not has_more:
                part += b"0\r\n\r\n"
        head, self._head_bytes = self._head_bytes, b""
        if len(part) > _JOINED_BYTES:
            self._write(head)
            head = b""
        self._write(head + part)
        self._is_answered = not has_more
