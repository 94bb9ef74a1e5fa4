"""Looking again, in the background, at domains that are not verified yet."""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from runwright.clock import Clock
from runwright.functions.domains import Domains

log = logging.getLogger(__name__)

EVERY_S: Final = 120.0
UNTIL_AGE: Final = timedelta(days=3)  # after that only a status call looks again
PER_ROUND: Final = 100


class RuleVerifier:
    """Owns one task, from `start` to `stop`."""

    def __init__(self, domains: Domains, clock: Clock, *, every_s: float = EVERY_S) -> None:
        self._domains = domains
        self._clock = clock
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="rule-verifier")

    async def stop(self) -> None:
        """Ends a round in the middle; what it has found is stored rule by rule."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def round(self) -> int:
        """Returns how many rules changed their status."""
        return await self._domains.verify_waiting(
            younger_than=self._clock.now() - UNTIL_AGE, most=PER_ROUND
        )

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._every_s)
            try:
                changed = await self.round()
            except Exception:  # the next round must come, whatever broke this one
                log.exception("domain verification failed", extra={"action": "rules_verified"})
                continue
            if changed:
                log.info("domains verified", extra={"action": "rules_verified", "rules": changed})
