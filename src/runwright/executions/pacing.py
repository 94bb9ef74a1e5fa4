"""How many runs are begun at once, so that one project's long queue is hardly felt by another.

- A project alone gets its jobs in large claims, which is what is fastest.
- As long as several projects have jobs, claims are small and a moment apart. Each costs this
  process time in which nothing else goes on, and a call of the other project would wait for it.
- The moment ends at once for a job of a project that has hardly anything running.
- While many callers wait to be accepted, one project begins few runs: callers wait for their
  answer, and nobody waits for a run to the millisecond.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

GATHER_S: Final = 0.003
_FEW: Final = 4  # a share of the workers
_SLICE: Final = 8  # jobs of one claim while several projects have some
_TOGETHER_S: Final = 1.0  # so long a project counts as having jobs after its last one
_NEWCOMER: Final = 3  # runs; who has fewer is not kept waiting
_MANY_CALLERS: Final = 16
_FEW_SLOTS: Final = 8  # a share of the workers too


class Pacing:
    def __init__(
        self,
        workers: int,
        *,
        callers: Callable[[], int],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`callers` says how many wait to be accepted."""
        self._workers = workers
        self._callers = callers
        self._now = now
        self._newest = ""  # the project of which a job came or was claimed last
        self._newest_at = -_TOGETHER_S
        self._other_at = -_TOGETHER_S  # when one of any other project did
        self._running: Counter[str] = Counter()
        self._has_claimed = False  # something, the last time
        self._newcomer = asyncio.Event()

    @property
    def running(self) -> Mapping[str, int]:
        return self._running

    @property
    def limit(self) -> int:
        """How many jobs may be claimed now."""
        return min(self._room, _SLICE) if self._is_shared else self._room

    @property
    def project_slots(self) -> int:
        """Some slots are out of one project's reach, so others find a slot at once."""
        if self._is_flooded:
            return max(1, self._workers // _FEW_SLOTS)
        return max(1, self._workers - self._workers // _FEW)

    def heard(self, project_id: str) -> None:
        """A job of the project may be claimed."""
        self._note(project_id)
        if self._is_shared and self._running[project_id] < _NEWCOMER:
            self._newcomer.set()

    def claimed(self, jobs: Counter[str]) -> None:
        self._has_claimed = bool(jobs)
        for project_id in jobs:
            self._note(project_id)
        self._running.update(jobs)

    def ended(self, project_id: str) -> None:
        self._running[project_id] -= 1
        if not self._running[project_id]:
            del self._running[project_id]

    async def gather(self) -> None:
        """Wait a moment when more can then be done at once, or others need it."""
        is_nearly_full = self._room <= self._workers // _FEW
        if is_nearly_full or (self._has_claimed and self._is_shared):
            try:
                async with asyncio.timeout(GATHER_S):
                    await self._newcomer.wait()
            except TimeoutError:
                pass
        self._newcomer.clear()

    @property
    def _room(self) -> int:
        is_throttled = self._is_flooded and not self._is_shared
        slots = max(1, self._workers // _FEW_SLOTS) if is_throttled else self._workers
        return slots - self._running.total()

    @property
    def _is_flooded(self) -> bool:
        return self._callers() >= _MANY_CALLERS

    @property
    def _is_shared(self) -> bool:
        return self._now() - self._other_at < _TOGETHER_S

    def _note(self, project_id: str) -> None:
        if project_id != self._newest:
            self._newest, self._other_at = project_id, self._newest_at
        self._newest_at = self._now()
