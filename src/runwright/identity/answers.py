"""Whether an answer to a challenge is right. A right one is used up in the same step."""

import hmac
from dataclasses import replace
from datetime import datetime

from runwright.identity import totp
from runwright.identity.factors import RECOVERY_CODE, TOTP, FactorSeal, save_factors
from runwright.model.factors import MfaChallenge, SecondFactors
from runwright.ports.storage import UnitOfWork


def fits(
    uow: UnitOfWork, seal: FactorSeal, challenge: MfaChallenge, answer: str, now: datetime
) -> bool:
    if challenge.code_hash:
        given = seal.hash_code(challenge.id, answer)
        return hmac.compare_digest(given, challenge.code_hash)
    factors = uow.factors.get(challenge.project_id, challenge.user_id)
    if factors is None:
        return False
    if challenge.factor == RECOVERY_CODE:
        return _is_recovery_code(uow, seal, factors, answer, now)
    return challenge.factor == TOTP and _is_shown_by_app(uow, seal, factors, answer, now)


def _is_recovery_code(
    uow: UnitOfWork, seal: FactorSeal, factors: SecondFactors, answer: str, now: datetime
) -> bool:
    codes = seal.codes(factors)
    # Every one is looked at, so that time tells nothing.
    left = tuple(code for code in codes if not hmac.compare_digest(code.encode(), answer.encode()))
    if len(left) == len(codes):
        return False
    save_factors(uow, replace(factors, sealed_codes=seal.seal_codes(factors, left)), now)
    return True


def _is_shown_by_app(
    uow: UnitOfWork, seal: FactorSeal, factors: SecondFactors, answer: str, now: datetime
) -> bool:
    if not factors.is_totp_verified:
        return False
    step = totp.step_of(seal.totp(factors), answer, now, after=factors.totp_step)
    if step is None:
        return False
    save_factors(uow, replace(factors, totp_step=step), now)
    return True
