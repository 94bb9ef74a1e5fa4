"""Users of a project, as servers and admins see and change them."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from runwright.api.lists import SearchListing, cursor_errors, listed
from runwright.api.params import (
    Bool,
    CustomId,
    Email,
    Id,
    Label,
    ListOf,
    Named,
    Object,
    OrEmpty,
    Password,
    Phone,
    Range,
    Text,
)
from runwright.api.queries import Attributes
from runwright.api.routes.account import JWT_S, MAX_JWT_S
from runwright.api.routing import USUAL_STATUS, Answer, Call, Route, empty
from runwright.api.shapes import identity as shapes
from runwright.identity.people import Person
from runwright.identity.policies import MAX_SESSION_S
from runwright.identity.users import RECENT, Users
from runwright.model.identity import Project
from runwright.values import dataclass

FILTERS: Final = Attributes(
    "name email phone status passwordUpdate registration emailVerification phoneVerification "
    "labels impersonator accessedAt",
    arrays=("labels",),
    dates=("passwordUpdate", "registration", "accessedAt"),
)
MAX_LABELS: Final = 1000

_UserId = Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class CreateUser:
    user_id: Annotated[str, CustomId()]
    email: Annotated[str | None, Email()] = None
    phone: Annotated[str | None, Phone()] = None
    password: Annotated[str, OrEmpty(Password())] = ""
    name: Annotated[str, Text(128)] = ""


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
class SetImpersonator(OneUser):
    impersonator: Annotated[bool, Bool()]


@dataclass(frozen=True, kw_only=True)
class CreateToken(OneUser):
    length: Annotated[int, Range(4, 128)] = 6
    lifetime_s: Annotated[int, Range(60, MAX_SESSION_S), Named("expire")] = 900


@dataclass(frozen=True, kw_only=True)
class CreateJwt(OneUser):
    session_id: Annotated[str, OrEmpty(Id())] = RECENT
    duration: Annotated[int, Range(0, MAX_JWT_S)] = JWT_S


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

    async def set_impersonator(self, call: Call, params: SetImpersonator) -> Answer:
        changed = await self._users.set_impersonator(
            call.project_id, params.user_id, params.impersonator
        )
        return _shown(changed)

    async def create_token(self, call: Call, params: CreateToken) -> Answer:
        made = await self._users.create_token(
            call.project_id,
            params.user_id,
            hex_chars=params.length,
            lifetime_s=params.lifetime_s,
        )
        return Answer(content=shapes.token(made, shows_secret=True))

    async def create_jwt(self, call: Call, params: CreateJwt) -> Answer:
        text = await self._users.create_jwt(
            call.project_id,
            params.user_id,
            session_id=params.session_id,
            lifetime_s=params.duration,
        )
        return Answer(content=shapes.jwt(text))


def _shown(person: Person) -> Answer:
    return Answer(content=shapes.user(person))


def user_routes(users: Users) -> list[Route]:
    of, one = UserHandlers(users), "/{userId}"
    return [
        user_route("create", "POST", "", of.create, CreateUser),
        user_route("list", "GET", "", of.list, SearchListing, "userList"),
        user_route("get", "GET", one, of.get, OneUser),
        user_route("delete", "DELETE", one, of.delete, OneUser, ""),
        user_route("updateName", "PATCH", f"{one}/name", of.set_name, SetName),
        user_route("updateEmail", "PATCH", f"{one}/email", of.set_email, SetEmail),
        user_route("updatePhone", "PATCH", f"{one}/phone", of.set_phone, SetPhone),
        user_route("updatePassword", "PATCH", f"{one}/password", of.set_password, SetPassword),
        user_route("updateStatus", "PATCH", f"{one}/status", of.set_status, SetStatus),
        user_route("updateLabels", "PUT", f"{one}/labels", of.set_labels, SetLabels),
        user_route("getPrefs", "GET", f"{one}/prefs", of.get_prefs, OneUser, "preferences"),
        user_route("updatePrefs", "PATCH", f"{one}/prefs", of.set_prefs, SetPrefs, "preferences"),
        user_route(
            "updateEmailVerification",
            "PATCH",
            f"{one}/verification",
            of.set_email_verified,
            SetEmailVerification,
        ),
        user_route(
            "updatePhoneVerification",
            "PATCH",
            f"{one}/verification/phone",
            of.set_phone_verified,
            SetPhoneVerification,
        ),
        user_route(
            "updateImpersonator",
            "PATCH",
            f"{one}/impersonator",
            of.set_impersonator,
            SetImpersonator,
        ),
        user_route("createToken", "POST", f"{one}/tokens", of.create_token, CreateToken, "token"),
        user_route("createJWT", "POST", f"{one}/jwts", of.create_jwt, CreateJwt, "jwt"),
    ]


def user_route(
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
        status=USUAL_STATUS[method],
        model=model,
        # Console accounts are nobody's to manage, so the console is refused.
        group="project",
        service="users",
    )
