"""A read-through cache that is emptied by change messages, never by time alone."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Cache(Generic[K, V]):
    """At most `size` values, oldest insertion out first.

    A load that began before an invalidation of its key is returned to its caller but not
    kept, so a stale value can never outlive the change that made it stale.
    """

    __slots__ = ("_epoch", "_size", "_values")

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: dict[K, V] = {}
        self._epoch = 0

    def peek(self, key: K) -> V | None:
        return self._values.get(key)

    async def get(self, key: K, load: Callable[[], Awaitable[V | None]]) -> V | None:
        """The cached value, else what `load` gives; None is not kept."""
        value = self._values.get(key)
        if value is not None:
            return value
        epoch = self._epoch
        value = await load()
        if value is not None and epoch == self._epoch:
            if len(self._values) >= self._size:
                self._values.pop(next(iter(self._values)))
            self._values[key] = value
        return value

    def forget(self, key: K) -> None:
        self._epoch += 1
        self._values.pop(key, None)

    def forget_if(self, stale: Callable[[K, V], bool]) -> None:
        self._epoch += 1
        for key in [key for key, value in self._values.items() if stale(key, value)]:
            del self._values[key]

    def __len__(self) -> int:
        return len(self._values)
