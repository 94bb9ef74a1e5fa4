"""Challenges: a session is asked for a second factor, and gives it.

A challenge belongs to the session that asked for it, ends after a while and after a few wrong
answers, and opens the session once. A session has one of each factor at a time.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from runwright.clock import Clock
from runwright.identity.answers import fits
from runwright.identity.errors import (
    EmailMissing,
    InvalidToken,
    PhoneMissing,
    SessionNotFound,
)
from runwright.identity.factor_errors import (
    AuthenticatorNotFound,
    ChallengeNotFound,
    EmailUnverified,
    FactorDisabled,
    PhoneUnverified,
    RecoveryCodesNotFound,
)
from runwright.identity.factors import (
    CUSTOM,
    EMAIL,
    PHONE,
    RECOVERY_CODE,
    FactorSeal,
    available,
    factors_of,
    new_code,
    with_factors,
)
from runwright.identity.mock_phones import mock_code
from runwright.identity.people import required_user, touch_user
from runwright.identity.policies import policies_of
from runwright.ids import new_id
from runwright.model.event import Event
from runwright.model.factors import MfaChallenge
from runwright.model.identity import Project, Session, User
from runwright.ports.mailer import Letter, Mailer
from runwright.ports.storage import Storage, UnitOfWork

LIFETIME: Final = timedelta(minutes=15)
MAX_FAILURES: Final = 5

_SENT_BY: Final = {EMAIL: "email", PHONE: "sms"}
_FIELDS: Final = {RECOVERY_CODE: "recovery_code"}  # of `Available`, where it has another name


class Challenges:
    """`project` is None for the console project throughout."""

    def __init__(self, storage: Storage, seal: FactorSeal, mailer: Mailer, clock: Clock) -> None:
        self._storage = storage
        self._seal = seal
        self._mailer = mailer
        self._clock = clock

    async def create(
        self,
        project: Project | None,
        user: User,
        session: Session | None,
        factor: str,
        *,
        locale: str = "en",
    ) -> MfaChallenge:
        """Ask a session for a factor; codes of e-mail and telephone are sent on their way.
        Nothing is sent to a mock phone.

        Raises SmtpDisabled, PhoneDisabled, SessionNotFound, FactorDisabled, and what says that
        the user has no such factor.
        """
        if factor == EMAIL:
            self._mailer.require(project, "email")
        if factor == PHONE and not mock_code(policies_of(project), user.phone):
            self._mailer.require(project, "sms")
        if session is None:
            raise SessionNotFound()
        asked = session

        def work(uow: UnitOfWork) -> MfaChallenge:
            now = self._clock.now()
            stored = required_user(uow, user.project_id, user.id)
            self._check(uow, project, stored, factor)
            mock = mock_code(policies_of(project), stored.phone) if factor == PHONE else ""
            code = mock or new_code()
            challenge = self._challenge(stored, asked, factor, code, now)
            _clear(uow, challenge, now)
            uow.mfa_challenges.add(challenge)
            if factor in _SENT_BY and not mock:
                self._mailer.post(uow, project, _letter(stored, factor, code, locale))
            event = Event.of("create", "users", stored.id, "challenges", challenge.id)
            uow.emit(stored.project_id, event, challenge)
            return challenge

        return await self._storage.write(work)

    def _check(self, uow: UnitOfWork, project: Project | None, user: User, factor: str) -> None:
        allowed = policies_of(project).mfa
        if not getattr(allowed, factor, True):
            raise FactorDisabled(factor)
        has = available(user, factors_of(uow, user), allowed)
        match factor:
            case "totp" if not has.totp:
                raise AuthenticatorNotFound()
            case "recoverycode" if not has.recovery_code:
                raise RecoveryCodesNotFound()
            case "email" if not user.email:
                raise EmailMissing()
            case "email" if not has.email:
                raise EmailUnverified()
            case "phone" if not user.phone:
                raise PhoneMissing()
            case "phone" if not has.phone:
                raise PhoneUnverified()

    def _challenge(
        self, user: User, session: Session, factor: str, code: str, now: datetime
    ) -> MfaChallenge:
        challenge = MfaChallenge(
            id=new_id(),
            project_id=user.project_id,
            created_at=now,
            updated_at=now,
            user_id=user.id,
            session_id=session.id,
            factor=factor,
            expires_at=now + LIFETIME,
        )
        if factor in _SENT_BY or factor == CUSTOM:
            challenge = replace(challenge, code_hash=self._seal.hash_code(challenge.id, code))
        if factor == CUSTOM:
            sealed = self._seal.seal_code(user.project_id, challenge.id, code)
            challenge = replace(challenge, sealed_code=sealed)
        return challenge

    async def complete(
        self,
        project: Project | None,
        user: User,
        session: Session | None,
        challenge_id: str,
        answer: str,
    ) -> Session:
        """Give the factor that the session was asked for; the session as it is then.

        Raises InvalidToken, also for a challenge that is over, used up or another session's, and
        for a factor that the user has lost meanwhile.
        """
        allowed = policies_of(project).mfa

        def work(uow: UnitOfWork) -> Session | None:
            now = self._clock.now()
            challenge = uow.mfa_challenges.get(user.project_id, challenge_id)
            if challenge is None or session is None or challenge.session_id != session.id:
                return None
            if challenge.expires_at <= now:
                uow.mfa_challenges.remove(challenge.project_id, challenge.id)
                return None
            stored = uow.sessions.get(session.project_id, session.id)
            current = required_user(uow, user.project_id, user.id)
            has = available(current, factors_of(uow, current), allowed)
            is_there = getattr(has, _FIELDS.get(challenge.factor, challenge.factor))
            if stored is None or not is_there or not fits(uow, self._seal, challenge, answer, now):
                self._failed(uow, challenge)
                return None
            uow.mfa_challenges.remove(challenge.project_id, challenge.id)
            return _passed(uow, stored, challenge.factor, now)

        # Raised only now: a wrong answer is counted, so its transaction has to last.
        passed = await self._storage.write(work)
        if passed is None:
            raise InvalidToken()
        return passed

    def _failed(self, uow: UnitOfWork, challenge: MfaChallenge) -> None:
        failures = challenge.failures + 1
        if failures >= MAX_FAILURES:
            uow.mfa_challenges.remove(challenge.project_id, challenge.id)
        else:
            uow.mfa_challenges.put(
                replace(challenge, failures=failures, updated_at=self._clock.now())
            )

    async def code_of(
        self, project_id: str, user_id: str, challenge_id: str
    ) -> tuple[MfaChallenge, str]:
        """A challenge of the factor `custom` and the code that a server is to deliver.

        Raises UserNotFound, ChallengeNotFound.
        """

        def work(uow: UnitOfWork) -> MfaChallenge:
            required_user(uow, project_id, user_id)
            challenge = uow.mfa_challenges.get(project_id, challenge_id)
            is_theirs = challenge is not None and challenge.user_id == user_id
            if challenge is None or not is_theirs or not challenge.sealed_code:
                raise ChallengeNotFound(challenge_id)
            if challenge.expires_at <= self._clock.now():
                raise ChallengeNotFound(challenge_id)
            return challenge

        challenge = await self._storage.read(work)
        code = self._seal.code(project_id, challenge.id, challenge.sealed_code)
        return challenge, code


def _clear(uow: UnitOfWork, wanted: MfaChallenge, now: datetime) -> None:
    """Remove the user's challenges that are over or that `wanted` replaces."""
    for old in uow.mfa_challenges.find(wanted.project_id, user_id=wanted.user_id):
        is_same = (old.session_id, old.factor) == (wanted.session_id, wanted.factor)
        if is_same or old.expires_at <= now:
            uow.mfa_challenges.remove(old.project_id, old.id)


def _passed(uow: UnitOfWork, session: Session, factor: str, now: datetime) -> Session:
    opened = replace(with_factors(session, factor), mfa_updated_at=now, updated_at=now)
    uow.sessions.put(opened)
    touch_user(uow, session.project_id, session.user_id)
    event = Event.of("create", "users", session.user_id, "sessions", session.id)
    uow.emit(session.project_id, event, opened)
    return opened


def _letter(user: User, factor: str, code: str, locale: str) -> Letter:
    is_mail = factor == EMAIL
    return Letter(
        occasion="mfaChallenge",
        kind="email" if is_mail else "sms",
        to=(user.email if is_mail else user.phone) or "",
        name=user.name,
        locale=locale,
        facts=(("otp", code),),
    )
