"""Attributes of list queries: wire name -> column, for each kind of row.

Names that the API lists but that are stored nowhere (`scheduleNext`) are left out on purpose:
the query is then refused by name.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, Text, case, literal, null, type_coerce

from runwright.storage.tables import (
    ACTIVITIES,
    CEREMONIES,
    DEPLOYMENTS,
    EVENT_SOURCES,
    EXECUTIONS,
    FACTORS,
    FUNCTIONS,
    IDENTITIES,
    JOBS,
    KEYS,
    MAIL_TEMPLATES,
    MEMBERSHIPS,
    MFA_CHALLENGES,
    OUTBOX,
    PASSKEYS,
    PLATFORMS,
    PROJECTS,
    REPEAT_KEYS,
    RULES,
    SEQUENCE,
    SESSIONS,
    TARGETS,
    TEAMS,
    TIMERS,
    TOKENS,
    USERS,
    VARIABLES,
    WEBHOOKS,
    Kind,
)

Attributes = dict[str, ColumnElement[Any]]


def _attributes(kind: Kind[Any], **columns: str | ColumnElement[Any]) -> Attributes:
    table = kind.table
    found: Attributes = {
        "$id": table.c.id,
        "$createdAt": table.c.created_at,
        "$updatedAt": table.c.updated_at,
        "$sequence": table.c[SEQUENCE],
    }
    for name, column in columns.items():
        found[name] = table.c[column] if isinstance(column, str) else column
    return found


def _identifier_of(platform: str) -> ColumnElement[Any]:
    table = PLATFORMS.table
    return case((table.c.type == platform, table.c.identifier), else_=null())


_PROJECTS: Final = _attributes(
    PROJECTS,
    name="name",
    teamId="team_id",
    parentId="parent_id",
    labels="labels",
    search="search",
    accessedAt="accessed_at",
)
_KEYS: Final = _attributes(
    KEYS, expire="expires_at", accessedAt="accessed_at", name="name", scopes="scopes"
)
_PLATFORMS: Final = _attributes(
    PLATFORMS,
    type="type",
    name="name",
    hostname=_identifier_of("web"),
    bundleIdentifier=_identifier_of("apple"),
    applicationId=_identifier_of("android"),
    packageIdentifierName=_identifier_of("windows"),
    packageName=_identifier_of("linux"),
)
_USERS: Final = _attributes(
    USERS,
    name="name",
    email="email",
    phone="phone",
    status="is_active",
    passwordUpdate="password_updated_at",
    registration="registration",
    emailVerification="is_email_verified",
    phoneVerification="is_phone_verified",
    labels="labels",
    impersonator="is_impersonator",
    accessedAt="accessed_at",
)
_SESSIONS: Final = _attributes(SESSIONS, userId="user_id", expire="expires_at")
_TOKENS: Final = _attributes(TOKENS, userId="user_id", expire="expires_at")
_IDENTITIES: Final = _attributes(
    IDENTITIES,
    userId="user_id",
    provider="provider",
    providerUid="provider_uid",
    providerEmail="provider_email",
    providerAccessTokenExpiry="grant_expires_at",
)
_TARGETS: Final = _attributes(
    TARGETS,
    userId="user_id",
    providerId="provider_id",
    identifier="identifier",
    providerType="provider_type",
)
_TEAMS: Final = _attributes(
    TEAMS,
    name="name",
    total="total",
    billingPlan=type_coerce(null(), Text),  # nobody has one here
)
_MEMBERSHIPS: Final = _attributes(
    MEMBERSHIPS,
    userId="user_id",
    teamId="team_id",
    invited="invited_at",
    joined="joined_at",
    confirm="is_confirmed",
    roles="roles",
)
_FUNCTIONS: Final = _attributes(
    FUNCTIONS,
    name="name",
    enabled="is_enabled",
    runtime="runtime",
    deploymentId="deployment_id",
    schedule="schedule",
    timeout="timeout_s",
    entrypoint="entrypoint",
    commands="commands",
    installationId="installation_id",
)
_DEPLOYMENTS: Final = _attributes(
    DEPLOYMENTS,
    buildSize="build_bytes",
    sourceSize="source_bytes",
    totalSize=DEPLOYMENTS.table.c.source_bytes + DEPLOYMENTS.table.c.build_bytes,
    buildDuration="build_duration_s",
    status="status",
    activate="is_activating",
    type="type",
)
_VARIABLES: Final = _attributes(
    VARIABLES,
    key="key",
    secret="is_secret",
    resourceId="function_id",
    resourceType=case(
        (VARIABLES.table.c.function_id == "", literal("project", Text)),
        else_=literal("function", Text),
    ),
)
_RULES: Final = _attributes(
    RULES,
    domain="domain",
    type="type",
    trigger="trigger",
    deploymentResourceType="resource_type",
    deploymentResourceId="resource_id",
    deploymentId="deployment_id",
    deploymentVcsProviderBranch="branch",
)
_EXECUTIONS: Final = _attributes(
    EXECUTIONS,
    trigger="trigger",
    status="status",
    responseStatusCode="response_status_code",
    duration="duration_s",
    requestMethod="request_method",
    requestPath="request_path",
    deploymentId="deployment_id",
    functionId="function_id",
)

ATTRIBUTES: Final[dict[Kind[Any], Attributes]] = {
    PROJECTS: _PROJECTS,
    KEYS: _KEYS,
    PLATFORMS: _PLATFORMS,
    USERS: _USERS,
    SESSIONS: _SESSIONS,
    TOKENS: _TOKENS,
    IDENTITIES: _IDENTITIES,
    TARGETS: _TARGETS,
    FACTORS: _attributes(FACTORS),
    MFA_CHALLENGES: _attributes(MFA_CHALLENGES, expire="expires_at"),
    PASSKEYS: _attributes(PASSKEYS, name="name", accessedAt="accessed_at"),
    CEREMONIES: _attributes(CEREMONIES, expire="expires_at"),
    TEAMS: _TEAMS,
    MEMBERSHIPS: _MEMBERSHIPS,
    FUNCTIONS: _FUNCTIONS,
    DEPLOYMENTS: _DEPLOYMENTS,
    VARIABLES: _VARIABLES,
    RULES: _RULES,
    EXECUTIONS: _EXECUTIONS,
    JOBS: _attributes(JOBS, functionId="function_id", trigger="trigger"),
    TIMERS: _attributes(TIMERS),
    OUTBOX: _attributes(OUTBOX),
    WEBHOOKS: _attributes(
        WEBHOOKS,
        name="name",
        url="url",
        authUsername="auth_username",
        httpUser="auth_username",
        tls="is_tls_verified",
        security="is_tls_verified",
        events="events",
        enabled="is_enabled",
        logs="logs",
        attempts="attempts",
    ),
    MAIL_TEMPLATES: _attributes(MAIL_TEMPLATES, locale="locale"),
    EVENT_SOURCES: _attributes(EVENT_SOURCES, name="name", url="url"),
    REPEAT_KEYS: _attributes(REPEAT_KEYS),
    ACTIVITIES: _attributes(ACTIVITIES, event="name"),
}
