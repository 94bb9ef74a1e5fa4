"""Projects, their rules, keys and platforms, as JSON."""

from typing import Any, Final

from runwright.api.project_format import WithOlder
from runwright.api.shapes.oauth import older_providers
from runwright.clock import iso_millis, millis_or_empty
from runwright.identity.keys import NewKey
from runwright.identity.mail import mail_of
from runwright.identity.policies import (
    MembershipPrivacy,
    MfaFactors,
    MockPhone,
    Policies,
    policies_of,
)
from runwright.identity.projects import AUTH_METHODS, PROTOCOLS, SERVICES
from runwright.model.identity import (
    ApiKey,
    Platform,
    Project,
)

Json = dict[str, Any]


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
        "pingedAt": millis_or_empty(item.pinged_at),
        "labels": list(item.labels),
        "status": "active",
        "onboarding": {},
        "authMethods": _switches(AUTH_METHODS, item.disabled_auth_methods),
        "services": _switches(SERVICES, item.disabled_services),
        "protocols": _switches(PROTOCOLS, item.disabled_protocols),
        "blocks": [],
        "consoleAccessedAt": millis_or_empty(item.accessed_at),
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
        "expire": millis_or_empty(item.expires_at),
        "scopes": list(item.scopes),
        "secret": "",
        "accessedAt": millis_or_empty(item.accessed_at),
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
