"""Which channels an event is told on, and who may hear it. Pure.

Channels are names that clients ask for; rights are judged for each event. A listener hears it
who has one of its roles, or who is trusted (a key, a console account that administers the
project) and holds one of its scopes. So runs that no user started are heard by those who could
also read them over HTTP.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from runwright.model.event import Event
from runwright.model.identity import CallerKind, Principal
from runwright.values import dataclass

CONSOLE_CHANNEL: Final = "console"
ACCOUNT: Final = "account"
ACTIONS: Final = frozenset({"create", "update", "upsert", "delete"})
# A channel whose last or second-to-last part is one of these is also told per action.
_PER_ACTION: Final = frozenset(
    {
        "documents",
        "rows",
        "files",
        "executions",
        "functions",
        "account",
        "teams",
        "memberships",
        "presences",
    }
)
_READ: Final = re.compile(r'read\("([^"]+)"\)')
# Of a console account with these a project can be seen, see identity/permissions.py.
_PROJECT_READERS: Final = ("owner", "developer")
_NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Audience:
    channels: tuple[str, ...]
    roles: frozenset[str]  # one of them is enough
    scopes: frozenset[str] = _NOBODY  # for the trusted, one of them is enough

    def admits(self, listener: Principal) -> bool:
        if not self.roles.isdisjoint(listener.roles):
            return True
        return listener.is_trusted and not self.scopes.isdisjoint(listener.scopes)


def project_channel(project_id: str) -> str:
    return f"projects.{project_id}"


def audience(event: Event, project_id: str, payload: Any) -> Audience | None:
    """Who hears an event among the project's own listeners. None = nobody ever."""
    project = (CONSOLE_CHANNEL, project_channel(project_id))
    names: tuple[str, ...]
    match event.path:
        case ("users", user_id, *_):
            return _told(event, ("account", f"account.{user_id}"), {f"user:{user_id}"}, "users")
        case ("teams", team_id):
            return _told(event, ("teams", f"teams.{team_id}"), {f"team:{team_id}"}, "teams")
        case ("teams", team_id, "memberships", item_id):
            names = ("memberships", f"memberships.{item_id}")
            return _told(event, names, {f"team:{team_id}"}, "teams")
        case ("functions", function_id, "executions", item_id):
            names = ("executions", f"executions.{item_id}", f"functions.{function_id}")
            scopes = ("executions", "execution")
            return _told(event, (*project, *names), _readers(payload), *scopes)
        case ("functions", function_id, "deployments", item_id):
            names = ("deployments", f"deployments.{item_id}", f"functions.{function_id}")
            return _told(event, (*project, *names), _NOBODY, "functions")
        case ("functions", function_id, *_):
            return _told(event, (*project, f"functions.{function_id}"), _NOBODY, "functions")
        case ("rules", _):
            return _told(event, project, _NOBODY, "rules")
        case ("buckets", bucket, "files", item_id):
            names = ("files", f"buckets.{bucket}.files", f"buckets.{bucket}.files.{item_id}")
            return _told(event, names, _readers(payload), "files")
        case (family, database, _, table, "documents" | "rows", item_id):
            channels = _row_channels(family, database, table, item_id)
            return _told(event, channels, _readers(payload), "rows", "documents")
    return None


def console_audience(event: Event, project_id: str, team_id: str) -> Audience | None:
    """Who hears an event of a project among the console's listeners."""
    match event.path:
        case ("functions", _, "executions", _):
            # Only on the project's own channel: there are too many for one of all projects.
            channels: tuple[str, ...] = (project_channel(project_id),)
        case ("functions" | "rules", *_):
            channels = (CONSOLE_CHANNEL, project_channel(project_id))
        case _:
            return None
    return Audience(channels, project_readers(project_id, team_id))


def project_readers(project_id: str, team_id: str) -> frozenset[str]:
    """Roles of the console accounts that may look into a project of an organization."""
    team = f"team:{team_id}"
    return frozenset(
        role
        for name in _PROJECT_READERS
        for role in (f"{team}/{name}", f"{team}/project-{project_id}-{name}")
    )


def bound(asked: Iterable[str], listener: Principal) -> tuple[str, ...]:
    """The channels that a listener gets for those it asked for.

    `account` means one's own account. Somebody else's is left out, unless the listener is
    trusted, so that its rights are judged with each event.
    """
    found: dict[str, None] = {}
    user_id = "" if listener.kind is not CallerKind.USER else listener.user_id
    for name in asked:
        first, _, rest = name.partition(".")
        if first != ACCOUNT or listener.is_trusted:
            found[name] = None
        elif not rest:
            found[name] = None
            if user_id:
                found[f"{ACCOUNT}.{user_id}"] = None
        elif rest in ACTIONS:
            found[f"{ACCOUNT}.{user_id}.{rest}" if user_id else name] = None
    return tuple(found)


def tells_of_runs(channel: str) -> bool:
    """Whether executions may be told on a channel; their events are made for listeners only."""
    first = channel.partition(".")[0]
    return first in ("executions", "functions", "projects", CONSOLE_CHANNEL)


def _told(event: Event, channels: Iterable[str], roles: Iterable[str], *resources: str) -> Audience:
    scopes = frozenset(f"{resource}.read" for resource in resources)
    return Audience(_with_actions(event, tuple(channels)), frozenset(roles), scopes)


def _with_actions(event: Event, channels: tuple[str, ...]) -> tuple[str, ...]:
    is_below_a_user = event.path[0] == "users" and len(event.path) > 2
    if event.action not in ACTIONS or is_below_a_user:
        return channels
    copies = (
        f"{channel}.{event.action}"
        for channel in channels
        if not _PER_ACTION.isdisjoint(channel.split(".")[-2:])
    )
    return (*channels, *copies)


def _readers(payload: Any) -> frozenset[str]:
    permissions = payload.get("$permissions") if isinstance(payload, dict) else None
    if not isinstance(permissions, list):
        return _NOBODY
    found = (_READ.fullmatch(item) for item in permissions if isinstance(item, str))
    return frozenset(match[1] for match in found if match)


def _row_channels(family: str, database: str, table: str, row: str) -> tuple[str, ...]:
    """Rows of relational databases have two families of names that mean the same, and a third."""
    if family in ("documentsdb", "vectorsdb"):
        documents = f"{family}.{database}.collections.{table}.documents"
        return ("documents", documents, f"{documents}.{row}")
    documents = f"databases.{database}.collections.{table}.documents"
    rows = f"databases.{database}.tables.{table}.rows"
    newest = f"tablesdb.{database}.tables.{table}.rows"
    stems = (documents, rows, newest)
    return ("documents", "rows", *(name for stem in stems for name in (stem, f"{stem}.{row}")))
