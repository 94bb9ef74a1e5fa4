"""The WebSocket at /v1/realtime, as an ASGI application.

A connection is accepted first and judged then, because a refusal is a message too: browsers
show their pages nothing of a failed handshake. From there on two tasks serve it, one that
follows what the client says and one that sends what is in its queue.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote

from runwright.clock import Clock
from runwright.errors import RunwrightError
from runwright.identity.standing import Judge, Standing
from runwright.model.identity import Principal, User
from runwright.realtime import frames
from runwright.realtime.admission import Admission, Visitor
from runwright.realtime.asking import asked
from runwright.realtime.errors import AgainstPolicy, BadMessage, SocketError, TooMuch
from runwright.realtime.hub import Connection, Hub, Subscription
from runwright.realtime.outgoing import Close, Outgoing

log = logging.getLogger(__name__)

PATH: Final = "/v1/realtime"
MESSAGE_BYTES: Final = 64_000  # of one message of a client
MESSAGES: Final = 32
MESSAGES_S: Final = 60.0
SESSION_CHARS: Final = 2048
_HIDDEN: Final = 500  # from this status on a failure is ours, and its text for the log

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Realtime:
    def __init__(
        self,
        *,
        hub: Hub,
        standing: Standing,
        admission: Admission,
        clock: Clock,
        visit: Callable[[Scope], Visitor],
        count: Callable[[Visitor], None],
        account: Callable[[User], Awaitable[dict[str, Any]]],
        has_limits: bool = True,
    ) -> None:
        """`visit` reads a request, `count` raises TooMuch for who connects too often, and
        `account` is what a user is shown of itself."""
        self._hub = hub
        self._standing = standing
        self._admission = admission
        self._clock = clock
        self._visit = visit
        self._count = count
        self._account = account
        self._has_limits = has_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if scope["path"].rstrip("/") != PATH:
            await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b""})
            return
        await send({"type": "websocket.accept"})
        with ExitStack() as stack:
            try:
                connection = await self._open(scope, stack)
            except Exception as exc:
                await _refuse(send, exc)
                return
            await self._converse(connection, receive, send)

    async def _open(self, scope: Scope, stack: ExitStack) -> Connection:
        """A connection that listens, and has been greeted."""
        visitor = self._visit(scope)
        self._count(visitor)
        judge = self._judge_of(visitor)
        principal = await judge()
        connection = Connection(visitor, visitor.project_id, principal)
        stack.enter_context(self._hub.open(connection))
        connection.watched = stack.enter_context(
            self._standing.watch(
                principal,
                judge,
                changed=lambda now: self._hub.rebind(connection, now),
                refused=connection.end,
                refusals=(SocketError, RunwrightError),
            )
        )
        try:
            for channels, queries in asked(visitor.asked):
                self._hub.subscribe(connection, channels, queries)
        except BadMessage as exc:
            raise AgainstPolicy(str(exc)) from exc
        user = await self._shown(principal)
        greeting = {
            "channels": list(connection.channels),
            "subscriptions": list(connection.subscriptions),
            "user": user,
        }
        connection.outgoing.put(frames.text("connected", greeting), is_first=True)
        return connection

    def _judge_of(self, visitor: Visitor) -> Judge:
        return lambda: self._admission.judge(visitor)

    async def _shown(self, principal: Principal) -> dict[str, Any] | None:
        return await self._account(principal.user) if principal.user is not None else None

    async def _converse(self, connection: Connection, receive: Receive, send: Send) -> None:
        outgoing = connection.outgoing
        tasks = {
            asyncio.create_task(self._listen(connection, receive), name="realtime-listen"),
            asyncio.create_task(_pump(outgoing, send), name="realtime-send"),
            asyncio.create_task(outgoing.given_up.wait(), name="realtime-slow"),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in done:
            task.result()
        if outgoing.given_up.is_set():
            log.info("slow client closed", extra={"project_id": connection.project_id})

    async def _listen(self, connection: Connection, receive: Receive) -> None:
        allowance = _Allowance(self._clock) if self._has_limits else None
        while (message := await receive())["type"] != "websocket.disconnect":
            if connection.outgoing.is_closing:
                continue
            frame = message.get("text") or message.get("bytes") or ""
            try:
                if allowance is not None:
                    allowance.use()
                await self._follow(connection, frame)
            except SocketError as exc:
                connection.outgoing.put(frames.error(exc.code, str(exc)))
            except RunwrightError as exc:
                connection.outgoing.put(frames.error(exc.status, _shown_text(exc)))
            except Exception as exc:
                log.exception("realtime message failed")
                connection.outgoing.put(frames.error(1011, _shown_text(exc)))

    async def _follow(self, connection: Connection, frame: str | bytes) -> None:
        kind, data = frames.parsed(frame)
        match kind:
            case "ping":
                connection.outgoing.put(frames.PONG)
            case "authentication":
                await self._authenticate(connection, data)
            case "subscribe":
                self._subscribe(connection, data)
            case "unsubscribe":
                self._unsubscribe(connection, data)
            case _:
                raise BadMessage("Message type is not valid.")

    async def _authenticate(self, connection: Connection, data: Any) -> None:
        session = data.get("session") if isinstance(data, dict) else None
        if not isinstance(session, str) or not session:
            raise BadMessage("Payload is not valid. Session is required")
        if len(session) > SESSION_CHARS:
            raise BadMessage(f"Payload is not valid. A session has at most {SESSION_CHARS} bytes")
        before = connection.visitor
        sent = replace(before.credentials, sessions=(unquote(session),), jwt="", key="")
        visitor = replace(before, credentials=sent)
        judge = self._judge_of(visitor)
        principal = await judge()
        if principal.user is None:
            raise BadMessage("Session is not valid.")
        user = await self._shown(principal)
        connection.visitor = visitor
        self._hub.rebind(connection, principal)
        if connection.watched is not None:
            self._standing.renew(connection.watched, principal, judge)
        connection.outgoing.put(frames.response("authentication", user=user))

    def _subscribe(self, connection: Connection, data: Any) -> None:
        wanted = [_wanted(item) for item in _items(data)]
        made: list[Subscription] = []
        before = set(connection.subscriptions)
        try:
            for channels, queries, name in wanted:
                made.append(self._hub.subscribe(connection, channels, queries, name))
        except BadMessage:
            # The client hears of no new subscription, so it has none.
            for name in set(connection.subscriptions) - before:
                self._hub.unsubscribe(connection, name)
            raise
        told = [
            {
                "subscriptionId": each.id,
                "channels": list(each.channels),
                "queries": list(each.queries),
            }
            for each in made
        ]
        connection.outgoing.put(frames.response("subscribe", subscriptions=told))

    def _unsubscribe(self, connection: Connection, data: Any) -> None:
        items = _items(data)
        names = [name for item in items if isinstance(name := item.get("subscriptionId"), str)]
        if len(names) < len(items):
            raise BadMessage("Payload is not valid. SubscriptionId is required")
        told = [
            {"subscriptionId": name, "removed": self._hub.unsubscribe(connection, name)}
            for name in names
        ]
        connection.outgoing.put(frames.response("unsubscribe", subscriptions=told))


class _Allowance:
    """How many messages a client may still send in this minute."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends_at = 0.0
        self._left = 0

    def use(self) -> None:
        """Raises TooMuch."""
        now = self._clock.monotonic()
        if now >= self._ends_at:
            self._ends_at, self._left = now + MESSAGES_S, MESSAGES
        if self._left <= 0:
            raise TooMuch("Too many messages.")
        self._left -= 1


def _items(data: Any) -> list[dict[str, Any]]:
    """Raises BadMessage."""
    if not isinstance(data, list) or not data or not all(isinstance(item, dict) for item in data):
        raise BadMessage("Payload is not valid. A list of subscriptions is required")
    return data


def _wanted(item: dict[str, Any]) -> tuple[list[str], list[str] | None, str]:
    channels, queries = item.get("channels"), item.get("queries")
    name = item.get("subscriptionId") or ""
    if not isinstance(channels, list) or not channels:
        raise BadMessage("Payload is not valid. Channels are required")
    is_list = isinstance(queries, list) and all(isinstance(query, str) for query in queries)
    if queries is not None and not is_list:
        raise BadMessage("Payload is not valid. Queries are a list of texts")
    if not isinstance(name, str):
        raise BadMessage("Payload is not valid. SubscriptionId is a text")
    return channels, queries, name


async def _pump(outgoing: Outgoing, send: Send) -> None:
    """Send what is put, until the close has been sent or the client has gone."""
    try:
        while not isinstance(item := await outgoing.next(), Close):
            await send({"type": "websocket.send", "text": item})
        await send({"type": "websocket.close", "code": item.code, "reason": item.reason})
    except OSError:
        return


async def _refuse(send: Send, error: Exception) -> None:
    """During the start every failure ends the connection."""
    match error:
        case SocketError():
            code, text = error.code, str(error)
        case RunwrightError():
            code, text = error.status, _shown_text(error)
        case _:
            log.error("connection failed", exc_info=error)
            code, text = 1011, _shown_text(error)
    close = error.code if isinstance(error, TooMuch) else AgainstPolicy.code
    close = 1011 if code == 1011 else close
    try:
        await send({"type": "websocket.send", "text": frames.error(code, text)})
        await send({"type": "websocket.close", "code": close})
    except OSError:
        return


def _shown_text(error: Exception) -> str:
    is_ours = not isinstance(error, RunwrightError) or error.status >= _HIDDEN
    return "Error: Server Error" if is_ours else str(error)
