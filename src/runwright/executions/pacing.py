"""How many runs are begun at once, so that one project's long queue is hardly felt by another.

- A project alone gets its jobs in large claims, which is what is fastest: while most of its slots
  are taken, a claim waits a moment for more of them, as one claim costs as much as many runs.
- A project that has many jobs, beside one that has few, gets them in small claims, a moment
  apart: a few hundred in a second, and their ends are stored together. Each run costs this
  process time in which nothing else goes on, each commit time of the disk, and a job of the
  other project waits for both.
- That moment ends at once for a job of a project that has hardly anything running.
- Projects that all have many jobs are not slowed down: they wait for each other in any case.
- While many callers wait to be accepted, few runs of a long queue are begun in a second: callers
  wait for their answer, and nobody waits for a run to the millisecond. How many go on at once is
  not less then: beginning and ending them is what costs this process time.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

GATHER_S: Final = 0.003
BACKLOG_S: Final = 0.008  # the same while more is known to wait than there are slots
_FEW: Final = 4  # a share of the workers
_SLICE: Final = 8  # jobs of one claim of a paced project
_INTERRUPTED: Final = 2  # and of one that comes early for somebody else's job
_PACE_S: Final = 0.02  # between two of them
_WINDOW_S: Final = 1.0
_MANY: Final = 64  # jobs in a window
_NEWCOMER: Final = 3  # runs; who has fewer is not kept waiting
_MANY_CALLERS: Final = 16
# How long they are remembered: right after a commit that answered them, few wait.
_CALLERS_S: Final = 0.1
_FEW_AT_ONCE: Final = 8  # a share of the workers too, begun by one claim
_LOOK_S: Final = 0.5  # a project that has all its slots may hide one of which nothing was heard


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
        # Jobs that came or were claimed in this window and in the one before it, by project.
        self._begun_at = now()
        self._window: Counter[str] = Counter()
        self._before: Counter[str] = Counter()
        self._running: Counter[str] = Counter()
        self._flooded_until = now()
        self._has_claimed = False  # something, the last time
        self._looked_at = now()  # when something was claimed, or could have been
        self._newcomer = asyncio.Event()
        self._stirred = asyncio.Event()  # by a newcomer, or by slots that came free
        self._is_gathering = False
        self.has_backlog = False  # the last claim left jobs behind, as far as one can see
        self._is_interrupted = False  # the wait before this claim

    @property
    def running(self) -> Mapping[str, int]:
        return self._running

    @property
    def limit(self) -> int:
        """How many jobs may be claimed now."""
        if not self._is_paced:
            reach = self._reach
            is_blind = reach <= 0 and self._now() - self._looked_at >= _LOOK_S
            most = self._room if is_blind else reach
            return min(most, max(1, self._workers // _FEW_AT_ONCE)) if self._is_flooded else most
        return min(self._room, _INTERRUPTED if self._is_interrupted else _SLICE)

    @property
    def project_slots(self) -> int:
        """Some slots are out of one project's reach, so others find a slot at once."""
        return max(1, self._workers - self._workers // _FEW)

    def heard(self, project_id: str) -> None:
        """A job of the project may be claimed."""
        self._turn()
        self._count_callers()
        self._window[project_id] += 0  # it is there, however few it has
        if self._has_company and self._running[project_id] < _NEWCOMER:
            self._newcomer.set()
            self._stirred.set()

    def claimed(self, jobs: Counter[str], *, limit: int) -> None:
        """What a claim of at most `limit` jobs took."""
        self._turn()
        self._looked_at = self._now()
        self._has_claimed = bool(jobs)
        self.has_backlog = jobs.total() >= limit
        self._window.update(jobs)
        self._running.update(jobs)

    def ended(self, project_id: str) -> None:
        self._running[project_id] -= 1
        if not self._running[project_id]:
            del self._running[project_id]
        if self._is_gathering and self._is_roomy:
            self._stirred.set()

    async def gather(self) -> None:
        """Wait a moment when more can then be done at once, or others need it."""
        self._stirred.clear()
        is_paced = self._has_claimed and self._is_paced
        wait_s = _PACE_S if is_paced else self._wait_s
        if wait_s and not self._newcomer.is_set():
            self._is_gathering = not is_paced and not self._yields
            try:
                async with asyncio.timeout(wait_s):
                    await self._stirred.wait()
            except TimeoutError:
                pass
            finally:
                self._is_gathering = False
        self._is_interrupted = self._newcomer.is_set()
        self._newcomer.clear()

    async def settle(self, project_id: str) -> None:
        """Wait until the ends of several runs of a paced project can be stored together."""
        if self._is_paced and self._has_many(project_id):
            await asyncio.sleep(_PACE_S - self._now() % _PACE_S)

    @property
    def _room(self) -> int:
        return self._workers - self._running.total()

    @property
    def _reach(self) -> int:
        """Slots that may get a job: one project alone does not get all of them."""
        known = self._window.keys() | self._before.keys()
        if len(known) != 1:
            return self._room
        return min(self._room, self.project_slots - self._running[next(iter(known))])

    @property
    def _is_roomy(self) -> bool:
        """Whether waiting for more slots is not worth it."""
        if self._has_company:
            return self._room > self._workers // _FEW
        return self._reach * 2 >= self.project_slots

    @property
    def _wait_s(self) -> float:
        if self._yields:
            return _PACE_S
        if self._is_roomy:
            return 0.0
        return BACKLOG_S if self.has_backlog and not self._has_company else GATHER_S

    @property
    def _yields(self) -> bool:
        """Whether a long queue is worked off slowly, for those who wait to join it."""
        return self._is_flooded and self.has_backlog

    @property
    def _is_flooded(self) -> bool:
        self._count_callers()
        return self._now() < self._flooded_until

    def _count_callers(self) -> None:
        if self._callers() >= _MANY_CALLERS:
            self._flooded_until = self._now() + _CALLERS_S

    @property
    def _has_company(self) -> bool:
        """Whether there are jobs of more than one project."""
        return len(self._window) > 1 or len(self._before) > 1

    @property
    def _is_paced(self) -> bool:
        """Whether some project has many jobs and another few."""
        if not self._has_company:
            return False
        known = self._window.keys() | self._before.keys()
        many = sum(self._has_many(name) for name in known)
        return 0 < many < len(known)

    def _has_many(self, project_id: str) -> bool:
        return self._window[project_id] + self._before[project_id] >= _MANY

    def _turn(self) -> None:
        passed = self._now() - self._begun_at
        if passed >= _WINDOW_S:
            self._before = self._window if passed < 2 * _WINDOW_S else Counter()
            self._window = Counter()
            self._begun_at = self._now()
