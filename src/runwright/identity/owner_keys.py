"""Keys that belong to a console account or to an organization, not to one project.

They are rows of the console project that name their owner, and open the console's API alone.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Final, Literal

from runwright.clock import Clock
from runwright.identity.errors import KeyCreationDenied, KeyNotFound, ScopesBeyond
from runwright.identity.keys import NewKey, add_key
from runwright.identity.tokens import hash_secret
from runwright.ids import new_secret, resolve
from runwright.model.identity import CONSOLE, ApiKey, Principal
from runwright.model.query import ListQuery, Page
from runwright.ports.storage import Storage, UnitOfWork

TEAM: Final = "team:"
USER: Final = "user:"

OwnerKind = Literal["account", "organization"]


def team_owner(team_id: str) -> str:
    return f"{TEAM}{team_id}"


def user_owner(user_id: str) -> str:
    return f"{USER}{user_id}"


def remove_keys(uow: UnitOfWork, owner: str) -> None:
    """Whatever an owner that goes away has made."""
    for key in uow.keys.find(CONSOLE, owner=owner):
        uow.keys.remove(CONSOLE, key.id)
        uow.touch("key", CONSOLE, key.id)


class OwnerKeys:
    """`owner` is what `team_owner` or `user_owner` says. Methods that name a key raise
    KeyNotFound when the owner has none of that id."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def create(
        self,
        principal: Principal,
        owner: str,
        *,
        kind: OwnerKind,
        key_id: str,
        name: str,
        scopes: tuple[str, ...],
        expires_at: datetime | None,
    ) -> NewKey:
        """Raises KeyCreationDenied (an account's key asks for another), ScopesBeyond,
        KeyExists."""
        if principal.key_id and kind == "account":
            raise KeyCreationDenied()
        _require_held(principal, scopes)
        secret, now = f"{kind}_{new_secret()}", self._clock.now()
        key = ApiKey(
            id=resolve(key_id),
            project_id=CONSOLE,
            created_at=now,
            updated_at=now,
            name=name,
            scopes=tuple(dict.fromkeys(scopes)),
            secret_hash=hash_secret(secret),
            expires_at=expires_at,
            owner=owner,
        )
        return NewKey(await self._storage.write(lambda uow: add_key(uow, key)), secret)

    async def list(self, owner: str, query: ListQuery) -> Page[ApiKey]:
        return await self._storage.read(lambda uow: uow.keys.page(CONSOLE, query, owner=owner))

    async def get(self, owner: str, key_id: str) -> ApiKey:
        return await self._storage.read(lambda uow: _required(uow, owner, key_id))

    async def update(
        self,
        principal: Principal,
        owner: str,
        key_id: str,
        *,
        name: str,
        scopes: tuple[str, ...],
        expires_at: datetime | None,
    ) -> ApiKey:
        """The secret stays. Raises ScopesBeyond."""
        _require_held(principal, scopes)

        def work(uow: UnitOfWork) -> ApiKey:
            changed = replace(
                _required(uow, owner, key_id),
                updated_at=self._clock.now(),
                name=name,
                scopes=tuple(dict.fromkeys(scopes)),
                expires_at=expires_at,
            )
            uow.keys.put(changed)
            uow.touch("key", CONSOLE, key_id)
            return changed

        return await self._storage.write(work)

    async def delete(self, owner: str, key_id: str) -> None:
        def work(uow: UnitOfWork) -> None:
            uow.keys.remove(CONSOLE, _required(uow, owner, key_id).id)
            uow.touch("key", CONSOLE, key_id)

        await self._storage.write(work)


def _required(uow: UnitOfWork, owner: str, key_id: str) -> ApiKey:
    key = uow.keys.get(CONSOLE, key_id)
    if key is None or key.owner != owner:
        raise KeyNotFound(key_id)
    return key


def _require_held(principal: Principal, wanted: Collection[str]) -> None:
    """A key must not hand out more than it has, or any key would be one with every scope."""
    if principal.key_id and not principal.scopes.issuperset(wanted):
        raise ScopesBeyond(sorted(set(wanted) - principal.scopes))
