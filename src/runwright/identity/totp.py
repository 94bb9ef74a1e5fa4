"""Codes of authenticator apps (RFC 6238): six digits, new ones every 30 seconds."""

import hmac
from datetime import datetime
from typing import Final

import pyotp

STEP_S: Final = 30
DRIFT: Final = 1  # steps that the clock of a telephone may be off, either way


def new_secret() -> str:
    """160 random bits in base32, as apps take them."""
    return pyotp.random_base32()


def uri(secret: str, *, account: str, issuer: str) -> str:
    """What an app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def step_of(secret: str, code: str, now: datetime, *, after: int) -> int | None:
    """The time step that a code belongs to; None when it is wrong.

    Only steps after `after` count: a code that was taken once, or an older one, is not taken
    again by whoever looked over a shoulder.
    """
    totp, current = pyotp.TOTP(secret), int(now.timestamp()) // STEP_S
    found: int | None = None
    for step in range(current - DRIFT, current + DRIFT + 1):
        is_same = hmac.compare_digest(totp.generate_otp(step).encode(), code.encode())
        if is_same and step > after and found is None:
            found = step
    return found
