"""Rules that a project sets for its users, as stored in `Project.policies`.

The stored mapping holds only known names; one that is missing has the default below. The
built-in console project stores nothing and has `CONSOLE_POLICIES`.
"""

from dataclasses import field
from datetime import datetime
from typing import Any, Final

import msgspec

from runwright.model.identity import Project
from runwright.values import dataclass

MAX_SESSION_S: Final = 31_536_000
MAX_SESSIONS: Final = 100
MAX_USERS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipPrivacy:
    """Which fields of a member the other members see; keys and admins see all."""

    user_id: bool = False
    user_name: bool = False
    user_email: bool = False
    user_phone: bool = False
    user_mfa: bool = False
    user_accessed_at: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordStrength:
    least: int = 8
    uppercase: bool = False
    lowercase: bool = False
    number: bool = False
    symbols: bool = False


@dataclass(frozen=True, slots=True)
class MockPhone:
    """A number with a fixed code, see identity/mock_phones.py."""

    number: str
    code: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MfaFactors:
    """Which second factors may complete a challenge; recovery codes always may."""

    totp: bool = True
    email: bool = True
    phone: bool = True
    custom: bool = False  # codes that the project's own servers deliver


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordRotation:
    is_on: bool = False
    max_age_s: int = 31_536_000  # an older password signs nobody in


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachRules:
    """About passwords that are known from breaches. On alone it is noted on the user."""

    is_on: bool = False
    refuses_new: bool = False  # at sign-up and when a password is changed
    refuses_sign_ins: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailRules:
    """For addresses of people who sign up or change theirs; see identity/emails.py."""

    denies_aliased: bool = False
    denies_disposable: bool = False
    denies_free: bool = False
    wants_corporate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    user_limit: int = 0  # 0 = any number
    session_limit: int = 10  # per user; 0 = any number
    session_duration_s: int = MAX_SESSION_S
    invalidates_sessions: bool = True  # a changed password ends the other sessions
    refuses_personal_data: bool = False  # in passwords
    refuses_common: bool = False  # passwords that many people use
    denied_terms: tuple[str, ...] = ()  # in passwords, while personal data is refused
    denied_passwords: tuple[str, ...] = ()  # while common passwords are refused
    password_history: int = 0  # earlier passwords that may not come back; 0 = none
    password_strength: PasswordStrength = field(default_factory=PasswordStrength)
    rotation: PasswordRotation = field(default_factory=PasswordRotation)
    breaches: BreachRules = field(default_factory=BreachRules)
    emails: EmailRules = field(default_factory=EmailRules)
    privacy: MembershipPrivacy = field(default_factory=MembershipPrivacy)
    alerts_sessions: bool = False  # users are written to when somebody signs in to their account
    mock_phones: tuple[MockPhone, ...] = ()
    mfa: MfaFactors = field(default_factory=MfaFactors)
    passkey_rp_id: str = ""  # the domain that passkeys are bound to; "" = not chosen


CONSOLE_POLICIES: Final = Policies(
    privacy=MembershipPrivacy(
        user_id=True, user_name=True, user_email=True, user_phone=True, user_mfa=True
    )
)


def policies_of(project: Project | None) -> Policies:
    """The rules in force; None is the console project."""
    if project is None:
        return CONSOLE_POLICIES
    return msgspec.convert(dict(project.policies), Policies)


def stored(policies: Policies) -> dict[str, Any]:
    """What `Project.policies` keeps."""
    kept: dict[str, Any] = msgspec.to_builtins(policies)
    return kept
