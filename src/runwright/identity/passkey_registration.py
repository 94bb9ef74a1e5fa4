"""A device of a signed-in user makes a passkey, and we keep its public key.

Two calls: we give out a challenge, the device signs it. The signature is verified on another
thread and outside of any transaction.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from runwright.clock import Clock
from runwright.identity import authenticators, ceremonies
from runwright.identity.ceremonies import Registration
from runwright.identity.factor_errors import PasskeyExists, PasskeyRefused, TooManyPasskeys
from runwright.identity.passkeys import announced, platforms_of, require_recent
from runwright.identity.people import required_user
from runwright.identity.relying_party import RelyingParties, RelyingParty
from runwright.ids import resolve
from runwright.model.factors import Passkey, PasskeyCeremony
from runwright.model.identity import Platform, Project, Session, User
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork
from runwright.values import dataclass

MAX_PASSKEYS: Final = 50  # of one user

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Begun:
    """A challenge, and what the page hands to the browser."""

    ceremony: PasskeyCeremony
    options: Json


class PasskeyRegistration:
    """`project` is None for the console project; `origin` is that of the page which calls, "" for
    a server."""

    def __init__(self, storage: Storage, parties: RelyingParties, clock: Clock) -> None:
        self._storage = storage
        self._parties = parties
        self._clock = clock

    async def begin(
        self,
        project: Project | None,
        user: User,
        session: Session | None,
        *,
        passkey_id: str,
        name: str,
        origin: str,
    ) -> Begun:
        """Raises RecentSignInRequired, PasskeysNotSetUp, PasskeyExists, TooManyPasskeys."""
        recent = require_recent(session, self._clock.now())
        wanted = Registration(user.id, recent.id, resolve(passkey_id), name)

        def work(uow: UnitOfWork) -> tuple[RelyingParty, User, PasskeyCeremony, list[Passkey]]:
            current = required_user(uow, user.project_id, user.id)
            party = self._parties.of(project, platforms_of(uow, project), origin)
            known = uow.passkeys.find(user.project_id, user_id=user.id)
            if uow.passkeys.get(user.project_id, wanted.passkey_id) is not None:
                raise PasskeyExists()
            _require_room(known)
            begun = ceremonies.begin(
                uow, user.project_id, party.id, self._clock.now(), registration=wanted
            )
            same = [item for item in known if item.rp_id == party.id]
            return party, current, begun, same

        party, current, begun, same = await self._storage.write(work)
        options = await asyncio.to_thread(
            authenticators.creation_options,
            party,
            current,
            begun.challenge,
            same,
            timeout_s=ceremonies.LIFETIME.total_seconds(),
        )
        return Begun(begun, options)

    async def finish(
        self,
        project: Project | None,
        user: User,
        session: Session | None,
        passkey_id: str,
        credential: Json,
    ) -> Passkey:
        """Store the passkey that answers the challenge; there is one try.

        Raises PasskeyRefused, PasskeyExists, TooManyPasskeys.
        """
        session_id = session.id if session is not None else ""

        def take(uow: UnitOfWork) -> tuple[PasskeyCeremony | None, tuple[Platform, ...]]:
            found = uow.ceremonies.find(
                user.project_id, user_id=user.id, passkey_id=passkey_id, session_id=session_id
            )
            pending = next(iter(found), None)
            return ceremonies.take(uow, pending, self._clock.now()), platforms_of(uow, project)

        taken, platforms = await self._storage.write(take)
        ceremony = ceremonies.required(taken)
        origin = vouched_origin(self._parties, credential, ceremony, project, platforms)
        made = await asyncio.to_thread(
            authenticators.registered,
            credential,
            challenge=ceremony.challenge,
            rp_id=ceremony.rp_id,
            origin=origin,
        )
        now = self._clock.now()
        passkey = Passkey(
            id=passkey_id,
            project_id=user.project_id,
            created_at=now,
            updated_at=now,
            user_id=user.id,
            credential_id=made.credential_id,
            public_key=made.public_key,
            sign_count=made.sign_count,
            rp_id=ceremony.rp_id,
            name=ceremony.name,
            transports=made.transports,
        )

        def keep(uow: UnitOfWork) -> Passkey:
            required_user(uow, user.project_id, user.id)
            _require_room(uow.passkeys.find(user.project_id, user_id=user.id))
            try:
                uow.passkeys.add(passkey)
            except AlreadyStored as exc:
                raise PasskeyExists() from exc
            return announced(uow, passkey, "create")

        return await self._storage.write(keep)


def _require_room(known: Sequence[Passkey]) -> None:
    """Raises TooManyPasskeys."""
    if len(known) >= MAX_PASSKEYS:
        raise TooManyPasskeys(MAX_PASSKEYS)


def vouched_origin(
    parties: RelyingParties,
    credential: Json,
    ceremony: PasskeyCeremony,
    project: Project | None,
    platforms: tuple[Platform, ...],
) -> str:
    """That of the page which used the device. Raises PasskeyRefused when it is none of the
    project's."""
    origin = authenticators.read_answer(credential).origin
    if not parties.accepts(origin, ceremony.rp_id, project, platforms):
        raise PasskeyRefused()
    return origin
