"""A request to a function's domain: the documented checks, the run, the raw answer.

Nothing here knows the server interface: a request comes as `RawRequest`, the answer leaves as
`GatewayAnswer` or through the `Channel` in parts.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack
from typing import Any, Final

from anyio import CancelScope

from runwright.compression import LEAST_BYTES
from runwright.errors import BadRequest, RunwrightError
from runwright.executions.attempt import Attempt
from runwright.executions.errors import (
    BuildCanceled,
    BuildFailed,
    ExecutePermissionMissing,
    NoActiveDeployment,
    NotBuilt,
    ServiceOff,
    SynchronousTimeout,
)
from runwright.executions.requests import sendable_target
from runwright.executions.runnable import Runnable
from runwright.executions.service import Executions
from runwright.functions.errors import FunctionNotFound
from runwright.gateway import sharing
from runwright.gateway.compression import compressed
from runwright.gateway.cookies import without_foreign_sessions
from runwright.gateway.errors import (
    ChallengeNotFound,
    DomainUnverified,
    GatewayFault,
    HostRefused,
    HttpsNeeded,
    NothingHere,
    NoWebSocket,
    RequestTooLarge,
    RequestTooSlow,
)
from runwright.gateway.incoming import Incoming
from runwright.gateway.messages import (
    MAX_BODY_BYTES,
    SWITCHING,
    BodyTooLarge,
    BodyTooSlow,
    Channel,
    GatewayAnswer,
    RawHeaders,
    RawRequest,
)
from runwright.gateway.outgoing import BODYLESS, head, whole
from runwright.gateway.pages import error_answer
from runwright.gateway.router import Kind, Place
from runwright.gateway.uplink import Uplink
from runwright.identity.authentication import Authenticator
from runwright.identity.permissions import guest_roles
from runwright.identity.tokens import Tokens, UserJwtInvalid
from runwright.ids import new_id
from runwright.model.execution import ErrorClass, Headers, Outcome
from runwright.model.function import DeploymentStatus, Function, Rule
from runwright.model.identity import Principal
from runwright.model.lineage import NO_LINEAGE, Lineage
from runwright.model.streams import takes_streams, wants_bodies
from runwright.proxies import Proxies

log = logging.getLogger(__name__)

AllowsOrigin = Callable[[str, str], Awaitable[bool]]  # project id, origin

ACME: Final = "/.well-known/acme-challenge"
GUEST: Final = guest_roles()
_UNREAD: Final = (BadRequest, RequestTooLarge, RequestTooSlow)
_UPGRADE: Final = ("upgrade", "websocket")
_CLOSE: Final[RawHeaders] = [(b"connection", b"close")]


class BrokenAnswer(Exception):
    """A streamed answer ended before its end; the connection must be cut, not closed well.

    `error_class` says why; None when its reader may not have it any longer.
    """

    def __init__(self, error_class: ErrorClass | None = None) -> None:
        super().__init__(error_class)
        self.error_class = error_class


class Gateway:
    def __init__(
        self,
        *,
        executions: Executions,
        authenticator: Authenticator,
        tokens: Tokens,
        allows_origin: AllowsOrigin,
        proxies: Proxies,
        forces_https: bool,
        stream_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        """`stream_bytes`: the largest body of a request that is read as it comes."""
        self._executions = executions
        self._authenticator = authenticator
        self._tokens = tokens
        self._allows_origin = allows_origin
        self._proxies = proxies
        self.forces_https = forces_https
        self._stream_bytes = stream_bytes

    async def answer(
        self, place: Place, request: RawRequest, channel: Channel
    ) -> GatewayAnswer | None:
        """The answer to a request for anything but the API; None when it was streamed.

        Raises BrokenAnswer, and ConnectionError when the caller has gone.
        """
        try:
            incoming = Incoming(request.headers)
        except RunwrightError as error:
            return await self._refusal(error, place, None)
        if place.kind is Kind.FUNCTION and place.rule is not None:
            work = self._function(place, place.rule, request, incoming, channel)
        else:
            work = _elsewhere(place)
        return await self._guarded(place, incoming, work)

    async def _guarded(
        self, place: Place, incoming: Incoming, work: Coroutine[Any, Any, GatewayAnswer | None]
    ) -> GatewayAnswer | None:
        """What the work gives, or the refusal that it raises. Raises as `answer` does."""
        try:
            return await work
        except RunwrightError as error:
            return await self._refusal(error, place, incoming)
        except (BrokenAnswer, ConnectionError):
            raise
        except Exception:  # a fault of ours must still be an answer
            log.exception("domain request failed", extra={"host": place.host})
            return await self._refusal(GatewayFault(), place, incoming)

    async def _refusal(
        self, error: RunwrightError, place: Place, incoming: Incoming | None
    ) -> GatewayAnswer:
        if incoming is None:
            return error_answer(error, "", extra=_CLOSE)
        extra = await self._cors(place, incoming)
        if isinstance(error, _UNREAD):  # the rest of the body ends with the connection
            extra = [*extra, *_CLOSE]
        return error_answer(error, incoming.first("accept"), extra=extra)

    async def _cors(self, place: Place, incoming: Incoming) -> RawHeaders:
        """What lets a web page of the project read an answer that is ours; a function's own
        answers say for themselves who may read them."""
        if not incoming.first("origin") or place.rule is None:
            return []
        headers: RawHeaders = [(b"vary", b"Origin")]
        if origin := await self._page(place.rule, incoming):
            headers.append((b"access-control-allow-origin", origin.lower().encode("ascii")))
            headers.append((b"access-control-allow-credentials", b"true"))
        return headers

    async def _page(self, rule: Rule, incoming: Incoming) -> str:
        """The origin of the calling page when it belongs to a platform of the project."""
        origin = incoming.first("origin")
        if not origin or not origin.isascii():
            return ""
        return origin if await self._allows_origin(rule.project_id, origin) else ""

    async def _function(
        self,
        place: Place,
        rule: Rule,
        request: RawRequest,
        incoming: Incoming,
        channel: Channel,
    ) -> GatewayAnswer | None:
        if request.target.startswith(ACME):
            raise ChallengeNotFound
        if self.forces_https and request.scheme != "https":
            return _to_https(request)
        if sharing.asks_for_user(request.method, incoming):
            page = await self._page(rule, incoming)
            if page and (answer := sharing.leave(page, incoming)):
                return answer
        runnable = await self._runnable(rule)
        caller, jwt = await self._caller(runnable, incoming)
        uplink = self._uplink(runnable, incoming, channel)
        body = b"" if uplink is not None else await self._body(incoming, channel)
        own = caller.lineage if caller is not None else NO_LINEAGE
        lineage = _longer(own, self.lineage(rule.project_id, incoming))
        page = await self._page(rule, incoming) if caller is not None else ""
        visit = Visit(place, rule, request, incoming, Stream(channel, new_id(), page))
        attempt = self._attempt(runnable, visit, lineage, body=body, caller=caller, jwt=jwt)
        visit.stream.uplink = attempt.source = uplink
        try:
            end: Outcome | Exception = await self._run(attempt, lineage, visit, caller, jwt)
        except RunwrightError as error:
            end = error
        if uplink is None:
            return await self._finish(visit, end)
        if uplink.refusal is not None and not visit.stream.has_started:
            raise uplink.refusal
        answer = await self._finish(visit, end)
        if answer is not None and not uplink.is_over:
            answer.headers.extend(_CLOSE)
        return answer

    def _uplink(self, runnable: Runnable, incoming: Incoming, channel: Channel) -> Uplink | None:
        """How the function reads the request while it comes; None when it does not.

        Raises NoWebSocket, RequestTooLarge.
        """
        workload = runnable.workload
        if channel.is_socket:
            if not takes_streams(workload.runtime):
                raise NoWebSocket
            return Uplink(channel)
        if not incoming.has_body or not wants_bodies(workload.runtime, workload.env):
            return None
        if incoming.body_bytes > self._stream_bytes:
            raise RequestTooLarge(self._stream_bytes)
        return Uplink(channel, self._stream_bytes)

    def hang_up(self, execution_id: str) -> None:
        """The caller has left before the end of its answer: its function may want to know."""
        self._executions.hang_up(execution_id)

    def conclude(
        self, visit: "Visit", end: Outcome | Exception
    ) -> Coroutine[Any, Any, GatewayAnswer | None]:
        """What `answer` would give for a run that came to this end. Raises as it does."""
        return self._guarded(visit.place, visit.incoming, self._finish(visit, end))

    def _attempt(
        self,
        runnable: Runnable,
        visit: "Visit",
        lineage: Lineage,
        *,
        body: bytes = b"",
        caller: Principal | None = None,
        jwt: str = "",
    ) -> Attempt:
        request, incoming = visit.request, visit.incoming
        self._executions.expect(runnable, lineage)
        forwarded = incoming.every("x-forwarded-for")
        visit.stream.hang_up = self.hang_up
        return self._executions.attempt(
            runnable,
            execution_id=visit.stream.execution_id,
            method=request.method,
            path=request.target,
            headers=passed(visit.rule, request.scheme, incoming, is_socket=visit.stream.is_socket),
            body=body,
            client_ip=self._proxies.client(request.peer, ",".join(forwarded)),
            user_id=caller.user_id if caller is not None else "",
            user_jwt=jwt,
            lineage=lineage,
            sink=visit.stream,
        )

    def _answer(self, visit: "Visit", outcome: Outcome) -> GatewayAnswer | None:
        """What is sent as it is; None when there is more to do about it."""
        if not outcome.headers and outcome.error_class is not None:
            return None
        if len(outcome.body) >= LEAST_BYTES:
            return None
        answer = visit.whole(outcome)
        answer.headers = sharing.readable(answer.headers, visit.stream.page)
        return answer

    async def _finish(self, visit: "Visit", end: Outcome | Exception) -> GatewayAnswer | None:
        """The answer that an end makes; None when it was streamed. Raises BrokenAnswer."""
        stream, place, incoming = visit.stream, visit.place, visit.incoming
        if isinstance(end, SynchronousTimeout):
            late = await self._refusal(end, place, incoming)
            late.headers.append((b"x-appwrite-execution-id", stream.execution_id.encode()))
            return late
        if isinstance(end, Exception):
            if stream.has_started:  # its project was deleted
                raise BrokenAnswer from end
            raise end
        if stream.has_started:
            if end.error_class is not None:
                raise BrokenAnswer(end.error_class)
            return None
        answer = self._answer(visit, end)
        if answer is not None:
            return answer
        answer = visit.whole(end)
        if not end.headers and end.error_class is not None:
            answer.headers.extend(await self._cors(place, incoming))
        else:
            answer.headers = sharing.readable(answer.headers, stream.page)
        if len(answer.body) < LEAST_BYTES:
            return answer
        return await compressed(answer, incoming.first("accept-encoding"))

    async def _runnable(self, rule: Rule) -> Runnable:
        """The function behind a rule, in the documented order of checks."""
        project = await self._executions.runnables.project(rule.project_id)
        if "proxy" in project.disabled_services:
            raise ServiceOff("proxy")
        live = await self._executions.runnables.live(rule.project_id, rule.resource_id)
        if live is None or not live.function.is_enabled:
            raise FunctionNotFound
        if live.deployment is None:
            raise NoActiveDeployment
        try:
            return self._executions.runnables.prepared(live, project)
        except NotBuilt as error:
            if error.state is DeploymentStatus.FAILED:
                raise BuildFailed from error
            if error.state is DeploymentStatus.CANCELED:
                raise BuildCanceled from error
            raise

    async def _run(
        self,
        attempt: Attempt,
        lineage: Lineage,
        visit: "Visit",
        caller: Principal | None,
        jwt: str,
    ) -> Outcome:
        """Raises BrokenAnswer for a stream whose reader may not have it any longer."""
        if caller is None:
            return await self._executions.run(attempt, lineage=lineage)
        place = attempt.runnable.workload

        async def judge() -> Principal:
            live = await self._executions.runnables.live(place.project_id, place.function_id)
            if live is None:
                raise FunctionNotFound
            return await self._user(live.function, jwt)

        with CancelScope() as scope, ExitStack() as stack:

            def watch() -> None:
                watched = self._authenticator.standing.watch(
                    caller,
                    judge,
                    changed=lambda now: None,  # whatever else it was, it still may run this
                    refused=lambda why: scope.cancel(),
                )
                stack.enter_context(watched)

            visit.stream.on_start = watch
            return await self._executions.run(attempt, lineage=lineage)
        raise BrokenAnswer

    async def _caller(self, runnable: Runnable, incoming: Incoming) -> tuple[Principal | None, str]:
        """The user who calls, and the verified JWT; None and "" for a guest.

        Raises UserJwtInvalid, UserBlocked, MoreFactorsRequired, ExecutePermissionMissing.
        """
        tokens = [token for token in incoming.every("x-appwrite-user-jwt") if token]
        if not tokens:
            if GUEST.isdisjoint(runnable.function.execute):
                raise ExecutePermissionMissing
            return None, ""
        if len(tokens) > 1:
            raise UserJwtInvalid("Sent more than once")
        return await self._user(runnable.function, tokens[0]), tokens[0]

    async def _user(self, function: Function, jwt: str) -> Principal:
        principal = await self._authenticator.user_for_jwt(function.project_id, jwt)
        if principal.roles.isdisjoint(function.execute):
            raise ExecutePermissionMissing
        return principal

    async def _body(self, incoming: Incoming, channel: Channel) -> bytes:
        if not incoming.has_body:
            return b""
        if incoming.body_bytes > MAX_BODY_BYTES:
            raise RequestTooLarge(MAX_BODY_BYTES)
        try:
            return await channel.read_body(MAX_BODY_BYTES)
        except BodyTooLarge as exc:
            raise RequestTooLarge(MAX_BODY_BYTES) from exc
        except BodyTooSlow as exc:
            raise RequestTooSlow from exc

    def lineage(self, project_id: str, incoming: Incoming) -> Lineage:
        """A key on a domain says which runs led here; it gives no rights."""
        key = incoming.first("x-appwrite-key")
        claims = self._tokens.read_execution_key(key, project_id) if key else None
        return claims.lineage if claims is not None else NO_LINEAGE


class Stream:
    """Where a run's streamed response goes."""

    has_started = False
    on_start: Callable[[], None] | None = None
    hang_up: Callable[[str], None] | None = None
    uplink: Uplink | None = None
    _is_mute = False

    def __init__(self, channel: Channel, execution_id: str, page: str) -> None:
        self._channel = channel
        self.page = page  # the origin that may read the answer, see sharing.py
        self.execution_id = execution_id

    @property
    def is_socket(self) -> bool:
        return self._channel.is_socket

    def start(self, status_code: int, headers: Headers) -> None:
        self.has_started = True
        if self.on_start is not None:
            self.on_start()
        self._channel.on_gone = self._gone
        self._is_mute = status_code in BODYLESS
        # A status below 200 announces another answer, and there is none.
        is_sound = status_code >= 200 or (self.is_socket and status_code == SWITCHING)
        status = status_code if is_sound else 500
        lines = sharing.readable(head(headers, self.execution_id), self.page)
        if self.uplink is not None and not self.uplink.is_over and not self.is_socket:
            lines = [*lines, *_CLOSE]
        self._channel.start(status, lines)

    async def write(self, chunk: bytes) -> None:
        if not self._is_mute:
            await self._channel.write(chunk)

    def _gone(self) -> None:
        if self.hang_up is not None:
            self.hang_up(self.execution_id)


class Visit:
    """One call of a function on its domain."""

    __slots__ = ("incoming", "place", "request", "rule", "stream")

    def __init__(
        self, place: Place, rule: Rule, request: RawRequest, incoming: Incoming, stream: Stream
    ) -> None:
        self.place = place
        self.rule = rule
        self.request = request
        self.incoming = incoming
        self.stream = stream

    def whole(self, outcome: Outcome) -> GatewayAnswer:
        return whole(
            outcome,
            self.stream.execution_id,
            accept=self.incoming.first("accept"),
            is_head=self.request.method == "HEAD",
        )


def passed(rule: Rule, scheme: str, incoming: Incoming, *, is_socket: bool = False) -> Headers:
    """The caller's headers as the function gets them."""
    headers = without_foreign_sessions(incoming.passed, rule.project_id)
    if is_socket:
        headers = (*headers, _UPGRADE)
    # User code reads the scheme from this header; a proxy in front has set it already.
    if scheme == "https" and not any(name == "x-forwarded-proto" for name, _ in headers):
        return (*headers, ("x-forwarded-proto", "https"))
    return headers


def _longer(one: Lineage, other: Lineage) -> Lineage:
    return max(one, other, key=lambda item: len(item.functions))


async def _elsewhere(place: Place) -> GatewayAnswer:
    """What is answered on a host that is neither the API's nor a function's."""
    match place.kind:
        case Kind.REDIRECT if place.rule is not None:
            return _redirect(place.rule.redirect_status_code, place.rule.redirect_url)
        case Kind.NOTHING:
            raise NothingHere(place.host)
        case Kind.UNVERIFIED:
            raise DomainUnverified(place.host)
        case Kind.MALFORMED:
            raise BadRequest("The Host header is missing, malformed or sent twice.")
    raise HostRefused(place.host)


def _redirect(status: int, location: str) -> GatewayAnswer:
    """Path and query of the request are not carried over: the rule names a page."""
    raw = sendable_target(location).encode("utf-8", "surrogateescape")
    return GatewayAnswer(status, [(b"location", raw), (b"content-length", b"0")], b"")


def _to_https(request: RawRequest) -> GatewayAnswer:
    if request.method not in ("GET", "HEAD"):
        raise HttpsNeeded
    return _redirect(301, f"https://{request.host}{request.target}")
