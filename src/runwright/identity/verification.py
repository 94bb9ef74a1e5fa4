"""Proving that an address of an account is one's own."""

from dataclasses import replace
from typing import Any, Final

from runwright.clock import Clock
from runwright.identity.errors import EmailMissing, EmailVerified, PhoneMissing, PhoneVerified
from runwright.identity.letters import code_text, email_letter, link_values
from runwright.identity.links import with_query
from runwright.identity.mock_phones import mock_code
from runwright.identity.people import required_user, save_user
from runwright.identity.phrases import new_phrase
from runwright.identity.policies import policies_of
from runwright.identity.proofs import NewToken, Proofs, Purpose, drop, required
from runwright.model.event import Event
from runwright.model.identity import Project, User
from runwright.ports.mailer import Mailer
from runwright.ports.storage import Storage, UnitOfWork

# What follows from a secret of a purpose, and which others are of no more use then.
_PROVES: Final[dict[Purpose, dict[str, Any]]] = {
    Purpose.EMAIL_VERIFICATION: {"is_email_verified": True},
    Purpose.EMAIL_VERIFICATION_CODE: {"is_email_verified": True},
    Purpose.PHONE_VERIFICATION: {"is_phone_verified": True},
}


class Verification:
    """`project` is that of the user, None for a console account."""

    def __init__(self, storage: Storage, proofs: Proofs, mailer: Mailer, clock: Clock) -> None:
        self._storage = storage
        self._proofs = proofs
        self._mailer = mailer
        self._clock = clock

    async def send_link(
        self, project: Project | None, user: User, *, url: str, locale: str
    ) -> NewToken:
        """Raises SmtpDisabled, UserNotFound, EmailMissing, EmailVerified, TooManyLetters."""
        self._mailer.require(project, "email")

        def work(uow: UnitOfWork) -> NewToken:
            current, email = _unproved_email(uow, user)
            issued = self._proofs.issue(uow, current, Purpose.EMAIL_VERIFICATION, sent_to=email)
            made = replace(issued, is_told=True)
            link = with_query(url, **link_values(made))
            letter = email_letter("verification", current, made, locale, url=link)
            self._mailer.post(uow, project, letter)
            _announce(uow, made, "create")
            return made

        return await self._storage.write(work)

    async def send_code(
        self, project: Project | None, user: User, *, with_phrase: bool, locale: str
    ) -> NewToken:
        """Raises what `send_link` raises."""
        self._mailer.require(project, "email")
        phrase = new_phrase() if with_phrase else ""

        def work(uow: UnitOfWork) -> NewToken:
            current, email = _unproved_email(uow, user)
            purpose = Purpose.EMAIL_VERIFICATION_CODE
            issued = self._proofs.issue(uow, current, purpose, sent_to=email)
            made = replace(issued, phrase=phrase, is_told=True)
            letter = email_letter("otpVerification", current, made, locale, otp=made.secret)
            self._mailer.post(uow, project, letter)
            _announce(uow, made, "create")
            return made

        return await self._storage.write(work)

    async def send_phone_code(
        self, project: Project | None, user: User, *, locale: str
    ) -> NewToken:
        """Nothing is sent to a mock phone.

        Raises PhoneDisabled, UserNotFound, PhoneMissing, PhoneVerified, TooManyLetters.
        """
        if not mock_code(policies_of(project), user.phone):
            self._mailer.require(project, "sms")

        def work(uow: UnitOfWork) -> NewToken:
            current = required_user(uow, user.project_id, user.id)
            if not current.phone:
                raise PhoneMissing()
            if current.is_phone_verified:
                raise PhoneVerified()
            mock, purpose = (
                mock_code(policies_of(project), current.phone),
                Purpose.PHONE_VERIFICATION,
            )
            made = self._proofs.issue(uow, current, purpose, sent_to=current.phone, secret=mock)
            if not mock:
                self._mailer.post(uow, project, code_text("verification", current, made, locale))
            _announce(uow, made, "create")
            return made

        return await self._storage.write(work)

    async def confirm(
        self, project_id: str, *, user_id: str, secret: str, purpose: Purpose
    ) -> NewToken:
        """The secret is used up, and the address is its user's. Raises UserNotFound,
        InvalidToken."""
        proves = _PROVES[purpose]

        def work(uow: UnitOfWork) -> NewToken | None:
            user = required_user(uow, project_id, user_id)
            token = self._proofs.redeem(uow, user, secret, purpose)
            if token is None:
                return None
            saved = save_user(uow, user, self._clock.now(), **proves)
            drop(uow, saved, *(key for key, also in _PROVES.items() if also == proves))
            is_told = purpose is not Purpose.PHONE_VERIFICATION
            used = NewToken(token, token.secret_hash, is_told=is_told)
            _announce(uow, used, "update")
            return used

        return required(await self._storage.write(work))


def _unproved_email(uow: UnitOfWork, user: User) -> tuple[User, str]:
    """The user as stored now, and the address. Raises UserNotFound, EmailMissing,
    EmailVerified."""
    current = required_user(uow, user.project_id, user.id)
    if not current.email:
        raise EmailMissing()
    if current.is_email_verified:
        raise EmailVerified()
    return current, current.email


def _announce(uow: UnitOfWork, made: NewToken, action: str) -> None:
    token = made.token
    event = Event.of(action, "users", token.user_id, "verification", token.id)
    uow.emit(token.project_id, event, made)
