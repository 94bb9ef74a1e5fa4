"""Every way of calling a function against every form of role; the table is in tests/access.py."""

from collections.abc import AsyncIterator
from itertools import takewhile
from pathlib import Path
from typing import Final

import pytest

from tests.access import AUDIENCE, EXPECTED, READ_BY, RUNS, SWITCHES, TOLD, WHEN_OFF, page
from tests.integration.api.town import Town, a_town, id_of, switch

pytestmark = pytest.mark.anyio

PAGE: Final = Path(__file__).parents[3] / "docs" / "reference" / "access.md"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def town(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with a_town(Path(tmp_path_factory.mktemp("town"))) as made:
        yield made


async def test_the_table_names_every_way_of_calling(town: Town) -> None:
    assert list(town.ways) == list(EXPECTED)
    assert set(WHEN_OFF) <= set(EXPECTED)


@pytest.mark.parametrize("way", EXPECTED)
async def test_who_may_call_and_whom_the_function_is_told(town: Town, way: str) -> None:
    found = {}
    for role in EXPECTED[way]:
        found[role] = await town.ask(town.ways[way], id_of(role))
        if found[role] == RUNS:
            assert town.bench.code.seen["x-appwrite-user-id"] == TOLD[way]
    assert found == EXPECTED[way]


@pytest.mark.parametrize("way", [way for way in EXPECTED if not way.startswith("domain")])
async def test_queued_calls_are_judged_like_others(town: Town, way: str) -> None:
    found = {}
    for role in EXPECTED[way]:
        found[role] = await town.ask(town.ways[way], id_of(role), **{"async": True})
    assert found == EXPECTED[way]


@pytest.mark.parametrize("what", SWITCHES)
async def test_what_is_switched_off_is_closed_to_all_but_keys_and_admins(
    town: Town, what: str
) -> None:
    await switch(town, what, is_on=False)
    try:
        found = {way: await town.ask(town.ways[way], id_of("any")) for way in WHEN_OFF}
    finally:
        await switch(town, what, is_on=True)
    assert found == {way: row[what] for way, row in WHEN_OFF.items()}


@pytest.mark.parametrize("mark", page())
def test_the_reference_page_shows_this_table(mark: str) -> None:
    text = PAGE.read_text().partition(f"<!-- table: {mark} -->\n\n")[2]
    shown = list(takewhile(lambda line: line.startswith("|"), text.splitlines()))
    assert shown == page()[mark]


@pytest.mark.parametrize("started", READ_BY)
async def test_who_reads_a_run_afterwards(town: Town, started: str) -> None:
    assert await town.ask(town.ways[started], id_of("any")) == RUNS
    execution_id = town.bench.code.seen["x-appwrite-execution-id"]
    readers = {name: await town.reads(name, id_of("any"), execution_id) for name in AUDIENCE}
    assert readers == READ_BY[started]
