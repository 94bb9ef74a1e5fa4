"""Sessions: what a signed-in client holds. The secret is given out once and stored hashed.

The value that travels in cookies, headers and bodies is that of `identity/tokens.py`.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from runwright.clock import Clock
from runwright.identity.errors import SessionNotFound
from runwright.identity.oauth.link import Link
from runwright.identity.people import (
    announce_user,
    end_sessions,
    remove_session,
    required_user,
    save_user,
    touch_user,
)
from runwright.identity.policies import Policies
from runwright.identity.tokens import encode_session, hash_secret
from runwright.ids import new_id, new_secret
from runwright.model.event import Event
from runwright.model.identity import Session, User
from runwright.ports.storage import Storage, UnitOfWork
from runwright.values import dataclass

CURRENT: Final = "current"
OAUTH2: Final = "oauth2"
ACCESS_INTERVAL: Final = timedelta(hours=24)  # `accessedAt` is no finer, so it costs few writes


@dataclass(frozen=True, slots=True)
class Device:
    """Where a session was opened from."""

    ip: str = ""
    user_agent: str = ""
    locale: str = "en"  # in which its user is written to


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session and the only copy of its secret."""

    session: Session
    secret: str
    user: User

    @property
    def value(self) -> str:
        """What the client sends from now on."""
        return encode_session(self.session.user_id, self.secret)


def open_session(
    uow: UnitOfWork,
    user: User,
    policies: Policies,
    device: Device,
    now: datetime,
    *,
    provider: str,
    factor: str,
    more_factors: tuple[str, ...] = (),
    is_limited: bool = True,
    link: Link | None = None,
) -> Opened:
    """Sign a user in; when they have more sessions than allowed, the oldest end. `link` is the
    person at the provider by which they came.

    Sessions that are over are deleted on this occasion. Only the new one is announced.
    """
    secret = new_secret()
    session = Session(
        id=new_id(),
        project_id=user.project_id,
        created_at=now,
        updated_at=now,
        user_id=user.id,
        secret_hash=hash_secret(secret),
        expires_at=now + timedelta(seconds=policies.session_duration_s),
        provider=provider,
        provider_uid=link.uid if link else _address(user, provider),
        # Whoever comes from a provider has passed its second factor, if it has one.
        factors=(factor, OAUTH2) if link else (factor, *more_factors),
        mfa_updated_at=now if more_factors else None,
        ip=device.ip,
        user_agent=device.user_agent,
        sealed_grant=link.sealed_grant if link else b"",
        grant_expires_at=link.grant_expires_at if link else None,
    )
    for old in uow.sessions.find(user.project_id, user_id=user.id):
        if old.expires_at < now:
            remove_session(uow, old)
    uow.sessions.add(session)
    if is_limited:
        _trim(uow, user, policies.session_limit)
    if user.accessed_at is None or now - user.accessed_at >= ACCESS_INTERVAL:
        user = save_user(uow, user, user.updated_at, accessed_at=now)
    touch_user(uow, user.project_id, user.id)
    opened = Opened(session, secret, user)
    _announce(uow, session, "create", opened)
    return opened


def _announce(
    uow: UnitOfWork, session: Session, action: str, subject: Session | Opened | None = None
) -> None:
    event = Event.of(action, "users", session.user_id, "sessions", session.id)
    uow.emit(session.project_id, event, subject or session)


def _address(user: User, provider: str) -> str:
    return {"email": user.email, "phone": user.phone}.get(provider) or ""


def _trim(uow: UnitOfWork, user: User, limit: int) -> None:
    sessions = uow.sessions.find(user.project_id, user_id=user.id)
    surplus = len(sessions) - limit if limit else 0
    for session in sessions[: max(0, surplus)]:
        remove_session(uow, session)


class Sessions:
    """Sessions of one user; every method raises UserNotFound when there is no such user."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def list(self, project_id: str, user_id: str) -> tuple[Session, ...]:
        """Live sessions, oldest first."""

        def work(uow: UnitOfWork) -> tuple[Session, ...]:
            required_user(uow, project_id, user_id)
            found = uow.sessions.find(project_id, user_id=user_id)
            return tuple(item for item in found if item.expires_at >= self._clock.now())

        return await self._storage.read(work)

    async def get(self, project_id: str, user_id: str, session_id: str) -> Session:
        """Raises SessionNotFound."""
        return await self._storage.read(
            lambda uow: self._required(uow, project_id, user_id, session_id)
        )

    async def open(
        self, project_id: str, user_id: str, policies: Policies, device: Device
    ) -> Opened:
        """A session made by a server for one of its users."""

        def work(uow: UnitOfWork) -> Opened:
            return open_session(
                uow,
                required_user(uow, project_id, user_id),
                policies,
                device,
                self._clock.now(),
                provider="server",
                factor="server",
                is_limited=False,
            )

        return await self._storage.write(work)

    async def extend(
        self, project_id: str, user_id: str, session_id: str, policies: Policies, **changes: Any
    ) -> Session:
        """Let a session live for the policy's duration from now on, with some fields replaced.
        Raises SessionNotFound."""

        def work(uow: UnitOfWork) -> Session:
            now = self._clock.now()
            session = self._required(uow, project_id, user_id, session_id)
            expires_at = now + timedelta(seconds=policies.session_duration_s)
            session = replace(session, expires_at=expires_at, updated_at=now, **changes)
            uow.sessions.put(session)
            touch_user(uow, project_id, user_id)
            _announce(uow, session, "update")
            return session

        return await self._storage.write(work)

    async def end(self, project_id: str, user_id: str, session_id: str) -> Session:
        """Raises SessionNotFound."""

        def work(uow: UnitOfWork) -> Session:
            session = self._required(uow, project_id, user_id, session_id)
            remove_session(uow, session)
            touch_user(uow, project_id, user_id)
            _announce(uow, session, "delete")
            return session

        return await self._storage.write(work)

    async def end_all(self, project_id: str, user_id: str) -> None:
        """Announced as one event about the user."""

        def work(uow: UnitOfWork) -> None:
            user = required_user(uow, project_id, user_id)
            end_sessions(uow, user)
            announce_user(uow, user, "sessions.delete")

        await self._storage.write(work)

    async def end_own(self, project_id: str, user_id: str, *, current_id: str) -> None:
        """What a user does about all sessions of theirs. Announced as the end of the one that
        the call is made in; a call by JWT ("") is made in none, and makes no news."""

        def work(uow: UnitOfWork) -> None:
            user = required_user(uow, project_id, user_id)
            current = uow.sessions.get(project_id, current_id) if current_id else None
            end_sessions(uow, user)
            if current is not None and current.user_id == user_id:
                _announce(uow, current, "delete")

        await self._storage.write(work)

    def _required(self, uow: UnitOfWork, project_id: str, user_id: str, session_id: str) -> Session:
        required_user(uow, project_id, user_id)
        session = uow.sessions.get(project_id, session_id)
        if session is None or session.user_id != user_id:
            raise SessionNotFound(session_id)
        if session.expires_at < self._clock.now():
            raise SessionNotFound(session_id)
        return session
