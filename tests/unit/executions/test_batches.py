"""Many callers, few transactions, and each caller's own answer."""

import asyncio
from collections.abc import Sequence

import pytest

from runwright.executions.batches import AT_ONCE, BYTES_AT_ONCE, Batches

pytestmark = pytest.mark.anyio


class Shelf:
    """Stores texts; `bad` ones are refused, with the whole batch."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.queue: Batches[str, str] = Batches(self.store, name="shelf", bytes_of=self.bytes_of)
        self.large: set[str] = set()

    def bytes_of(self, item: str) -> int:
        return BYTES_AT_ONCE if item in self.large else len(item)

    async def store(self, items: Sequence[str]) -> Sequence[str]:
        await self.open.wait()
        if "bad" in items:
            raise ValueError("bad")
        self.batches.append(list(items))
        return [item.upper() for item in items]


async def test_what_comes_together_is_stored_together_and_each_gets_its_own() -> None:
    shelf = Shelf()
    names = [f"n{at}" for at in range(AT_ONCE + 10)]
    assert await asyncio.gather(*map(shelf.queue.put, names)) == [name.upper() for name in names]
    assert [len(batch) for batch in shelf.batches] == [AT_ONCE, 10]


async def test_one_refused_item_is_not_the_others_problem() -> None:
    shelf = Shelf()
    puts = [shelf.queue.put(name) for name in ("a", "bad", "b")]
    good, refused, other = await asyncio.gather(*puts, return_exceptions=True)
    assert (good, other) == ("A", "B")
    assert isinstance(refused, ValueError)


async def test_a_caller_that_leaves_is_stored_all_the_same() -> None:
    shelf = Shelf()
    shelf.open.clear()
    leaving = asyncio.create_task(shelf.queue.put("a"))
    staying = asyncio.create_task(shelf.queue.put("b"))
    await asyncio.sleep(0)
    leaving.cancel()
    shelf.open.set()
    assert await staying == "B"
    assert shelf.batches == [["a", "b"]]


async def test_large_items_do_not_gather_without_bound() -> None:
    shelf = Shelf()
    shelf.large = {"x", "y"}
    await asyncio.gather(*map(shelf.queue.put, ("a", "x", "y", "b")))
    assert shelf.batches == [["a", "x"], ["y", "b"]]


async def test_closing_waits_for_what_was_put() -> None:
    shelf = Shelf()
    shelf.open.clear()
    put = asyncio.create_task(shelf.queue.put("a"))
    await asyncio.sleep(0)
    closing = asyncio.create_task(shelf.queue.close())
    shelf.open.set()
    await closing
    assert shelf.batches == [["a"]]
    assert await put == "A"
