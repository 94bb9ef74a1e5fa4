"""Second factors: which a user has, when a session owes one, and how their secrets are kept.

A session knows the factors that were given in it. Once its user has switched MFA on and has
anything to give, two are wanted; until then the session can do no more than give the second
one or end (`api/routing.py`, `is_before_second_factor`).
"""

import hmac
import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import msgspec

from runwright.identity.factor_errors import ChallengeRequired
from runwright.identity.people import touch_user
from runwright.identity.policies import MfaFactors
from runwright.model.factors import SecondFactors
from runwright.model.identity import Session, User
from runwright.ports.storage import UnitOfWork
from runwright.sealing import Sealer, derive
from runwright.values import dataclass

TOTP: Final = "totp"
EMAIL: Final = "email"
PHONE: Final = "phone"
RECOVERY_CODE: Final = "recoverycode"
CUSTOM: Final = "custom"
FACTORS: Final = (EMAIL, PHONE, TOTP, RECOVERY_CODE, CUSTOM)

FRESH_FOR: Final = timedelta(minutes=30)  # how long a completed challenge opens what is guarded
RECOVERY_CODES: Final = 6
RECOVERY_CODE_CHARS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Available:
    """What a user could give, as far as the project allows it."""

    totp: bool
    email: bool
    phone: bool
    recovery_code: bool
    custom: bool

    @property
    def is_any(self) -> bool:
        """Recovery codes do not count: they stand in for a factor and run out."""
        return self.totp or self.email or self.phone or self.custom


def available(user: User, factors: SecondFactors | None, allowed: MfaFactors) -> Available:
    return Available(
        totp=allowed.totp and factors is not None and factors.is_totp_verified,
        email=allowed.email and bool(user.email) and user.is_email_verified,
        phone=allowed.phone and bool(user.phone) and user.is_phone_verified,
        recovery_code=factors is not None and bool(factors.sealed_codes),
        custom=allowed.custom,
    )


def wanted(user: User, factors: SecondFactors | None, allowed: MfaFactors) -> int:
    """How many factors a session of this user needs."""
    return 2 if user.is_mfa and available(user, factors, allowed).is_any else 1


def with_factors(session: Session, *given: str) -> Session:
    """The session after more factors were given; each counts once."""
    return replace(session, factors=tuple(dict.fromkeys((*session.factors, *given))))


def require_fresh(session: Session | None, now: datetime) -> None:
    """Raises ChallengeRequired unless the session completed a challenge lately."""
    at = session.mfa_updated_at if session is not None else None
    if at is None or now - at > FRESH_FOR:
        raise ChallengeRequired(FRESH_FOR // timedelta(minutes=1))


def factors_of(uow: UnitOfWork, user: User) -> SecondFactors | None:
    return uow.factors.get(user.project_id, user.id)


def factors_to_change(uow: UnitOfWork, user: User, now: datetime) -> SecondFactors:
    """The stored ones, or empty ones for a user who has none yet."""
    return factors_of(uow, user) or SecondFactors(
        id=user.id, project_id=user.project_id, created_at=now, updated_at=now
    )


def save_factors(uow: UnitOfWork, factors: SecondFactors, now: datetime) -> SecondFactors:
    changed = replace(factors, updated_at=now)
    if uow.factors.get(factors.project_id, factors.id) is None:
        uow.factors.add(changed)
    else:
        uow.factors.put(changed)
    touch_user(uow, factors.project_id, factors.id)
    return changed


def new_recovery_codes() -> tuple[str, ...]:
    return tuple(secrets.token_hex(RECOVERY_CODE_CHARS // 2) for _ in range(RECOVERY_CODES))


def new_code() -> str:
    """Six digits, as they are sent to people."""
    return f"{secrets.randbelow(1_000_000):06}"


class FactorSeal:
    """Secrets of second factors at rest.

    What has to be shown or computed with again is sealed. Codes that were sent are only
    compared, so they are hashed, with a key: six digits alone would be guessed in a moment.
    """

    def __init__(self, key: bytes) -> None:
        self._sealer = Sealer(derive(key, "second factors"))
        self._key = derive(key, "codes of challenges")

    def seal_totp(self, user: User, secret: str) -> bytes:
        return self._sealer.seal(secret.encode(), _context("totp", user.project_id, user.id))

    def totp(self, factors: SecondFactors) -> str:
        context = _context("totp", factors.project_id, factors.id)
        return self._sealer.open(factors.sealed_totp, context).decode()

    def seal_codes(self, factors: SecondFactors, codes: tuple[str, ...]) -> bytes:
        if not codes:
            return b""
        context = _context("recovery", factors.project_id, factors.id)
        return self._sealer.seal(msgspec.json.encode(codes), context)

    def codes(self, factors: SecondFactors | None) -> tuple[str, ...]:
        """Recovery codes that are left."""
        if factors is None or not factors.sealed_codes:
            return ()
        context = _context("recovery", factors.project_id, factors.id)
        plain = self._sealer.open(factors.sealed_codes, context)
        return msgspec.json.decode(plain, type=tuple[str, ...])

    def seal_code(self, project_id: str, challenge_id: str, code: str) -> bytes:
        return self._sealer.seal(code.encode(), _context("code", project_id, challenge_id))

    def code(self, project_id: str, challenge_id: str, sealed: bytes) -> str:
        return self._sealer.open(sealed, _context("code", project_id, challenge_id)).decode()

    def hash_code(self, challenge_id: str, code: str) -> str:
        return hmac.digest(self._key, f"{challenge_id}:{code}".encode(), sha256).hex()


def _context(kind: str, project_id: str, item_id: str) -> str:
    return f"{kind}:{project_id}:{item_id}"
