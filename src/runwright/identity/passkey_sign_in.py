"""Signing in with a passkey: nobody says who they are, the device does.

What comes of it is a token, which buys a session as other tokens do (token_sign_in.py). While
the signature is verified no transaction is open, so what was read before is looked at again.
"""

import asyncio
from dataclasses import replace
from typing import Any

from runwright.clock import Clock
from runwright.identity import authenticators, ceremonies
from runwright.identity.errors import UserBlocked
from runwright.identity.factor_errors import PasskeyRefused
from runwright.identity.passkey_registration import Begun, vouched_origin
from runwright.identity.passkeys import platforms_of
from runwright.identity.proofs import NewToken, Proofs, Purpose
from runwright.identity.relying_party import RelyingParties
from runwright.model.factors import Passkey, PasskeyCeremony
from runwright.model.identity import CONSOLE, Platform, Project
from runwright.ports.storage import Storage, UnitOfWork

Json = dict[str, Any]


class PasskeySignIn:
    """`project` is None for the console project; `origin` is that of the page which calls, "" for
    a server."""

    def __init__(
        self, storage: Storage, proofs: Proofs, parties: RelyingParties, clock: Clock
    ) -> None:
        self._storage = storage
        self._proofs = proofs
        self._parties = parties
        self._clock = clock

    async def begin(self, project: Project | None, *, origin: str) -> Begun:
        """Raises PasskeysNotSetUp."""
        project_id = project.id if project is not None else CONSOLE

        def work(uow: UnitOfWork) -> PasskeyCeremony:
            party = self._parties.of(project, platforms_of(uow, project), origin)
            return ceremonies.begin(uow, project_id, party.id, self._clock.now())

        begun = await self._storage.write(work)
        timeout_s = ceremonies.LIFETIME.total_seconds()
        options = await asyncio.to_thread(
            authenticators.request_options, begun.rp_id, begun.challenge, timeout_s=timeout_s
        )
        return Begun(begun, options)

    async def finish(
        self, project: Project | None, challenge_id: str, credential: Json
    ) -> NewToken:
        """A token of the passkey's user, to be traded for a session. Raises PasskeyRefused,
        UserBlocked."""
        project_id = project.id if project is not None else CONSOLE

        def take(uow: UnitOfWork) -> tuple[PasskeyCeremony | None, tuple[Platform, ...]]:
            pending = uow.ceremonies.get(project_id, challenge_id)
            if pending is not None and pending.user_id:
                return None, ()  # that of a registration
            return ceremonies.take(uow, pending, self._clock.now()), platforms_of(uow, project)

        taken, platforms = await self._storage.write(take)
        ceremony = ceremonies.required(taken)
        origin = vouched_origin(self._parties, credential, ceremony, project, platforms)
        passkey = await self._of_credential(project_id, ceremony, credential)
        sign_count = await asyncio.to_thread(
            authenticators.signed_in,
            credential,
            passkey,
            challenge=ceremony.challenge,
            rp_id=ceremony.rp_id,
            origin=origin,
        )

        def trade(uow: UnitOfWork) -> NewToken:
            current = uow.passkeys.get(project_id, passkey.id)
            user = uow.users.get(project_id, passkey.user_id)
            # Another device may have signed meanwhile, with the same passkey.
            if current is None or user is None or current.sign_count != passkey.sign_count:
                raise PasskeyRefused()
            if not user.is_active:
                raise UserBlocked()
            used = replace(current, sign_count=sign_count, accessed_at=self._clock.now())
            uow.passkeys.put(used)
            return self._proofs.issue(uow, user, Purpose.PASSKEY)

        return await self._storage.write(trade)

    async def _of_credential(
        self, project_id: str, ceremony: PasskeyCeremony, credential: Json
    ) -> Passkey:
        """The passkey that an answer names. Raises PasskeyRefused."""
        answer = authenticators.read_answer(credential)
        found = await self._storage.read(
            lambda uow: uow.passkeys.find(project_id, credential_id=answer.credential_id)
        )
        passkey = next(iter(found), None)
        if passkey is None or passkey.rp_id != ceremony.rp_id:
            raise PasskeyRefused()
        if answer.user_handle not in (None, passkey.user_id):
            raise PasskeyRefused()
        return passkey
