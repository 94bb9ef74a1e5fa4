"""Who is calling: projects, keys, users, sessions, teams, and the principal of one request.

Console accounts are users of the built-in project `console`; organizations are its teams.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from runwright.model.lineage import NO_LINEAGE, Lineage
from runwright.values import dataclass

CONSOLE: Final = "console"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A tenant. Stored under project_id `console`."""

    id: str
    project_id: str = CONSOLE
    created_at: datetime
    updated_at: datetime
    name: str
    team_id: str
    parent_id: str = ""  # the project whose environment this is
    region: str = "default"
    description: str = ""
    logo: str = ""
    url: str = ""
    labels: tuple[str, ...] = ()
    disabled_services: tuple[str, ...] = ()
    disabled_protocols: tuple[str, ...] = ()
    disabled_auth_methods: tuple[str, ...] = ()
    policies: Mapping[str, Any] = field(default_factory=dict)  # see identity/policies.py
    mail: Mapping[str, Any] = field(default_factory=dict)  # see identity/mail.py
    sealed_mail_password: bytes = b""  # b"" = none
    oauth: Mapping[str, Any] = field(default_factory=dict)  # see identity/oauth/settings.py
    ping_count: int = 0
    pinged_at: datetime | None = None
    accessed_at: datetime | None = None

    @property
    def search(self) -> str:
        return f"{self.id} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    name: str
    scopes: tuple[str, ...]
    secret_hash: str  # SHA-256 hex of the whole secret; the secret itself is shown once
    expires_at: datetime | None = None
    accessed_at: datetime | None = None
    sdks: tuple[str, ...] = ()
    description: str = ""
    owner: str = ""  # "" = the project; on the console `team:ID` or `user:ID`


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A client application; web ones allow their host name as an origin."""

    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    name: str
    type: str  # web, apple, android, windows, linux
    identifier: str  # host name, bundle id, application id, package name
    fingerprints: tuple[str, ...] = ()  # signing certificates; android only


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    name: str = ""
    email: str | None = None  # lower case; unique within the project; None = unset
    phone: str | None = None  # E.164; unique within the project
    password_hash: str = ""
    hash_name: str = ""  # argon2, bcrypt, ...
    hash_options: Mapping[str, Any] = field(default_factory=dict)
    registration: datetime | None = None
    password_updated_at: datetime | None = None
    password_history: tuple[str, ...] = ()  # hashes, newest last; kept when the policy asks
    is_active: bool = True  # `status` on the wire; False = blocked
    labels: tuple[str, ...] = ()
    is_email_verified: bool = False
    is_phone_verified: bool = False
    is_mfa: bool = False
    prefs: Mapping[str, Any] = field(default_factory=dict)
    accessed_at: datetime | None = None
    is_impersonator: bool = False
    needs_reset: bool = False
    password_pwned: bool | None = None  # known from a breach; None = never found out

    @property
    def search(self) -> str:
        labels = " ".join(f"label:{label}" for label in self.labels)
        return f"{self.id} {self.email or ''} {self.name} {self.phone or ''} {labels}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    user_id: str
    secret_hash: str  # SHA-256 hex
    expires_at: datetime
    provider: str = "email"
    provider_uid: str = ""
    factors: tuple[str, ...] = ("password",)
    ip: str = ""
    user_agent: str = ""
    mfa_updated_at: datetime | None = None
    sealed_grant: bytes = b""  # tokens of the provider, see identity/oauth/grants.py; b"" = none
    grant_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A short-lived secret that one user may trade for something, once."""

    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    user_id: str
    purpose: str  # one of identity/proofs.py
    secret_hash: str  # HMAC-SHA-256 hex under a key of the installation
    expires_at: datetime
    sent_to: str = ""  # the address that it is worth something with; "" = whoever holds it
    tries_left: int | None = None  # wrong tries that end it; None = it cannot be guessed
    link: Mapping[str, Any] = field(default_factory=dict)  # an identity, see identity/oauth/link.py


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A person's account with another provider, by which they sign in here."""

    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    user_id: str
    provider: str
    provider_uid: str  # unique within the project, together with the provider
    provider_email: str = ""  # lower case
    sealed_grant: bytes = b""  # its newest tokens
    grant_expires_at: datetime | None = None

    @property
    def search(self) -> str:
        return f"{self.id} {self.user_id} {self.provider} {self.provider_uid} {self.provider_email}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An address of a user; every e-mail address has one automatically."""

    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    user_id: str
    provider_type: str  # email, sms, push
    identifier: str  # unique within the project
    name: str = ""
    provider_id: str | None = None
    is_expired: bool = False
    session_id: str = ""  # that a push target was registered in, and ends with


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    name: str
    total: int = 0  # confirmed members
    prefs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def search(self) -> str:
        return f"{self.id} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    team_id: str
    user_id: str  # unique together with team_id
    roles: tuple[str, ...]
    invited_at: datetime
    joined_at: datetime | None = None
    is_confirmed: bool = False
    secret_hash: str = ""  # of the invitation; "" = there was none
    sent_to: str = ""  # the address that the invitation went to

    @property
    def search(self) -> str:
        return f"{self.id} {self.user_id}"


class CallerKind(StrEnum):
    GUEST = "guest"
    USER = "user"
    KEY = "key"  # stored or execution key
    ADMIN = "admin"  # console account acting on a project


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who makes this request, and what follows from it."""

    kind: CallerKind
    project_id: str
    scopes: frozenset[str]
    roles: frozenset[str]  # grammar of execute roles: any, users, user:ID, team:ID/ROLE, ...
    user: User | None = None
    session: Session | None = None
    session_secret: str = ""  # plain; needed to mint nothing but the caller's own cookies
    by_jwt: bool = False
    impersonator: "Principal | None" = None  # who signed in, when `user` is somebody else
    lacks_factor: bool = False  # the session still owes its second one
    key_id: str = ""
    ends_at: datetime | None = None  # when these credentials end by themselves
    lineage: Lineage = NO_LINEAGE  # the runs that led here

    @property
    def is_trusted(self) -> bool:
        """Keys and admins: document permissions are not checked, sensitive fields shown."""
        return self.kind in (CallerKind.KEY, CallerKind.ADMIN)

    @property
    def user_id(self) -> str:
        return self.user.id if self.user else ""
