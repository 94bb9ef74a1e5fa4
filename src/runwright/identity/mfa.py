"""Second factors of users: switched on and off, authenticator apps, recovery codes.

Two doors lead here. People manage their own factors with a session, which has to be a fresh
one for what could be used to lock its owner out; servers and admins manage those of their users.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from runwright.clock import Clock
from runwright.identity import totp
from runwright.identity.errors import InvalidToken
from runwright.identity.factor_errors import (
    AuthenticatorNotFound,
    AuthenticatorVerified,
    RecoveryCodesExist,
    RecoveryCodesNotFound,
)
from runwright.identity.factors import (
    EMAIL,
    PHONE,
    TOTP,
    Available,
    FactorSeal,
    available,
    factors_of,
    factors_to_change,
    new_recovery_codes,
    require_fresh,
    save_factors,
    with_factors,
)
from runwright.identity.people import Person, announce_user, required_user, save_user, touch_user
from runwright.identity.policies import policies_of
from runwright.model.factors import SecondFactors
from runwright.model.identity import Project, Session, User
from runwright.ports.storage import Storage, UnitOfWork
from runwright.values import dataclass

UPDATE: Final = "update.mfa"
CONSOLE_NAME: Final = "Runwright"  # what authenticator apps call the console


@dataclass(frozen=True, slots=True)
class NewAuthenticator:
    """The only time that its secret is shown."""

    secret: str
    uri: str


class Mfa:
    """Methods that name a user raise UserNotFound when there is none. `project` is None for the
    console project."""

    def __init__(self, storage: Storage, seal: FactorSeal, clock: Clock) -> None:
        self._storage = storage
        self._seal = seal
        self._clock = clock

    async def switch(
        self, project: Project | None, user: User, session: Session | None, *, is_on: bool
    ) -> Person:
        """Switch MFA on or off for oneself.

        The session that switches it on goes on, whatever factors it was opened with; every
        other one has to give a second factor first.
        """
        allowed = policies_of(project).mfa

        def work(uow: UnitOfWork) -> Person:
            stored = required_user(uow, user.project_id, user.id)
            if is_on and session is not None:
                has = available(stored, factors_of(uow, stored), allowed)
                given = ((TOTP, has.totp), (EMAIL, has.email), (PHONE, has.phone))
                _give(uow, session, *(factor for factor, is_there in given if is_there))
            saved = save_user(uow, stored, self._clock.now(), is_mfa=is_on)
            return announce_user(uow, saved, UPDATE)

        return await self._storage.write(work)

    async def switch_for(self, project_id: str, user_id: str, *, is_on: bool) -> Person:
        """The same by a server. No session gets a factor by it."""

        def work(uow: UnitOfWork) -> Person:
            user = required_user(uow, project_id, user_id)
            return announce_user(uow, save_user(uow, user, self._clock.now(), is_mfa=is_on), UPDATE)

        return await self._storage.write(work)

    async def available(self, project: Project | None, project_id: str, user_id: str) -> Available:
        allowed = policies_of(project).mfa

        def work(uow: UnitOfWork) -> Available:
            user = required_user(uow, project_id, user_id)
            return available(user, factors_of(uow, user), allowed)

        return await self._storage.read(work)

    async def add_authenticator(self, project: Project | None, user: User) -> NewAuthenticator:
        """Make a secret for an app; one that was never verified is replaced.

        Raises AuthenticatorVerified.
        """
        secret = totp.new_secret()

        def work(uow: UnitOfWork) -> str:
            now = self._clock.now()
            stored = required_user(uow, user.project_id, user.id)
            factors = factors_to_change(uow, stored, now)
            if factors.is_totp_verified:
                raise AuthenticatorVerified()
            sealed = self._seal.seal_totp(stored, secret)
            save_factors(uow, replace(factors, sealed_totp=sealed, totp_step=0), now)
            announce_user(uow, stored, UPDATE)
            return stored.email or stored.phone or stored.name or stored.id

        account = await self._storage.write(work)
        issuer = project.name if project is not None else CONSOLE_NAME
        return NewAuthenticator(secret, totp.uri(secret, account=account, issuer=issuer))

    async def verify_authenticator(self, user: User, session: Session | None, code: str) -> Person:
        """Prove that the app has the secret; the session has given this factor by it.

        Raises AuthenticatorNotFound, AuthenticatorVerified, InvalidToken.
        """

        def work(uow: UnitOfWork) -> Person:
            now = self._clock.now()
            stored = required_user(uow, user.project_id, user.id)
            factors = factors_of(uow, stored)
            if factors is None or not factors.sealed_totp:
                raise AuthenticatorNotFound()
            if factors.is_totp_verified:
                raise AuthenticatorVerified()
            step = totp.step_of(self._seal.totp(factors), code, now, after=factors.totp_step)
            if step is None:
                raise InvalidToken()
            save_factors(uow, replace(factors, is_totp_verified=True, totp_step=step), now)
            if session is not None:
                _give(uow, session, TOTP)
            return announce_user(uow, stored, UPDATE)

        return await self._storage.write(work)

    async def remove_authenticator(self, user: User, session: Session | None) -> None:
        """Raises AuthenticatorNotFound, ChallengeRequired (for one that is in use)."""
        await self._remove(
            user.project_id, user.id, lambda: require_fresh(session, self._clock.now())
        )

    async def remove_authenticator_of(self, project_id: str, user_id: str) -> None:
        """Raises AuthenticatorNotFound."""
        await self._remove(project_id, user_id, lambda: None)

    async def _remove(self, project_id: str, user_id: str, check: Callable[[], None]) -> None:
        def work(uow: UnitOfWork) -> None:
            user = required_user(uow, project_id, user_id)
            factors = factors_of(uow, user)
            if factors is None or not factors.sealed_totp:
                raise AuthenticatorNotFound()
            if factors.is_totp_verified:
                check()
            none = replace(factors, sealed_totp=b"", is_totp_verified=False, totp_step=0)
            save_factors(uow, none, self._clock.now())
            announce_user(uow, user, UPDATE)

        await self._storage.write(work)

    async def recovery_codes(self, user: User, session: Session | None) -> tuple[str, ...]:
        """Those that are left. Raises ChallengeRequired, RecoveryCodesNotFound."""
        require_fresh(session, self._clock.now())
        return await self.recovery_codes_of(user.project_id, user.id)

    async def recovery_codes_of(self, project_id: str, user_id: str) -> tuple[str, ...]:
        """Raises RecoveryCodesNotFound."""

        def work(uow: UnitOfWork) -> SecondFactors | None:
            return factors_of(uow, required_user(uow, project_id, user_id))

        codes = self._seal.codes(await self._storage.read(work))
        if not codes:
            raise RecoveryCodesNotFound()
        return codes

    async def make_recovery_codes(self, project_id: str, user_id: str) -> tuple[str, ...]:
        """The first ones. Raises RecoveryCodesExist."""
        return await self._new_codes(project_id, user_id, are_first=True)

    async def renew_recovery_codes(self, user: User, session: Session | None) -> tuple[str, ...]:
        """Others in place of those that are left. Raises ChallengeRequired,
        RecoveryCodesNotFound."""
        require_fresh(session, self._clock.now())
        return await self.renew_recovery_codes_of(user.project_id, user.id)

    async def renew_recovery_codes_of(self, project_id: str, user_id: str) -> tuple[str, ...]:
        """Raises RecoveryCodesNotFound."""
        return await self._new_codes(project_id, user_id, are_first=False)

    async def _new_codes(
        self, project_id: str, user_id: str, *, are_first: bool
    ) -> tuple[str, ...]:
        codes = new_recovery_codes()

        def work(uow: UnitOfWork) -> None:
            now = self._clock.now()
            user = required_user(uow, project_id, user_id)
            factors = factors_to_change(uow, user, now)
            if are_first and factors.sealed_codes:
                raise RecoveryCodesExist()
            if not are_first and not factors.sealed_codes:
                raise RecoveryCodesNotFound()
            sealed = self._seal.seal_codes(factors, codes)
            save_factors(uow, replace(factors, sealed_codes=sealed), now)
            announce_user(uow, user, UPDATE)

        await self._storage.write(work)
        return codes


def _give(uow: UnitOfWork, session: Session, *factors: str) -> None:
    """Note factors on a session, if it is still there."""
    stored = uow.sessions.get(session.project_id, session.id)
    if stored is None or not factors:
        return
    uow.sessions.put(with_factors(stored, *factors))
    touch_user(uow, stored.project_id, stored.user_id)
