"""Identities: the accounts with other providers by which users sign in."""

from runwright.identity.oauth.errors import IdentityNotFound
from runwright.identity.oauth.settings import settings_of
from runwright.identity.oauth.sign_in import OAuthParts
from runwright.identity.people import touch_user
from runwright.identity.policies import Policies
from runwright.identity.sessions import Sessions
from runwright.model.event import Event
from runwright.model.identity import Identity, Project, Session
from runwright.model.query import ListQuery, Page
from runwright.ports.storage import Storage, UnitOfWork


class Identities:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def list(self, project_id: str, query: ListQuery, *, user_id: str = "") -> Page[Identity]:
        """Those of one user, or of all."""
        only = {"user_id": user_id} if user_id else {}
        return await self._storage.read(lambda uow: uow.identities.page(project_id, query, **only))

    async def delete(self, project_id: str, identity_id: str, *, user_id: str = "") -> None:
        """The user's own, or anybody's. Sessions that it opened go on. Raises IdentityNotFound."""

        def work(uow: UnitOfWork) -> None:
            found = uow.identities.get(project_id, identity_id)
            if found is None or (user_id and found.user_id != user_id):
                raise IdentityNotFound(identity_id)
            uow.identities.remove(project_id, identity_id)
            touch_user(uow, project_id, found.user_id)
            event = Event.of("delete", "users", found.user_id, "identities", found.id)
            uow.emit(project_id, event, found)

        await self._storage.write(work)


class GrantKeeping:
    """Sessions that came of a provider keep its tokens fresh."""

    def __init__(self, parts: OAuthParts, sessions: Sessions) -> None:
        self._parts = parts
        self._sessions = sessions

    async def extend(
        self, project: Project | None, session: Session, policies: Policies
    ) -> Session:
        """Let a session live on, with new tokens where it has one to get them by.

        Raises SessionNotFound, ProviderUnsupported, ProviderRefused, ProviderFailed.
        """
        grant = self._parts.grants.of(session)
        if project is None or not grant.refresh_token:
            return await self._sessions.extend(
                session.project_id, session.user_id, session.id, policies
            )
        provider = self._parts.provider(session.provider)
        setup = self._parts.setup(project, settings_of(project, provider))
        renewed = await self._parts.client.refresh(setup, grant)
        sealed = self._parts.grants.seal(
            project.id, session.provider, session.provider_uid, renewed
        )
        return await self._sessions.extend(
            session.project_id,
            session.user_id,
            session.id,
            policies,
            sealed_grant=sealed,
            grant_expires_at=renewed.expires_at,
        )
