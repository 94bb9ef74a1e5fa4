"""The caller's own account: sign up, sign in and out, change one's data."""

from typing import Annotated, Any, Final

from runwright.api.cookies import signed_out
from runwright.api.lists import listed_all
from runwright.api.params import CustomId, Email, Id, Object, Password, Phone, Range, Text
from runwright.api.routes.account_parts import (
    current_id,
    device,
    open_route,
    opened_answer,
    own_route,
    rules_of,
    user_of,
)
from runwright.api.routing import Answer, Call, Limit, Nothing, Route, empty
from runwright.api.shapes import identity as shapes
from runwright.identity import access
from runwright.identity.accounts import Accounts
from runwright.identity.errors import JwtCreationDenied, SessionNotFound
from runwright.identity.oauth.grants import GrantSeal
from runwright.identity.oauth.identities import GrantKeeping
from runwright.identity.policies import policies_of
from runwright.identity.sessions import CURRENT, Sessions
from runwright.identity.tokens import Tokens
from runwright.model.identity import Session
from runwright.user_agents import learn_user_agents
from runwright.values import dataclass

JWT_S: Final = 900
MAX_JWT_S: Final = 3600
_TEN_AN_HOUR: Final = Limit(calls=10)
# Not by URL: the older path must not give ten more tries.
_PER_EMAIL: Final = Limit(
    calls=10,
    keys=("sign-in,projectId:{projectId},email:{param-email},from:{known}",),
    resets_on=201,
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
    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        tokens: Tokens,
        grants: GrantSeal,
        keeping: GrantKeeping,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._tokens = tokens
        self._grants = grants
        self._keeping = keeping

    async def create(self, call: Call, params: CreateAccount) -> Answer:
        made = await self._accounts.create(
            call.project,
            user_id=params.user_id,
            email=params.email,
            password=params.password,
            name=params.name,
            ip=call.client_ip,
        )
        return Answer(content=shapes.account(made))

    async def get(self, call: Call, params: Nothing) -> Answer:
        return Answer(content=shapes.account(await self._accounts.get(user_of(call))))

    async def delete(self, call: Call, params: Nothing) -> Answer:
        user = user_of(call)
        await self._accounts.delete(user)
        return empty(headers=signed_out(call, user.project_id))

    async def sign_in(self, call: Call, params: SignIn) -> Answer:
        opened = await self._accounts.sign_in(
            call.project, email=params.email, password=params.password, device=await device(call)
        )
        return opened_answer(call, opened)

    async def sign_in_anonymously(self, call: Call, params: Nothing) -> Answer:
        opened = await self._accounts.sign_in_anonymously(call.project, await device(call))
        return opened_answer(call, opened)

    async def list_sessions(self, call: Call, params: Nothing) -> Answer:
        user = user_of(call)
        found = await self._sessions.list(user.project_id, user.id)
        await learn_user_agents(item.user_agent for item in found)
        current = current_id(call)
        return listed_all(
            "sessionList",
            "sessions",
            found,
            lambda item: shapes.session(item, current_id=current, grant=self._grants.of(item)),
        )

    async def get_session(self, call: Call, params: OneSession) -> Answer:
        user = user_of(call)
        found = await self._sessions.get(user.project_id, user.id, _named(call, params))
        return await self._session(call, found)

    async def update_session(self, call: Call, params: OneSession) -> Answer:
        user = user_of(call)
        rules = rules_of(call, user)
        found = await self._sessions.get(user.project_id, user.id, _named(call, params))
        extended = await self._keeping.extend(rules, found, policies_of(rules))
        return await self._session(call, extended)

    async def _session(self, call: Call, found: Session) -> Answer:
        await learn_user_agents([found.user_agent])
        shown = shapes.session(found, current_id=current_id(call), grant=self._grants.of(found))
        return Answer(content=shown)

    async def delete_session(self, call: Call, params: OneSession) -> Answer:
        """A session that owes its second factor may still end itself, and only itself."""
        user = user_of(call)
        if _named(call, params) != current_id(call):
            access.require_factors(call.principal)
        ended = await self._sessions.end(user.project_id, user.id, _named(call, params))
        is_own = ended.id == current_id(call) and not call.principal.by_jwt
        return empty(headers=signed_out(call, user.project_id) if is_own else ())

    async def delete_sessions(self, call: Call, params: Nothing) -> Answer:
        user, by_jwt = user_of(call), call.principal.by_jwt
        await self._sessions.end_own(
            user.project_id, user.id, current_id="" if by_jwt else current_id(call)
        )
        return empty(headers=() if by_jwt else signed_out(call, user.project_id))

    async def create_jwt(self, call: Call, params: CreateJwt) -> Answer:
        user, session = user_of(call), call.principal.session
        if call.principal.by_jwt:
            raise JwtCreationDenied()
        if session is None:
            raise SessionNotFound()
        text = self._tokens.user_jwt(
            user.id, session.id, params.duration, project_id=user.project_id
        )
        return Answer(content=shapes.jwt(text))

    async def get_prefs(self, call: Call, params: Nothing) -> Answer:
        return Answer(content=dict((await self._accounts.get(user_of(call))).user.prefs))

    async def set_prefs(self, call: Call, params: SetPrefs) -> Answer:
        changed = await self._accounts.set_prefs(user_of(call), params.prefs)
        return Answer(content=shapes.account(changed))

    async def set_name(self, call: Call, params: SetName) -> Answer:
        changed = await self._accounts.rename(user_of(call), params.name)
        return Answer(content=shapes.account(changed))

    async def set_email(self, call: Call, params: SetEmail) -> Answer:
        user = user_of(call)
        changed = await self._accounts.set_email(
            rules_of(call, user), user, email=params.email, password=params.password
        )
        return Answer(content=shapes.account(changed))

    async def set_phone(self, call: Call, params: SetPhone) -> Answer:
        user = user_of(call)
        changed = await self._accounts.set_phone(
            rules_of(call, user), user, phone=params.phone, password=params.password
        )
        return Answer(content=shapes.account(changed))

    async def set_password(self, call: Call, params: SetPassword) -> Answer:
        user = user_of(call)
        changed = await self._accounts.set_password(
            rules_of(call, user),
            user,
            password=params.password,
            old_password=params.old_password,
            session_id=current_id(call),
        )
        return Answer(content=shapes.account(changed))

    async def block(self, call: Call, params: Nothing) -> Answer:
        user = user_of(call)
        changed = await self._accounts.block(user)
        return Answer(content=shapes.account(changed), headers=signed_out(call, user.project_id))


def _named(call: Call, params: OneSession) -> str:
    return current_id(call) if params.session_id == CURRENT else params.session_id


def account_routes(
    accounts: Accounts,
    sessions: Sessions,
    tokens: Tokens,
    grants: GrantSeal,
    keeping: GrantKeeping,
) -> list[Route]:
    handlers = AccountHandlers(accounts, sessions, tokens, grants, keeping)
    one_session = ("/sessions/{sessionId}",)
    return [
        open_route(
            "create",
            ("",),
            handlers.create,
            CreateAccount,
            "account",
            group="auth",
            auth_method="email-password",
            limit=_TEN_AN_HOUR,
        ),
        own_route("get", "GET", ("",), handlers.get),
        own_route("delete", "DELETE", ("",), handlers.delete, status=204),
        open_route(
            "createEmailPasswordSession",
            ("/sessions/email", "/sessions"),
            handlers.sign_in,
            SignIn,
            "session",
            group="session",
            auth_method="email-password",
            limit=_PER_EMAIL,
        ),
        open_route(
            "createAnonymousSession",
            ("/sessions/anonymous",),
            handlers.sign_in_anonymously,
            Nothing,
            "session",
            group="session",
            auth_method="anonymous",
            limit=Limit(calls=50),
        ),
        own_route(
            "listSessions", "GET", ("/sessions",), handlers.list_sessions, model="sessionList"
        ),
        own_route(
            "getSession", "GET", one_session, handlers.get_session, OneSession, model="session"
        ),
        own_route(
            "updateSession",
            "PATCH",
            one_session,
            handlers.update_session,
            OneSession,
            model="session",
            limit=_TEN_AN_HOUR,
        ),
        own_route(
            "deleteSession",
            "DELETE",
            one_session,
            handlers.delete_session,
            OneSession,
            status=204,
            limit=Limit(calls=100),
            is_before_second_factor=True,
        ),
        own_route(
            "deleteSessions",
            "DELETE",
            ("/sessions",),
            handlers.delete_sessions,
            status=204,
            limit=Limit(calls=100),
        ),
        own_route(
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
        own_route("getPrefs", "GET", ("/prefs",), handlers.get_prefs, model="preferences"),
        own_route("updatePrefs", "PATCH", ("/prefs",), handlers.set_prefs, SetPrefs),
        own_route("updateName", "PATCH", ("/name",), handlers.set_name, SetName),
        own_route("updateEmail", "PATCH", ("/email",), handlers.set_email, SetEmail),
        own_route("updatePhone", "PATCH", ("/phone",), handlers.set_phone, SetPhone),
        own_route(
            "updatePassword",
            "PATCH",
            ("/password",),
            handlers.set_password,
            SetPassword,
            limit=_TEN_AN_HOUR,
        ),
        own_route("updateStatus", "PATCH", ("/status",), handlers.block),
    ]
