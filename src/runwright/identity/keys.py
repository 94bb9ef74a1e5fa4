"""API keys of a project. A secret is shown once, when its key is made, and stored hashed."""

from dataclasses import replace
from datetime import datetime, timedelta

from runwright.clock import Clock
from runwright.identity.errors import KeyCreationDenied, KeyExists, KeyNotFound
from runwright.identity.tokens import Tokens, hash_secret
from runwright.ids import new_id, new_secret, resolve
from runwright.model.identity import ApiKey, CallerKind, Principal
from runwright.model.query import ListQuery, Page
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork
from runwright.values import dataclass


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key and the only copy of its secret."""

    key: ApiKey
    secret: str


def new_key_secret() -> str:
    return f"standard_{new_secret()}"


def add_key(uow: UnitOfWork, key: ApiKey) -> ApiKey:
    """Raises KeyExists."""
    try:
        uow.keys.add(key)
    except AlreadyStored as exc:
        raise KeyExists() from exc
    uow.touch("key", key.project_id, key.id)
    return key


class Keys:
    """Methods that name a key raise KeyNotFound when there is none."""

    def __init__(self, storage: Storage, tokens: Tokens, clock: Clock) -> None:
        self._storage = storage
        self._tokens = tokens
        self._clock = clock

    async def create(
        self,
        principal: Principal,
        *,
        key_id: str,
        name: str,
        scopes: tuple[str, ...],
        expires_at: datetime | None,
        description: str,
    ) -> NewKey:
        """Raises KeyCreationDenied when a key asks for another, KeyExists."""
        if principal.kind is CallerKind.KEY:
            raise KeyCreationDenied()
        secret = new_key_secret()
        now = self._clock.now()
        key = ApiKey(
            id=resolve(key_id),
            project_id=principal.project_id,
            created_at=now,
            updated_at=now,
            name=name,
            scopes=tuple(dict.fromkeys(scopes)),
            secret_hash=hash_secret(secret),
            expires_at=expires_at,
            description=description,
        )
        return NewKey(await self._storage.write(lambda uow: add_key(uow, key)), secret)

    async def list(self, project_id: str, query: ListQuery) -> Page[ApiKey]:
        return await self._storage.read(lambda uow: uow.keys.page(project_id, query))

    async def get(self, project_id: str, key_id: str) -> ApiKey:
        return await self._storage.read(lambda uow: self._required(uow, project_id, key_id))

    async def update(
        self,
        project_id: str,
        key_id: str,
        *,
        name: str,
        scopes: tuple[str, ...],
        expires_at: datetime | None,
        description: str | None,
    ) -> ApiKey:
        """The secret stays. A description of None leaves the stored one."""

        def work(uow: UnitOfWork) -> ApiKey:
            key = self._required(uow, project_id, key_id)
            changed = replace(
                key,
                updated_at=self._clock.now(),
                name=name,
                scopes=tuple(dict.fromkeys(scopes)),
                expires_at=expires_at,
                description=key.description if description is None else description,
            )
            uow.keys.put(changed)
            uow.touch("key", project_id, key_id)
            return changed

        return await self._storage.write(work)

    async def delete(self, project_id: str, key_id: str) -> None:
        def work(uow: UnitOfWork) -> None:
            if not uow.keys.remove(project_id, key_id):
                raise KeyNotFound(key_id)
            uow.touch("key", project_id, key_id)

        await self._storage.write(work)

    def create_ephemeral(
        self,
        principal: Principal,
        *,
        scopes: tuple[str, ...],
        lifetime_s: int,
        project_id: str = "",
    ) -> NewKey:
        """A key that is stored nowhere and ends by itself; for the caller's project, or another
        one that they may manage."""
        project_id = project_id or principal.project_id
        now = self._clock.now()
        key = ApiKey(
            id=new_id(),
            project_id=project_id,
            created_at=now,
            updated_at=now,
            name="",
            scopes=tuple(dict.fromkeys(scopes)),
            secret_hash="",
            expires_at=now + timedelta(seconds=lifetime_s),
        )
        secret = self._tokens.execution_key(project_id, key.scopes, lifetime_s, principal.lineage)
        return NewKey(key, secret)

    def _required(self, uow: UnitOfWork, project_id: str, key_id: str) -> ApiKey:
        key = uow.keys.get(project_id, key_id)
        if key is None:
            raise KeyNotFound(key_id)
        return key
