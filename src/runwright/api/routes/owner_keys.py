"""Keys of an organization, and of a console account."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Final

from runwright.api.lists import Listing, cursor_errors, listed
from runwright.api.organization import named_organization
from runwright.api.params import CustomId, DateTime, Id, ListOf, OneOf, Text
from runwright.api.routes.keys import DEFAULT_LIMIT, FILTERS, MAX_SCOPES
from runwright.api.routing import USUAL_STATUS, Answer, Call, Route, empty
from runwright.api.shapes import projects as shapes
from runwright.identity.owner_keys import OwnerKeys, OwnerKind, team_owner, user_owner
from runwright.identity.scopes import ACCOUNT_SCOPES, ORGANIZATION_SCOPES
from runwright.ids import UNIQUE
from runwright.values import dataclass

_OF_ORGANIZATION: Final = tuple(scope.id for scope in ORGANIZATION_SCOPES)
_OrganizationScopes = Annotated[tuple[str, ...], ListOf(OneOf(_OF_ORGANIZATION), MAX_SCOPES)]
_AccountScopes = Annotated[tuple[str, ...], ListOf(OneOf(ACCOUNT_SCOPES), MAX_SCOPES)]


@dataclass(frozen=True, kw_only=True)
class _Create:
    key_id: Annotated[str, CustomId()] = UNIQUE
    name: Annotated[str, Text(128)]
    expire: Annotated[datetime | None, DateTime()] = None


@dataclass(frozen=True, kw_only=True)
class OneKey:
    key_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class _Update(OneKey):
    name: Annotated[str, Text(128)]
    expire: Annotated[datetime | None, DateTime()] = None


@dataclass(frozen=True, kw_only=True)
class CreateOrganizationKey(_Create):
    scopes: _OrganizationScopes


@dataclass(frozen=True, kw_only=True)
class UpdateOrganizationKey(_Update):
    scopes: _OrganizationScopes


@dataclass(frozen=True, kw_only=True)
class CreateAccountKey(_Create):
    scopes: _AccountScopes


@dataclass(frozen=True, kw_only=True)
class UpdateAccountKey(_Update):
    scopes: _AccountScopes


class OwnerKeyHandlers:
    def __init__(self, keys: OwnerKeys, kind: OwnerKind) -> None:
        self._keys = keys
        self._kind = kind

    async def create(self, call: Call, params: CreateOrganizationKey | CreateAccountKey) -> Answer:
        made = await self._keys.create(
            call.principal,
            self._owner(call),
            kind=self._kind,
            key_id=params.key_id,
            name=params.name,
            scopes=params.scopes,
            expires_at=params.expire,
        )
        return Answer(content=shapes.new_key(made))

    async def list(self, call: Call, params: Listing) -> Answer:
        query = params.query(FILTERS, default_limit=DEFAULT_LIMIT)
        with cursor_errors("Key"):
            page = await self._keys.list(self._owner(call), query)
        return listed("keyList", "keys", page, shapes.key)

    async def get(self, call: Call, params: OneKey) -> Answer:
        return Answer(content=shapes.key(await self._keys.get(self._owner(call), params.key_id)))

    async def update(self, call: Call, params: UpdateOrganizationKey | UpdateAccountKey) -> Answer:
        changed = await self._keys.update(
            call.principal,
            self._owner(call),
            params.key_id,
            name=params.name,
            scopes=params.scopes,
            expires_at=params.expire,
        )
        return Answer(content=shapes.key(changed))

    async def delete(self, call: Call, params: OneKey) -> Answer:
        await self._keys.delete(self._owner(call), params.key_id)
        return empty()

    def _owner(self, call: Call) -> str:
        if self._kind == "organization":
            return team_owner(named_organization(call))
        return user_owner(call.principal.user_id)


def owner_key_routes(keys: OwnerKeys) -> list[Route]:
    return [
        *_routes(
            OwnerKeyHandlers(keys, "organization"),
            "organization",
            CreateOrganizationKey,
            UpdateOrganizationKey,
        ),
        *_routes(OwnerKeyHandlers(keys, "account"), "account", CreateAccountKey, UpdateAccountKey),
    ]


def _routes(
    of: OwnerKeyHandlers, kind: OwnerKind, create: type[Any], update: type[Any]
) -> list[Route]:
    def route(
        name: str,
        method: str,
        path: str,
        handler: Callable[[Call, Any], Awaitable[Answer]],
        params: type[Any],
        model: str = "key",
    ) -> Route:
        action = "read" if method == "GET" else "write"
        scope = f"organization.keys.{action}" if kind == "organization" else "account"
        return Route(
            name=f"{kind}.{name}",
            method=method,
            paths=(f"/v1/{kind}/keys{path}",),
            scopes=(scope,),
            handler=handler,
            params=params,
            status=USUAL_STATUS[method],
            model=model,
            group="projects",
        )

    return [
        route("createKey", "POST", "", of.create, create),
        route("listKeys", "GET", "", of.list, Listing, "keyList"),
        route("getKey", "GET", "/{keyId}", of.get, OneKey),
        route("updateKey", "PUT", "/{keyId}", of.update, update),
        route("deleteKey", "DELETE", "/{keyId}", of.delete, OneKey, ""),
    ]
