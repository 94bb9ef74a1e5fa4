"""The caller's own account: sign up, sign in and out, change one's data."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from runwright.api.cookies import signed_in, signed_out
from runwright.api.lists import listed_all
from runwright.api.params import CustomId, Email, Id, Object, Password, Phone, Range, Text
from runwright.api.routing import Answer, Call, Group, Limit, Nothing, Route, empty
from runwright.api.shapes import identity as shapes
from runwright.errors import UnauthorizedScope
from runwright.identity.accounts import Accounts
from runwright.identity.errors import JwtCreationDenied, SessionNotFound
from runwright.identity.policies import policies_of
from runwright.identity.sessions import CURRENT, Device, Opened, Sessions
from runwright.identity.tokens import Tokens
from runwright.model.identity import CONSOLE, Project, Session, User

JWT_S: Final = 900
MAX_JWT_S: Final = 3600
_TEN_AN_HOUR: Final = Limit(calls=10)
# Not by URL: the older path must not give ten more tries.
_PER_EMAIL: Final = Limit(
    calls=10, keys=("sign-in,projectId:{projectId},email:{param-email}",), resets_on=201
)


@dataclass(frozen=True, kw_only=True)
class CreateAccount:
    user_id: Annotated[str, CustomId()]
    email: Annotated[str, Email()]
    password: Annotated[str, Password()]
    name: Annotated[str, Text(128)] = ""


@dataclass(frozen=True, kw_only=True)
class SignIn:
    email: Annotated[str, Email()]
    password: Annotated[str, Password()]


@dataclass(frozen=True, kw_only=True)
class TradeToken:
    user_id: Annotated[str, CustomId()]
    secret: Annotated[str, Text(256)]


@dataclass(frozen=True, kw_only=True)
class OneSession:
    session_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class CreateJwt:
    duration: Annotated[int, Range(0, MAX_JWT_S)] = JWT_S


@dataclass(frozen=True, kw_only=True)
class SetPrefs:
    prefs: Annotated[dict[str, Any], Object()]


@dataclass(frozen=True, kw_only=True)
class SetName:
    name: Annotated[str, Text(128)]


@dataclass(frozen=True, kw_only=True)
class SetEmail:
    email: Annotated[str, Email()]
    password: Annotated[str, Password()]


@dataclass(frozen=True, kw_only=True)
class SetPhone:
    phone: Annotated[str, Phone()]
    password: Annotated[str, Password()]


@dataclass(frozen=True, kw_only=True)
class SetPassword:
    password: Annotated[str, Password()]
    old_password: Annotated[str, Password(least=0)] = ""


class AccountHandlers:
    def __init__(self, accounts: Accounts, sessions: Sessions, tokens: Tokens) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._tokens = tokens

    async def create(self, call: Call, params: CreateAccount) -> Answer:
        made = await self._accounts.create(
            call.project,
            user_id=params.user_id,
            email=params.email,
            password=params.password,
            name=params.name,
        )
        return Answer(content=shapes.account(made))

    async def get(self, call: Call, params: Nothing) -> Answer:
        return Answer(content=shapes.account(await self._accounts.get(_user(call))))

    async def delete(self, call: Call, params: Nothing) -> Answer:
        user = _user(call)
        await self._accounts.delete(user)
        return empty(headers=signed_out(call, user.project_id))

    async def sign_in(self, call: Call, params: SignIn) -> Answer:
        opened = await self._accounts.sign_in(
            call.project, email=params.email, password=params.password, device=device(call)
        )
        return _opened(call, opened)

    async def sign_in_anonymously(self, call: Call, params: Nothing) -> Answer:
        opened = await self._accounts.sign_in_anonymously(call.project, device(call))
        return _opened(call, opened)

    async def sign_in_with_token(self, call: Call, params: TradeToken) -> Answer:
        opened = await self._accounts.sign_in_with_token(
            call.project, user_id=params.user_id, secret=params.secret, device=device(call)
        )
        return _opened(call, opened)

    async def list_sessions(self, call: Call, params: Nothing) -> Answer:
        user = _user(call)
        found = await self._sessions.list(user.project_id, user.id)
        current = _current_id(call)
        return listed_all(
            "sessionList",
            "sessions",
            found,
            lambda item: shapes.session(item, current_id=current),
        )

    async def get_session(self, call: Call, params: OneSession) -> Answer:
        user = _user(call)
        found = await self._sessions.get(user.project_id, user.id, _named(call, params))
        return _session(call, found)

    async def update_session(self, call: Call, params: OneSession) -> Answer:
        user = _user(call)
        extended = await self._sessions.extend(
            user.project_id, user.id, _named(call, params), policies_of(_project(call, user))
        )
        return _session(call, extended)

    async def delete_session(self, call: Call, params: OneSession) -> Answer:
        user = _user(call)
        ended = await self._sessions.end(user.project_id, user.id, _named(call, params))
        is_own = ended.id == _current_id(call) and not call.principal.by_jwt
        return empty(headers=signed_out(call, user.project_id) if is_own else ())

    async def delete_sessions(self, call: Call, params: Nothing) -> Answer:
        user = _user(call)
        await self._sessions.end_all(user.project_id, user.id, current_id=_current_id(call))
        return empty(headers=signed_out(call, user.project_id))

    async def create_jwt(self, call: Call, params: CreateJwt) -> Answer:
        user, session = _user(call), call.principal.session
        if call.principal.by_jwt:
            raise JwtCreationDenied()
        if session is None:
            raise SessionNotFound()
        text = self._tokens.user_jwt(
            user.id, session.id, params.duration, project_id=user.project_id
        )
        return Answer(content=shapes.jwt(text))

    async def get_prefs(self, call: Call, params: Nothing) -> Answer:
        return Answer(content=dict((await self._accounts.get(_user(call))).user.prefs))

    async def set_prefs(self, call: Call, params: SetPrefs) -> Answer:
        changed = await self._accounts.set_prefs(_user(call), params.prefs)
        return Answer(content=shapes.account(changed))

    async def set_name(self, call: Call, params: SetName) -> Answer:
        changed = await self._accounts.rename(_user(call), params.name)
        return Answer(content=shapes.account(changed))

    async def set_email(self, call: Call, params: SetEmail) -> Answer:
        user = _user(call)
        changed = await self._accounts.set_email(
            _project(call, user), user, email=params.email, password=params.password
        )
        return Answer(content=shapes.account(changed))

    async def set_phone(self, call: Call, params: SetPhone) -> Answer:
        user = _user(call)
        changed = await self._accounts.set_phone(
            _project(call, user), user, phone=params.phone, password=params.password
        )
        return Answer(content=shapes.account(changed))

    async def set_password(self, call: Call, params: SetPassword) -> Answer:
        user = _user(call)
        changed = await self._accounts.set_password(
            _project(call, user),
            user,
            password=params.password,
            old_password=params.old_password,
            session_id=_current_id(call),
        )
        return Answer(content=shapes.account(changed))

    async def block(self, call: Call, params: Nothing) -> Answer:
        user = _user(call)
        changed = await self._accounts.block(user)
        return Answer(content=shapes.account(changed), headers=signed_out(call, user.project_id))


def device(call: Call) -> Device:
    return Device(call.client_ip, call.headers.get("user-agent", ""))


def _user(call: Call) -> User:
    """The signed-in user. A key with the right scope is nobody, and is told so."""
    if call.principal.user is None:
        raise UnauthorizedScope("This endpoint is for signed-in users.")
    return call.principal.user


def _project(call: Call, user: User) -> Project | None:
    """Whose rules hold for the user: in admin mode the user is not one of the project's."""
    return None if user.project_id == CONSOLE else call.project


def _current_id(call: Call) -> str:
    return call.principal.session.id if call.principal.session else ""


def _named(call: Call, params: OneSession) -> str:
    return _current_id(call) if params.session_id == CURRENT else params.session_id


def _session(call: Call, found: Session) -> Answer:
    return Answer(content=shapes.session(found, current_id=_current_id(call)))


def _opened(call: Call, opened: Opened) -> Answer:
    """The client finds the secret in its cookies; only servers read it from the body."""
    secret = opened.value if call.principal.is_trusted else ""
    content = shapes.session(opened.session, current_id=opened.session.id, secret=secret)
    return Answer(content=content, headers=signed_in(call, opened))


def account_routes(accounts: Accounts, sessions: Sessions, tokens: Tokens) -> list[Route]:
    handlers = AccountHandlers(accounts, sessions, tokens)
    one_session = ("/sessions/{sessionId}",)
    return [
        _open(
            "create",
            ("",),
            handlers.create,
            CreateAccount,
            "account",
            group="auth",
            auth_method="email-password",
            limit=_TEN_AN_HOUR,
        ),
        _own("get", "GET", ("",), handlers.get),
        _own("delete", "DELETE", ("",), handlers.delete, status=204),
        _open(
            "createEmailPasswordSession",
            ("/sessions/email", "/sessions"),
            handlers.sign_in,
            SignIn,
            "session",
            group="session",
            auth_method="email-password",
            limit=_PER_EMAIL,
        ),
        _open(
            "createAnonymousSession",
            ("/sessions/anonymous",),
            handlers.sign_in_anonymously,
            Nothing,
            "session",
            group="session",
            auth_method="anonymous",
            limit=Limit(calls=50),
        ),
        _open(
            "createSession",
            ("/sessions/token",),
            handlers.sign_in_with_token,
            TradeToken,
            "session",
            group="session",
            limit=Limit(calls=10, keys=("url:{url},ip:{ip},userId:{param-userId}",), resets_on=201),
        ),
        _own("listSessions", "GET", ("/sessions",), handlers.list_sessions, model="sessionList"),
        _own("getSession", "GET", one_session, handlers.get_session, OneSession, model="session"),
        _own(
            "updateSession",
            "PATCH",
            one_session,
            handlers.update_session,
            OneSession,
            model="session",
            limit=_TEN_AN_HOUR,
        ),
        _own(
            "deleteSession",
            "DELETE",
            one_session,
            handlers.delete_session,
            OneSession,
            status=204,
            limit=Limit(calls=100),
        ),
        _own(
            "deleteSessions",
            "DELETE",
            ("/sessions",),
            handlers.delete_sessions,
            status=204,
            limit=Limit(calls=100),
        ),
        _own(
            "createJWT",
            "POST",
            ("/jwts", "/jwt"),
            handlers.create_jwt,
            CreateJwt,
            model="jwt",
            status=201,
            auth_method="jwt",
            limit=Limit(calls=120, window_s=60, keys=("url:{url},userId:{userId}",)),
        ),
        _own("getPrefs", "GET", ("/prefs",), handlers.get_prefs, model="preferences"),
        _own("updatePrefs", "PATCH", ("/prefs",), handlers.set_prefs, SetPrefs),
        _own("updateName", "PATCH", ("/name",), handlers.set_name, SetName),
        _own("updateEmail", "PATCH", ("/email",), handlers.set_email, SetEmail),
        _own("updatePhone", "PATCH", ("/phone",), handlers.set_phone, SetPhone),
        _own(
            "updatePassword",
            "PATCH",
            ("/password",),
            handlers.set_password,
            SetPassword,
            limit=_TEN_AN_HOUR,
        ),
        _own("updateStatus", "PATCH", ("/status",), handlers.block),
    ]


_Handler = Callable[[Call, Any], Awaitable[Answer]]


def _open(
    name: str,
    paths: tuple[str, ...],
    handler: _Handler,
    params: type[Any],
    model: str,
    *,
    group: Group,
    limit: Limit,
    auth_method: str = "",
) -> Route:
    """A route for callers who are not signed in."""
    return Route(
        name=f"account.{name}",
        method="POST",
        paths=tuple(f"/v1/account{path}" for path in paths),
        scopes=("sessions.write",),
        handler=handler,
        params=params,
        status=201,
        model=model,
        group=group,
        service="account",
        auth_method=auth_method,
        limit=limit,
    )


def _own(
    name: str,
    method: str,
    paths: tuple[str, ...],
    handler: _Handler,
    params: type[Any] = Nothing,
    *,
    model: str = "account",
    status: int = 200,
    auth_method: str = "",
    limit: Limit | None = None,
) -> Route:
    """A route for signed-in callers."""
    return Route(
        name=f"account.{name}",
        method=method,
        paths=tuple(f"/v1/account{path}" for path in paths),
        scopes=("account",),
        handler=handler,
        params=params,
        status=status,
        model="" if status == 204 else model,
        service="account",
        auth_method=auth_method,
        limit=limit,
    )
