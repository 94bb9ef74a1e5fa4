"""Events -> channels and who hears them."""

import pytest

from runwright.model.event import Event
from runwright.model.identity import Principal
from runwright.realtime.channels import audience, bound, console_audience, tells_of_runs
from tests.unit.realtime.callers import PROJECT, guest, key, user

ANNS_RUN = {"$permissions": ['read("user:ann")']}
RUN = "functions.f.executions.e.update"
CASES = [
    ("users.ann.update.name", ["account", "account.ann", "account.update", "account.ann.update"]),
    ("users.ann.sessions.s.create", ["account", "account.ann"]),
    ("teams.t.create", ["teams", "teams.t", "teams.create", "teams.t.create"]),
    (
        "teams.t.memberships.m.update.status",
        ["memberships", "memberships.m", "memberships.update", "memberships.m.update"],
    ),
    (
        RUN,
        [
            "console",
            "projects.shop",
            "executions",
            "executions.e",
            "functions.f",
            "executions.update",
            "executions.e.update",
            "functions.f.update",
        ],
    ),
    ("rules.r.create", ["console", "projects.shop"]),
    (
        "buckets.b.files.x.delete",
        [
            "files",
            "buckets.b.files",
            "buckets.b.files.x",
            "files.delete",
            "buckets.b.files.delete",
            "buckets.b.files.x.delete",
        ],
    ),
]


@pytest.mark.parametrize(("event", "channels"), CASES, ids=[name for name, _ in CASES])
def test_an_event_is_told_on_its_channels_and_their_copies(event: str, channels: list[str]) -> None:
    told = audience(Event.parse(event), PROJECT, {})
    assert told is not None
    assert list(told.channels) == channels


def test_a_row_is_told_under_all_of_its_names() -> None:
    told = audience(Event.parse("databases.d.collections.c.documents.x.upsert"), PROJECT, {})
    assert told is not None
    assert {
        "documents",
        "rows",
        "databases.d.collections.c.documents.x",
        "databases.d.tables.c.rows",
        "tablesdb.d.tables.c.rows.x.upsert",
        "rows.upsert",
    } <= set(told.channels)


@pytest.mark.parametrize("event", ["buckets.b.create", "messages.m.create", "custom.orders.paid"])
def test_some_events_have_no_channel(event: str) -> None:
    assert audience(Event.parse(event), PROJECT, {}) is None


@pytest.mark.parametrize(
    ("event", "payload", "listener", "hears"),
    [
        (RUN, ANNS_RUN, user("ann"), True),
        (RUN, ANNS_RUN, user("bob"), False),
        (RUN, ANNS_RUN, guest(), False),
        (RUN, {"$permissions": []}, user("ann"), False),
        (RUN, {"$permissions": []}, key("executions.read"), True),
        (RUN, {"$permissions": []}, key("execution.read"), True),
        (RUN, ANNS_RUN, key("functions.read"), False),
        ("functions.f.deployments.d.update", {}, key("functions.read"), True),
        ("functions.f.deployments.d.update", {}, key("executions.read"), False),
        ("functions.f.deployments.d.update", {}, user("ann"), False),
        ("users.ann.update.name", {}, user("ann"), True),
        ("users.ann.update.name", {}, user("bob"), False),
        ("users.ann.update.name", {}, key("users.read"), True),
        ("users.ann.update.name", {}, key(), False),
        ("teams.t.memberships.m.create", {}, user("ann", ("t", "dev")), True),
        ("teams.t.memberships.m.create", {}, user("ann", ("u", "dev")), False),
        ("buckets.b.files.x.create", {"$permissions": ['read("any")']}, guest(), True),
    ],
)
def test_who_hears_an_event(
    event: str, payload: dict[str, object], listener: Principal, hears: bool
) -> None:
    told = audience(Event.parse(event), PROJECT, payload)
    assert told is not None
    assert told.admits(listener) is hears


@pytest.mark.parametrize(
    ("role", "hears"),
    [
        ("owner", True),
        ("developer", True),
        ("project-shop-developer", True),
        ("project-other-developer", False),
        ("analyst", False),
    ],
)
def test_of_an_organization_those_hear_who_may_see_the_project(role: str, hears: bool) -> None:
    told = console_audience(Event.parse(RUN), PROJECT, "org")
    assert told is not None
    assert told.channels == ("projects.shop",)
    assert told.admits(user("admin", ("org", role), project_id="console")) is hears
    assert not told.admits(user("admin", ("another", role), project_id="console"))


def test_the_console_hears_of_functions_and_rules_only() -> None:
    deployed = console_audience(Event.parse("functions.f.deployments.d.create"), PROJECT, "org")
    assert deployed is not None
    assert deployed.channels == ("console", "projects.shop")
    assert console_audience(Event.parse("users.ann.create"), PROJECT, "org") is None


@pytest.mark.parametrize(
    ("listener", "asked", "channels"),
    [
        (user("ann"), ["account", "executions"], ["account", "account.ann", "executions"]),
        (user("ann"), ["account.update", "account.bob"], ["account.ann.update"]),
        (guest(), ["account", "account.update", "account.bob"], ["account", "account.update"]),
        (key(), ["account.bob", "account.bob"], ["account.bob"]),
    ],
)
def test_the_account_channel_is_ones_own(
    listener: Principal, asked: list[str], channels: list[str]
) -> None:
    assert list(bound(asked, listener)) == channels


def test_executions_are_announced_only_for_channels_that_can_have_them() -> None:
    assert all(map(tells_of_runs, ("executions.create", "functions.f", "console", "projects.p")))
    assert not any(map(tells_of_runs, ("account", "teams", "files", "documents")))
