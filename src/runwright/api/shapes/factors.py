"""Second factors and passkeys, as JSON."""

from typing import Any

from runwright.clock import iso_millis, millis_or_empty
from runwright.identity.factors import Available
from runwright.identity.mfa import NewAuthenticator
from runwright.identity.passkey_registration import Begun
from runwright.identity.policies import policies_of
from runwright.model.factors import MfaChallenge, Passkey
from runwright.model.identity import Project

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


def passkey(item: Passkey) -> Json:
    return {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "$updatedAt": iso_millis(item.updated_at),
        "name": item.name,
        "accessedAt": millis_or_empty(item.accessed_at),
    }


def passkey_challenge(begun: Begun) -> Json:
    item = begun.ceremony
    return {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "passkeyId": item.passkey_id,
        "expire": iso_millis(item.expires_at),
        "publicKey": begun.options,
    }


def passkey_policy(item: Project, origins: tuple[str, ...]) -> Json:
    return {"$id": "passkey", "rpId": policies_of(item).passkey_rp_id, "origins": list(origins)}
