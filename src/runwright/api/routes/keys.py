"""API keys of a project."""

from datetime import datetime
from functools import partial
from typing import Annotated, Final

from runwright.api.lists import Listing, cursor_errors, listed
from runwright.api.params import CustomId, DateTime, Id, ListOf, OneOf, Range, Text
from runwright.api.queries import Attributes
from runwright.api.routes.project_parts import project_route
from runwright.api.routing import Answer, Call, Route, empty
from runwright.api.shapes import projects as shapes
from runwright.identity.keys import Keys
from runwright.identity.scopes import PROJECT_SCOPES
from runwright.values import dataclass

FILTERS: Final = Attributes(
    "expire accessedAt name scopes", arrays=("scopes",), dates=("expire", "accessedAt")
)
DEFAULT_LIMIT: Final = 5000
MAX_SCOPES: Final = 200
MAX_EPHEMERAL_S: Final = 3600

_SCOPES: Final = tuple(scope.id for scope in PROJECT_SCOPES)
Scopes = Annotated[tuple[str, ...], ListOf(OneOf(_SCOPES), MAX_SCOPES)]
Description = Annotated[str | None, Text(2048, least=0)]


@dataclass(frozen=True, kw_only=True)
class CreateKey:
    key_id: Annotated[str, CustomId()]
    name: Annotated[str, Text(128)]
    scopes: Scopes
    expire: Annotated[datetime | None, DateTime()] = None
    description: Description = None


@dataclass(frozen=True, kw_only=True)
class OneKey:
    key_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class UpdateKey(OneKey):
    name: Annotated[str, Text(128)]
    scopes: Scopes
    expire: Annotated[datetime | None, DateTime()] = None
    description: Description = None


@dataclass(frozen=True, kw_only=True)
class CreateEphemeralKey:
    scopes: Scopes
    duration: Annotated[int, Range(1, MAX_EPHEMERAL_S)]


class KeyHandlers:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def create(self, call: Call, params: CreateKey) -> Answer:
        made = await self._keys.create(
            call.principal,
            key_id=params.key_id,
            name=params.name,
            scopes=params.scopes,
            expires_at=params.expire,
            description=params.description or "",
        )
        return Answer(content=shapes.new_key(made))

    async def create_ephemeral(self, call: Call, params: CreateEphemeralKey) -> Answer:
        made = self._keys.create_ephemeral(
            call.principal, scopes=params.scopes, lifetime_s=params.duration
        )
        return Answer(content=shapes.ephemeral_key(made))

    async def list(self, call: Call, params: Listing) -> Answer:
        with cursor_errors("Key"):
            query = params.query(FILTERS, default_limit=DEFAULT_LIMIT)
            page = await self._keys.list(call.project_id, query)
        return listed("keyList", "keys", page, shapes.key)

    async def get(self, call: Call, params: OneKey) -> Answer:
        return Answer(content=shapes.key(await self._keys.get(call.project_id, params.key_id)))

    async def update(self, call: Call, params: UpdateKey) -> Answer:
        changed = await self._keys.update(
            call.project_id,
            params.key_id,
            name=params.name,
            scopes=params.scopes,
            expires_at=params.expire,
            description=params.description,
        )
        return Answer(content=shapes.key(changed))

    async def delete(self, call: Call, params: OneKey) -> Answer:
        await self._keys.delete(call.project_id, params.key_id)
        return empty()


_route = partial(project_route, scope="keys", model="key")


def key_routes(keys: Keys) -> list[Route]:
    of = KeyHandlers(keys)
    all_keys = ("/project/keys", "/projects/{projectId}/keys")
    one = ("/project/keys/{keyId}", "/projects/{projectId}/keys/{keyId}")
    return [
        _route("createKey", "POST", all_keys, of.create, CreateKey),
        _route(
            "createEphemeralKey",
            "POST",
            ("/project/keys/ephemeral", "/projects/{projectId}/jwts"),
            of.create_ephemeral,
            CreateEphemeralKey,
            model="ephemeralKey",
        ),
        _route("listKeys", "GET", all_keys, of.list, Listing, model="keyList"),
        _route("getKey", "GET", one, of.get, OneKey),
        _route("updateKey", "PUT", one, of.update, UpdateKey),
        _route("deleteKey", "DELETE", one, of.delete, OneKey, model=""),
    ]
