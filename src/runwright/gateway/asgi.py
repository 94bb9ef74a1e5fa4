"""The outermost ASGI application: domains are answered here, all else is the API's.

This module is the whole of what the hot path knows about ASGI. Another server interface has
to do what is done here: cut a request into `RawRequest`, be its `Channel`, send the answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qs

from runwright.functions.domains import Domains
from runwright.gateway.domain import BrokenAnswer, Gateway
from runwright.gateway.hosts import Hosts
from runwright.gateway.messages import (
    BodyTooLarge,
    BodyTooSlow,
    GatewayAnswer,
    RawHeaders,
    RawRequest,
)
from runwright.gateway.router import Kind, Place
from runwright.gateway.websockets import SocketChannel, hold
from runwright.proxies import Proxies

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TLS_ASK: Final = "/_runwright/tls/ask"
BODY_WAIT_S: Final = 120.0
PART_WAIT_S: Final = 60.0  # for more of a body that is read as it comes
_MALFORMED: Final = Place(Kind.MALFORMED)
_API: Final = Place(Kind.API)


class DomainFirst:
    def __init__(
        self,
        api: App,
        *,
        gateway: Gateway,
        hosts: Hosts,
        domains: Domains,
        proxies: Proxies,
        sockets: App | None = None,
    ) -> None:
        """`sockets` takes the web sockets of the API's hosts; without it `api` does."""
        self._api = api
        self._sockets = sockets or api
        self._gateway = gateway
        self._hosts = hosts
        self._domains = domains
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._api(scope, receive, send)
            return
        raw_host = _one_host(scope["headers"])
        peer = scope["client"][0] if scope.get("client") else ""
        scheme = "https" if scope["scheme"] in ("https", "wss") else "http"
        if self._proxies.trusts(peer):
            raw_host, scheme = forwarded(scope["headers"], raw_host, scheme)
        if raw_host:
            place = self._hosts.known(raw_host) or await self._hosts.find(raw_host)
        else:
            # HTTP/1.0 has no Host: load balancers ask the API for its health in this way.
            is_old = raw_host is not None and scope.get("http_version") == "1.0"
            place = _API if is_old else _MALFORMED
        if place.kind is Kind.API:
            await self._to_api(scope, receive, send)
            return
        request = _raw_request(scope, place, peer=peer, scheme=scheme)
        if scope["type"] == "http":
            await self._to_domain(place, request, receive, send)
        else:
            channel = await SocketChannel.of(scope, receive, send)
            await hold(self._gateway, place, request, channel)

    async def _to_api(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._sockets(scope, receive, send)
        elif scope["path"] == TLS_ASK:
            await _send_whole(send, await self._tls_ask(scope))
        else:
            await self._api(scope, receive, send)

    async def _tls_ask(self, scope: Scope) -> GatewayAnswer:
        """Asked by a proxy that gets certificates on demand: is this name one of ours?"""
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("domain", [""])[0]
        is_ours = bool(asked) and await self._domains.may_issue(asked)
        return GatewayAnswer(200 if is_ours else 404, [(b"content-length", b"0")], b"")

    async def _to_domain(
        self, place: Place, request: RawRequest, receive: Receive, send: Send
    ) -> None:
        channel = _AsgiChannel(receive, send, has_body=_has_body(request.headers))
        try:
            answer = await self._gateway.answer(place, request, channel)
            if answer is None:
                await channel.finish()
            else:
                await _send_whole(send, answer)
        except (BrokenAnswer, ConnectionError):
            # No end is sent, so the server cuts the connection and the caller sees that the
            # answer is not whole.
            return
        finally:
            await channel.close()


class _AsgiChannel:
    """One request's connection, as ASGI shows it."""

    is_socket = False

    def __init__(self, receive: Receive, send: Send, *, has_body: bool) -> None:
        self.on_gone: Callable[[], None] | None = None
        self._is_fed = has_body  # there may be more of the body than was read
        self._receive = receive
        self._send = send
        self._opening: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._is_gone = False

    async def read_body(self, most: int) -> bytes:
        self._is_fed = False  # all of it, before anything is answered
        message = await self._next()
        body: bytes = message.get("body", b"")
        if not message.get("more_body"):
            return _bounded(body, most)
        parts = [body]
        size = len(body)
        try:
            async with asyncio.timeout(BODY_WAIT_S):
                while message.get("more_body"):
                    if size > most:
                        raise BodyTooLarge
                    message = await self._next()
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
        except TimeoutError as exc:
            raise BodyTooSlow from exc
        return _bounded(b"".join(parts), most)

    async def read_part(self) -> bytes:
        if self._watch is not None:
            return b""
        part = b""
        try:
            async with asyncio.timeout(PART_WAIT_S):
                while self._is_fed and not part:
                    message = await self._next()
                    part = bytes(message.get("body", b""))
                    self._is_fed = message.get("more_body", False)
        except TimeoutError as exc:
            raise BodyTooSlow from exc
        except ConnectionError:
            self._left()
            raise
        if not self._is_fed:
            self._watch = asyncio.create_task(self._until_gone())
        return part

    def start(self, status: int, headers: RawHeaders) -> None:
        # The head leaves at once: a caller of a stream may wait long for its first part.
        message = {"type": "http.response.start", "status": status, "headers": headers}
        self._opening = asyncio.create_task(_sent(self._send, message))
        # A function may answer before it begins to read: then the next message is its body still.
        if not self._is_fed:
            self._watch = asyncio.create_task(self._until_gone())

    async def write(self, chunk: bytes) -> None:
        if self._is_gone:
            raise ConnectionError("the caller has gone")
        if self._opening is not None:
            await self._opening
            self._opening = None
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def finish(self) -> None:
        if self._opening is not None:
            await self._opening
            self._opening = None
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def close(self) -> None:
        for task in (self._opening, self._watch):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the caller has gone")
        return message

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left()

    def _left(self) -> None:
        self._is_gone = True
        if self.on_gone is not None:
            self.on_gone()


def _raw_request(scope: Scope, place: Place, *, peer: str, scheme: str) -> RawRequest:
    query = scope["query_string"]
    raw = scope.get("raw_path") or scope["path"].encode()
    target = (b"%b?%b" % (raw, query) if query else raw).decode("utf-8", "surrogateescape")
    return RawRequest(
        scope.get("method", "GET"),  # a web socket's handshake has no other
        target,
        scope["headers"],
        host=place.host,
        scheme=scheme,
        peer=peer,
    )


async def _sent(send: Send, message: Message) -> None:
    await send(message)


async def _send_whole(send: Send, answer: GatewayAnswer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})


def _bounded(body: bytes, most: int) -> bytes:
    if len(body) > most:
        raise BodyTooLarge
    return bytes(body)


def _has_body(headers: RawHeaders) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
        for name, value in headers
    )


def _one_host(headers: RawHeaders) -> bytes | None:
    """The Host header; b"" when there is none, None for several, which could mean any site."""
    found = b""
    count = 0
    for name, value in headers:
        if name == b"host":
            found = value
            count += 1
    return found if count < 2 else None


def forwarded(headers: RawHeaders, host: bytes | None, scheme: str) -> tuple[bytes | None, str]:
    """Host and scheme as a trusted proxy tells them."""
    for name, value in headers:
        if name == b"x-forwarded-host" and value:
            host = value.partition(b",")[0].strip()
        elif name == b"x-forwarded-proto":
            word = value.partition(b",")[0].strip().lower()
            scheme = word.decode() if word in (b"http", b"https") else scheme
    return host, scheme
