"""Codes of authenticator apps: the published test values, the window, and no code twice."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from runwright.identity.totp import STEP_S, new_secret, step_of, uri

# RFC 6238, appendix B (SHA-1), the last six digits of each.
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
PUBLISHED = [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037")]
NOW = datetime(2026, 8, 21, 13, 42, 57, tzinfo=UTC)
STEP = int(NOW.timestamp()) // STEP_S


def code(step: int) -> str:
    return pyotp.TOTP(SECRET).generate_otp(step)


@pytest.mark.parametrize(("second", "shown"), PUBLISHED)
def test_the_published_codes_are_taken(second: int, shown: str) -> None:
    now = datetime.fromtimestamp(second, UTC)
    assert step_of(SECRET, shown, now, after=0) == second // STEP_S


@pytest.mark.parametrize("drift", [-1, 0, 1])
def test_clocks_may_be_one_step_apart(drift: int) -> None:
    assert step_of(SECRET, code(STEP + drift), NOW, after=0) == STEP + drift


@pytest.mark.parametrize("drift", [-2, 2])
def test_clocks_may_not_be_further_apart(drift: int) -> None:
    assert step_of(SECRET, code(STEP + drift), NOW, after=0) is None


def test_a_code_that_was_taken_is_not_taken_again_nor_is_an_older_one() -> None:
    assert step_of(SECRET, code(STEP), NOW, after=STEP) is None
    assert step_of(SECRET, code(STEP - 1), NOW, after=STEP) is None
    assert step_of(SECRET, code(STEP + 1), NOW, after=STEP) == STEP + 1
    later = NOW + timedelta(seconds=STEP_S)
    assert step_of(SECRET, code(STEP), later, after=STEP) is None


@pytest.mark.parametrize(
    "text", ["", "00000", "0000000", "abcdef", "\uff11\uff12\uff13\uff14\uff15\uff16"]
)
def test_what_is_no_code_is_only_wrong(text: str) -> None:
    assert step_of(SECRET, text, NOW, after=0) is None


def test_an_app_reads_the_secret_and_whose_it_is_from_the_uri() -> None:
    secret = new_secret()
    read = urlsplit(uri(secret, account="ada@example.com", issuer="My shop"))
    assert (read.scheme, read.netloc) == ("otpauth", "totp")
    assert read.path == "/My%20shop:ada%40example.com"
    assert parse_qs(read.query) == {"secret": [secret], "issuer": ["My shop"]}
    assert new_secret() != secret
    assert len(secret) == 32
