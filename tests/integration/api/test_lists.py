"""What every list endpoint shares."""

from typing import Any

import pytest

from runwright.api.lists import Listing, SearchListing, cursor_errors, listed, listed_all
from runwright.api.params import parse
from runwright.api.queries import Attributes
from runwright.errors import BadArgument, CursorNotFound, OrderByNull
from runwright.model.query import Filter, Page
from runwright.ports.storage import CursorMissing, CursorOrderNull
from tests.unit.api.world import World, a_route, about, problem

NAMES = Attributes("name")


def test_the_parameters_of_a_list_become_a_query() -> None:
    raw = {
        "queries": [
            '{"method":"equal","attribute":"name","values":["a"]}',
            '{"method":"limit","values":[3]}',
        ],
        "search": "words",
        "total": "false",
    }
    query = parse(SearchListing, raw).query(NAMES)
    assert query.filters == (Filter("equal", "name", ("a",)),)
    assert (query.limit, query.search, query.with_total) == (3, "words", False)


def test_a_list_without_parameters_is_its_first_page_with_a_total() -> None:
    query = parse(Listing, {}).query(NAMES, default_limit=5000)
    assert (query.limit, query.offset, query.search, query.with_total) == (5000, 0, "", True)


@pytest.mark.parametrize(
    "raw",
    [
        {"queries": "x"},
        {"queries": [7, {}]},
        {"queries": [""]},
        {"queries": ["x" * 4097]},
        {"queries": ['{"method":"limit","values":[1]}'] * 101},
        {"queries": ["{"]},
        {"queries": ['{"method":"equal","attribute":"secret","values":["a"]}']},
        {"search": "x" * 257},
        {"total": "maybe"},
    ],
)
def test_malformed_parameters_of_a_list_are_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(BadArgument, match=r"Invalid `(queries|search|total)` param"):
        parse(SearchListing, raw).query(NAMES)


def test_failures_of_cursors_get_their_public_names() -> None:
    with (
        pytest.raises(CursorNotFound, match="Function 'f1' for the 'cursor' value not found"),
        cursor_errors("Function"),
    ):
        raise CursorMissing("f1")
    with pytest.raises(OrderByNull, match="name"), cursor_errors("Function"):
        raise CursorOrderNull("name")
    with pytest.raises(ZeroDivisionError), cursor_errors("Function"):
        raise ZeroDivisionError


def test_a_page_is_shown_with_its_total() -> None:
    answer = listed("thingList", "things", Page((1, 2), 17), lambda item: {"$id": item})
    assert answer.content == {"total": 17, "things": [{"$id": 1}, {"$id": 2}]}
    assert answer.model == "thingList"
    whole = listed_all("thingList", "things", (1,), lambda item: {"$id": item}, with_total=False)
    assert whole.content == {"total": 0, "things": [{"$id": 1}]}


@pytest.mark.anyio
async def test_queries_arrive_by_index_or_without(world: World) -> None:
    route = a_route(world.seen, params=Listing)
    async with world.client(route) as client:
        for name in ("queries[0]", "queries[]"):
            params = {name: '{"method":"limit","values":[2]}', "total": "0"}
            response = await client.get("/v1/things", params=params, headers=about())
            assert response.status_code == 200
            query = world.seen.params[-1].query(NAMES)
            assert (query.limit, query.with_total) == (2, False)
        bad = await client.get("/v1/things", params={"queries": "x"}, headers=about())
    assert problem(bad) == (400, "general_argument_invalid")
