"""Under which names an event is announced, in which order, and what patterns hear of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.model.event import (
    MAX_CHARS,
    MAX_CUSTOM_PARTS,
    BadEventName,
    Event,
    is_pattern,
    patterns,
)

# path and action -> every name in its order; of databases, what comes before the third family.
NAMES = {
    "users/U create": """
        users.U.create users.*.create
        users.U users.*
    """,
    "users/U update.email": """
        users.U.update users.*.update
        users.U.update.email users.*.update.email
        users.U users.*
    """,
    "users/U sessions.delete": """
        users.U.sessions users.*.sessions
        users.U.sessions.delete users.*.sessions.delete
        users.U users.*
    """,
    "users/U/sessions/S create": """
        users.U.sessions.S.create users.*.sessions.*.create
        users.U.sessions.*.create users.*.sessions.S.create
        users.U.sessions.S users.*.sessions.*
        users.U.sessions.* users.*.sessions.S
        users.U users.*
    """,
    "buckets/B/files/F create": """
        buckets.B.files.F.create buckets.*.files.*.create
        buckets.B.files.*.create buckets.*.files.F.create
        buckets.B.files.F buckets.*.files.*
        buckets.B.files.* buckets.*.files.F
        buckets.B buckets.*
    """,
    "databases/DB create": """
        databases.DB.create databases.*.create
        databases.DB databases.*
    """,
    "teams/T/memberships/M update.status": """
        teams.T.memberships.M.update.status teams.*.memberships.*.update.status
        teams.*.memberships.M.update.status teams.T.memberships.*.update.status
        teams.T.memberships.M.update teams.*.memberships.*.update
        teams.*.memberships.M.update teams.T.memberships.*.update
        teams.T.memberships.M teams.*.memberships.*
        teams.*.memberships.M teams.T.memberships.*
        teams.T.update.status teams.*.update.status
        teams.T teams.*
    """,
    "databases/DB/collections/T create": """
        databases.DB.collections.T.create databases.DB.tables.T.create
        databases.*.collections.*.create databases.*.tables.*.create
        databases.DB.collections.*.create databases.DB.tables.*.create
        databases.*.collections.T.create databases.*.tables.T.create
        databases.DB.collections.T databases.DB.tables.T
        databases.*.collections.* databases.*.tables.*
        databases.DB.collections.* databases.DB.tables.*
        databases.*.collections.T databases.*.tables.T
        databases.DB databases.*
    """,
    "databases/DB/collections/T/documents/R create": """
        databases.DB.collections.T.documents.R.create databases.DB.tables.T.rows.R.create
        databases.*.collections.*.documents.*.create databases.*.tables.*.rows.*.create
        databases.DB.collections.*.documents.R.create databases.DB.tables.*.rows.R.create
        databases.*.collections.*.documents.R.create databases.*.tables.*.rows.R.create
        databases.*.collections.T.documents.R.create databases.*.tables.T.rows.R.create
        databases.DB.collections.T.documents.*.create databases.DB.tables.T.rows.*.create
        databases.*.collections.T.documents.*.create databases.*.tables.T.rows.*.create
        databases.DB.collections.*.documents.*.create databases.DB.tables.*.rows.*.create
        databases.DB.collections.T.documents.R databases.DB.tables.T.rows.R
        databases.*.collections.*.documents.* databases.*.tables.*.rows.*
        databases.DB.collections.*.documents.R databases.DB.tables.*.rows.R
        databases.*.collections.*.documents.R databases.*.tables.*.rows.R
        databases.*.collections.T.documents.R databases.*.tables.T.rows.R
        databases.DB.collections.T.documents.* databases.DB.tables.T.rows.*
        databases.*.collections.T.documents.* databases.*.tables.T.rows.*
        databases.DB.collections.*.documents.* databases.DB.tables.*.rows.*
        databases.DB.collections.T databases.DB.tables.T
        databases.*.collections.* databases.*.tables.*
        databases.DB.collections.* databases.DB.tables.*
        databases.*.collections.T databases.*.tables.T
        databases.DB databases.*
    """,
    "databases/DB/tables/T/rows/R update": """
        databases.DB.tables.T.rows.R.update databases.DB.collections.T.documents.R.update
        databases.*.tables.*.rows.*.update databases.*.collections.*.documents.*.update
        databases.*.tables.T.rows.R.update databases.*.collections.T.documents.R.update
        databases.DB.tables.*.rows.R.update databases.DB.collections.*.documents.R.update
        databases.*.tables.*.rows.R.update databases.*.collections.*.documents.R.update
        databases.DB.tables.T.rows.*.update databases.DB.collections.T.documents.*.update
        databases.*.tables.T.rows.*.update databases.*.collections.T.documents.*.update
        databases.DB.tables.*.rows.*.update databases.DB.collections.*.documents.*.update
        databases.DB.tables.T.rows.R databases.DB.collections.T.documents.R
        databases.*.tables.*.rows.* databases.*.collections.*.documents.*
        databases.*.tables.T.rows.R databases.*.collections.T.documents.R
        databases.DB.tables.*.rows.R databases.DB.collections.*.documents.R
        databases.*.tables.*.rows.R databases.*.collections.*.documents.R
        databases.DB.tables.T.rows.* databases.DB.collections.T.documents.*
        databases.*.tables.T.rows.* databases.*.collections.T.documents.*
        databases.DB.tables.*.rows.* databases.DB.collections.*.documents.*
        databases.DB.tables.T databases.DB.collections.T
        databases.*.tables.* databases.*.collections.*
        databases.*.tables.T databases.*.collections.T
        databases.DB.tables.* databases.DB.collections.*
        databases.DB databases.*
    """,
}


def event(text: str) -> Event:
    path, action = text.split()
    return Event.of(action, *path.split("/"))


@pytest.mark.parametrize("text", NAMES)
def test_names_and_their_order(text: str) -> None:
    expected, names = NAMES[text].split(), event(text).names
    assert list(names[: len(expected)]) == expected
    rest = names[len(expected) :]
    assert all(name.startswith("tablesdb.") for name in rest)
    assert bool(rest) == text.startswith("databases")
    assert len(set(names)) == len(names)


def test_columns_begin_as_rows_do() -> None:
    names = Event.of("create", "databases", "DB", "tables", "T", "columns", "1_2_title").names
    assert names[:6] == (
        "databases.DB.tables.T.columns.1_2_title.create",
        "databases.DB.collections.T.attributes.1_2_title.create",
        "databases.*.tables.*.columns.*.create",
        "databases.*.collections.*.attributes.*.create",
        "databases.*.tables.T.columns.1_2_title.create",
        "databases.*.collections.T.attributes.1_2_title.create",
    )


def test_rows_are_announced_in_the_third_family_too() -> None:
    row = Event.of("create", "databases", "DB", "collections", "T", "documents", "R")
    assert len(row.names) == 64
    for pattern in ("tablesdb.*.tables.*.rows.*.create", "tablesdb.DB.tables.T", "tablesdb.*"):
        assert row.matches(pattern)


def test_an_id_that_is_spelled_like_a_resource_stays_as_it_is() -> None:
    row = Event.of("create", "databases", "rows", "collections", "documents", "documents", "tables")
    assert row.names[:2] == (
        "databases.rows.collections.documents.documents.tables.create",
        "databases.rows.tables.documents.rows.tables.create",
    )


@pytest.mark.parametrize(
    ("text", "first", "full"),
    [
        ("users/U update.prefs", "users.U.update", "users.U.update.prefs"),
        ("teams/T update.prefs", "teams.T.update", "teams.T.update.prefs"),
        (
            "teams/T/memberships/M update.status",
            "teams.T.memberships.M.update.status",
            "teams.T.memberships.M.update.status",
        ),
    ],
)
def test_the_first_name_leaves_the_attribute_out_for_one_id_only(
    text: str, first: str, full: str
) -> None:
    assert (event(text).names[0], event(text).full_name) == (first, full)


@given(st.sampled_from(sorted(patterns())))
def test_every_pattern_with_an_action_hears_of_the_event_it_names(pattern: str) -> None:
    concrete = pattern.replace("*", "x")
    try:
        happened = Event.parse(concrete)
    except BadEventName:
        assert pattern.endswith("*")  # says of what, and not what happened
        return
    assert happened.full_name == concrete
    assert happened.matches(pattern)
    assert happened.matches(concrete)
    assert not happened.matches(pattern.replace("*", "y"))


@given(st.sampled_from(sorted(patterns())))
def test_what_is_announced_may_be_subscribed_to(pattern: str) -> None:
    try:
        happened = Event.parse(pattern.replace("*", "x"))
    except BadEventName:
        return
    # The extra name of an attribute of something within something is announced upstream as well,
    # where no pattern of it is taken either.
    odd = {name for name in happened.names if name.split(".")[2:] == ["update", "status"]}
    assert [name for name in set(happened.names) - odd if not is_pattern(name)] == []


# Names of one's own


@pytest.mark.parametrize(
    ("pattern", "is_heard"),
    [
        ("custom.orders.paid", True),
        ("custom.orders.*", True),
        ("custom.*.paid", True),
        ("custom.*", True),
        ("custom.*.*", True),
        ("custom.orders", False),
        ("custom.orders.paid.twice", False),
        ("custom.orders.paid.*", False),
        ("custom.orders.refunded", False),
        ("users.*", False),
    ],
)
def test_who_hears_of_custom_events(pattern: str, is_heard: bool) -> None:
    assert is_pattern(pattern)
    assert Event.parse("custom.orders.paid").matches(pattern) == is_heard


def test_a_star_at_the_end_stands_for_all_that_follows() -> None:
    assert Event.parse("custom.orders.eu.berlin.paid").matches("custom.orders.*")
    assert not Event.parse("custom.orders.eu.berlin.paid").matches("custom.*.paid")


def test_the_names_of_a_custom_event_go_from_the_whole_to_the_general() -> None:
    custom = Event.parse("custom.orders.paid")
    assert custom.names == ("custom.orders.paid", "custom.orders.*", "custom.*")
    assert custom.full_name == "custom.orders.paid"


@pytest.mark.parametrize(
    "text",
    [
        "custom",
        "custom.",
        "custom..paid",
        "custom. paid",
        "Custom.paid",
        "custom." + "x" * MAX_CHARS,
        ".".join(["custom"] * (MAX_CUSTOM_PARTS + 1)),
    ],
)
def test_custom_names_that_are_refused(text: str) -> None:
    assert not is_pattern(text)
    with pytest.raises(BadEventName):
        Event.parse(text)


@pytest.mark.parametrize("text", ["custom.*", "users.*.create", "users.u1", "users.u1.sessions.s1"])
def test_what_has_not_happened_or_does_not_say_what_is_no_event(text: str) -> None:
    with pytest.raises(BadEventName):
        Event.parse(text)
