"""Lists: order, limit, offset, cursors and totals agree with plain Python lists."""

from datetime import timedelta
from typing import Any

import pytest

from runwright.model.query import MAX_TOTAL, Filter, ListQuery, Order, Page
from runwright.ports.storage import CursorMissing, Storage
from tests.contract.storage.rows import NOW, PROJECT, a_user, adding, an_execution

pytestmark = pytest.mark.anyio


async def page(storage: Storage, kind: str, project_id: str, query: ListQuery) -> Page[Any]:
    found: Page[Any] = await storage.read(lambda work: getattr(work, kind).page(project_id, query))
    return found


async def test_ties_of_creation_follow_the_direction_and_others_do_not(storage: Storage) -> None:
    await storage.write(adding("users", *(a_user(id, name="same") for id in "abc")))

    async def ids(*by: Order) -> str:
        found = await page(storage, "users", PROJECT, ListQuery(orders=by))
        return "".join(row.id for row in found.items)

    assert await ids() == "abc"
    assert await ids(Order("$createdAt", True)) == "cba"
    assert await ids(Order("$updatedAt", True), Order("name")) == "cba"
    assert await ids(Order("name", True)) == "abc"
    assert await ids(Order("name", True), Order("$createdAt", True)) == "abc"
    assert await ids(Order("$sequence", True)) == "cba"


async def test_a_cursor_that_names_no_row_of_this_list_is_missing(storage: Storage) -> None:
    await storage.write(adding("users", a_user("a"), a_user("b", "other"), a_user("c", name="no")))
    for cursor in ("nobody", "b"):
        with pytest.raises(CursorMissing) as caught:
            await page(storage, "users", PROJECT, ListQuery(cursor=cursor))
        assert caught.value.item_id == cursor
    with pytest.raises(CursorMissing):
        await storage.read(lambda work: work.users.page(PROJECT, ListQuery(cursor="a"), name="no"))


async def test_a_cursor_row_need_not_match_the_filters(storage: Storage) -> None:
    await storage.write(adding("users", *(a_user(id, name=id) for id in "abc")))
    found = await page(
        storage,
        "users",
        PROJECT,
        ListQuery(cursor="a", filters=(Filter("notEqual", "name", ("a",)),)),
    )
    assert [row.id for row in found.items] == ["b", "c"]


async def test_conditions_of_the_caller_limit_list_and_total(storage: Storage) -> None:
    rows = [
        an_execution("a", user_id="ann"),
        an_execution("b", user_id="bob"),
        an_execution("c", user_id="ann", function_id="g"),
    ]
    await storage.write(lambda work: work.executions.add_all(rows))

    async def ids(**equals: object) -> tuple[str, int]:
        found = await storage.read(
            lambda work: work.executions.page(PROJECT, ListQuery(limit=1), **equals)
        )
        return "".join(row.id for row in found.items), found.total

    assert await ids() == ("a", 3)
    assert await ids(user_id="ann", function_id="g") == ("c", 1)
    assert await ids(function_id=("g", "fn")) == ("a", 3)


async def test_a_random_order_returns_every_row_once_and_is_not_always_the_same(
    storage: Storage,
) -> None:
    await storage.write(adding("users", *(a_user(f"u{at}") for at in range(40))))
    query = ListQuery(is_random=True, limit=100)
    seen = set()
    for _ in range(3):
        found = await page(storage, "users", PROJECT, query)
        assert sorted(row.id for row in found.items) == sorted(f"u{at}" for at in range(40))
        seen.add(tuple(row.id for row in found.items))
    assert len(seen) == 3  # alike by chance once in 40! tries


async def test_a_total_not_asked_for_is_zero(storage: Storage) -> None:
    await storage.write(adding("users", a_user()))
    found = await page(storage, "users", PROJECT, ListQuery(with_total=False))
    assert (found.items, found.total) == ((a_user(),), 0)


async def test_a_total_stops_at_the_largest_one_shown(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_TOTAL == 5000
    monkeypatch.setattr("runwright.storage.repository.MAX_TOTAL", 3)
    await storage.write(adding("users", *(a_user(id) for id in "abcd")))
    assert (await page(storage, "users", PROJECT, ListQuery(limit=1))).total == 3
    few = ListQuery(filters=(Filter("lessThan", "$id", ("c",)),))
    assert (await page(storage, "users", PROJECT, few)).total == 2


async def test_rows_added_during_a_walk_do_not_repeat_or_hide_others(storage: Storage) -> None:
    by = (Order("$createdAt", True),)
    rows = [an_execution(f"e{at}", created_at=NOW + timedelta(seconds=at)) for at in range(6)]
    await storage.write(lambda work: work.executions.add_all(rows))
    first = await page(storage, "executions", PROJECT, ListQuery(orders=by, limit=3))
    newer = an_execution("new", created_at=NOW + timedelta(days=1))
    await storage.write(lambda work: work.executions.add(newer))
    second = await page(
        storage, "executions", PROJECT, ListQuery(orders=by, limit=3, cursor=first.items[-1].id)
    )
    assert [row.id for row in (*first.items, *second.items)] == [
        f"e{at}" for at in range(5, -1, -1)
    ]
