"""People, teams, projects and keys, as JSON."""

from datetime import datetime
from typing import Any, Final

from runwright.api.project_format import WithOlder
from runwright.api.shapes.oauth import of_session, older_providers
from runwright.clock import iso_millis
from runwright.identity.emails import email_facts
from runwright.identity.hashes import ARGON2
from runwright.identity.keys import NewKey
from runwright.identity.mail import mail_of
from runwright.identity.memberships import Member
from runwright.identity.oauth.grants import NOTHING, Grant
from runwright.identity.people import Person
from runwright.identity.policies import (
    MembershipPrivacy,
    MfaFactors,
    MockPhone,
    Policies,
    policies_of,
)
from runwright.identity.projects import AUTH_METHODS, PROTOCOLS, SERVICES
from runwright.identity.proofs import NewToken
from runwright.model.identity import (
    ApiKey,
    Platform,
    Project,
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


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else iso_millis(moment)


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
        "registration": _moment(item.registration),
        "status": item.is_active,
        "labels": list(item.labels),
        "passwordUpdate": _moment(item.password_updated_at),
        "email": item.email or "",
        "phone": item.phone or "",
        "emailVerification": item.is_email_verified,
        **_email(item.email),
        "passwordPwned": item.password_pwned,
        "phoneVerification": item.is_phone_verified,
        "mfa": item.is_mfa,
        "prefs": dict(item.prefs),
        "targets": [target(each) for each in person.targets],
        "accessedAt": _moment(item.accessed_at),
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
        "mfaUpdatedAt": _moment(item.mfa_updated_at),
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
        "joined": _moment(item.joined_at),
        "confirm": item.is_confirmed,
        "mfa": person.is_mfa and visible.user_mfa,
        "userAccessedAt": _moment(person.accessed_at) if visible.user_accessed_at else "",
        "roles": list(item.roles),
    }


def project(item: Project) -> Json:
    mail = mail_of(item)
    newest = {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "$updatedAt": iso_millis(item.updated_at),
        "name": item.name,
        "teamId": item.team_id,
        "region": item.region,
        "devKeys": [],
        "smtpEnabled": mail.is_enabled,
        "smtpSenderName": mail.sender_name,
        "smtpSenderEmail": mail.sender_email,
        "smtpReplyToName": mail.reply_to_name,
        "smtpReplyToEmail": mail.reply_to_email,
        "smtpHost": mail.host,
        "smtpPort": mail.port,
        "smtpUsername": mail.username,
        "smtpPassword": "",
        "smtpSecure": mail.secure,
        "pingCount": item.ping_count,
        "pingedAt": _moment(item.pinged_at),
        "labels": list(item.labels),
        "status": "active",
        "onboarding": {},
        "authMethods": _switches(AUTH_METHODS, item.disabled_auth_methods),
        "services": _switches(SERVICES, item.disabled_services),
        "protocols": _switches(PROTOCOLS, item.disabled_protocols),
        "blocks": [],
        "consoleAccessedAt": _moment(item.accessed_at),
        "wafEnabled": False,
        "parentId": item.parent_id or None,
    }
    return WithOlder(newest, _older(item))


def _older(item: Project) -> Json:
    """What only formats from before policies had answers of their own show."""
    policies = policies_of(item)
    return {
        "description": item.description,
        "logo": item.logo,
        "url": item.url,
        "authDuration": policies.session_duration_s,
        "authLimit": policies.user_limit,
        "authSessionsLimit": policies.session_limit,
        "authPasswordHistory": policies.password_history,
        "authPasswordDictionary": policies.refuses_common,
        "authSessionAlerts": policies.alerts_sessions,
        "authPersonalDataCheck": policies.refuses_personal_data,
        "authDisposableEmails": policies.emails.denies_disposable,
        "authCanonicalEmails": policies.emails.denies_aliased,
        "authFreeEmails": policies.emails.denies_free,
        "authMembershipsUserName": policies.privacy.user_name,
        "authMembershipsUserEmail": policies.privacy.user_email,
        "authMembershipsMfa": policies.privacy.user_mfa,
        "authMembershipsUserId": policies.privacy.user_id,
        "authMembershipsUserPhone": policies.privacy.user_phone,
        "authInvalidateSessions": policies.invalidates_sessions,
        "authMockNumbers": [
            {"phone": phone.number, "otp": phone.code} for phone in policies.mock_phones
        ],
        "oAuthProviders": older_providers(item),
    }


def _switches(names: tuple[str, ...], off: tuple[str, ...]) -> list[Json]:
    return [{"$id": name, "enabled": name not in off} for name in names]


def policies(item: Project) -> list[Json]:
    """Those that have an effect here, each with its id."""
    rules = policies_of(item)
    return [
        {
            "$id": "password-dictionary",
            "enabled": rules.refuses_common,
            "denyList": list(rules.denied_passwords),
        },
        {"$id": "password-history", "total": rules.password_history},
        _strength(rules),
        {
            "$id": "password-personal-data",
            "enabled": rules.refuses_personal_data,
            "denyList": list(rules.denied_terms),
        },
        *_later(rules),
        {"$id": "session-alert", "enabled": rules.alerts_sessions},
        {"$id": "session-duration", "duration": rules.session_duration_s},
        {"$id": "session-invalidation", "enabled": rules.invalidates_sessions},
        {"$id": "session-limit", "total": rules.session_limit},
        {"$id": "user-limit", "total": rules.user_limit},
        _privacy(rules.privacy),
        _mfa(rules.mfa),
    ]


def _later(rules: Policies) -> list[Json]:
    """Policies that clients of the first formats do not know."""
    breaches, emails = rules.breaches, rules.emails
    return [
        {
            "$id": "password-pwned",
            "enabled": breaches.is_on,
            "sessions": breaches.refuses_sign_ins,
            "users": breaches.refuses_new,
        },
        {
            "$id": "password-rotation",
            "enabled": rules.rotation.is_on,
            "maxAge": rules.rotation.max_age_s,
        },
        {"$id": "deny-aliased-email", "enabled": emails.denies_aliased},
        {"$id": "deny-disposable-email", "enabled": emails.denies_disposable},
        {"$id": "deny-free-email", "enabled": emails.denies_free},
        {"$id": "deny-corporate-email", "enabled": emails.wants_corporate},
    ]


def _strength(rules: Policies) -> Json:
    strength = rules.password_strength
    return {
        "$id": "password-strength",
        "min": strength.least,
        "uppercase": strength.uppercase,
        "lowercase": strength.lowercase,
        "number": strength.number,
        "symbols": strength.symbols,
    }


def _privacy(visible: MembershipPrivacy) -> Json:
    return {
        "$id": "membership-privacy",
        "userId": visible.user_id,
        "userEmail": visible.user_email,
        "userPhone": visible.user_phone,
        "userName": visible.user_name,
        "userMFA": visible.user_mfa,
        "userAccessedAt": visible.user_accessed_at,
    }


def mock_phone(item: MockPhone) -> Json:
    return {
        "number": item.number,
        "otp": item.code,
        "$createdAt": iso_millis(item.created_at),
        "$updatedAt": iso_millis(item.updated_at),
    }


def _mfa(allowed: MfaFactors) -> Json:
    return {
        "$id": "mfa-factors",
        "totp": allowed.totp,
        "email": allowed.email,
        "phone": allowed.phone,
        "custom": allowed.custom,
    }


def key(item: ApiKey) -> Json:
    """The secret is stored nowhere, so it reads empty."""
    return {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "$updatedAt": iso_millis(item.updated_at),
        "name": item.name,
        "description": item.description,
        "expire": _moment(item.expires_at),
        "scopes": list(item.scopes),
        "secret": "",
        "accessedAt": _moment(item.accessed_at),
        "sdks": list(item.sdks),
    }


def new_key(made: NewKey) -> Json:
    return key(made.key) | {"secret": made.secret}


def ephemeral_key(made: NewKey) -> Json:
    """Its end is given to the microsecond and with `Z`, unlike every other moment."""
    expires_at = made.key.expires_at
    expire = expires_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if expires_at else ""
    return new_key(made) | {"expire": expire}


_IDENTIFIER: Final = {
    "web": "hostname",
    "apple": "bundleIdentifier",
    "android": "applicationId",
    "windows": "packageIdentifierName",
    "linux": "packageName",
}


def platform(item: Platform) -> Json:
    shown: Json = {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "$updatedAt": iso_millis(item.updated_at),
        "name": item.name,
        "type": item.type,
        _IDENTIFIER[item.type]: item.identifier,
    }
    if item.type == "web":
        shown["key"] = ""
    if item.type == "android":
        shown["fingerprints"] = list(item.fingerprints)
    return shown
