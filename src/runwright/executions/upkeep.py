"""Upkeep of the queue: what was kept for long enough goes, epoch keys that nothing needs are
removed, jobs are counted again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from runwright.clock import Clock
from runwright.executions.acceptance import Acceptance
from runwright.model.job import JobKind
from runwright.ports.queue import Queue
from runwright.ports.storage import Storage, UnitOfWork
from runwright.vault import Vault

log = logging.getLogger(__name__)

EVERY_S: Final = 5.0
AT_ONCE: Final = 500
_KEPT: Final = (JobKind.DEAD, JobKind.KEPT)
_LOOK_FOR_ORPHANS: Final = 12  # turns; it looks at every one that is kept


class QueueUpkeep:
    """`start` before the first job is accepted, `stop` after the last one has ended."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        queue: Queue,
        vault: Vault,
        acceptance: Acceptance,
        *,
        rotate: Callable[[], Awaitable[None]] | None = None,
        every_s: float = EVERY_S,
        kept_jobs: int = 100_000,
    ) -> None:
        """At most `kept_jobs` dead letters and requests for replays are kept."""
        self._kept_jobs = kept_jobs
        self._turns = -1  # the first one looks too
        self._storage = storage
        self._clock = clock
        self._queue = queue
        self._vault = vault
        self._acceptance = acceptance
        self._rotate = rotate
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._vault.start()
        await self.turn()
        self._task = asyncio.create_task(self._run(), name="queue-upkeep")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None
        await self._acceptance.close()
        await self._safe_turn()

    async def turn(self) -> None:
        await self._acceptance.recount()
        if self._rotate is not None:
            await self._rotate()
        await self._expire()
        await self._vault.sweep(self._in_use)

    async def _expire(self) -> None:
        """Dead letters and requests for replays whose time is over, and what is too much."""
        now = self._clock.now()
        await self._remove(lambda uow: uow.jobs.remove_kept(_KEPT, now, limit=AT_ONCE))
        self._turns += 1
        if self._turns % _LOOK_FOR_ORPHANS == 0 and await self._storage.read(
            lambda uow: uow.jobs.has_orphans(_KEPT)
        ):
            await self._remove(lambda uow: uow.jobs.remove_orphans(_KEPT, limit=AT_ONCE))
        surplus = await self._storage.read(lambda uow: uow.jobs.count(_KEPT)) - self._kept_jobs
        if surplus > 0:
            log.warning("kept requests dropped before their time", extra={"jobs": surplus})
        while surplus > 0:
            some = min(surplus, AT_ONCE)
            await self._storage.write(_soonest(some))
            surplus -= some

    async def _remove(self, remove: Callable[[UnitOfWork], int]) -> None:
        while await self._storage.write(remove) == AT_ONCE:
            pass

    async def _in_use(self) -> frozenset[str]:
        def work(uow: UnitOfWork) -> frozenset[str]:
            return self._queue.epochs(uow) | uow.outbox.epochs()

        return await self._storage.read(work)

    async def _safe_turn(self) -> None:
        try:
            await self.turn()
        except Exception:  # the next turn, or the next start, does what this one could not
            log.exception("queue upkeep failed")

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._every_s)
            await self._safe_turn()


def _soonest(limit: int) -> Callable[[UnitOfWork], int]:
    return lambda uow: uow.jobs.remove_soonest(_KEPT, limit=limit)
