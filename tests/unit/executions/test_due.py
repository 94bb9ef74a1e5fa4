"""Things that come due: each once, in order, with one timer."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from runwright.executions.due import Due
from tests.unit.executions.bench import until

pytestmark = pytest.mark.anyio


async def test_items_come_due_in_order_and_dropped_ones_do_not() -> None:
    seen: list[int] = []
    due: Due[int] = Due(0.02, seen.append)
    loop = asyncio.get_running_loop()
    for number in range(5):
        due.add(number, loop)
    due.drop(2)
    due.drop(99)
    await until(lambda: len(seen) == 4)
    assert seen == [0, 1, 3, 4]


async def test_a_later_item_waits_its_own_time() -> None:
    seen: list[str] = []
    due: Due[str] = Due(1.0, seen.append)
    timers = Timers()
    loop: Any = timers
    due.add("first", loop)
    timers.now = 0.5
    due.add("second", loop)
    timers.fire(1.0)
    assert seen == ["first"]
    timers.fire(1.5)
    assert seen == ["first", "second"]


async def test_it_starts_again_after_it_was_empty_and_stops_when_closed() -> None:
    seen: list[str] = []
    due: Due[str] = Due(0.01, seen.append)
    loop = asyncio.get_running_loop()
    due.add("a", loop)
    await until(lambda: seen == ["a"])
    due.add("b", loop)
    await until(lambda: seen == ["a", "b"])
    due.add("c", loop)
    due.close()
    await asyncio.sleep(0.03)
    assert seen == ["a", "b"]


class Timers:
    """A loop of which the test is the clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.set: dict[asyncio.TimerHandle, Callable[[], None]] = {}

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, act: Callable[[Any], None], loop: Any) -> asyncio.TimerHandle:
        real = asyncio.get_running_loop()
        timer = real.call_later(3600, act, loop)
        self.set[timer] = lambda: act(loop)
        return timer

    def pending(self) -> list[asyncio.TimerHandle]:
        return [timer for timer in self.set if not timer.cancelled()]

    def fire(self, now: float) -> None:
        self.now = now
        for timer in self.pending():
            act = self.set.pop(timer)
            timer.cancel()
            act()


async def test_what_comes_due_and_is_put_in_again_leaves_one_timer() -> None:
    seen: list[str] = []
    timers = Timers()
    loop: Any = timers

    def again(item: str) -> None:
        seen.append(item)
        due.add(item, loop)

    due: Due[str] = Due(1.0, again)
    due.add("first", loop)
    timers.now = 0.5
    due.add("second", loop)
    for now in (1.0, 1.5, 2.0, 2.5):
        timers.fire(now)
        assert len(timers.pending()) == 1
    assert seen == ["first", "second", "first", "second"]
    due.close()
    assert not timers.pending()
