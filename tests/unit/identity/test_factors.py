"""When a session owes a second factor, and how the secrets of factors are kept."""

from dataclasses import replace
from datetime import timedelta

import pytest

from runwright.identity.factor_errors import ChallengeRequired
from runwright.identity.factors import (
    FRESH_FOR,
    FactorSeal,
    available,
    new_code,
    new_recovery_codes,
    require_fresh,
    wanted,
    with_factors,
)
from runwright.identity.policies import MfaFactors
from runwright.model.factors import SecondFactors
from runwright.model.identity import User
from runwright.sealing import CannotOpen
from tests.unit.api.world import START, a_session, a_user

NONE = SecondFactors(id="ada", project_id="shop", created_at=START, updated_at=START)
APP = replace(NONE, sealed_totp=b"x", is_totp_verified=True)
CODES = replace(NONE, sealed_codes=b"x")
ADA = a_user("ada", is_mfa=True)
EMAIL = replace(ADA, is_email_verified=True)
PHONE = replace(ADA, phone="+4930123456", is_phone_verified=True)
ALL = MfaFactors()


@pytest.mark.parametrize(
    ("user", "factors", "allowed", "two"),
    [
        (replace(EMAIL, is_mfa=False), APP, ALL, False),
        (ADA, None, ALL, False),
        (ADA, NONE, ALL, False),
        (ADA, replace(APP, is_totp_verified=False), ALL, False),
        (ADA, CODES, ALL, False),
        (ADA, APP, ALL, True),
        (EMAIL, None, ALL, True),
        (PHONE, None, ALL, True),
        (replace(EMAIL, email=None), None, ALL, False),
        (replace(PHONE, phone=None), None, ALL, False),
        (ADA, APP, MfaFactors(totp=False), False),
        (EMAIL, APP, MfaFactors(totp=False), True),
        (EMAIL, None, MfaFactors(email=False), False),
        (PHONE, None, MfaFactors(phone=False), False),
        (ADA, None, MfaFactors(custom=True), True),
    ],
)
def test_two_factors_are_wanted_once_there_is_a_second_to_give(
    user: User, factors: SecondFactors | None, allowed: MfaFactors, two: bool
) -> None:
    assert wanted(user, factors, allowed) == (2 if two else 1)


def test_recovery_codes_are_there_whatever_the_project_allows() -> None:
    nothing = MfaFactors(totp=False, email=False, phone=False)
    assert available(EMAIL, CODES, nothing).recovery_code
    assert not available(EMAIL, CODES, nothing).is_any


def test_a_factor_counts_once() -> None:
    session = a_session("ada")
    assert with_factors(session, "totp", "totp").factors == ("password", "totp")
    assert with_factors(session, "password").factors == ("password",)


def test_a_challenge_counts_for_half_an_hour() -> None:
    done = a_session("ada", mfa_updated_at=START)
    require_fresh(done, START + FRESH_FOR)
    for session, now in ((done, START + FRESH_FOR + timedelta(seconds=1)), (None, START)):
        with pytest.raises(ChallengeRequired):
            require_fresh(session, now)
    with pytest.raises(ChallengeRequired):
        require_fresh(a_session("ada"), START)


def test_codes_are_what_people_can_type() -> None:
    codes = new_recovery_codes()
    assert len(set(codes)) == 6
    assert all(len(code) == 10 for code in codes)
    assert all(len(new_code()) == 6 and new_code().isdigit() for _ in range(50))


def test_secrets_open_for_their_own_user_alone() -> None:
    seal = FactorSeal(b"k" * 32)
    sealed = replace(NONE, sealed_totp=seal.seal_totp(ADA, "SECRET"))
    assert b"SECRET" not in sealed.sealed_totp
    assert seal.totp(sealed) == "SECRET"
    for other in (replace(sealed, id="ben"), replace(sealed, project_id="bakery")):
        with pytest.raises(CannotOpen):
            seal.totp(other)
    with pytest.raises(CannotOpen):
        FactorSeal(b"l" * 32).totp(sealed)


def test_recovery_codes_are_sealed_and_an_empty_list_is_none() -> None:
    seal = FactorSeal(b"k" * 32)
    codes = ("aaaaaaaaaa", "bbbbbbbbbb")
    kept = replace(NONE, sealed_codes=seal.seal_codes(NONE, codes))
    assert seal.codes(kept) == codes
    assert b"aaaaaaaaaa" not in kept.sealed_codes
    assert seal.seal_codes(NONE, ()) == b""
    assert seal.codes(NONE) == seal.codes(None) == ()


def test_a_hash_of_a_code_needs_the_key_and_the_challenge() -> None:
    seal = FactorSeal(b"k" * 32)
    made = seal.hash_code("c1", "123456")
    assert made == seal.hash_code("c1", "123456")
    others = {
        seal.hash_code("c2", "123456"),
        seal.hash_code("c1", "123457"),
        FactorSeal(b"l" * 32).hash_code("c1", "123456"),
    }
    assert made not in others
    assert len(others) == 3
