"""Users of a project, as servers and admins see and change them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from runwright.api.lists import Listing, SearchListing, cursor_errors, listed, listed_all
from runwright.api.params import (
    Bool,
    CustomId,
    Email,
    Id,
    Label,
    ListOf,
    Named,
    Object,
    OneOf,
    OrEmpty,
    Password,
    Phone,
    Range,
    Text,
)
from runwright.api.queries import Attributes
from runwright.api.routes.account import JWT_S, MAX_JWT_S, device
from runwright.api.routing import Answer, Call, Route, empty
from runwright.api.shapes import identity as shapes
from runwright.identity.memberships import Memberships
from runwright.identity.people import Person
from runwright.identity.policies import MAX_SESSION_S, policies_of
from runwright.identity.sessions import Sessions
from runwright.identity.targets import Targets
from runwright.identity.users import RECENT, Users
from runwright.model.identity import Project
from runwright.model.query import Page

FILTERS: Final = Attributes(
    "name email phone status passwordUpdate registration emailVerification phoneVerification "
    "labels impersonator accessedAt",
    arrays=("labels",),
    dates=("passwordUpdate", "registration", "accessedAt"),
)
MEMBERSHIP_FILTERS: Final = Attributes(
    "userId teamId invited joined confirm roles", arrays=("roles",), dates=("invited", "joined")
)
TARGET_FILTERS: Final = Attributes("userId providerId identifier providerType")
MAX_LABELS: Final = 1000

_UserId = Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class CreateUser:
    user_id: Annotated[str, CustomId()]
    email: Annotated[str | None, Email()] = None
    phone: Annotated[str | None, Phone()] = None
    password: Annotated[str, OrEmpty(Password())] = ""
    name: Annotated[str, Text(128, least=0)] = ""


@dataclass(frozen=True, kw_only=True)
class OneUser:
    user_id: _UserId


@dataclass(frozen=True, kw_only=True)
class SetName(OneUser):
    name: Annotated[str, Text(128, least=0)]


@dataclass(frozen=True, kw_only=True)
class SetEmail(OneUser):
    email: Annotated[str, OrEmpty(Email())]


@dataclass(frozen=True, kw_only=True)
class SetPhone(OneUser):
    number: Annotated[str, OrEmpty(Phone())]


@dataclass(frozen=True, kw_only=True)
class SetPassword(OneUser):
    password: Annotated[str, OrEmpty(Password())]


@dataclass(frozen=True, kw_only=True)
class SetStatus(OneUser):
    status: Annotated[bool, Bool(is_loose=True)]


@dataclass(frozen=True, kw_only=True)
class SetLabels(OneUser):
    labels: Annotated[tuple[str, ...], ListOf(Label(), MAX_LABELS)]


@dataclass(frozen=True, kw_only=True)
class SetPrefs(OneUser):
    prefs: Annotated[dict[str, Any], Object()]


@dataclass(frozen=True, kw_only=True)
class SetEmailVerification(OneUser):
    email_verification: Annotated[bool, Bool()]


@dataclass(frozen=True, kw_only=True)
class SetPhoneVerification(OneUser):
    phone_verification: Annotated[bool, Bool()]


@dataclass(frozen=True, kw_only=True)
class ListSessions(OneUser):
    total: Annotated[bool, Bool(is_loose=True)] = True


@dataclass(frozen=True, kw_only=True)
class OneSession(OneUser):
    session_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class CreateToken(OneUser):
    length: Annotated[int, Range(4, 128)] = 6
    lifetime_s: Annotated[int, Range(60, MAX_SESSION_S), Named("expire")] = 900


@dataclass(frozen=True, kw_only=True)
class CreateJwt(OneUser):
    session_id: Annotated[str, OrEmpty(Id())] = RECENT
    duration: Annotated[int, Range(0, MAX_JWT_S)] = JWT_S


@dataclass(frozen=True, kw_only=True)
class ListMemberships(SearchListing):
    user_id: _UserId


@dataclass(frozen=True, kw_only=True)
class ListTargets(Listing):
    user_id: _UserId


@dataclass(frozen=True, kw_only=True)
class CreateTarget(OneUser):
    target_id: Annotated[str, CustomId()]
    provider_type: Annotated[str, OneOf(("email", "sms", "push"))]
    identifier: Annotated[str, Text(255)]
    provider_id: Annotated[str, OrEmpty(Id())] = ""
    name: Annotated[str, Text(128, least=0)] = ""


@dataclass(frozen=True, kw_only=True)
class OneTarget(OneUser):
    target_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class UpdateTarget(OneTarget):
    identifier: Annotated[str | None, Text(255)] = None
    provider_id: Annotated[str, OrEmpty(Id())] = ""
    name: Annotated[str | None, Text(128, least=0)] = None


def project_of(call: Call) -> Project:
    """The project of a route whose group refuses the console."""
    assert call.project is not None
    return call.project


class UserHandlers:
    def __init__(self, users: Users) -> None:
        self._users = users

    async def create(self, call: Call, params: CreateUser) -> Answer:
        made = await self._users.create(
            project_of(call),
            user_id=params.user_id,
            email=params.email,
            phone=params.phone,
            password=params.password or None,
            name=params.name,
        )
        return _shown(made)

    async def list(self, call: Call, params: SearchListing) -> Answer:
        with cursor_errors("User"):
            page = await self._users.list(call.project_id, params.query(FILTERS))
        return listed("userList", "users", page, shapes.user)

    async def get(self, call: Call, params: OneUser) -> Answer:
        return _shown(await self._users.get(call.project_id, params.user_id))

    async def delete(self, call: Call, params: OneUser) -> Answer:
        await self._users.delete(call.project_id, params.user_id)
        return empty()

    async def set_name(self, call: Call, params: SetName) -> Answer:
        return _shown(await self._users.rename(call.project_id, params.user_id, params.name))

    async def set_email(self, call: Call, params: SetEmail) -> Answer:
        return _shown(await self._users.set_email(call.project_id, params.user_id, params.email))

    async def set_phone(self, call: Call, params: SetPhone) -> Answer:
        return _shown(await self._users.set_phone(call.project_id, params.user_id, params.number))

    async def set_password(self, call: Call, params: SetPassword) -> Answer:
        changed = await self._users.set_password(project_of(call), params.user_id, params.password)
        return _shown(changed)

    async def set_status(self, call: Call, params: SetStatus) -> Answer:
        changed = await self._users.set_status(
            call.project_id, params.user_id, is_active=params.status
        )
        return _shown(changed)

    async def set_labels(self, call: Call, params: SetLabels) -> Answer:
        changed = await self._users.set_labels(call.project_id, params.user_id, params.labels)
        return _shown(changed)

    async def get_prefs(self, call: Call, params: OneUser) -> Answer:
        found = await self._users.get(call.project_id, params.user_id)
        return Answer(content=dict(found.user.prefs))

    async def set_prefs(self, call: Call, params: SetPrefs) -> Answer:
        changed = await self._users.set_prefs(call.project_id, params.user_id, params.prefs)
        return Answer(content=dict(changed.user.prefs))

    async def set_email_verified(self, call: Call, params: SetEmailVerification) -> Answer:
        changed = await self._users.set_email_verified(
            call.project_id, params.user_id, params.email_verification
        )
        return _shown(changed)

    async def set_phone_verified(self, call: Call, params: SetPhoneVerification) -> Answer:
        changed = await self._users.set_phone_verified(
            call.project_id, params.user_id, params.phone_verification
        )
        return _shown(changed)

    async def create_token(self, call: Call, params: CreateToken) -> Answer:
        token, secret = await self._users.create_token(
            call.project_id,
            params.user_id,
            hex_chars=params.length,
            lifetime_s=params.lifetime_s,
        )
        return Answer(content=shapes.token(token, secret))

    async def create_jwt(self, call: Call, params: CreateJwt) -> Answer:
        text = await self._users.create_jwt(
            call.project_id,
            params.user_id,
            session_id=params.session_id,
            lifetime_s=params.duration,
        )
        return Answer(content=shapes.jwt(text))


class UserSessionHandlers:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def create(self, call: Call, params: OneUser) -> Answer:
        opened = await self._sessions.open(
            call.project_id, params.user_id, policies_of(call.project), device(call)
        )
        return Answer(content=shapes.session(opened.session, secret=opened.value))

    async def list(self, call: Call, params: ListSessions) -> Answer:
        """A server recognises a session by the hash of its secret; the secret is not kept."""
        found = await self._sessions.list(call.project_id, params.user_id)
        return listed_all(
            "sessionList",
            "sessions",
            found,
            lambda item: shapes.session(item, secret=item.secret_hash),
            with_total=params.total,
        )

    async def delete(self, call: Call, params: OneSession) -> Answer:
        await self._sessions.end(call.project_id, params.user_id, params.session_id)
        return empty()

    async def delete_all(self, call: Call, params: OneUser) -> Answer:
        await self._sessions.end_all(call.project_id, params.user_id)
        return empty()


class UserMembershipHandlers:
    def __init__(self, memberships: Memberships) -> None:
        self._memberships = memberships

    async def list(self, call: Call, params: ListMemberships) -> Answer:
        with cursor_errors("Membership"):
            page = await self._memberships.of_user(
                call.project_id, params.user_id, params.query(MEMBERSHIP_FILTERS)
            )
        # Unlike everywhere else the total is that of this page.
        page = Page(page.items, len(page.items) if params.total else 0)
        return listed(
            "membershipList",
            "memberships",
            page,
            lambda member: shapes.membership(member, shapes.EVERYTHING),
        )


class TargetHandlers:
    def __init__(self, targets: Targets) -> None:
        self._targets = targets

    async def create(self, call: Call, params: CreateTarget) -> Answer:
        made = await self._targets.create(
            call.project_id,
            params.user_id,
            target_id=params.target_id,
            provider_type=params.provider_type,
            identifier=params.identifier,
            provider_id=params.provider_id,
            name=params.name,
        )
        return Answer(content=shapes.target(made))

    async def list(self, call: Call, params: ListTargets) -> Answer:
        with cursor_errors("Target"):
            page = await self._targets.list(
                call.project_id, params.user_id, params.query(TARGET_FILTERS)
            )
        return listed("targetList", "targets", page, shapes.target)

    async def get(self, call: Call, params: OneTarget) -> Answer:
        found = await self._targets.get(call.project_id, params.user_id, params.target_id)
        return Answer(content=shapes.target(found))

    async def update(self, call: Call, params: UpdateTarget) -> Answer:
        changed = await self._targets.update(
            call.project_id,
            params.user_id,
            params.target_id,
            identifier=params.identifier,
            provider_id=params.provider_id,
            name=params.name,
        )
        return Answer(content=shapes.target(changed))

    async def delete(self, call: Call, params: OneTarget) -> Answer:
        await self._targets.delete(call.project_id, params.user_id, params.target_id)
        return empty()


def _shown(person: Person) -> Answer:
    return Answer(content=shapes.user(person))


def user_routes(
    users: Users, sessions: Sessions, memberships: Memberships, targets: Targets
) -> list[Route]:
    return [
        *_of_users(UserHandlers(users)),
        *_of_sessions(UserSessionHandlers(sessions)),
        _route(
            "listMemberships",
            "GET",
            "/{userId}/memberships",
            UserMembershipHandlers(memberships).list,
            ListMemberships,
            "membershipList",
        ),
        *_of_targets(TargetHandlers(targets)),
    ]


def _of_users(of: UserHandlers) -> list[Route]:
    one = "/{userId}"
    return [
        _route("create", "POST", "", of.create, CreateUser),
        _route("list", "GET", "", of.list, SearchListing, "userList"),
        _route("get", "GET", one, of.get, OneUser),
        _route("delete", "DELETE", one, of.delete, OneUser, ""),
        _route("updateName", "PATCH", f"{one}/name", of.set_name, SetName),
        _route("updateEmail", "PATCH", f"{one}/email", of.set_email, SetEmail),
        _route("updatePhone", "PATCH", f"{one}/phone", of.set_phone, SetPhone),
        _route("updatePassword", "PATCH", f"{one}/password", of.set_password, SetPassword),
        _route("updateStatus", "PATCH", f"{one}/status", of.set_status, SetStatus),
        _route("updateLabels", "PUT", f"{one}/labels", of.set_labels, SetLabels),
        _route("getPrefs", "GET", f"{one}/prefs", of.get_prefs, OneUser, "preferences"),
        _route("updatePrefs", "PATCH", f"{one}/prefs", of.set_prefs, SetPrefs, "preferences"),
        _route(
            "updateEmailVerification",
            "PATCH",
            f"{one}/verification",
            of.set_email_verified,
            SetEmailVerification,
        ),
        _route(
            "updatePhoneVerification",
            "PATCH",
            f"{one}/verification/phone",
            of.set_phone_verified,
            SetPhoneVerification,
        ),
        _route("createToken", "POST", f"{one}/tokens", of.create_token, CreateToken, "token"),
        _route("createJWT", "POST", f"{one}/jwts", of.create_jwt, CreateJwt, "jwt"),
    ]


def _of_sessions(of: UserSessionHandlers) -> list[Route]:
    path, one = "/{userId}/sessions", "/{userId}/sessions/{sessionId}"
    return [
        _route("createSession", "POST", path, of.create, OneUser, "session", more="sessions"),
        _route("listSessions", "GET", path, of.list, ListSessions, "sessionList", more="sessions"),
        _route("deleteSession", "DELETE", one, of.delete, OneSession, "", more="sessions"),
        _route("deleteSessions", "DELETE", path, of.delete_all, OneUser, "", more="sessions"),
    ]


def _of_targets(of: TargetHandlers) -> list[Route]:
    path, one = "/{userId}/targets", "/{userId}/targets/{targetId}"
    return [
        _route("createTarget", "POST", path, of.create, CreateTarget, "target"),
        _route("listTargets", "GET", path, of.list, ListTargets, "targetList"),
        _route("getTarget", "GET", one, of.get, OneTarget, "target"),
        _route("updateTarget", "PATCH", one, of.update, UpdateTarget, "target"),
        _route("deleteTarget", "DELETE", one, of.delete, OneTarget, ""),
    ]


_STATUS: Final = {"POST": 201, "DELETE": 204}


def _route(
    name: str,
    method: str,
    path: str,
    handler: Callable[[Call, Any], Awaitable[Answer]],
    params: type[Any],
    model: str = "user",
    *,
    more: str = "",
) -> Route:
    """`more` names a resource whose own scope is enough as well."""
    action = "read" if method == "GET" else "write"
    return Route(
        name=f"users.{name}",
        method=method,
        paths=(f"/v1/users{path}",),
        scopes=tuple(f"{resource}.{action}" for resource in ("users", more) if resource),
        handler=handler,
        params=params,
        status=_STATUS.get(method, 200),
        model=model,
        # Console accounts are nobody's to manage, so the console is refused.
        group="project",
        service="users",
    )
