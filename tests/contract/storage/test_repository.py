"""What a repository promises, for every kind of row."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork
from tests.contract.storage.rows import (
    EVERY_KIND,
    NOW,
    PROJECT,
    a_deployment,
    a_function,
    a_key,
    a_membership,
    a_platform,
    a_project,
    a_rule,
    a_target,
    a_user,
    a_variable,
    adding,
    an_execution,
    an_identity,
)

pytestmark = pytest.mark.anyio

every_kind = pytest.mark.parametrize("kind", EVERY_KIND)


def test_the_rows_of_these_tests_cover_every_repository() -> None:
    repositories = {name for name in UnitOfWork.__annotations__ if not name.startswith("_")}
    assert repositories == set(EVERY_KIND)


@every_kind
async def test_a_row_comes_back_as_it_was_stored(storage: Storage, kind: str) -> None:
    row = EVERY_KIND[kind]()
    await storage.write(adding(kind, row))
    found = await storage.read(lambda work: getattr(work, kind).get(row.project_id, row.id))
    assert found == row
    for item in fields(row):
        assert type(getattr(found, item.name)) is type(getattr(row, item.name)), item.name


@every_kind
async def test_a_replaced_row_has_the_new_values(storage: Storage, kind: str) -> None:
    row = EVERY_KIND[kind]()
    after = replace(row, updated_at=NOW + timedelta(microseconds=1))
    await storage.write(adding(kind, row))
    await storage.write(lambda work: getattr(work, kind).put(after))
    assert await storage.read(lambda work: getattr(work, kind).find()) == [after]


@every_kind
async def test_replacing_what_is_not_there_raises_key_error(storage: Storage, kind: str) -> None:
    with pytest.raises(KeyError):
        await storage.write(lambda work: getattr(work, kind).put(EVERY_KIND[kind]()))


@every_kind
async def test_a_removed_row_is_gone_and_said_so(storage: Storage, kind: str) -> None:
    row = EVERY_KIND[kind]()
    await storage.write(adding(kind, row))

    def remove(work: UnitOfWork) -> bool:
        removed: bool = getattr(work, kind).remove(row.project_id, row.id)
        return removed

    assert await storage.write(remove) is True
    assert await storage.write(remove) is False
    assert await storage.read(lambda work: getattr(work, kind).get(row.project_id, row.id)) is None


@every_kind
async def test_an_id_is_taken_once_in_a_project(storage: Storage, kind: str) -> None:
    row = EVERY_KIND[kind]()
    await storage.write(adding(kind, row))
    with pytest.raises(AlreadyStored) as caught:
        await storage.write(adding(kind, row))
    assert caught.value.columns == ("id",)


async def test_an_id_may_be_used_in_two_projects(storage: Storage) -> None:
    ours, theirs = a_function(), a_function(project_id="other", name="Theirs")
    await storage.write(adding("functions", ours, theirs))
    assert await storage.read(lambda work: work.functions.get("other", "fn")) == theirs
    await storage.write(lambda work: work.functions.remove("other", "fn"))
    assert await storage.read(lambda work: work.functions.get(PROJECT, "fn")) == ours


@pytest.mark.parametrize(
    ("kind", "first", "second", "columns"),
    [
        ("users", a_user("a", email="x@y.z"), a_user("b", email="x@y.z"), ("email",)),
        ("users", a_user("a", phone="+1"), a_user("b", phone="+1"), ("phone",)),
        (
            "identities",
            an_identity("a", provider_uid="1"),
            an_identity("b", provider_uid="1"),
            ("provider", "provider_uid"),
        ),
        ("targets", a_target("a", identifier="x"), a_target("b", identifier="x"), ("identifier",)),
        (
            "memberships",
            a_membership("a", user_id="u"),
            a_membership("b", user_id="u"),
            ("team_id", "user_id"),
        ),
        ("rules", a_rule("a", domain="d"), a_rule("b", "other", domain="d"), ("domain",)),
        ("variables", a_variable("a", key="K"), a_variable("b", key="K"), ("function_id", "key")),
        (
            "keys",
            a_key("a", secret_hash="h"),
            a_key("b", "other", secret_hash="h"),
            ("secret_hash",),
        ),
    ],
)
async def test_a_clash_names_the_fields(
    storage: Storage, kind: str, first: Any, second: Any, columns: tuple[str, ...]
) -> None:
    await storage.write(adding(kind, first))
    with pytest.raises(AlreadyStored) as caught:
        await storage.write(adding(kind, second))
    assert caught.value.columns == columns


async def test_replacing_a_row_keeps_the_unique_rules(storage: Storage) -> None:
    await storage.write(adding("users", a_user("a"), a_user("b")))
    with pytest.raises(AlreadyStored) as caught:
        await storage.write(lambda work: work.users.put(a_user("b", email="a@example.com")))
    assert caught.value.columns == ("email",)


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("users", a_user("a", email=None), a_user("b", email=None)),
        ("users", a_user("a"), a_user("a", "other")),
        ("targets", a_target("a"), a_target("a", "other")),
        ("variables", a_variable("a", key="K"), a_variable("b", key="K", function_id="")),
        ("platforms", a_platform("a"), a_platform("b")),
    ],
)
async def test_rows_that_only_look_alike_live_together(
    storage: Storage, kind: str, first: Any, second: Any
) -> None:
    await storage.write(adding(kind, first))
    await storage.write(adding(kind, second))
    assert await storage.read(lambda work: getattr(work, kind).find()) == [first, second]


async def test_find_takes_values_sets_of_values_and_null(storage: Storage) -> None:
    rows = [
        a_user("a", email=None, name="x", is_active=False),
        a_user("b", name="y"),
        a_user("c", name="z"),
        a_user("d", "other", name="x"),
    ]
    await storage.write(adding("users", *rows))

    async def ids(project_id: str | None = PROJECT, **equals: object) -> str:
        found = await storage.read(lambda work: work.users.find(project_id, **equals))
        return "".join(row.id for row in found)

    assert await ids() == "abc"
    assert await ids(None) == "abcd"
    assert await ids(None, name="x") == "ad"
    assert await ids(name=["z", "x", "nobody"]) == "ac"
    assert await ids(name=("y",), is_active=True) == "b"
    assert await ids(name=[]) == ""
    assert await ids(email=None) == "a"
    assert await ids(created_at=NOW, is_active=False) == "a"


async def test_find_compares_enums(storage: Storage) -> None:
    rows = [an_execution("a"), an_execution("b", error_class=None)]
    await storage.write(lambda work: work.executions.add_all(rows))
    found = await storage.read(
        lambda work: work.executions.find(PROJECT, status=[rows[0].status], error_class=None)
    )
    assert found == [rows[1]]


async def test_an_unknown_field_is_a_clear_mistake(storage: Storage) -> None:
    with pytest.raises(ValueError, match="colour"):
        await storage.read(lambda work: work.users.find(PROJECT, colour="red"))


async def test_remove_where_deletes_matches_of_one_project(storage: Storage) -> None:
    rows = [
        a_deployment("a"),
        a_deployment("b", function_id="g"),
        a_deployment("c"),
        a_deployment("d", "other"),
    ]
    await storage.write(adding("deployments", *rows))
    removed = await storage.write(
        lambda work: work.deployments.remove_where(PROJECT, function_id="fn")
    )
    assert removed == 2
    assert await storage.read(lambda work: work.deployments.find()) == [rows[1], rows[3]]


async def test_remove_where_refuses_to_delete_everything(storage: Storage) -> None:
    with pytest.raises(ValueError, match="condition"):
        await storage.write(lambda work: work.users.remove_where(PROJECT))


async def test_removing_a_project_s_rows_leaves_other_projects_alone(storage: Storage) -> None:
    theirs = {"functions": a_function(project_id="other"), "users": a_user(project_id="other")}
    left: dict[str, list[Any]] = {kind: [] for kind in EVERY_KIND} | {
        kind: [row] for kind, row in theirs.items()
    }
    left["projects"] = [a_project()]
    for kind, make in EVERY_KIND.items():
        await storage.write(adding(kind, make()))
    for kind, row in theirs.items():
        await storage.write(adding(kind, row))

    await storage.write(lambda work: work.remove_project_rows(PROJECT))

    def everything(work: UnitOfWork) -> dict[str, list[Any]]:
        return {kind: getattr(work, kind).find() for kind in EVERY_KIND}

    assert await storage.read(everything) == left


@every_kind
async def test_no_text_is_read_as_sql(storage: Storage, kind: str) -> None:
    row = EVERY_KIND[kind]()
    await storage.write(adding(kind, row))
    nasty = "' OR 1=1; --"
    assert await storage.read(lambda work: getattr(work, kind).get(nasty, nasty)) is None
    assert await storage.read(lambda work: getattr(work, kind).find(nasty, id=nasty)) == []


async def test_a_moment_without_a_zone_is_refused(storage: Storage) -> None:
    with pytest.raises(ValueError, match="time zone"):
        await storage.write(
            lambda work: work.users.add(a_user(created_at=NOW.replace(tzinfo=None)))
        )


async def test_functions_that_listen_are_enabled_and_subscribe_to_something(
    storage: Storage,
) -> None:
    rows = (
        a_function("first", is_enabled=True, events=("users.*",)),
        a_function("silent", is_enabled=True, events=()),
        a_function("off", is_enabled=False, events=("users.*",)),
        a_function("second", is_enabled=True, events=("custom.*",)),
        a_function("elsewhere", "other", is_enabled=True, events=("users.*",)),
    )
    await storage.write(adding("functions", *rows))
    found = await storage.read(lambda work: work.functions.listening("shop"))
    assert [item.id for item in found] == ["first", "second"]


async def test_functions_with_numbers_of_instances_are_found_in_every_project(
    storage: Storage,
) -> None:
    rows = (
        a_function("kept", min_instances=1, max_instances=0),
        a_function("plain", min_instances=0, max_instances=0),
        a_function("off", is_enabled=False, min_instances=1),
        a_function("bounded", "other", min_instances=0, max_instances=2),
    )
    await storage.write(adding("functions", *rows))
    found = await storage.read(lambda work: work.functions.with_instances())
    assert [item.id for item in found] == ["kept", "bounded"]
