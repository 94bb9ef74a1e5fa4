"""The management API as an ASGI application.

One request goes through the checks in the order that the API promises; each step may end it:

    1 credentials   2 origin   3 project in the path   4 project, key, membership
    5 service switched off   6 scope   7 state of the user   8 rate limit   9 group
    10 parameters   11 handler

So who may not call a route never learns about its parameters, and a route that does not exist
is only told to callers who got through 1 to 5. Bodies of JSON and forms are read before step 1,
because a parameter may name the project; files are read after step 7.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from runwright.api import cors, forms, replies
from runwright.api.auth import Arrival, arrive, credentials, named_project, nested
from runwright.api.cors import Origins, RuleProject, UnknownOrigin
from runwright.api.exchange import Exchange, log_failure
from runwright.api.formats import NEWEST, adapt_answer, adapt_params, parse_version
from runwright.api.guessing import GUESSABLE, SIGN_IN, network_of
from runwright.api.limits import Limiter, counted_params
from runwright.api.matching import RouteTable, direct
from runwright.api.params import parse
from runwright.api.regulars import Regulars, told
from runwright.api.routing import EMPTY_TYPE, Answer, Call, Nothing, Route, Upload
from runwright.errors import AccessForbidden, RouteNotFound
from runwright.identity import access, refusals
from runwright.identity.allowance import while_allowed
from runwright.identity.authentication import Authenticator, Resolved
from runwright.identity.emails import canonical_email
from runwright.model.actor import Actor, acts
from runwright.model.identity import CONSOLE, CallerKind, Principal
from runwright.proxies import Proxies
from runwright.values import dataclass

_QUERY_METHODS: Final = frozenset({"GET", "HEAD"})
FIXED: Final = [
    (name.encode(), value.encode())
    for name, value in (
        ("server", "Runwright"),
        ("x-content-type-options", "nosniff"),
        *cors.ALWAYS,
    )
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    upload_dir: str  # an existing folder on the disk that holds source archives
    hostnames: tuple[str, ...] = ("localhost",)  # of the API itself
    trusted_proxies: tuple[str, ...] = ()  # addresses or networks
    rule_project: RuleProject | None = None  # whose project a custom domain belongs to
    most_body_bytes: int = forms.MAX_BODY_BYTES


class Api:
    def __init__(
        self,
        routes: Sequence[Route],
        authenticator: Authenticator,
        limiter: Limiter,
        options: ApiOptions,
    ) -> None:
        self._table = RouteTable(routes)
        self._authenticator = authenticator
        self._limiter = limiter
        self._origins = Origins(options.hostnames, options.rule_project)
        self._options = options
        self._proxies = Proxies(options.trusted_proxies)
        self.regulars = Regulars(
            authenticator, self._proxies, FIXED, self._reply, self._table.match
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _not_http(scope, receive, send)
            return
        exchange: Exchange | None = None
        try:
            try:
                arrival = arrive(scope, self._proxies)
                match = self._table.match(arrival.method, arrival.path)
                exchange = Exchange(arrival, match)
                answer = await self._answer(exchange, receive)
                self.regulars.learn(scope, exchange)
                reply = await self._reply(exchange, answer)
            except forms.CallerGone:
                return
            except Exception as error:
                reply = await self._reply(exchange, told(exchange, error))
            sending = self._send(exchange, reply, scope, receive, send)
            if exchange is not None and isinstance(reply, StreamingResponse):
                # Its end is missing then, so the caller sees that it is not whole.
                await self._while_allowed(exchange, sending)
            else:
                await sending
        finally:
            if exchange is not None:
                exchange.call = None  # which leads back to the exchange
                await exchange.form.clean()

    async def _reply(self, exchange: Exchange | None, answer: Answer) -> Response:
        if exchange is None:
            return await replies.response(answer, FIXED, (), is_head=False, accepts="")
        arrival = exchange.arrival
        headers = {"x-request-id": arrival.request_id, "vary": "Origin"}
        if exchange.is_origin_allowed and exchange.origin:
            headers["access-control-allow-origin"] = exchange.origin.lower()
        if arrival.scheme == "https":
            headers.update(replies.STRICT_TRANSPORT)
        return await replies.response(
            answer,
            FIXED,
            (*headers.items(), *exchange.headers),
            is_head=arrival.method == "HEAD",
            accepts=arrival.headers.get("accept-encoding", ""),
        )

    async def _send(
        self,
        exchange: Exchange | None,
        reply: Response,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """A stream that breaks leaves its answer without an end, so its caller sees that."""
        try:
            await reply(scope, receive, send)
        except (ClientDisconnect, ConnectionError):
            return
        except Exception:
            log_failure(exchange)

    async def _answer(self, exchange: Exchange, receive: Receive) -> Answer:
        arrival = exchange.arrival
        exchange.is_origin_allowed = self._origins.is_own(exchange.origin)
        if arrival.method == "OPTIONS":
            exchange.is_origin_allowed = True
            return Answer(status=204, media_type=EMPTY_TYPE)
        await self._read_params(exchange, receive)
        return await self._run(exchange, partial(self._read_files, exchange, receive))

    async def _run(self, exchange: Exchange, read_files: Callable[[], Awaitable[None]]) -> Answer:
        """Every check and the handler, for a request whose parameters are read."""
        arrival = exchange.arrival
        found = await self._admit(exchange)
        exchange.principal = found.principal
        route = exchange.match.route if exchange.match else None
        if route is None:
            raise RouteNotFound
        if forms.content_type(arrival.headers.get("content-type", "")) == forms.MULTIPART:
            refusal = await self._while_allowed(exchange, read_files())
            if refusal is not None:
                raise refusal
        self._count(exchange, route, found)
        with self._limiter.guesses.watch(self._guessed_at(exchange, route, found)):
            _require_group(route, found)
            call = exchange.call = self._call(exchange, found)
            params = parse(route.params or Nothing, call.raw)
            agent = call.headers.get("user-agent", "")
            with acts(Actor.of(found.principal, ip=call.client_ip, user_agent=agent)):
                answer = await route.handler(call, params)
        return self._finish(exchange, route, call, answer)

    async def _admit(self, exchange: Exchange) -> Resolved:
        """Steps 1 to 7."""
        found = await self._identify(exchange)
        principal, route = found.principal, exchange.match.route if exchange.match else None
        access.require_service(
            principal,
            found.project,
            route.service if route else "",
            exchange.protocol or (route.protocol if route else "rest"),
        )
        access.require_scope(principal, route.scopes if route else (), exchange.arrival.host)
        access.require_good_standing(principal)
        is_before = route is not None and route.is_before_second_factor
        access.require_factors(principal, is_way_to_give_it=is_before)
        return found

    async def _while_allowed(self, exchange: Exchange, work: Awaitable[None]) -> Exception | None:
        """Do what takes longer; why the caller is refused meanwhile, None when it is not."""
        if exchange.principal is None:
            await work
            return None
        # Files bring parameters along, which must not change what the request is about.
        seen = replace(exchange, form=forms.Form(params=dict(exchange.form.params)))

        async def judge() -> Principal:
            return (await self._admit(seen)).principal

        return await while_allowed(self._authenticator.standing, exchange.principal, judge, work)

    async def _perform(
        self,
        carrier: Exchange,
        route: Route,
        params: Mapping[str, Any],
        uploads: Mapping[str, Upload],
    ) -> Answer:
        """An operation that came inside another request: the same caller, every check anew."""
        given = dict(params)
        names = [part[1:-1] for part in route.paths[0].split("/") if part.startswith("{")]
        match = direct(route, {name: str(given.pop(name)) for name in names})
        path = match.template.format_map(match.path_params)
        if "project" in carrier.form.params:
            given["project"] = carrier.form.params["project"]
        exchange = Exchange(
            nested(carrier.arrival, route.method, path),
            match,
            forms.Form(given, dict(uploads)),
            protocol=carrier.protocol or (carrier.match.route.protocol if carrier.match else ""),
        )
        return await self._run(exchange, _nothing_to_read)

    async def _read_params(self, exchange: Exchange, receive: Receive) -> None:
        """Everything but multipart, which is left in the stream."""
        arrival = exchange.arrival
        if arrival.method in _QUERY_METHODS:
            exchange.form.params = dict(arrival.query)
            return
        if exchange.reads_body:
            exchange.form.params = dict(arrival.query)
            exchange.body = await forms.read_body(
                receive,
                arrival.headers.get("content-length", ""),
                exchange.match.route.body_bytes if exchange.match else 0,
            )
            return
        kind = forms.content_type(arrival.headers.get("content-type", ""))
        own = exchange.match.route.body_types if exchange.match else ()
        if kind == forms.MULTIPART or kind not in (forms.JSON, forms.FORM, *own):
            return
        body = await forms.read_body(
            receive,
            arrival.headers.get("content-length", ""),
            self._options.most_body_bytes,
        )
        if kind == forms.JSON:
            exchange.form.sent = forms.json_value(body)
            exchange.form.params = forms.members(exchange.form.sent)
        elif kind == forms.FORM:
            exchange.form.params = forms.from_query(body.decode(errors="replace"))
        else:
            exchange.body = body

    async def _read_files(self, exchange: Exchange, receive: Receive) -> None:
        if exchange.arrival.method not in _QUERY_METHODS and not exchange.reads_body:
            await forms.read_multipart(
                exchange.form,
                receive,
                exchange.arrival.headers,
                self._options.upload_dir,
                self._options.most_body_bytes,
            )

    async def _identify(self, exchange: Exchange) -> Resolved:
        """Steps 1 to 4."""
        arrival, match = exchange.arrival, exchange.match
        params = exchange.form.params
        sent = credentials(arrival, match, params)
        found = await self._authenticator.resolve(sent)
        # Clients of a project are no consoles: they must not act with their visitor's console
        # session, so admin mode is for the API's own hosts.
        if exchange.origin and not sent.is_admin:
            exchange.is_origin_allowed = await self._origins.allows(
                exchange.origin, sent.project_id or CONSOLE, found.platforms
            )
        if found.early is not None:
            raise found.early
        is_open = match is not None and match.route.is_open_origin
        if exchange.origin and not (sent.key or is_open or exchange.is_origin_allowed):
            raise UnknownOrigin(exchange.origin)
        in_path = match.project_id if match is not None else ""
        named = named_project(arrival, params)
        if in_path and named not in ("", CONSOLE, in_path):
            raise refusals.OtherProject(in_path, named)
        if found.late is not None:
            raise found.late
        return found

    def _count(self, exchange: Exchange, route: Route, found: Resolved) -> None:
        if route.limit is None:
            return
        arrival, own = exchange.arrival, _is_about_caller(route)
        facts: dict[str, Any] = {
            "ip": arrival.client_ip,
            # By whatever path and name of the host it is called: both are the caller's choice.
            "url": f"{route.method} {route.paths[0]}",
            "method": arrival.method,
            "userId": found.principal.user_id,
            "projectId": _home(found.principal) if own else found.principal.project_id,
            "userAgent": arrival.headers.get("user-agent", ""),
            "chunkId": arrival.headers.get("content-range", ""),
            "known": network_of(arrival.client_ip) if self._is_known(exchange, found) else "",
        }
        given = {**exchange.form.params, **(exchange.match.path_params if exchange.match else {})}
        for name in counted_params(route.limit):
            if name in given:
                facts[f"param-{name}"] = _spelled(name, given[name])
        try:
            exchange.counted = self._limiter.count(
                route.limit, facts, is_exempt=found.principal.is_trusted and not own
            )
        finally:
            exchange.headers += exchange.counted.headers

    def _guessed_at(self, exchange: Exchange, route: Route, found: Resolved) -> list[str]:
        """Whose wrong tries are counted in this request."""
        principal = found.principal
        is_exempt = principal.is_trusted and not _is_about_caller(route)
        if route.name not in GUESSABLE or is_exempt or not self._limiter.is_on:
            return []
        keys = []
        if not (route.name == SIGN_IN and self._is_known(exchange, found)):
            keys.append(f"network:{network_of(exchange.arrival.client_ip)}")
        if principal.user_id:
            keys.append(f"user:{_home(principal)}:{principal.user_id}")
        return keys

    def _is_known(self, exchange: Exchange, found: Resolved) -> bool:
        email = _spelled("email", exchange.form.params.get("email", ""))
        ip = exchange.arrival.client_ip
        return self._limiter.known_places.holds(found.principal.project_id, email, ip)

    def _call(self, exchange: Exchange, found: Resolved) -> Call:
        arrival, match = exchange.arrival, exchange.match
        assert match is not None  # an unknown route ended at RouteNotFound
        version = parse_version(arrival.headers.get("x-appwrite-response-format", ""))
        if version is not None and version > NEWEST:
            newest = ".".join(str(part) for part in NEWEST)
            warning = f"This server knows response formats up to {newest}; it answered in that."
            exchange.headers += (("x-appwrite-warning", warning),)
        given = adapt_params(match.route.name, exchange.form.params, version)
        return Call(
            method=arrival.method,
            url_path=arrival.path,
            headers=_headers_for(arrival, found),
            principal=found.principal,
            project=found.project,
            client_ip=arrival.client_ip,
            host=arrival.host,
            scheme=arrival.scheme,
            authority=arrival.authority,
            response_format=version,
            raw={**given, **match.path_params},
            path_params=match.path_params,
            uploads=exchange.form.uploads,
            body=exchange.body,
            sent=exchange.form.sent,
            perform=partial(self._perform, exchange),
        )

    def _finish(self, exchange: Exchange, route: Route, call: Call, answer: Answer) -> Answer:
        status = answer.status or route.status
        if route.limit is not None and route.limit.resets_on == status:
            self._limiter.reset(exchange.counted)
        if route.name == SIGN_IN and status == route.status:
            email = _spelled("email", exchange.form.params.get("email", ""))
            self._limiter.known_places.note(call.project_id, email, call.client_ip)
        model = answer.model or route.model
        if model == "account" and call.principal.impersonator is not None:
            answer.content["impersonatorUserId"] = call.principal.impersonator.user_id
        content = adapt_answer(model, answer.content, call.response_format, call.project_id)
        return Answer(
            content=content,
            model=model,
            status=status,
            headers=answer.headers,
            media_type=answer.media_type,
            parts=answer.parts,
        )


def _is_about_caller(route: Route) -> bool:
    """Whether it is about the caller's own account. What an admin is trusted with is the project:
    at their own password and second factor they guess like everybody else."""
    return "account" in route.scopes


def _home(principal: Principal) -> str:
    """The project of the user, which for an admin is not the one of the request."""
    return principal.user.project_id if principal.user else principal.project_id


async def _nothing_to_read() -> None:
    """The files of a nested operation came with the request that carries it."""


def _spelled(name: str, value: object) -> str:
    """A parameter as it is counted: spelling it differently must not help."""
    text = str(value)[:320].lower()
    return canonical_email(text) if name == "email" else text[:256]


def _headers_for(arrival: Arrival, found: Resolved) -> Mapping[str, str]:
    """A server that holds a key may say which user agent it acts for."""
    forwarded = arrival.headers.get("x-forwarded-user-agent")
    if forwarded and found.principal.kind is CallerKind.KEY:
        return {**arrival.headers, "user-agent": forwarded}
    return arrival.headers


def _require_group(route: Route, found: Resolved) -> None:
    """Raises AccessForbidden, AuthMethodDisabled, SignedInAlready."""
    is_console = found.project is None
    if route.auth_method:
        _require_auth_method(found, route.auth_method)
    match route.group:
        case "functions" | "project" if is_console:
            raise AccessForbidden(
                "This endpoint is about a project. Name one in the header X-Appwrite-Project."
            )
        case "projects" | "console" if not is_console:
            raise AccessForbidden(
                "This endpoint belongs to the console. Send the header "
                "`X-Appwrite-Project: console`, or none."
            )
        case "session" if found.principal.user is not None:
            raise refusals.SignedInAlready


def _require_auth_method(found: Resolved, method: str) -> None:
    is_off = found.project is not None and method in found.project.disabled_auth_methods
    if is_off and not found.principal.is_trusted:
        raise refusals.AuthMethodDisabled(method)


async def _not_http(scope: Scope, receive: Receive, send: Send) -> None:
    """Nothing starts or stops with the application; web sockets are refused."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000})
        return
    while scope["type"] == "lifespan":
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def build_app(
    routes: Sequence[Route],
    authenticator: Authenticator,
    limiter: Limiter,
    options: ApiOptions,
) -> ASGIApp:
    """Raises ValueError when two routes claim the same method and path."""
    return Api(routes, authenticator, limiter, options)
