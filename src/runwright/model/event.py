"""Event names, and which patterns may be subscribed to.

A name is `resource.ID`, up to two more `.resource.ID`, then optionally an action and the
attribute that the action changed: `teams.t1.memberships.m1.update.status`. In a pattern `*`
may stand for any id; matching is by equality, so ids are not looked into. Every
prefix that ends at an id is a pattern too, and hears of all that happens below it.

Events that other systems send in have names of their own choice below `custom`:
`custom.orders.paid`. There each part may be `*` in a pattern, and a last `*` stands for all
that follows.
"""

from collections.abc import Iterator
from dataclasses import field
from functools import cache, cached_property
from itertools import product
from typing import Final, Self

from runwright.values import dataclass

MAX_CHARS: Final = 256
CUSTOM: Final = "custom"
MAX_CUSTOM_PARTS: Final = 12


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
    if parts[0] == CUSTOM:
        return len(parts) <= MAX_CUSTOM_PARTS
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


class BadEventName(ValueError):
    """The text names no event; the message says why."""


@dataclass(frozen=True)
class Event:
    """The name of something that happened. `path` is resource, id, resource, id, ...

    A custom event has its whole name in `path`, `custom` first.
    """

    path: tuple[str, ...]
    action: str = ""
    attribute: str = ""

    @classmethod
    def of(cls, action: str, *path: str) -> Self:
        """`Event.of("update.email", "users", user_id)`."""
        verb, _, attribute = action.partition(".")
        return cls(path, verb, attribute)

    @classmethod
    def parse(cls, text: str) -> Self:
        """An event named by its full name, without wildcards. Raises BadEventName."""
        parts = text.split(".")
        if "*" in parts:
            raise BadEventName("An event that has happened has no `*` in its name")
        if not is_pattern(text):
            raise BadEventName(
                f"'{text[:MAX_CHARS]}' is no event of the catalogue. Names of your own start "
                f"with `{CUSTOM}.`"
            )
        if parts[0] == CUSTOM:
            return cls(tuple(parts))
        depth, resources = 0, CATALOGUE
        while len(parts) - depth >= 2 and parts[depth] in resources:
            resources = resources[parts[depth]].holds
            depth += 2
        action, attribute, *_ = *parts[depth:], "", ""
        if not action:
            raise BadEventName(f"'{text}' does not say what happened: the action is missing")
        return cls(tuple(parts[:depth]), action, attribute)

    @property
    def is_custom(self) -> bool:
        return self.path[0] == CUSTOM

    @property
    def full_name(self) -> str:
        """With the attribute, which `names` leaves out of its first entry at times."""
        return ".".join((*self.path, *(word for word in (self.action, self.attribute) if word)))

    @property
    def resource_id(self) -> str:
        """Of what it happened to."""
        return self.path[-1]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every name under which it is announced, the most specific first."""
        if self.is_custom:
            whole = ".".join(self.path)
            stems = (".".join(self.path[:size]) for size in range(len(self.path) - 1, 0, -1))
            return (whole, *(f"{stem}.*" for stem in stems))
        return _doubled(_expanded(self.path, self.action, self.attribute))

    @cached_property
    def name_set(self) -> frozenset[str]:
        return frozenset(self.names)

    def matches(self, pattern: str) -> bool:
        if not self.is_custom:
            return pattern in self.name_set
        wanted = pattern.split(".")
        if len(wanted) > len(self.path) or (len(wanted) < len(self.path) and wanted[-1] != "*"):
            return False
        return all(want in ("*", part) for want, part in zip(wanted, self.path, strict=False))


def _expanded(path: tuple[str, ...], action: str, attribute: str) -> list[str]:
    """Names in their documented order: see docs/reference/events.md."""
    bases = [path[:size] for size in range(len(path), 0, -2)]
    full = path
    tails: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    if len(path) == 2:
        if action:
            tails.append((full, (action,)))
        if attribute:
            tails.append((full, (action, attribute)))
        tails.append((full, ()))
    else:
        if attribute:
            tails.append((full, (action, attribute)))
        if action:
            tails.append((full, (action,)))
        tails.append((full, ()))
        if attribute:
            tails.append((path[:2], (action, attribute)))
        tails += [(base, ()) for base in bases[1:]]
    names: dict[str, None] = {}
    for base, tail in tails:
        for stars in _stars(path[::2]):
            named = ("*" if at % 2 and at // 2 in stars else part for at, part in enumerate(base))
            names[".".join((*named, *tail))] = None
    return list(names)


# Upstream draws the order of names from all parameters of a call, also those that are not in
# the name (below: None). It can be seen in what webhooks and realtime clients are sent.
_CALL_PARAMS: Final[dict[tuple[str, ...], tuple[int | None, ...]]] = {
    ("teams", "memberships"): (None, 0, 1),
    ("databases", "collections", "documents"): (0, 1, None, 2, None),
    ("databases", "tables", "rows"): (0, None, 1, None, 2),
    ("databases", "tables", "columns"): (0, None, 1, None, 2),
}


@cache
def _stars(resources: tuple[str, ...]) -> tuple[frozenset[int | None], ...]:
    """Which ids are replaced by `*`, in the order in which the names are listed."""
    everything = frozenset(range(len(resources)))
    params = _CALL_PARAMS.get(resources, tuple(everything))
    chosen: list[set[int | None]] = [set(), set(everything)]
    places = range(len(params))
    if len(resources) <= 2:
        chosen += [{params[b]} for a, b in product(places, repeat=2) if a != b]
    else:
        for a, b, c in product(places, repeat=3):
            if c not in (a, b):
                chosen += [{params[c]}, {params[b], params[c]}, {params[b]}]
    return tuple(dict.fromkeys(frozenset(ids) for ids in chosen))


def _doubled(names: list[str]) -> tuple[str, ...]:
    """Names of rows and documents, which have two families that mean the same, and a third."""
    found: dict[str, None] = {}
    for name in names:
        found[name] = None
        parts = name.split(".")
        if parts[0] != "databases" or len(parts) < 3:
            continue
        for words in (_TO_TABLES, _TO_COLLECTIONS):
            if parts[2] in words:
                found[".".join(_renamed(parts, words))] = None
    # The prefix that the newest consoles offer; behind the others, so the first stays first.
    for name in list(found):
        if name.startswith("databases.") and (".tables." in name or name.count(".") < 3):
            found[f"tablesdb.{name.removeprefix('databases.')}"] = None
    return tuple(found)


_TO_TABLES: Final = {"collections": "tables", "documents": "rows", "attributes": "columns"}
_TO_COLLECTIONS: Final = {table: collection for collection, table in _TO_TABLES.items()}


def _renamed(parts: list[str], words: dict[str, str]) -> list[str]:
    """Only words that stand where a resource does: an id may be spelled like one."""
    return [words.get(part, part) if at % 2 == 0 else part for at, part in enumerate(parts)]
