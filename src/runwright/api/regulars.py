"""Callers who make the same call again and again, which is how a busy API is used.

A server that queues jobs sends the same headers with every one of them. What follows from those
(who it is and what they may do, where the path leads, the form of the answer) is worked out by
the general way of `app.py` once and kept as a `Regular`, found by those very headers. A call then
costs its checks of what may have changed, its parameters and its handler.

Nobody is let in by being known: at each call the key and the project must still be the very
objects that were judged, which a change of either replaces at once, and the key's time must not
have ended. What the handler refuses is refused in the same words as ever, and all that is not
plain takes the general way: another kind of caller, an origin, an older place for the project.

All that is judged is about the caller and the route. So who sends the same headers to another
path of the route is known there, too: the first call of a function is its slowest anyway.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from re import compile as pattern
from typing import Any, Final

import msgspec
from starlette.responses import Response
from starlette.types import Scope

from runwright.api import forms, replies
from runwright.api.auth import credentials
from runwright.api.exchange import Exchange, log_failure
from runwright.api.formats import adapt_answer, adapt_params
from runwright.api.guessing import GUESSABLE
from runwright.api.matching import Match
from runwright.api.params import parse
from runwright.api.routing import JSON_TYPE, Answer, Call, Nothing, Route
from runwright.compression import LEAST_BYTES
from runwright.errors import RunwrightError
from runwright.identity.authentication import Authenticator, Ticket
from runwright.ids import new_id
from runwright.model.actor import Actor, act_as
from runwright.proxies import Proxies

REGULARS: Final = 2048
REGULARS_BYTES: Final = 2 * 1024 * 1024  # of their headers; what is made of them is more
HEADERS_BYTES: Final = 4096  # longer ones are read each time
_LENGTH: Final = b"content-length"
# A target that is read as it stands: no query, nothing encoded, no empty segment.
_PLAIN_TARGET: Final = pattern(r"(?:/[A-Za-z0-9._-]+)+")
# With these a call is one of its own, or about somebody beside the key.
_ITS_OWN: Final = ("cookie", "idempotency-key", "origin", "x-fallback-cookies", "x-appwrite-jwt")

Sender = tuple[str, str, tuple[tuple[bytes, bytes], ...]]
Known = tuple[str, str, str, tuple[tuple[bytes, bytes], ...]]
Reply = Callable[[Exchange, Answer], Awaitable[Response]]
# Status, header lines without the end of the head, body.
Rendered = tuple[int, bytes, bytes]


def told(exchange: Exchange | None, error: Exception) -> Answer:
    """What a caller is told of an error that is being handled; ours are logged."""
    if isinstance(error, RunwrightError):
        if error.status not in replies.PUBLIC_STATUSES:
            log_failure(exchange)
        return replies.refusal(error)
    log_failure(exchange)
    return replies.crash()


class Regular:
    """One caller of one path."""

    __slots__ = (
        "_actor",
        "_authenticator",
        "_call",
        "_exchange",
        "_head",
        "_reply",
        "_route",
        "_ticket",
    )

    def __init__(
        self,
        authenticator: Authenticator,
        ticket: Ticket,
        exchange: Exchange,
        call: Call,
        head: str,
        reply: Reply,
    ) -> None:
        assert exchange.match is not None
        self._authenticator = authenticator
        self._ticket = ticket
        self._exchange = exchange
        self._call = call
        self._route: Route = exchange.match.route
        self._actor = Actor.of(
            call.principal, ip=call.client_ip, user_agent=call.headers.get("user-agent", "")
        )
        self._head = head
        self._reply = reply

    def elsewhere(self, match: Match, path: str) -> "Regular | None":
        """The same caller at another path of the same route; None for any other route."""
        seen = self._exchange
        own = seen.match
        assert own is not None
        if match.route is not own.route or match.template != own.template:
            return None
        arrival = replace(seen.arrival, path=path)
        return Regular(
            self._authenticator,
            self._ticket,
            Exchange(arrival, match, is_origin_allowed=seen.is_origin_allowed),
            replace(self._call, url_path=path, path_params=match.path_params),
            self._head,
            self._reply,
        )

    async def answer(self, body: bytes) -> Rendered | None:
        """None when the general way has to take the call: nothing was done then."""
        params = self._params(body)
        if params is None or not self._authenticator.admits(self._ticket):
            return None
        act_as(self._actor)
        try:
            answer = await self._route.handler(self._call, params)
            return self._plain(answer) or await self._rendered(self._adapted(answer))
        except Exception as error:
            return await self._rendered(told(self._exchange, error))

    def _params(self, body: bytes) -> Any:
        call = self._call
        try:
            given = forms.members(forms.json_value(body))
            if "project" in given:
                return None
            given = adapt_params(self._route.name, given, call.response_format)
            given.update(call.path_params)
            return parse(self._route.params or Nothing, given)
        except RunwrightError:
            return None

    def _adapted(self, answer: Answer) -> Answer:
        route, call = self._route, self._call
        model = answer.model or route.model
        content = adapt_answer(model, answer.content, call.response_format, call.project_id)
        return replace(answer, content=content, model=model, status=answer.status or route.status)

    def _plain(self, answer: Answer) -> Rendered | None:
        """The usual answer, as `_rendered` would have it; a test compares them."""
        call = self._call
        if answer.headers or answer.media_type != JSON_TYPE or answer.parts is not None:
            return None
        content = answer.content
        if call.response_format is not None:
            content = self._adapted(answer).content
        body = msgspec.json.encode(content)
        if len(body) >= LEAST_BYTES:
            return None
        head = f"{self._head}{len(body)}\r\nx-request-id: {new_id()}\r\n"
        return answer.status or self._route.status, head.encode("latin-1"), body

    async def _rendered(self, answer: Answer) -> Rendered:
        seen = self._exchange
        arrival = replace(seen.arrival, request_id=new_id())
        reply = await self._reply(replace(seen, arrival=arrival), answer)
        return reply.status_code, _lines(reply.raw_headers), bytes(reply.body)


class Regulars:
    """Those that are known; the oldest go first."""

    def __init__(
        self,
        authenticator: Authenticator,
        proxies: Proxies,
        fixed: replies.RawHeaders,
        reply: Reply,
        match: Callable[[str, str], Match | None],
    ) -> None:
        self._authenticator = authenticator
        self._proxies = proxies
        self._match = match
        self._head = _lines(fixed).decode("latin-1")
        self._reply = reply
        self._found: dict[Known, Regular] = {}
        self._newest: dict[Sender, Known] = {}  # of those who are found
        self._bytes = 0

    def find(
        self, method: str, target: str, headers: replies.RawHeaders, scheme: str, peer: str
    ) -> Regular | None:
        """Who sends this, if known; `peer` is the other end of the socket and no proxy."""
        if method != "POST":
            return None
        known = _known(target, headers, scheme, peer)
        return self._found.get(known) or self._find_elsewhere(known)

    def _find_elsewhere(self, known: Known) -> Regular | None:
        newest = self._newest.get(known[1:])
        if newest is None or not _PLAIN_TARGET.fullmatch(known[0]):
            return None
        match = self._match("POST", known[0])
        # A path that names a project would be about more than the caller's own.
        if match is None or match.is_alias or match.project_id:
            return None
        regular = self._found[newest].elsewhere(match, known[0])
        if regular is not None:
            self._keep(known, regular)
        return regular

    def learn(self, scope: Scope, exchange: Exchange) -> None:
        """Remember who was answered, if they may come again and all that they send is plain."""
        call, match, arrival = exchange.call, exchange.match, exchange.arrival
        if call is None or match is None or not match.route.is_busy:
            return
        route, sent = match.route, arrival.headers
        peer = scope["client"][0] if scope.get("client") else ""
        raw = scope.get("raw_path") or b""
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if (
            arrival.method != "POST"
            or match.is_alias
            or route.limit is not None
            or route.name in GUESSABLE
            or exchange.headers
            or scope["query_string"]
            or self._proxies.trusts(peer)
            or forms.content_type(sent.get("content-type", "")) != forms.JSON
            or any(name in sent for name in _ITS_OWN)
            or "project" in exchange.form.params
            or size > HEADERS_BYTES
        ):
            return
        ticket = self._authenticator.ticket(credentials(arrival, match, {}))
        if ticket is None or ticket.held.principal is not call.principal:
            return
        plain = Exchange(arrival, match, is_origin_allowed=exchange.is_origin_allowed)
        regular = Regular(
            self._authenticator,
            ticket,
            plain,
            replace(call, raw={}, sent=None, perform=None),
            self._head_of(arrival.scheme),
            self._reply,
        )
        target = raw.decode("utf-8", "surrogateescape")
        self._keep(_known(target, scope["headers"], arrival.scheme, peer), regular)

    def _head_of(self, scheme: str) -> str:
        """All that stands before the number of bytes."""
        transport = replies.STRICT_TRANSPORT if scheme == "https" else ()
        own = "".join(f"{name}: {value}\r\n" for name, value in (*transport, ("vary", "Origin")))
        return f"{self._head}{own}content-type: {JSON_TYPE}\r\ncontent-length: "

    def _keep(self, known: Known, regular: Regular) -> None:
        if self._found.pop(known, None) is None:  # who is known anew is the newest again
            self._bytes += _size(known)
        self._found[known] = regular
        self._newest[known[1:]] = known
        while len(self._found) > REGULARS or self._bytes > REGULARS_BYTES:
            oldest = next(iter(self._found))
            del self._found[oldest]
            if self._newest[oldest[1:]] == oldest:
                del self._newest[oldest[1:]]
            self._bytes -= _size(oldest)


def _known(target: str, headers: replies.RawHeaders, scheme: str, peer: str) -> Known:
    """All that a call comes with, but for what differs between two calls."""
    return target, scheme, peer, tuple([item for item in headers if item[0] != _LENGTH])


def _size(known: Known) -> int:
    return len(known[0]) + sum(len(name) + len(value) for name, value in known[3])


def _lines(headers: replies.RawHeaders) -> bytes:
    return b"".join([b"%b: %b\r\n" % item for item in headers])
