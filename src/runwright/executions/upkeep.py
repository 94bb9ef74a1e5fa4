"""Upkeep of the queue: epoch keys that nothing needs are removed, jobs are counted again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from runwright.clock import Clock
from runwright.executions.acceptance import Acceptance
from runwright.ports.queue import Queue
from runwright.ports.storage import Storage, UnitOfWork
from runwright.vault import Vault

log = logging.getLogger(__name__)

EVERY_S: Final = 5.0


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
    ) -> None:
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
        await self._vault.sweep(self._in_use)

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
