"""The quick road: calls of functions on domains without ASGI between, and calls of the API.

uvicorn's protocol stays in charge of the connection: parsing, keep-alive, pipelining, limits,
graceful stop. What it would turn into an ASGI call is answered here instead when it is a plain
call of a function: HTTP/1.1, no body, no upgrade, on a host whose place is known. A plain call
of the API with a small body, straight from its caller, is handed to its application from here,
which saves what a server does for the general case. Every other request takes the ASGI road of
`asgi.py`, on the same connection. Per request this saves the scope, the message dictionaries and
one of two writes.

It also bounds what uvicorn leaves to a proxy in front: how long the head of a request may take,
how much may arrive that is neither a whole head nor a body, how much of one connection is parsed
before others have their turn (`intake.py`), how many requests wait on one, and how long an answer
waits for somebody who does not read it.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from runwright.executions.requests import sendable_target
from runwright.gateway.asgi import App, forwarded
from runwright.gateway.bursts import Bursts
from runwright.gateway.crowd import Crowd
from runwright.gateway.domain import Gateway
from runwright.gateway.exchange import ApiExchange, Exchange, PlainExchange
from runwright.gateway.hosts import Hosts
from runwright.gateway.intake import PIECE_BYTES, HeldFlow, Intake
from runwright.gateway.messages import RawRequest, Regulars
from runwright.gateway.plain import REQUEST_LINE, Caller, Callers, WarmRoad
from runwright.gateway.router import Kind, Place
from runwright.gateway.unread import UnreadWatch, has_arrived
from runwright.proxies import Proxies

log = logging.getLogger(__name__)

_API: Final = b"/v1/"
_HEAD_END: Final = b"\r\n\r\n"
_NOT_QUICK: Final = frozenset({b"transfer-encoding", b"upgrade", b"expect"})
HEAD_WAIT_S: Final = 30.0
# For the other side's goodbye. TLS would wait for it half a minute, and most clients do not read
# ours, and so do not answer it, before they have something to ask.
GOODBYE_S: Final = 0.25
# Of a head, of trailers or of chunk extensions. More than one read of the socket can hold, as
# what follows a body in the same read counts too.
SILENT_BYTES: Final = 512 * 1024
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)
PIPELINED: Final = 16  # requests that wait on one connection before no more is parsed of it
_API_BODY_BYTES: Final = 64 * 1024  # of the API; larger ones are read in parts, on the ASGI road


class Door:
    """What the protocol asks about each request, shared by all connections."""

    __slots__ = ("api", "bursts", "crowd", "gateway", "hosts", "proxies", "regulars", "warm")

    def __init__(
        self,
        api: App,
        gateway: Gateway,
        hosts: Hosts,
        proxies: Proxies,
        warm: WarmRoad,
        regulars: Regulars | None = None,
    ) -> None:
        """`regulars` knows callers of the API who need not be judged anew."""
        self.api = api
        self.regulars = regulars
        self.gateway = gateway
        self.hosts = hosts
        self.proxies = proxies
        self.warm = warm
        self.bursts = Bursts()
        self.crowd = Crowd()


class DomainProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, door: Door, **options: Any) -> None:
        super().__init__(*args, **options)
        self._door = door
        self.bursts = door.bursts
        self._held = b""  # a request that is to be begun in this turn of the loop
        self._is_head_open = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._unread: UnreadWatch | None = None
        self._silent_bytes = 0  # arrived since something was made of what arrived
        self.idle_since = 0.0  # loop time; 0 while there is something to do, and at the end
        self._cut: asyncio.TimerHandle | None = None
        self.peer = ""
        self._is_direct = False  # no trusted proxy is between
        self._callers = Callers()  # those who come as this connection does
        self._said_scheme = "http"  # of the request in hand, by a trusted proxy if there is one
        self._is_between = True  # the parser holds no part of a request
        self._block = b""  # the headers of the request in hand, if they are all that came with it
        self._intake: Intake | None = None  # once more arrived than is parsed at once
        self._ahead: Any = None  # what is being answered, while `cycle` is a later request

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = HeldFlow(transport)
        self.peer = self.client[0] if self.client else ""
        self._is_direct = not self._door.proxies.trusts(self.peer)
        self._callers = self._door.warm.known(self.scheme or "http", is_direct=self._is_direct)
        self._unread = UnreadWatch(self.loop, transport, self._may_write_more)
        self.idle_since = self.loop.time()
        self._await_head()
        self._door.crowd.join(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.crowd.leave(self)
        self.begin_held()
        self._take_no_more()
        self._head_came()
        self._watch_no_longer()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        if self._cut is not None:
            self._cut.cancel()
            self._cut = None
        super().connection_lost(exc)
        self.pipeline.clear()
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.disconnected = True
            ahead.message_event.set()
        for cycle in (ahead, self.cycle):
            if isinstance(cycle, Exchange) and not cycle.response_complete:
                cycle.left()
        self.cycle = None  # type: ignore[assignment]  # it leads back here

    def data_received(self, data: bytes) -> None:
        if self._held:
            self.begin_held()
        if self._intake is not None:
            self._intake.take(data)
        elif len(data) <= PIECE_BYTES:
            if self._is_between and data.endswith(_HEAD_END):
                self._held = data
                self.bursts.begin(self)
            else:
                self._feed(data)
        elif isinstance(self.flow, HeldFlow):
            self._intake = Intake(self.loop, self.flow, self._feed, self._is_full)
            self._intake.take(data)

    def eof_received(self) -> None:
        self.begin_held()

    def shutdown(self) -> None:
        self.begin_held()
        if self.cycle is None or self.cycle.response_complete:
            self._end()
        else:
            super().shutdown()  # its answer is the last one

    def begin_held(self) -> None:
        data, self._held = self._held, b""
        if data:
            self._feed(data)

    def fail(self) -> None:
        self.transport.abort()

    def _is_full(self) -> bool:
        """Whether to parse no more for now; the wait is not the caller's fault then."""
        if len(self.pipeline) < PIPELINED:
            return False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        return True

    def _take_no_more(self) -> None:
        if self._intake is not None:
            self._intake.drop()
            self._intake = None  # it leads back here

    def _feed(self, data: bytes) -> None:
        self._block = b""
        if self._is_between and data.endswith(_HEAD_END):
            line = REQUEST_LINE.match(data)
            if line is not None:
                block = data[line.end() :]
                caller = self._callers.found.get(block)
                # Past the parser, which is between two requests then and stays there.
                if caller is not None and self._begin(
                    caller, line[1].decode(), line[2].decode(), keep_alive=True
                ):
                    return
                if block.find(_HEAD_END) == len(block) - 4:
                    self._block = block
        super().data_received(data)
        self._silent_bytes += len(data)
        if self._silent_bytes > SILENT_BYTES:
            self._refuse_flood()
        if self.transport.is_closing():
            self._take_no_more()
        elif self._is_head_open and self._head_timer is None:
            self._await_head()

    def _begin(self, caller: Caller, method: str, target: str, *, keep_alive: bool) -> bool:
        """Whether a call was begun on the warm road."""
        before = self.cycle
        if before is not None and not before.response_complete:
            return False  # pipelined
        door = self._door
        exchange = PlainExchange(self, door.gateway, caller, (method, target), keep_alive)
        self.cycle = exchange  # type: ignore[assignment]  # has all it needs
        self.bursts.running += 1
        if door.warm.begin(caller, method, target, exchange):
            self.idle_since = 0.0
            self._moved()
            if self._head_timer is not None:
                self._head_came()
            return True
        self.bursts.running -= 1
        self.cycle = before
        return False

    # What nobody reads

    def pause_writing(self) -> None:
        super().pause_writing()
        self._moved()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._moved()

    def handle_websocket_upgrade(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()  # an answer would come among the frames
            return
        self._door.crowd.leave(self)
        self._watch_no_longer()  # the protocol of web sockets has ends of its own
        self._take_no_more()
        super().handle_websocket_upgrade()

    def _moved(self) -> None:
        if self._unread is not None:
            self._unread.moved()

    def _may_write_more(self) -> bool:
        cycle = self.cycle
        is_answering = cycle is not None and not cycle.response_complete
        return is_answering and not self.flow.write_paused and not self.transport.is_closing()

    def _watch_no_longer(self) -> None:
        if self._unread is not None:
            self._unread.close()
            self._unread = None

    # Keep-alive: one timer that looks now and then, instead of two changes per request.

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._cut_soon()
            return
        is_pipelined = bool(self.pipeline)
        if is_pipelined:
            self._ahead, app = self.pipeline.pop()
            self._start_asgi_task(self._ahead, app)
        if not self.pipeline:
            self._ahead = None
            self.flow.resume_reading()
        if self._intake is not None:
            self._intake.wake()
        if is_pipelined or self._is_head_open:
            return  # the next request has timers of its own
        self.idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_after(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        """Bytes alone are nothing to do: only the beginning of a request is."""

    def _look_after(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self._end_if_idle)

    def _end_if_idle(self) -> None:
        self.timeout_keep_alive_task = None
        self.begin_held()
        if not self.idle_since or self.transport.is_closing():
            return  # the end of the next answer sets the timer again
        left = self.idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_after(left)
        else:
            self._end()

    def end_if_idle(self) -> None:
        self.begin_held()
        if self.idle_since and not self.transport.is_closing():
            self._end()

    def _end(self) -> None:
        """Close a connection on which nothing is asked."""
        # What was written in this very turn is in no count yet.
        has_all = self.idle_since < self.loop.time() and has_arrived(self.transport)
        self.idle_since = 0.0
        self.transport.close()
        self._cut_soon(has_all)

    def _cut_soon(self, has_all: bool = False) -> None:
        """Of a closed connection: end it when the other side has all, whether or not it says so.
        One that had it before and is gone does not even confirm our goodbye."""
        is_lost = self._unread is None  # what answers may only notice at their end
        if self._cut is None and not is_lost:
            self._cut = self.loop.call_later(GOODBYE_S, self._cut_off, has_all)

    def _cut_off(self, has_all: bool) -> None:
        self._cut = None
        if has_all or has_arrived(self.transport):
            self.transport.abort()
        else:
            self._cut_soon()

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
        if self._held:
            return  # it came in this very turn
        self.transport.close()

    def _refuse_flood(self) -> None:
        is_between = self.cycle is None or self.cycle.response_complete
        if is_between and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
        self.transport.close()

    def on_body(self, body: bytes) -> None:
        self._silent_bytes = 0
        if self.idle_since:  # the rest of one that has its answer
            self.idle_since = self.loop.time()
        super().on_body(body)

    def on_message_begin(self) -> None:
        self._is_head_open = True
        self._is_between = False
        self.idle_since = 0.0
        self._moved()
        # The scope is only made for requests that take the ASGI road.
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_message_complete(self) -> None:
        self._is_between = True
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        self._head_came()
        place = self._quick_place()
        if place is None:
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects
            self.headers.extend(headers)  # the list that the scope holds
            if not self.pipeline:
                self._ahead = self.cycle
            super().on_headers_complete()
            if not self.pipeline:
                self._ahead = None
            # Fields after a body are no headers: they must not join those the scope holds.
            self.headers = list(self.headers)
            return
        keep_alive = self.parser.should_keep_alive()
        method = self.parser.get_method().decode("ascii")
        target = self.url.decode("utf-8", "surrogateescape")
        if place.kind is not Kind.API and self._is_warm(place, method, target, keep_alive):
            return
        request = RawRequest(
            method,
            target,
            self.headers,
            host=place.host,
            scheme=self._said_scheme,
            peer=self.peer,
        )
        if place.kind is Kind.API:
            api = ApiExchange(self, request, keep_alive=keep_alive)
            self.cycle = api  # type: ignore[assignment]  # has all that the base class uses
            self.carry(api.serve(self._door))
            return
        exchange = Exchange(self, method, place.host)
        exchange.keep_alive = keep_alive
        self.cycle = exchange  # type: ignore[assignment]  # as above
        self.carry(exchange.run(self._door.gateway, place, request))

    def _is_warm(self, place: Place, method: str, target: str, keep_alive: bool) -> bool:
        """Whether a request was begun on the warm road, and is known from now on."""
        if sendable_target(target) != target:
            return False
        caller = self._door.warm.caller(
            place, self.headers, self._said_scheme, is_direct=self._is_direct
        )
        if caller is None or not self._begin(caller, method, target, keep_alive=keep_alive):
            return False
        if self._block and keep_alive:
            self._callers.keep(self._block, caller)
        return True

    def carry(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it as a task that a graceful stop waits for."""
        task = self.loop.create_task(work)
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _quick_place(self) -> Place | None:
        """The place of a request that may take the quick road."""
        parser, cycle, url = self.parser, self.cycle, self.url
        if cycle is not None and not cycle.response_complete:
            return None  # pipelined
        if parser.get_http_version() != "1.1" or not url.startswith(b"/") or b"#" in url:
            return None
        host, body_bytes = b"", 0
        for name, value in self.headers:
            if name == b"host":
                if host:
                    return None
                host = value
            elif name in _NOT_QUICK:
                return None
            elif name == b"content-length":
                body_bytes = int(value)  # the parser has refused what is no number
        self._said_scheme = self.scheme or "http"
        if host and not self._is_direct:
            said, self._said_scheme = forwarded(self.headers, host, self._said_scheme)
            host = said or b""
        place = self._door.hosts.known(host) if host else None
        if place is None:
            return None
        if place.kind is Kind.API:
            if not self._is_direct:
                return None
            return place if url.startswith(_API) and body_bytes <= _API_BODY_BYTES else None
        is_function = place.kind is Kind.FUNCTION and place.rule is not None
        return place if is_function and not body_bytes else None
