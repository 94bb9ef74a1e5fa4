"""Random rows, filters, orders and cursors: SQL agrees with plain Python lists."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from runwright.model.query import ListQuery, Page
from runwright.ports.storage import CursorOrderNull
from tests.contract.storage import reference
from tests.contract.storage.conftest import Bench
from tests.contract.storage.rows import adding
from tests.contract.storage.strategies import (
    deployment_rows,
    execution_rows,
    filters,
    orders,
    user_rows,
)

# One database serves all examples; each has a project of its own in it.
over_one_database = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
projects = itertools.count()

KINDS: Final[dict[str, tuple[Mapping[str, reference.Read], st.SearchStrategy[Any]]]] = {
    "users": (reference.USERS, user_rows()),
    "executions": (reference.EXECUTIONS, execution_rows()),
    "deployments": (reference.DEPLOYMENTS, deployment_rows()),
}


def stored(bench: Bench, kind: str, rows: Sequence[Any]) -> list[Any]:
    mine = [replace(row, project_id=f"p{next(projects)}") for row in rows[:1]]
    mine += [replace(row, project_id=mine[0].project_id) for row in rows[1:]]
    bench.write(adding(kind, *mine))
    return mine


def page(bench: Bench, kind: str, project_id: str, query: ListQuery) -> Page[Any]:
    found: Page[Any] = bench.read(lambda work: getattr(work, kind).page(project_id, query))
    return found


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@over_one_database
def test_filters_orders_and_pages_agree_with_plain_lists(
    bench: Bench, kind: str, data: st.DataObject
) -> None:
    read, some_rows = KINDS[kind]
    rows = stored(bench, kind, data.draw(some_rows))
    assume(rows)
    chosen = tuple(data.draw(st.lists(filters(read, kind), max_size=2)))
    by = data.draw(orders(read))
    limit, offset = data.draw(st.integers(1, 9)), data.draw(st.integers(0, 3))

    found = page(
        bench,
        kind,
        rows[0].project_id,
        ListQuery(filters=chosen, orders=by, limit=limit, offset=offset),
    )

    expected = [row for row in rows if all(reference.matches(read, row, one) for one in chosen)]
    whole = reference.ordered(read, expected, by)
    assert list(found.items) == whole[offset : offset + limit]
    assert found.total == len(expected)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@over_one_database
def test_walking_with_cursors_gives_the_whole_list_in_both_directions(
    bench: Bench, kind: str, data: st.DataObject
) -> None:
    read, some_rows = KINDS[kind]
    rows = stored(bench, kind, data.draw(some_rows))
    assume(rows)
    by = tuple(
        order
        for order in data.draw(orders(read))
        if order.attribute not in ("email", "registration")  # null there ends a walk
    )
    chosen = tuple(data.draw(st.lists(filters(read, kind), max_size=1)))
    expected = [row for row in rows if all(reference.matches(read, row, one) for one in chosen)]
    whole = reference.ordered(read, expected, by)
    assume(whole)
    limit = data.draw(st.integers(1, 4))
    base = ListQuery(filters=chosen, orders=by, limit=limit)

    def walk(start: str, *, is_before: bool) -> list[list[Any]]:
        pages: list[list[Any]] = []
        cursor = start
        while True:
            query = replace(base, cursor=cursor, is_cursor_before=is_before)
            items = (page(bench, kind, rows[0].project_id, query)).items
            if not items:
                return pages
            assert len(pages) <= len(whole), "the walk does not end"
            pages.append(list(items))
            cursor = items[0].id if is_before else items[-1].id

    forward = walk("", is_before=False)
    assert list(itertools.chain(*forward)) == whole
    backward = walk(whole[-1].id, is_before=True)
    assert list(itertools.chain(*reversed(backward))) == whole[:-1]


@pytest.mark.parametrize("kind", ["users"])
@given(data=st.data())
@over_one_database
def test_a_cursor_is_a_place_in_the_order_also_among_nulls(
    bench: Bench, kind: str, data: st.DataObject
) -> None:
    read, some_rows = KINDS[kind]
    rows = stored(bench, kind, data.draw(some_rows))
    assume(rows)
    by = data.draw(orders(read))
    whole = reference.ordered(read, rows, by)
    at = data.draw(st.integers(0, len(whole) - 1))
    limit, offset = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 2))
    is_before = data.draw(st.booleans())
    query = ListQuery(
        orders=by, cursor=whole[at].id, is_cursor_before=is_before, limit=limit, offset=offset
    )
    asked = list(itertools.takewhile(lambda name: name != "$sequence", [o.attribute for o in by]))
    nulls = [name for name in asked if read[name](whole[at]) is None]

    if nulls:
        with pytest.raises(CursorOrderNull) as caught:
            page(bench, kind, rows[0].project_id, query)
        assert caught.value.attribute == nulls[0]
        return
    found = page(bench, kind, rows[0].project_id, query)
    if is_before:
        end = max(0, at - offset)
        assert list(found.items) == whole[max(0, end - limit) : end]
    else:
        assert list(found.items) == whole[at + 1 + offset : at + 1 + offset + limit]
    assert found.total == len(rows)
