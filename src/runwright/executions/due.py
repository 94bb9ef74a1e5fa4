"""Things that come due a fixed time after they were added: one timer for all of them."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Due(Generic[T]):
    """Calls `act` for each item that stays in for `after_s` seconds.

    All items wait equally long, so the order of adding is the order of coming due, and a
    single timer for the front one serves thousands of items a second.
    """

    __slots__ = ("_act", "_after_s", "_items", "_timer")

    def __init__(self, after_s: float, act: Callable[[T], None]) -> None:
        self._after_s = after_s
        self._act = act
        self._items: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, item: T, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + self._after_s
        self._items[item] = due
        if self._timer is None:
            self._timer = loop.call_at(due, self._fire, loop)

    def drop(self, item: T) -> None:
        self._items.pop(item, None)

    def close(self) -> None:
        self._items.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        while self._items:
            item, due = next(iter(self._items.items()))
            if due > now:
                if self._timer is not None:
                    self._timer.cancel()  # set by an item that was added meanwhile
                self._timer = loop.call_at(due, self._fire, loop)
                return
            del self._items[item]
            self._act(item)
