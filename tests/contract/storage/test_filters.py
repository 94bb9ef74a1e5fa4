"""Filters that deserve a sentence of their own, and what is refused."""

import string
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runwright.errors import BadArgument, InvalidQuery
from runwright.model.query import Filter, ListQuery, Order
from runwright.ports.storage import Storage
from tests.contract.storage import reference
from tests.contract.storage.conftest import Bench
from tests.contract.storage.rows import (
    NOW,
    PROJECT,
    a_function,
    a_key,
    a_membership,
    a_platform,
    a_project,
    a_rule,
    a_target,
    a_team,
    a_user,
    a_variable,
    adding,
    an_execution,
    an_identity,
)


async def ids(storage: Storage, kind: str, *filters: Filter, **more: Any) -> list[str]:
    query = ListQuery(filters=filters, **more)
    project_id = "console" if kind == "projects" else PROJECT
    found = await storage.read(lambda work: getattr(work, kind).page(project_id, query))
    return [row.id for row in found.items]


@pytest.mark.anyio
async def test_a_moment_that_clients_were_shown_finds_its_row(storage: Storage) -> None:
    """They are shown milliseconds; the column has microseconds."""
    await storage.write(adding("users", a_user("a", created_at=NOW)))
    shown = NOW.replace(microsecond=123000)
    later = shown + timedelta(milliseconds=1)
    for method, values, is_found in [
        ("equal", (shown,), True),
        ("equal", (NOW,), True),
        ("equal", (later, shown), True),
        ("notEqual", (shown,), False),
        ("greaterThan", (shown,), False),
        ("greaterThanEqual", (shown,), True),
        ("greaterThanEqual", (later,), False),
        ("lessThan", (shown,), False),
        ("lessThan", (later,), True),
        ("lessThanEqual", (shown,), True),
        ("between", (shown, shown), True),
        ("notBetween", (shown, shown), False),
    ]:
        found = await ids(storage, "users", Filter(method, "$createdAt", values))
        assert found == (["a"] if is_found else []), (method, values)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "text",
    ["2026-08-21T13:42:57.123+00:00", "2026-08-21T19:12:57.123+05:30", "2026-08-21T13:42:57.123Z"],
)
async def test_a_moment_may_come_as_text_of_any_zone(storage: Storage, text: str) -> None:
    await storage.write(adding("users", a_user("a")))
    assert await ids(storage, "users", Filter("equal", "$createdAt", (text,))) == ["a"]


@pytest.mark.anyio
async def test_wildcards_in_a_filter_are_plain_letters(storage: Storage) -> None:
    rows = [a_user("a", name="50% off"), a_user("b", name="50 of_"), a_user("c", name=r"5\0")]
    await storage.write(adding("users", *rows))
    assert await ids(storage, "users", Filter("contains", "name", ("%",))) == ["a"]
    assert await ids(storage, "users", Filter("endsWith", "name", ("_",))) == ["b"]
    assert await ids(storage, "users", Filter("contains", "name", ("\\",))) == ["c"]
    assert await ids(storage, "users", Filter("contains", "name", ("\0",))) == []


@pytest.mark.anyio
async def test_equality_is_exact_and_substrings_ignore_case(storage: Storage) -> None:
    await storage.write(adding("users", a_user("a", name="Ann")))
    assert await ids(storage, "users", Filter("equal", "name", ("ann",))) == []
    assert await ids(storage, "users", Filter("startsWith", "name", ("aN",))) == ["a"]


@pytest.mark.anyio
async def test_a_value_that_no_enum_has_matches_nothing(storage: Storage) -> None:
    await storage.write(lambda work: work.executions.add(an_execution("a")))
    assert await ids(storage, "executions", Filter("equal", "status", ("cancelled",))) == []
    assert await ids(storage, "executions", Filter("notEqual", "status", ("failed",))) == ["a"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("kind", "row", "attribute", "value"),
    [
        ("projects", a_project("x"), "teamId", "org"),
        ("keys", a_key("x"), "expire", NOW + timedelta(days=1)),
        ("platforms", a_platform("x"), "hostname", "app.example.com"),
        ("users", a_user("x"), "status", True),
        ("users", a_user("x"), "emailVerification", False),
        ("targets", a_target("x"), "providerType", "email"),
        ("identities", an_identity("x"), "providerEmail", "ann@x.org"),
        ("teams", a_team("x"), "total", 3),
        ("memberships", a_membership("x"), "joined", None),
        ("memberships", a_membership("x"), "confirm", False),
        ("functions", a_function("x"), "enabled", True),
        ("functions", a_function("x"), "timeout", 15),
        ("variables", a_variable("x"), "resourceType", "function"),
        ("variables", a_variable("x"), "resourceId", "fn"),
        ("variables", a_variable("x", function_id=""), "resourceType", "project"),
        ("rules", a_rule("x", branch="main"), "deploymentVcsProviderBranch", "main"),
        ("executions", an_execution("x"), "trigger", "schedule"),
        ("executions", an_execution("x"), "duration", 0.1),
    ],
)
async def test_wire_names_reach_their_columns(
    storage: Storage, kind: str, row: Any, attribute: str, value: Any
) -> None:
    await storage.write(adding(kind, row))
    if value is None:
        wanted, other = Filter("isNull", attribute, ()), Filter("isNotNull", attribute, ())
    else:
        wanted = Filter("equal", attribute, (value,))
        other = Filter("notEqual", attribute, (value,))
    assert await ids(storage, kind, wanted) == ["x"]
    assert await ids(storage, kind, other) == []
    assert await ids(storage, kind, orders=(Order(attribute, True),)) == ["x"]


@pytest.mark.anyio
async def test_a_platform_s_identifier_shows_under_the_name_of_its_type_only(
    storage: Storage,
) -> None:
    rows = [a_platform("web"), a_platform("ios", type="apple", identifier="org.example.app")]
    await storage.write(adding("platforms", *rows))
    assert await ids(storage, "platforms", Filter("isNull", "hostname", ())) == ["ios"]
    by_bundle = Filter("equal", "bundleIdentifier", ("org.example.app",))
    assert await ids(storage, "platforms", by_bundle) == ["ios"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "refused",
    [
        Filter("equal", "password_hash", ("x",)),
        Filter("equal", "colour", ("red",)),
        Filter("equal", "status", ("true",)),
        Filter("equal", "name", (1,)),
        Filter("equal", "name", ()),
        Filter("between", "name", ("a",)),
        Filter("lessThan", "name", ("a", "b")),
        Filter("equal", "$createdAt", ("yesterday",)),
        Filter("equal", "$createdAt", (5,)),
        Filter("greaterThan", "$createdAt", ("9999-12-31T23:59:59.999Z",)),
        Filter("equal", "labels", ("vip",)),
        Filter("contains", "labels", (1,)),
        Filter("contains", "status", ("t",)),
        Filter("regex", "name", ("a.*",)),
        Filter("regex", "$createdAt", (NOW,)),
        Filter("and", "", ()),
        Filter("or", "", ("no filter",)),
        Filter("equal", "$sequence", (True,)),
        Filter("equal", "$sequence", (2**70,)),
    ],
)
async def test_what_cannot_be_answered_is_refused_by_name(
    storage: Storage, refused: Filter
) -> None:
    with pytest.raises(ValueError, match=r"cannot be used|takes|needs") as caught:
        await ids(storage, "users", refused)
    # So that it also has its shape on the wire.
    assert isinstance(caught.value, (InvalidQuery, BadArgument))


@pytest.mark.anyio
async def test_an_attribute_that_is_stored_nowhere_is_refused(storage: Storage) -> None:
    with pytest.raises(InvalidQuery, match="scheduleNext"):
        await ids(storage, "functions", orders=(Order("scheduleNext"),))


@pytest.mark.anyio
async def test_a_list_without_search_words_refuses_a_search(storage: Storage) -> None:
    with pytest.raises(InvalidQuery, match="searched"):
        await ids(storage, "deployments", search="x")


@pytest.mark.anyio
async def test_search_finds_words_beginnings_and_phrases(storage: Storage) -> None:
    rows = [
        a_user("ann", name="Ann Ørsted", email="ann.smith@example.com", labels=("vip",)),
        a_user("bob", name="Bob van Dyke", email="bob@mail.test", labels=()),
    ]
    await storage.write(adding("users", *rows))

    async def found(search: str) -> list[str]:
        return await ids(storage, "users", search=search)

    assert await found("ann") == ["ann"]
    assert await found("ØRS") == ["ann"]
    assert await found("rsted") == []
    assert await found("nobody Bo") == ["bob"]
    assert await found("Bo nobody") == []
    assert await found("bob ann") == ["ann", "bob"]
    assert await found('"van dyke"') == ["bob"]
    assert await found('"van dy"') == []
    assert await found('"dyke van"') == []
    assert await found("smith@mail") == ["ann", "bob"]  # @ parts two words; any one will do
    assert await found("label:vip") == ["ann"]
    assert await found("***") == []
    assert await found("%") == []
    assert await found("") == ["ann", "bob"]


@pytest.mark.anyio
async def test_search_follows_changes_of_a_row(storage: Storage) -> None:
    await storage.write(adding("functions", a_function("fn", name="Before")))
    await storage.write(lambda work: work.functions.put(a_function("fn", name="After")))
    assert await ids(storage, "functions", search="before") == []
    assert await ids(storage, "functions", search="afte") == ["fn"]


words = st.text(alphabet=string.ascii_letters[:4] + 'é_ .@*"%', max_size=8)


@given(names=st.lists(words, min_size=1, max_size=5), search=words)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_search_agrees_with_words_of_plain_texts(
    bench: Bench, names: list[str], search: str
) -> None:
    rows = [a_function(f"f{at}", name=name) for at, name in enumerate(names)]
    bench.write(lambda work: [work.functions.remove(PROJECT, f"f{at}") for at in range(5)])
    bench.write(adding("functions", *rows))
    found = bench.read(lambda work: work.functions.page(PROJECT, ListQuery(search=search)))
    expected = [row for row in rows if not search or reference.searched(row.search, search)]
    assert list(found.items) == expected
