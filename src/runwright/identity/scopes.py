"""Scopes: which exist, which may be given to keys, and which each role holds."""

from collections.abc import Iterable, Mapping
from typing import Final

from runwright.values import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """One line of the catalogue that the console shows."""

    id: str
    description: str
    category: str
    is_deprecated: bool = False


def _pair(resource: str, what: str, category: str, *, old: bool = False) -> tuple[Scope, Scope]:
    return (
        Scope(f"{resource}.read", f"Read {what}", category, old),
        Scope(f"{resource}.write", f"Create, change and delete {what}", category, old),
    )


_OTHER: Final = "Other"
_PROJECT: Final = "Project"
_AUTH: Final = "Auth"
_DATABASE: Final = "Databases"
_STORAGE: Final = "Storage"
_FUNCTIONS: Final = "Functions"
_SITES: Final = "Sites"
_MESSAGING: Final = "Messaging"
_PROXY: Final = "Proxy"

# In the order in which consoles list them. Keys and functions may hold these and no others.
PROJECT_SCOPES: Final[tuple[Scope, ...]] = (
    *_pair("project", "the project, its settings and its variables", _PROJECT),
    *_pair("keys", "the project's API keys", _PROJECT),
    *_pair("platforms", "the project's platforms", _PROJECT),
    *_pair("mocks", "the project's mock sign-in numbers", _PROJECT),
    *_pair("policies", "the project's policies", _PROJECT, old=True),
    *_pair("project.policies", "the project's policies", _PROJECT),
    *_pair("project.oauth2", "the project's OAuth2 providers", _PROJECT),
    *_pair("templates", "the project's message templates", _PROJECT),
    *_pair("stages", "the project's onboarding stages", _PROJECT),
    *_pair("users", "users", _AUTH),
    *_pair("sessions", "users' sessions", _AUTH),
    *_pair("teams", "teams and memberships", _AUTH),
    *_pair("databases", "databases", _DATABASE),
    *_pair("tables", "database tables", _DATABASE),
    *_pair("columns", "columns of database tables", _DATABASE),
    *_pair("indexes", "indexes of database tables", _DATABASE),
    *_pair("rows", "rows of database tables", _DATABASE),
    Scope("embeddings.write", "Create embeddings", _DATABASE),
    *_pair("collections", "database collections", _DATABASE, old=True),
    *_pair("attributes", "attributes of database collections", _DATABASE, old=True),
    *_pair("documents", "documents of database collections", _DATABASE, old=True),
    *_pair("buckets", "storage buckets", _STORAGE),
    *_pair("files", "files and their previews", _STORAGE),
    *_pair("tokens", "file tokens", _STORAGE),
    *_pair("functions", "functions and their deployments", _FUNCTIONS),
    *_pair("executions", "executions of functions", _FUNCTIONS),
    *_pair("execution", "executions of functions", _FUNCTIONS, old=True),
    Scope("events.read", "Read the sources of events", _FUNCTIONS),
    Scope("events.write", "Send events, and create and delete their sources", _FUNCTIONS),
    *_pair("sites", "sites and their deployments", _SITES),
    *_pair("log", "logs of sites", _SITES),
    *_pair("providers", "messaging providers", _MESSAGING),
    *_pair("topics", "messaging topics", _MESSAGING),
    *_pair("subscribers", "subscribers of messaging topics", _MESSAGING),
    *_pair("targets", "messaging targets", _MESSAGING),
    *_pair("messages", "messages", _MESSAGING),
    *_pair("rules", "proxy rules", _PROXY),
    *_pair("webhooks", "webhooks", _PROJECT),
    Scope("locale.read", "Read locale data", _OTHER),
    Scope("avatars.read", "Read avatars", _OTHER),
    Scope("health.read", "Read the server's health", _OTHER),
    Scope("assistant.read", "Use the assistant", _OTHER),
    *_pair("migrations", "migrations", _OTHER),
    *_pair("schedules", "schedules", _OTHER),
    *_pair("vcs", "connections to version control", _OTHER),
    *_pair("insights", "insights", _OTHER),
    *_pair("reports", "reports", _OTHER),
    *_pair("presences", "users' presences", _AUTH),
)

ORGANIZATION_SCOPES: Final[tuple[Scope, ...]] = (
    *_pair("projects", "the organization's projects", "Projects"),
    *_pair("devKeys", "the organization's development keys", "Projects", old=True),
    *_pair("keys", "API keys of the organization's projects", "Projects"),
    *_pair("organization", "the organization", "Organization"),
    *_pair("organization.memberships", "the organization's members", "Organization"),
    *_pair("organization.keys", "the organization's own keys", "Organization"),
)
# What a key of a console account may hold.
ACCOUNT_SCOPES: Final = ("account", "teams.read", "teams.write")

KEY_SCOPES: Final = frozenset(scope.id for scope in PROJECT_SCOPES)


def _both(names: str) -> Iterable[str]:
    return (f"{name}.{action}" for name in names.split() for action in ("read", "write"))


_PUBLIC: Final = frozenset({"global", "public", "home", "console", "graphql"})

GUEST_SCOPES: Final = _PUBLIC | frozenset(
    {
        "sessions.write",
        *_both("documents rows files"),
        "embeddings.write",
        "locale.read",
        "avatars.read",
        "executions.write",
    }
)
USER_SCOPES: Final = GUEST_SCOPES | frozenset(
    {
        "account",
        *_both("teams presences targets subscribers"),
        "projects.read",
        "executions.read",
        "assistant.read",
        "rules.read",
    }
)
# `public` is here on purpose: what anybody may call, a key and an admin may call as well.
ALWAYS_FOR_KEYS: Final = frozenset({"global", "public", "health.read", "graphql"})
ADMIN_SCOPES: Final = frozenset(
    {
        "global",
        "public",
        "graphql",
        "sessions.write",
        *_both(
            "teams documents rows files buckets users presences databases collections tables "
            "platforms mocks project.policies project.oauth2 templates keys devKeys webhooks "
            "project functions sites log executions events rules migrations vcs targets providers "
            "messages topics subscribers tokens schedules stages insights reports"
        ),
        "embeddings.write",
        "projects.write",
        "locale.read",
        "avatars.read",
        "health.read",
    }
)
OWNER_SCOPES: Final = (
    USER_SCOPES
    | ADMIN_SCOPES
    | frozenset(_both("organization organization.memberships organization.keys"))
)
MEMBER_SCOPES: Final = frozenset(
    {"teams.read", "projects.read", "organization.read", "organization.memberships.read"}
)

_BY_ADMIN_ROLE: Final[Mapping[str, frozenset[str]]] = {
    "owner": OWNER_SCOPES,
    "admin": ADMIN_SCOPES,
    "developer": ADMIN_SCOPES,
}


def key_scopes(own: Iterable[str]) -> frozenset[str]:
    """What a key may do: its own scopes and what every key may."""
    return ALWAYS_FOR_KEYS | frozenset(own)


def admin_scopes(roles: Iterable[str]) -> frozenset[str]:
    """What a console account with these roles may do; unknown roles add nothing."""
    found = MEMBER_SCOPES
    for role in roles:
        found |= _BY_ADMIN_ROLE.get(role, frozenset())
    return found
