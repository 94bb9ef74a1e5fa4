"""Passkeys of users: looked at, renamed, deleted, and the domain that they are bound to."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from runwright.clock import Clock
from runwright.identity.factor_errors import (
    PasskeyNotFound,
    RecentSignInRequired,
    RelyingPartyInUse,
)
from runwright.identity.people import required_user
from runwright.identity.policies import policies_of, stored
from runwright.identity.projects import required_project, touch_project
from runwright.identity.relying_party import RelyingParties
from runwright.model.event import Event
from runwright.model.factors import Passkey
from runwright.model.identity import Platform, Project, Session, User
from runwright.model.query import ListQuery, Page
from runwright.ports.storage import Storage, UnitOfWork

RECENT: Final = timedelta(minutes=10)


class Passkeys:
    def __init__(self, storage: Storage, parties: RelyingParties, clock: Clock) -> None:
        self._storage = storage
        self._parties = parties
        self._clock = clock

    async def list(self, project_id: str, user_id: str, query: ListQuery) -> Page[Passkey]:
        """Raises UserNotFound."""

        def work(uow: UnitOfWork) -> Page[Passkey]:
            required_user(uow, project_id, user_id)
            return uow.passkeys.page(project_id, query, user_id=user_id)

        return await self._storage.read(work)

    async def get(self, project_id: str, user_id: str, passkey_id: str) -> Passkey:
        """Raises UserNotFound, PasskeyNotFound."""
        return await self._storage.read(lambda uow: _required(uow, project_id, user_id, passkey_id))

    async def rename(self, project_id: str, user_id: str, passkey_id: str, name: str) -> Passkey:
        """Raises UserNotFound, PasskeyNotFound."""

        def work(uow: UnitOfWork) -> Passkey:
            found = _required(uow, project_id, user_id, passkey_id)
            renamed = replace(found, name=name, updated_at=self._clock.now())
            uow.passkeys.put(renamed)
            return announced(uow, renamed, "update")

        return await self._storage.write(work)

    async def delete_own(self, user: User, session: Session | None, passkey_id: str) -> None:
        """Raises RecentSignInRequired, PasskeyNotFound."""
        require_recent(session, self._clock.now())
        await self.delete(user.project_id, user.id, passkey_id)

    async def delete(self, project_id: str, user_id: str, passkey_id: str) -> None:
        """Raises UserNotFound, PasskeyNotFound."""

        def work(uow: UnitOfWork) -> None:
            found = _required(uow, project_id, user_id, passkey_id)
            uow.passkeys.remove(project_id, found.id)
            announced(uow, found, "delete")

        await self._storage.write(work)

    async def origins(self, project: Project) -> tuple[str, ...]:
        """On which passkeys work, as the policy tells it."""
        platforms = await self._storage.read(lambda uow: platforms_of(uow, project))
        return self._parties.origins(project, platforms)

    async def set_relying_party(self, project_id: str, rp_id: str) -> Project:
        """Bind passkeys to another domain; what has been begun for the old one is void.

        Raises ProjectNotFound, RelyingPartyInUse.
        """

        def work(uow: UnitOfWork) -> Project:
            project = required_project(uow, project_id)
            policies = policies_of(project)
            old = policies.passkey_rp_id
            if old == rp_id:
                return project
            one = ListQuery(limit=1, with_total=False)
            if old and uow.passkeys.page(project_id, one, rp_id=old).items:
                raise RelyingPartyInUse(old)
            uow.ceremonies.remove_where(project_id, rp_id=[old, rp_id])
            changed = replace(
                project,
                updated_at=self._clock.now(),
                policies=stored(replace(policies, passkey_rp_id=rp_id)),
            )
            uow.projects.put(changed)
            touch_project(uow, project_id)
            return changed

        return await self._storage.write(work)


def require_recent(session: Session | None, now: datetime) -> Session:
    """The session, when it was opened or completed an MFA challenge lately.

    Raises RecentSignInRequired.
    """
    moments = (session.created_at, session.mfa_updated_at) if session is not None else ()
    if session is None or not any(at and now - at <= RECENT for at in moments):
        raise RecentSignInRequired(RECENT // timedelta(minutes=1))
    return session


def platforms_of(uow: UnitOfWork, project: Project | None) -> tuple[Platform, ...]:
    """The console has none."""
    return tuple(uow.platforms.find(project.id)) if project is not None else ()


def announced(uow: UnitOfWork, passkey: Passkey, action: str) -> Passkey:
    event = Event.of(action, "users", passkey.user_id, "passkeys", passkey.id)
    uow.emit(passkey.project_id, event, passkey)
    return passkey


def _required(uow: UnitOfWork, project_id: str, user_id: str, passkey_id: str) -> Passkey:
    required_user(uow, project_id, user_id)
    found = uow.passkeys.get(project_id, passkey_id)
    if found is None or found.user_id != user_id:
        raise PasskeyNotFound(passkey_id)
    return found
