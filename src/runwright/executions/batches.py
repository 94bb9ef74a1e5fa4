"""Things that many tasks store at the same time, in as few transactions as that allows.

While one batch is being stored the next gathers, so a lone caller waits for nobody and many
share one flush. A batch that fails is tried again item by item: one caller's refusal is not
another's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE: Final = 256
BYTES_AT_ONCE: Final = 16 * 1024 * 1024  # a batch ends with the item that goes beyond this


class Batches(Generic[T, R]):
    """`store` gets items and returns a result for each; `close` waits for what was put."""

    def __init__(
        self,
        store: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        *,
        name: str,
        bytes_of: Callable[[T], int],
        gather: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`gather` returns when what is there is to be stored; without it that is at once."""
        self._store = store
        self._bytes_of = bytes_of
        self._name = name
        self._gather = gather
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._storing = 0
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Items that are not stored yet."""
        return len(self._waiting) + self._storing

    async def put(self, item: T) -> R:
        """Return when the item is stored. It will be, even when the caller goes away."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = loop.create_task(self._run(), name=self._name)
        return await future

    async def close(self) -> None:
        while self._task is not None:
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            while self._waiting:
                if self._gather is not None:
                    await self._gather()
                batch = self._next()
                self._storing = len(batch)
                await self._store_batch(batch)
                self._storing = 0
        finally:
            self._task = None

    def _next(self) -> list[tuple[T, asyncio.Future[R]]]:
        end, total = 0, 0
        while end < min(AT_ONCE, len(self._waiting)) and total <= BYTES_AT_ONCE:
            total += self._bytes_of(self._waiting[end][0])
            end += 1
        batch, self._waiting = self._waiting[:end], self._waiting[end:]
        return batch

    async def _store_batch(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._store([item for item, _ in batch])
        except Exception as exc:  # handed to the callers
            if len(batch) > 1:
                for one in batch:
                    await self._store_batch([one])
            elif not batch[0][1].done():
                batch[0][1].set_exception(exc)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
