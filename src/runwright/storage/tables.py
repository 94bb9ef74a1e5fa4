"""The tables, one for each kind of stored value.

Columns follow the fields of the model. On top come `sequence`, the order of creation, and
`search`, the words by which a row is found, where the model has such a property.
A change here needs a migration; a test compares the two.
"""

import re
from dataclasses import fields
from datetime import datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Final, Generic, TypeVar, get_args, get_origin, get_type_hints

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

from runwright.model.activity import Activity
from runwright.model.execution import Execution, Headers
from runwright.model.factors import MfaChallenge, Passkey, PasskeyCeremony, SecondFactors
from runwright.model.function import Deployment, Function, Rule, Variable
from runwright.model.identity import (
    ApiKey,
    Identity,
    Membership,
    Platform,
    Project,
    Session,
    Target,
    Team,
    Token,
    User,
)
from runwright.model.job import Job
from runwright.model.mail import MailTemplate
from runwright.model.outbox import OutboxEvent
from runwright.model.repeat import RepeatKey
from runwright.model.retry import Retry
from runwright.model.timer import Timer
from runwright.model.webhook import EventSource, Webhook
from runwright.storage.columns import Choice, Document, Instant, Pairs, Struct, Words
from runwright.values import dataclass

T = TypeVar("T")

SEQUENCE: Final = "sequence"
SEARCH: Final = "search"

WORD: Final = re.compile(r"\w+")

metadata: Final = MetaData()

_SIMPLE: Final[dict[Any, type[TypeEngine[Any]]]] = {
    str: Text,
    int: BigInteger,
    float: Float,
    bool: Boolean,
    bytes: LargeBinary,
    datetime: Instant,
    tuple[str, ...]: Words,
    Headers: Pairs,
}


@dataclass(frozen=True, slots=True, eq=False)
class Kind(Generic[T]):
    """A class of the model and the table that holds its values."""

    model: type[T]
    table: Table
    fields: tuple[str, ...]

    @property
    def has_search(self) -> bool:
        return SEARCH in self.table.c


def searchable(text: str) -> str:
    """Lower-case words with a space before and after each, so LIKE finds whole words."""
    return f" {' '.join(WORD.findall(text.lower()))} "


def _column(name: str, hint: Any) -> Column[Any]:
    is_nullable = False
    if get_origin(hint) is UnionType:
        (hint,) = [part for part in get_args(hint) if part is not NoneType]
        is_nullable = True
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return Column(name, Choice(hint), nullable=is_nullable)
    if hint is Retry:
        return Column(name, Struct(Retry), nullable=is_nullable)
    if hint in _SIMPLE:
        return Column(name, _SIMPLE[hint](), nullable=is_nullable)
    return Column(name, Document(), nullable=is_nullable)


def _kind(
    model: type[T],
    name: str,
    *,
    unique: tuple[tuple[str, ...], ...] = (),
    index: tuple[tuple[str, ...], ...] = (),
) -> Kind[T]:
    hints = get_type_hints(model)
    names = tuple(item.name for item in fields(model))  # type: ignore[arg-type]  # a dataclass
    columns = [_column(name, hints[name]) for name in names]
    if hasattr(model, SEARCH):
        columns.append(Column(SEARCH, Text, nullable=False))
    Table(
        name,
        metadata,
        Column(SEQUENCE, BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
        *columns,
        *(
            UniqueConstraint(*parts, name=f"uq_{name}_{'_'.join(parts)}")
            for parts in (("project_id", "id"), *unique)
        ),
        *(Index(f"ix_{name}_{'_'.join(parts)}", *parts) for parts in index),
    )
    return Kind(model, metadata.tables[name], names)


PROJECTS: Final = _kind(Project, "projects", index=(("team_id",),))
KEYS: Final = _kind(ApiKey, "keys", unique=(("secret_hash",),))
PLATFORMS: Final = _kind(Platform, "platforms")
USERS: Final = _kind(User, "users", unique=(("project_id", "email"), ("project_id", "phone")))
SESSIONS: Final = _kind(
    Session, "sessions", index=(("secret_hash",), ("project_id", "user_id"), ("expires_at",))
)
TOKENS: Final = _kind(Token, "tokens", index=(("project_id", "user_id"), ("expires_at",)))
IDENTITIES: Final = _kind(
    Identity,
    "identities",
    unique=(("project_id", "provider", "provider_uid"),),
    index=(("project_id", "user_id"), ("project_id", "provider_email")),
)
TARGETS: Final = _kind(
    Target, "targets", unique=(("project_id", "identifier"),), index=(("project_id", "user_id"),)
)
FACTORS: Final = _kind(SecondFactors, "factors")
MFA_CHALLENGES: Final = _kind(MfaChallenge, "mfa_challenges", index=(("project_id", "user_id"),))
PASSKEYS: Final = _kind(
    Passkey,
    "passkeys",
    unique=(("project_id", "credential_id"),),
    index=(("project_id", "user_id"),),
)
CEREMONIES: Final = _kind(
    PasskeyCeremony,
    "passkey_ceremonies",
    index=(("project_id", "expires_at"), ("project_id", "user_id")),
)
TEAMS: Final = _kind(Team, "teams")
MEMBERSHIPS: Final = _kind(
    Membership,
    "memberships",
    unique=(("project_id", "team_id", "user_id"),),
    index=(("project_id", "user_id"),),
)
FUNCTIONS: Final = _kind(Function, "functions")
DEPLOYMENTS: Final = _kind(
    Deployment, "deployments", index=(("project_id", "function_id"), ("status",))
)
VARIABLES: Final = _kind(Variable, "variables", unique=(("project_id", "function_id", "key"),))
RULES: Final = _kind(Rule, "rules", unique=(("domain",),), index=(("project_id", "resource_id"),))
EXECUTIONS: Final = _kind(
    Execution,
    "executions",
    index=(
        ("project_id", "function_id", SEQUENCE),
        ("project_id", "function_id", "created_at", SEQUENCE),  # newest first, as most lists are
        ("project_id", "function_id", "status"),
        ("created_at",),
    ),
)
JOBS: Final = _kind(
    Job,
    "jobs",
    index=(
        ("kind", "project_id", "function_id", "ready_at"),  # whose turn it is
        ("kind", "ready_at"),
        ("epoch",),
    ),
)
TIMERS: Final = _kind(Timer, "timers", index=(("due_at",),))
OUTBOX: Final = _kind(OutboxEvent, "outbox", index=(("epoch",),))
WEBHOOKS: Final = _kind(Webhook, "webhooks")
MAIL_TEMPLATES: Final = _kind(MailTemplate, "mail_templates")
EVENT_SOURCES: Final = _kind(EventSource, "event_sources")
ACTIVITIES: Final = _kind(Activity, "activities", index=(("project_id", "user_id", SEQUENCE),))
REPEAT_KEYS: Final = _kind(RepeatKey, "repeat_keys", index=(("expires_at",),))
