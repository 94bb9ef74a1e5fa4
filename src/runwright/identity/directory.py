"""Projects, keys and people as the authenticator needs them: cached, dropped by signals.

A warm request reads no database, and a revoked key or session ends with the change that
revoked it.
"""

from collections.abc import Mapping
from typing import Final

from runwright.cache import Cache
from runwright.identity import permissions, scopes
from runwright.identity.factors import factors_of, wanted
from runwright.identity.policies import policies_of
from runwright.ids import is_id
from runwright.model.identity import (
    CONSOLE,
    ApiKey,
    CallerKind,
    Membership,
    Platform,
    Principal,
    Project,
    Session,
    User,
)
from runwright.ports.signals import Signals
from runwright.ports.storage import Storage, UnitOfWork
from runwright.values import dataclass

PROJECTS_CACHED: Final = 1_000
KEYS_CACHED: Final = 10_000
PEOPLE_CACHED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Tenant:
    project: Project
    platforms: tuple[Platform, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """A user with all that follows from its memberships."""

    user: User
    roles: frozenset[str]
    memberships: tuple[Membership, ...]
    sessions: Mapping[str, Session]  # by secret hash
    wanted_factors: int = 1  # that each of the sessions needs


@dataclass(frozen=True, slots=True)
class KeyPass:
    """A stored key, and its holder as a caller."""

    key: ApiKey
    principal: Principal


class Directory:
    def __init__(self, storage: Storage, signals: Signals) -> None:
        self._storage = storage
        self._tenants: Cache[str, Tenant] = Cache(PROJECTS_CACHED)
        self._keys: Cache[tuple[str, str], KeyPass] = Cache(KEYS_CACHED)
        self._people: Cache[tuple[str, str], Person] = Cache(PEOPLE_CACHED)
        signals.on("project", self._project_changed)
        signals.on("key", self._key_changed)
        signals.on("user", self._user_changed)

    async def tenant(self, project_id: str) -> Tenant | None:
        if not is_id(project_id):
            return None
        return self._tenants.peek(project_id) or await self._tenants.get(
            project_id, lambda: self._storage.read(lambda uow: _tenant(uow, project_id))
        )

    def known_tenant(self, project_id: str) -> Tenant | None:
        """From memory."""
        return self._tenants.peek(project_id)

    async def key(self, project_id: str, secret_hash: str) -> KeyPass | None:
        place = (project_id, secret_hash)
        return self._keys.peek(place) or await self._keys.get(
            place, lambda: self._storage.read(lambda uow: _key(uow, *place))
        )

    def known_key(self, project_id: str, secret_hash: str) -> KeyPass | None:
        """From memory."""
        return self._keys.peek((project_id, secret_hash))

    async def person(self, project_id: str, user_id: str) -> Person | None:
        if not is_id(user_id):
            return None
        place = (project_id, user_id)
        return self._people.peek(place) or await self._people.get(
            place, lambda: self._storage.read(lambda uow: _person(uow, *place))
        )

    async def user_id(self, project_id: str, *, email: str = "", phone: str = "") -> str:
        """Of the user with that address, or "". Not cached: few ask for it."""
        if email:
            address = {"email": email}
        elif phone:
            address = {"phone": phone}
        else:
            return ""
        found = await self._storage.read(lambda uow: uow.users.find(project_id, **address))
        return found[0].id if found else ""

    async def has_team(self, team_id: str) -> bool:
        """Whether the console has such an organization; not cached, refusals ask it."""
        if not is_id(team_id):
            return False
        return await self._storage.read(lambda uow: uow.teams.get(CONSOLE, team_id)) is not None

    def _project_changed(self, project_id: str, item_id: str) -> None:
        """Projects are rows of the console project, so either id may be the one that changed.

        Its keys and users go too: a project may be deleted and made again under the same id.
        """
        names = {project_id, item_id} - {CONSOLE, ""}
        self._tenants.forget_if(lambda name, _: not names or name in names)
        self._keys.forget_if(lambda place, _: not names or place[0] in names)
        self._people.forget_if(lambda place, _: not names or place[0] in names)

    def _key_changed(self, project_id: str, item_id: str) -> None:
        self._keys.forget_if(
            lambda place, held: place[0] == project_id and item_id in ("", held.key.id)
        )

    def _user_changed(self, project_id: str, item_id: str) -> None:
        if item_id:
            self._people.forget((project_id, item_id))
        else:
            self._people.forget_if(lambda place, _: place[0] == project_id)


def _tenant(uow: UnitOfWork, project_id: str) -> Tenant | None:
    project = uow.projects.get(CONSOLE, project_id)
    if project is None:
        return None
    return Tenant(project, tuple(uow.platforms.find(project_id)))


def _key(uow: UnitOfWork, project_id: str, secret_hash: str) -> KeyPass | None:
    key = next(iter(uow.keys.find(project_id, secret_hash=secret_hash)), None)
    if key is None:
        return None
    principal = Principal(
        kind=CallerKind.KEY,
        project_id=project_id,
        scopes=scopes.key_scopes(key.scopes),
        roles=permissions.key_roles(key.owner),
        key_id=key.id,
        ends_at=key.expires_at,
    )
    return KeyPass(key, principal)


def _person(uow: UnitOfWork, project_id: str, user_id: str) -> Person | None:
    user = uow.users.get(project_id, user_id)
    if user is None:
        return None
    memberships = tuple(uow.memberships.find(project_id, user_id=user_id))
    sessions = uow.sessions.find(project_id, user_id=user_id)
    return Person(
        user,
        permissions.user_roles(user, memberships),
        memberships,
        {session.secret_hash: session for session in sessions},
        _wanted_factors(uow, user),
    )


def _wanted_factors(uow: UnitOfWork, user: User) -> int:
    """Kept with the person: a change of their factors or of the project drops both."""
    if not user.is_mfa:
        return 1
    is_console = user.project_id == CONSOLE
    project = None if is_console else uow.projects.get(CONSOLE, user.project_id)
    return wanted(user, factors_of(uow, user), policies_of(project).mfa)
