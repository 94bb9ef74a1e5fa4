"""Second factors and passkeys, as JSON."""

from typing import Any

from runwright.clock import iso_millis
from runwright.identity.factors import Available
from runwright.identity.mfa import NewAuthenticator
from runwright.model.factors import MfaChallenge

Json = dict[str, Any]


def available(item: Available) -> Json:
    return {
        "totp": item.totp,
        "phone": item.phone,
        "email": item.email,
        "recoveryCode": item.recovery_code,
        "custom": item.custom,
    }


def new_authenticator(item: NewAuthenticator) -> Json:
    return {"secret": item.secret, "uri": item.uri}


def recovery_codes(codes: tuple[str, ...]) -> Json:
    return {"recoveryCodes": list(codes)}


def challenge(item: MfaChallenge) -> Json:
    return {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "userId": item.user_id,
        "expire": iso_millis(item.expires_at),
    }


def challenge_secret(item: MfaChallenge, code: str) -> Json:
    return challenge(item) | {"code": code}
