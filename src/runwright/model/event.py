"""Event names, and which patterns may be subscribed to.

A name is `resource.ID`, up to two more `.resource.ID`, then optionally an action and the
attribute that the action changed: `teams.t1.memberships.m1.update.status`. In a pattern `*`
may stand for any id; matching is by equality, so ids are not looked into. Every
prefix that ends at an id is a pattern too, and hears of all that happens below it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

MAX_CHARS: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What can happen to one kind of thing: actions with their attributes, and what it holds."""

    actions: dict[str, frozenset[str]]
    holds: dict[str, "Resource"] = field(default_factory=dict)


def _resource(words: str, **holds: Resource) -> Resource:
    """`words` are actions; `update:name,email` gives an action its attributes."""
    actions = {}
    for word in words.split():
        action, _, attributes = word.partition(":")
        actions[action] = frozenset(attributes.split(",")) if attributes else frozenset()
    return Resource(actions=actions, holds=holds)


_CUD: Final = "create update delete"


def _tables(table: str, column: str, row: str) -> dict[str, Resource]:
    return {
        table: _resource(
            _CUD,
            **{
                column: _resource(_CUD),
                "indexes": _resource(_CUD),
                row: _resource("create update upsert delete"),
            },
        )
    }


_RELATIONAL: Final = _tables("tables", "columns", "rows")
_DOCUMENTS: Final = _tables("collections", "attributes", "documents")

CATALOGUE: Final[dict[str, Resource]] = {
    "users": _resource(
        "create delete update:email,name,password,status,prefs,phone,mfa,labels,"
        "verification,impersonator",
        sessions=_resource("create delete"),
        recovery=_resource("create update"),
        verification=_resource("create update"),
        targets=_resource(_CUD),
        tokens=_resource("create"),
    ),
    "teams": _resource(
        "create update:prefs delete", memberships=_resource("create update:status delete")
    ),
    "databases": _resource(_CUD, **_RELATIONAL, **_DOCUMENTS),
    "tablesdb": _resource(_CUD, **_RELATIONAL),
    "documentsdb": _resource(_CUD, **_DOCUMENTS),
    "vectorsdb": _resource(_CUD, **_DOCUMENTS),
    "buckets": _resource(_CUD, files=_resource(_CUD)),
    "functions": _resource(_CUD, deployments=_resource(_CUD), executions=_resource(_CUD)),
    "sites": _resource(_CUD, deployments=_resource(_CUD)),
    "providers": _resource(_CUD),
    "topics": _resource(_CUD, subscribers=_resource("create delete")),
    "messages": _resource(_CUD),
    "rules": _resource(_CUD),
    "schedules": _resource("create"),
    "reports": _resource(_CUD, insights=_resource(_CUD)),
}


def is_pattern(text: str) -> bool:
    """Whether `text` can match an event that is announced."""
    parts = text.split(".")
    if len(text) > MAX_CHARS or len(parts) < 2 or not all(parts):
        return False
    if any(char.isspace() for char in text):
        return False  # no id holds any, so it is a slip of the pen
    if parts[0] == "users" and parts[2:] == ["sessions"]:
        # Ending all sessions of a user is announced as `users.U.sessions.delete`, in which
        # `sessions` stands where the action does.
        return True
    resources = CATALOGUE
    while len(parts) >= 2 and parts[0] in resources:
        resource = resources[parts[0]]
        rest = parts[2:]
        if _is_action(resource, rest):
            return True
        parts, resources = rest, resource.holds
    return False


def _is_action(resource: Resource, parts: list[str]) -> bool:
    """Whether nothing, an action, or an action and its attribute is left."""
    match parts:
        case []:
            return True
        case [action]:
            return action in resource.actions
        case [action, attribute]:
            return attribute in resource.actions.get(action, ())
    return False


def is_function_event(text: str) -> bool:
    """Functions may not listen to these: they would start each other without end."""
    return text == "functions" or text.startswith("functions.")


def patterns() -> Iterator[str]:
    """Every pattern of the catalogue, with `*` for each id."""
    for name, resource in CATALOGUE.items():
        yield from _patterns(f"{name}.*", resource)


def _patterns(prefix: str, resource: Resource) -> Iterator[str]:
    yield prefix
    for action, attributes in resource.actions.items():
        yield f"{prefix}.{action}"
        yield from (f"{prefix}.{action}.{attribute}" for attribute in sorted(attributes))
    for name, held in resource.holds.items():
        yield from _patterns(f"{prefix}.{name}.*", held)
