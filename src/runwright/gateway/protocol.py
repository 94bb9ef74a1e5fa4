"""The quick road into the gateway: calls of functions on domains, without ASGI between.

uvicorn's protocol stays in charge of the connection: parsing, keep-alive, pipelining, limits,
graceful stop. What it would turn into an ASGI call is answered here instead when it is a plain
call of a function: HTTP/1.1, no body, no upgrade, straight from its caller, on a host whose
place is known. Every other request takes the ASGI road of `asgi.py`, on the same connection.
Per request this saves the scope, the message dictionaries and one of two writes.

It also bounds what uvicorn leaves to a proxy in front: how long the head of a request may take,
and how much may arrive that is neither a whole head nor a body.
"""

import asyncio
import logging
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from runwright.gateway.domain import BrokenAnswer, Gateway
from runwright.gateway.hosts import Hosts
from runwright.gateway.messages import GatewayAnswer, RawHeaders, RawRequest
from runwright.gateway.outgoing import BODYLESS
from runwright.gateway.router import Kind, Place
from runwright.proxies import Proxies

log = logging.getLogger(__name__)

_NOT_QUICK: Final = frozenset({b"transfer-encoding", b"upgrade", b"expect"})
HEAD_WAIT_S: Final = 30.0
# Of a head, of trailers or of chunk extensions. More than one read of the socket can hold, as
# what follows a body in the same read counts too.
SILENT_BYTES: Final = 512 * 1024
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)
_JOINED_BYTES: Final = 64 * 1024  # larger bodies are not worth a copy to save a write


class Door:
    """What the protocol asks about each request, shared by all connections."""

    __slots__ = ("gateway", "hosts", "proxies")

    def __init__(self, gateway: Gateway, hosts: Hosts, proxies: Proxies) -> None:
        self.gateway = gateway
        self.hosts = hosts
        self.proxies = proxies


class _NoEvent:
    """Stands where the protocol would wake the reader of a body; there is none."""

    def set(self) -> None:
        pass


_NO_EVENT: Final = _NoEvent()


class DomainProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, door: Door, **options: Any) -> None:
        super().__init__(*args, **options)
        self._door = door
        self._is_head_open = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._silent_bytes = 0  # arrived since something was made of what arrived
        self._idle_since = 0.0  # loop time; 0 while there is something to do

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._silent_bytes += len(data)
        if self._silent_bytes > SILENT_BYTES:
            self._refuse_flood()
        elif self._is_head_open and self._head_timer is None:
            self._await_head()

    # Keep-alive: one timer that looks now and then, instead of two changes per request.

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_after(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = 0.0

    def _look_after(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self._end_if_idle)

    def _end_if_idle(self) -> None:
        self.timeout_keep_alive_task = None
        if not self._idle_since or self.transport.is_closing():
            return  # the end of the next answer sets the timer again
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_after(left)
        else:
            self.transport.close()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_WAIT_S, self._head_is_late)

    def _head_came(self) -> None:
        self._is_head_open = False
        self._silent_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        self.transport.close()

    def _refuse_flood(self) -> None:
        is_between = self.cycle is None or self.cycle.response_complete
        if is_between and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
        self.transport.close()

    def on_body(self, body: bytes) -> None:
        self._silent_bytes = 0
        super().on_body(body)

    def on_message_begin(self) -> None:
        self._is_head_open = True
        # The scope is only made for requests that take the ASGI road.
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        self._head_came()
        place = self._quick_place()
        if place is None:
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects
            self.headers.extend(headers)  # the list that the scope holds
            super().on_headers_complete()
            # Fields after a body are no headers: they must not join those the scope holds.
            self.headers = list(self.headers)
            return
        request = RawRequest(
            self.parser.get_method().decode("ascii"),
            self.url.decode("utf-8", "surrogateescape"),
            self.headers,
            host=place.host,
            scheme=self.scheme or "http",
            peer=self.client[0] if self.client else "",
        )
        exchange = _Exchange(self, request, keep_alive=self.parser.should_keep_alive())
        self.cycle = exchange  # type: ignore[assignment]  # has all that the base class uses
        task = self.loop.create_task(exchange.run(self._door.gateway, place))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _quick_place(self) -> Place | None:
        """The place of a request that may take the quick road."""
        parser, cycle, url = self.parser, self.cycle, self.url
        if cycle is not None and not cycle.response_complete:
            return None  # pipelined
        if parser.get_http_version() != "1.1" or not url.startswith(b"/") or b"#" in url:
            return None
        host = b""
        for name, value in self.headers:
            if name == b"host":
                if host:
                    return None
                host = value
            elif name in _NOT_QUICK or (name == b"content-length" and value != b"0"):
                return None
        if not host or (self.client and self._door.proxies.trusts(self.client[0])):
            return None
        place = self._door.hosts.known(host)
        is_function = place is not None and place.kind is Kind.FUNCTION
        return place if is_function and place is not None and place.rule is not None else None


class _Exchange:
    """One request and its answer; also the gateway's channel to the caller.

    The attributes without underscore are those that the base protocol reads and sets.
    """

    __slots__ = (
        "_is_chunked",
        "_protocol",
        "_request",
        "body",
        "disconnected",
        "keep_alive",
        "message_event",
        "more_body",
        "response_complete",
    )

    def __init__(self, protocol: DomainProtocol, request: RawRequest, *, keep_alive: bool) -> None:
        self._protocol = protocol
        self._request = request
        self._is_chunked = False
        self.keep_alive = keep_alive
        self.body = b""
        self.more_body = False
        self.message_event = _NO_EVENT
        self.disconnected = False
        self.response_complete = False

    async def run(self, gateway: Gateway, place: Place) -> None:
        try:
            answer = await gateway.answer(place, self._request, self)
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
            log.exception("domain answer failed", extra={"host": place.host})
            self._protocol.transport.close()

    async def read_body(self, most: int) -> bytes:
        return b""

    def start(self, status: int, headers: RawHeaders) -> None:
        """Begin a streamed answer."""
        has_length = any(name == b"content-length" for name, _ in headers)
        self._is_chunked = self._may_have_body(status) and not has_length
        framing = [(b"transfer-encoding", b"chunked")] if self._is_chunked else []
        self._write(self._head(status, [*headers, *framing]))

    async def write(self, chunk: bytes) -> None:
        if self._protocol.flow.write_paused:
            await self._protocol.flow.drain()
        if self.disconnected:
            raise ConnectionError("the caller has gone")
        if chunk and self._request.method != "HEAD":
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
        lines.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        return b"".join(lines)

    def _may_have_body(self, status: int) -> bool:
        return self._request.method != "HEAD" and status not in BODYLESS

    def _write(self, data: bytes) -> None:
        # uvloop raises when a closed transport is written to.
        if not self.disconnected and not self._protocol.transport.is_closing():
            self._protocol.transport.write(data)

    def _complete(self) -> None:
        self.response_complete = True
        if not self.keep_alive:
            self._protocol.transport.close()
        self._protocol.on_response_complete()
