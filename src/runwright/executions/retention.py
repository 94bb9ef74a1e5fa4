"""Old execution records go, a few hundred at a time, so that no writer waits for long.

Who deletes rests for longer than a batch took of the writer's time, so that is for those who wait
for it. What a batch waited for others and for the disk does not count: a slow disk takes many new
records with one commit, and old ones have to go as fast. Under load it looks again soon: what is
left for long comes to millions of records, which would fill the file and slow down every call
while they go.

What is deleted leaves free pages that the next records take, so the file stays as large as its
fullest moment: keeping fewer bounds it. Unfinished executions are never deleted here.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from runwright.clock import Clock
from runwright.ports.storage import Storage, UnitOfWork

log = logging.getLogger(__name__)

EVERY_S: Final = 60.0
SOON_S: Final = 10.0  # after a sweep that found a whole batch or more
AT_ONCE: Final = 500
_BATCHES: Final = 10  # found with one look
_REST: Final = 4.0  # times as long as the batch before it kept the writer

_Place = tuple[str, str]  # project id, function id


class Retention:
    """Deletes ended executions that are older than `keep_s` seconds or more than `keep_count`
    of one function (0 = any number), and idempotency keys that are over. `start`, then `stop`.
    """

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        *,
        keep_s: float,
        keep_count: int = 0,
        every_s: float = EVERY_S,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._keep = timedelta(seconds=keep_s)
        self._keep_count = keep_count
        self._every_s = min(every_s, keep_s)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="execution-retention")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def sweep(self) -> int:
        """Delete everything that is too much now; returns how many executions and keys."""
        now = self._clock.now()
        removed = await self._until_done(
            lambda uow: uow.repeat_keys.remove_expired(now, limit=AT_ONCE)
        )
        oldest = now - self._keep
        removed += await self._until_done(
            lambda uow: uow.executions.remove_before(oldest, limit=AT_ONCE)
        )
        if self._keep_count:
            removed += await self._keep_newest(self._keep_count)
        return removed

    async def _keep_newest(self, keep: int) -> int:
        """By turns and not for ever: one function may run as fast as its old records go."""
        removed, begun = 0, self._clock.monotonic()
        places = await self._storage.read(lambda uow: uow.executions.overfull(keep=keep))
        while places and self._clock.monotonic() - begun < EVERY_S:
            left = []
            for place in places:
                most = AT_ONCE * _BATCHES
                ids = await self._storage.read(_beyond(place, keep, most))
                for at in range(0, len(ids), AT_ONCE):
                    removed += await self._batch(_removal(place, ids[at : at + AT_ONCE]))
                if len(ids) == most:
                    left.append(place)
            places = left
        return removed

    async def _until_done(self, remove: Callable[[UnitOfWork], int]) -> int:
        removed = 0
        while True:
            count = await self._batch(remove)
            removed += count
            if count < AT_ONCE:
                return removed

    async def _batch(self, remove: Callable[[UnitOfWork], int]) -> int:
        took = 0.0

        def timed(uow: UnitOfWork) -> int:
            nonlocal took
            begun = self._clock.monotonic()
            count = remove(uow)
            took = self._clock.monotonic() - begun
            return count

        count = await self._storage.write(timed)
        if count:
            await self._clock.sleep(_REST * took)
        return count

    async def _run(self) -> None:
        while True:
            removed = 0
            try:
                removed = await self.sweep()
            except Exception:  # the next round may find the database well again
                log.exception("old executions not deleted")
            if removed:
                log.info("old executions deleted", extra={"records": removed})
            is_soon = removed >= AT_ONCE
            await self._clock.sleep(min(SOON_S, self._every_s) if is_soon else self._every_s)


def _beyond(place: _Place, keep: int, limit: int) -> Callable[[UnitOfWork], list[str]]:
    """Read, as what stays may be a long way to walk, for which no writer is to wait."""
    project_id, function_id = place
    return lambda uow: uow.executions.beyond(project_id, function_id, keep=keep, limit=limit)


def _removal(place: _Place, ids: Sequence[str]) -> Callable[[UnitOfWork], int]:
    return lambda uow: uow.executions.remove_ended(place[0], ids)
