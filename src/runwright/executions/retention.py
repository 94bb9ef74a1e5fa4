"""Old execution records go, a few hundred at a time, so that no writer waits for long."""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from runwright.clock import Clock
from runwright.ports.storage import Storage

log = logging.getLogger(__name__)

EVERY_S: Final = 600.0
AT_ONCE: Final = 500


class Retention:
    """Deletes ended executions that are older than `keep_s` seconds. `start`, then `stop`."""

    def __init__(
        self, storage: Storage, clock: Clock, *, keep_s: float, every_s: float = EVERY_S
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._keep = timedelta(seconds=keep_s)
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
        """Delete everything that is too old now; returns how many records."""
        moment = self._clock.now() - self._keep
        removed = 0
        while True:
            count = await self._storage.write(
                lambda uow: uow.executions.remove_before(moment, limit=AT_ONCE)
            )
            removed += count
            if count < AT_ONCE:
                return removed

    async def _run(self) -> None:
        while True:
            try:
                removed = await self.sweep()
            except Exception:  # the next round may find the database well again
                log.exception("old executions not deleted")
            else:
                if removed:
                    log.info("old executions deleted", extra={"records": removed})
            await self._clock.sleep(self._every_s)
