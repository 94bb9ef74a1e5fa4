"""Signing in with other providers: people go there, and come back with the answer.

A provider sends people to an address that names it and the project. From there they are sent on
to one more, at which everything happens: a form that another site sends comes without cookies,
what follows a redirect comes with them.
"""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

import msgspec
from starlette.requests import cookie_parser

from runwright.api.cookies import signed_in
from runwright.api.params import ListOf, OneOf, ProjectId, Range, Text
from runwright.api.redirects import Redirects
from runwright.api.replies import NO_CACHE
from runwright.api.routes.account_parts import device, opened_answer
from runwright.api.routes.oauth_pages import FAILURE_PAGE, SUCCESS_PAGE
from runwright.api.routing import Answer, Call, Limit, Route, empty
from runwright.errors import InvalidParam, RunwrightError
from runwright.identity.links import with_query
from runwright.identity.oauth.errors import InvalidFailureUrl, InvalidSuccessUrl, ProviderFailed
from runwright.identity.oauth.providers import GONE, NATIVE, PROVIDERS
from runwright.identity.oauth.sign_in import (
    NativeSignIn,
    NativeToken,
    OAuthParts,
    OAuthSignIn,
    Return,
)
from runwright.identity.oauth.state import LIFETIME, MAX_CHARS, Departure
from runwright.identity.sessions import Opened
from runwright.model.execution import Headers
from runwright.model.identity import CallerKind, Session, User
from runwright.values import dataclass

ROOT: Final = "/v1/account/sessions/oauth2"
MAX_SCOPES: Final = 100
_MOVED: Final = 301  # as clients know it; no-store keeps browsers from remembering it
_MAX_EXPIRY_S: Final = 10 * 365 * 86400
_Provider = Annotated[str, OneOf((*PROVIDERS, *GONE))]
_Word = Annotated[str, Text(4096, least=0)]
_HTML: Final = "text/html"
_FIFTY: Final = Limit(calls=50)


class _Echo:
    """A client's own state: printable ASCII."""

    def parse(self, value: Any) -> str:
        text = Text(256, least=0).parse(value)
        if not all(" " <= char <= "~" for char in text):
            raise ValueError("Value must be printable ASCII")
        return text

    def schema(self) -> dict[str, Any]:
        return Text(256, least=0).schema()


@dataclass(frozen=True, kw_only=True)
class Depart:
    provider: _Provider
    success: Annotated[str, Text(2048, least=0)] = ""
    failure: Annotated[str, Text(2048, least=0)] = ""
    scopes: Annotated[tuple[str, ...], ListOf(Text(4096), MAX_SCOPES)] = ()
    state: Annotated[str, _Echo()] = ""


@dataclass(frozen=True, kw_only=True)
class Arrive:
    provider: _Provider
    code: _Word = ""
    state: Annotated[str, Text(MAX_CHARS, least=0)] = ""
    error: _Word = ""
    error_description: Annotated[str, Text(4096, least=0)] = ""
    iss: Annotated[str, Text(2048, least=0)] = ""
    user: _Word = ""


@dataclass(frozen=True, kw_only=True)
class Callback(Arrive):
    project_id: Annotated[str, ProjectId()]


@dataclass(frozen=True, kw_only=True)
class CreateIdTokenSession:
    provider: Annotated[str, OneOf(NATIVE)]
    id_token: Annotated[str, Text(MAX_CHARS)]
    nonce: Annotated[str, Text(1024, least=0)] = ""
    access_token: Annotated[str, Text(8192, least=0)] = ""
    access_token_expiry: Annotated[int, Range(0, _MAX_EXPIRY_S)] = 0
    name: Annotated[str, Text(128, least=0)] = ""


class OAuthHandlers:
    def __init__(self, parts: OAuthParts, redirects: Redirects, public_url: str) -> None:
        self._sign_in = OAuthSignIn(parts)
        self._native = NativeSignIn(parts)
        self._grants = parts.grants
        self._redirects = redirects
        self._public_url = public_url.rstrip("/").removesuffix("/v1")

    async def begin_session(self, call: Call, params: Depart) -> Answer:
        return await self._depart(call, params, wants_token=False)

    async def begin_token(self, call: Call, params: Depart) -> Answer:
        return await self._depart(call, params, wants_token=True)

    async def _depart(self, call: Call, params: Depart, *, wants_token: bool) -> Answer:
        for name in ("success", "failure"):
            if url := getattr(params, name):
                await self._redirects.check(call, url, name=name)
        base = self._base(call)
        user, session = _linking(call)
        departure, cookie = self._sign_in.depart(
            call.project,
            params.provider,
            # Only a token may end up with another client than the one that began.
            is_bound=not wants_token or not _is_server(call),
            wants_token=wants_token,
            success=params.success or f"{base}{ROOT}/success",
            failure=params.failure or f"{base}{ROOT}/failure",
            echo=params.state,
            redirect=f"{base}{ROOT}/callback/{params.provider}/{call.project_id}",
            user_id=user.id if user else "",
            session_id=session.id if session else "",
        )
        try:
            address = await self._sign_in.address(call.project, departure, params.scopes)
        except ProviderFailed as error:
            return _moved(_with(departure, departure.failure, error=_told(error)))
        kept = _kept(call, departure.cookie_name, cookie) if cookie else ()
        return _moved(address, kept)

    async def come_back(self, call: Call, params: Callback) -> Answer:
        """Where providers send people. Nothing is believed here yet."""
        brought = {
            "code": params.code,
            "state": params.state,
            "error": params.error,
            "error_description": params.error_description,
            "iss": params.iss,
            "user": params.user,
        }
        query = urlencode({"project": params.project_id, **{k: v for k, v in brought.items() if v}})
        return _moved(f"{ROOT}/{params.provider}/redirect?{query}")

    async def finish(self, call: Call, params: Arrive) -> Answer:
        departure = self._sign_in.recognise(call.project_id, params.provider, params.state)
        await self._check_addresses(call, departure)
        forget = _kept(call, departure.cookie_name, "")
        back = Return(
            code=params.code,
            error=params.error,
            error_description=params.error_description,
            issuer=params.iss,
            name=_told_name(params.user),
            cookie=cookie_parser(call.headers.get("cookie", "")).get(departure.cookie_name, ""),
        )
        try:
            made = await self._sign_in.finish(call.project, departure, back, await device(call))
        except RunwrightError as error:
            return _moved(_with(departure, departure.failure, error=_told(error)), forget)
        if isinstance(made, Opened):
            target = _with(departure, departure.success, **self._for_apps(call, departure, made))
            return _moved(target, (*forget, *signed_in(call, made)))
        target = _with(departure, departure.success, userId=made.token.user_id, secret=made.secret)
        return _moved(target, forget)

    async def sign_in_with_id_token(self, call: Call, params: CreateIdTokenSession) -> Answer:
        user, session = _linking(call)
        given = NativeToken(
            provider=params.provider,
            id_token=params.id_token,
            nonce=params.nonce,
            access_token=params.access_token,
            name=params.name,
            lifetime_s=params.access_token_expiry,
        )
        made = await self._native.sign_in(
            call.project, given, user=user, session=session, device=await device(call)
        )
        return opened_answer(call, made, grant=self._grants.of(made.session))

    async def success_page(self, call: Call, params: Any) -> Answer:
        return SUCCESS_PAGE

    async def failure_page(self, call: Call, params: Any) -> Answer:
        return FAILURE_PAGE

    def _base(self, call: Call) -> str:
        return self._public_url or f"{call.scheme}://{call.authority or call.host}"

    async def _check_addresses(self, call: Call, departure: Departure) -> None:
        """A platform may have been withdrawn since. Raises InvalidSuccessUrl,
        InvalidFailureUrl."""
        for url, page, refusal in (
            (departure.success, "success", InvalidSuccessUrl),
            (departure.failure, "failure", InvalidFailureUrl),
        ):
            if _is_own_page(departure, url, page):
                continue
            try:
                await self._redirects.check(call, url)
            except InvalidParam as exc:
                raise refusal() from exc

    def _for_apps(self, call: Call, departure: Departure, made: Opened) -> dict[str, str]:
        """Apps cannot read the cookies of the browser that they let people sign in with, so
        those get the session by their own address, which leads to no server."""
        scheme = f"appwrite-callback-{departure.project_id}:"
        is_app = departure.success.lower().startswith(scheme.lower())
        if not is_app and not _is_own_page(departure, departure.success, "success"):
            return {}
        return {
            "project": departure.project_id,
            "domain": call.host,
            "key": f"a_session_{departure.project_id}".lower(),
            "secret": made.value,
        }


def _linking(call: Call) -> tuple[User | None, Session | None]:
    """The signed-in user whose account the provider's is added to, with their session. A JWT
    is handed on to functions, and an impersonator has another's session, so neither is enough."""
    principal = call.principal
    user, session = principal.user, principal.session
    if user is None or session is None or principal.by_jwt:
        return None, None
    if session.user_id != user.id or user.project_id != call.project_id:
        return None, None
    return user, session


def _is_server(call: Call) -> bool:
    """Whether a program asks, which hands the address on to a browser. Where browsers are sent
    to an address, they add none of these headers."""
    is_key = call.principal.kind is CallerKind.KEY
    return is_key or any(name in call.headers for name in ("x-sdk-name", "x-sdk-version"))


def _is_own_page(departure: Departure, url: str, page: str) -> bool:
    base = departure.redirect.partition(ROOT)[0]
    return url == f"{base}{ROOT}/{page}"


def _with(departure: Departure, url: str, **values: str) -> str:
    """The client's address with what it is to know. Our own page gets it behind the `#`, so
    that it is sent to no server and stands in no log."""
    if departure.echo:
        values["state"] = departure.echo
    if _is_own_page(departure, url, "success") or _is_own_page(departure, url, "failure"):
        values.setdefault("project", departure.project_id)
        return f"{url}#{urlencode(values)}"
    return with_query(url, **values) if values else url


def _told(error: RunwrightError) -> str:
    said = {"message": str(error), "type": error.type, "code": error.status}
    return msgspec.json.encode(said).decode()


def _told_name(text: str) -> str:
    """`{"name": {"firstName": ..., "lastName": ...}}`, which may be anything."""
    try:
        name = msgspec.json.decode(text, type=dict[str, Any]).get("name")
    except (msgspec.DecodeError, RecursionError):
        return ""
    if not isinstance(name, dict):
        return ""
    parts = (name.get("firstName"), name.get("lastName"))
    joined = " ".join(part for part in parts if isinstance(part, str) and part.isprintable())
    return joined.strip()[:128]


def _kept(call: Call, name: str, value: str) -> Headers:
    """The half of a sign-in that stays with the browser; an empty one is forgotten."""
    age = int(LIFETIME.total_seconds()) if value else 0
    secure = "; secure" if call.scheme == "https" else ""
    cookie = f"{name}={value}; max-age={age}; path={ROOT}{secure}; httponly; samesite=lax"
    return (("set-cookie", cookie),)


def _moved(address: str, headers: Headers = ()) -> Answer:
    no_referrer = ("referrer-policy", "no-referrer")
    return empty(_MOVED, (("location", address), no_referrer, *NO_CACHE, *headers))


def oauth_routes(parts: OAuthParts, redirects: Redirects, public_url: str) -> list[Route]:
    of = OAuthHandlers(parts, redirects, public_url)
    return [
        _route("createOAuth2Session", "/sessions/oauth2/{provider}", of.begin_session, Depart),
        _route("createOAuth2Token", "/tokens/oauth2/{provider}", of.begin_token, Depart),
        *(
            _route(
                name,
                "/sessions/oauth2/callback/{provider}/{projectId}",
                of.come_back,
                Callback,
                method=method,
                is_visit=True,
                limit=None,
            )
            for name, method in (
                ("oAuth2Callback", "GET"),
                ("oAuth2CallbackWithPost", "POST"),
            )
        ),
        _route(
            "oAuth2Redirect",
            "/sessions/oauth2/{provider}/redirect",
            of.finish,
            Arrive,
            is_visit=True,
            limit=_FIFTY,
        ),
        _page("oAuth2Success", "success", of.success_page),
        _page("oAuth2Failure", "failure", of.failure_page),
        Route(
            name="account.createIdTokenSession",
            method="POST",
            paths=("/v1/account/sessions/id-token",),
            scopes=("sessions.write",),
            handler=of.sign_in_with_id_token,
            params=CreateIdTokenSession,
            status=201,
            model="session",
            service="account",
            limit=_FIFTY,
        ),
    ]


def _route(
    name: str,
    path: str,
    handler: Any,
    params: type[Any],
    *,
    method: str = "GET",
    is_visit: bool = False,
    limit: Limit | None = _FIFTY,
) -> Route:
    """`is_visit`: browsers come by themselves, from wherever the provider is."""
    return Route(
        name=f"account.{name}",
        method=method,
        paths=(f"/v1/account{path}",),
        scopes=("public",) if is_visit else ("sessions.write",),
        handler=handler,
        params=params,
        status=_MOVED,
        media_types=(_HTML,),
        service="account",
        limit=limit,
        is_open_origin=is_visit,
    )


def _page(name: str, page: str, handler: Any) -> Route:
    return Route(
        name=f"account.{name}",
        method="GET",
        paths=(f"{ROOT}/{page}",),
        scopes=("public",),
        handler=handler,
        media_types=(_HTML,),
        is_open_origin=True,
    )
