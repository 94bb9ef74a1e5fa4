"""People and teams, as JSON."""

from typing import Any, Final

from runwright.api.shapes.oauth import of_session
from runwright.clock import iso_millis, millis_or_empty
from runwright.identity.emails import email_facts
from runwright.identity.hashes import ARGON2
from runwright.identity.memberships import Member
from runwright.identity.oauth.grants import NOTHING, Grant
from runwright.identity.people import Person
from runwright.identity.policies import (
    MembershipPrivacy,
)
from runwright.identity.proofs import NewToken
from runwright.model.identity import (
    Session,
    Target,
    Team,
    User,
)
from runwright.user_agents import parse_user_agent

Json = dict[str, Any]

EVERYTHING: Final = MembershipPrivacy(
    user_id=True,
    user_name=True,
    user_email=True,
    user_phone=True,
    user_mfa=True,
    user_accessed_at=True,
)


def user(person: Person) -> Json:
    """What servers see."""
    shown = account(person)
    item = person.user
    secrets = {
        "password": item.password_hash or None,
        "hash": item.hash_name or None,
        "hashOptions": _hash_options(item),
    }
    head = ("$id", "$createdAt", "$updatedAt", "name")
    return {name: shown[name] for name in head} | secrets | shown


def _hash_options(item: User) -> Json | None:
    """Two spellings of the argon2 options are in use among clients; both are given."""
    if not item.hash_name:
        return None
    options = dict(item.hash_options)
    if item.hash_name == ARGON2:
        options["memoryCost"] = options.get("memory_cost")
        options["timeCost"] = options.get("time_cost")
    return {"type": item.hash_name, **options}


def account(person: Person) -> Json:
    """What users see of themselves."""
    item = person.user
    return {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "$updatedAt": iso_millis(item.updated_at),
        "name": item.name,
        "registration": millis_or_empty(item.registration),
        "status": item.is_active,
        "labels": list(item.labels),
        "passwordUpdate": millis_or_empty(item.password_updated_at),
        "email": item.email or "",
        "phone": item.phone or "",
        "emailVerification": item.is_email_verified,
        **_email(item.email),
        "passwordPwned": item.password_pwned,
        "phoneVerification": item.is_phone_verified,
        "mfa": item.is_mfa,
        "prefs": dict(item.prefs),
        "targets": [target(each) for each in person.targets],
        "accessedAt": millis_or_empty(item.accessed_at),
        "impersonator": item.is_impersonator,
        "impersonatorUserId": None,
    }


def _email(address: str | None) -> Json:
    facts = email_facts(address) if address else None
    return {
        "emailCanonical": facts.canonical if facts else None,
        "emailIsFree": facts.is_free if facts else None,
        "emailIsDisposable": facts.is_disposable if facts else None,
        "emailIsCorporate": facts.is_corporate if facts else None,
        "emailIsCanonical": facts.is_canonical if facts else None,
    }


def client(user_agent: str) -> Json:
    """The program, system and device that somebody used, and where."""
    seen = parse_user_agent(user_agent)
    return {
        "osCode": seen.os_code,
        "osName": seen.os_name,
        "osVersion": seen.os_version,
        "clientType": seen.client_type,
        "clientCode": seen.client_code,
        "clientName": seen.client_name,
        "clientVersion": seen.client_version,
        "clientEngine": seen.client_engine,
        "clientEngineVersion": "",
        "deviceName": seen.device_name,
        "deviceBrand": seen.device_brand,
        "deviceModel": seen.device_model,
        "countryCode": "--",  # the server has no geographic data
        "countryName": "Unknown",
    }


def session(
    item: Session, *, current_id: str = "", secret: str = "", grant: Grant = NOTHING
) -> Json:
    """`secret` and `grant` are what its reader may see of it, mostly nothing."""
    return {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "$updatedAt": iso_millis(item.updated_at),
        "userId": item.user_id,
        "expire": iso_millis(item.expires_at),
        "provider": item.provider,
        "providerUid": item.provider_uid,
        **of_session(grant),
        "ip": item.ip,
        **client(item.user_agent),
        "current": item.id == current_id,
        "factors": list(item.factors),
        "secret": secret,
        "mfaUpdatedAt": millis_or_empty(item.mfa_updated_at),
    }


def token(made: NewToken, *, shows_secret: bool) -> Json:
    item = made.token
    return {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "userId": item.user_id,
        "secret": made.secret if shows_secret else "",
        "expire": iso_millis(item.expires_at),
        "phrase": made.phrase,
    }


def jwt(text: str) -> Json:
    return {"jwt": text}


def target(item: Target) -> Json:
    return {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "$updatedAt": iso_millis(item.updated_at),
        "name": item.name,
        "userId": item.user_id,
        "providerId": item.provider_id,
        "providerType": item.provider_type,
        "identifier": item.identifier,
        "expired": item.is_expired,
    }


def team(item: Team) -> Json:
    return {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "$updatedAt": iso_millis(item.updated_at),
        "name": item.name,
        "total": item.total,
        "prefs": dict(item.prefs),
    }


def membership(member: Member, visible: MembershipPrivacy) -> Json:
    """`visible` says which fields of the person the reader may see; others are empty."""
    item, person = member.membership, member.user
    return {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "$updatedAt": iso_millis(item.updated_at),
        "userId": item.user_id if visible.user_id else "",
        "userName": person.name if visible.user_name else "",
        "userEmail": (person.email or "") if visible.user_email else "",
        "userPhone": (person.phone or "") if visible.user_phone else "",
        "teamId": item.team_id,
        "teamName": member.team.name,
        "invited": iso_millis(item.invited_at),
        "joined": millis_or_empty(item.joined_at),
        "confirm": item.is_confirmed,
        "mfa": person.is_mfa and visible.user_mfa,
        "userAccessedAt": millis_or_empty(person.accessed_at) if visible.user_accessed_at else "",
        "roles": list(item.roles),
    }
