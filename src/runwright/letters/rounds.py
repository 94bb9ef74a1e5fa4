"""Rounds of a worker: claim jobs of one kind with a lease, keep the leases, end what was done.

The claim is committed before anything is done, the outcome before the job is gone. So a crash
in between does a job again, and none is lost. What takes long has its lease extended; who has
lost a lease can store nothing any more.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from runwright.bell import Bell
from runwright.clock import Clock
from runwright.ids import new_id
from runwright.model.job import Job
from runwright.ports.queue import Queue
from runwright.ports.storage import Storage, UnitOfWork

log = logging.getLogger(__name__)

LEASE_S: Final = 60.0
POLL_S: Final = 1.0
_STORE_AGAIN_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0)

_Claim = tuple[str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundLimits:
    workers: int  # jobs under way at once
    per_project: int


class Rounds:
    """`start`, then `stop`. `do` is called for each job, in a task of its own; it calls `end`."""

    def __init__(
        self,
        *,
        storage: Storage,
        clock: Clock,
        queue: Queue,
        limits: RoundLimits,
        do: Callable[[Job], Awaitable[None]],
        is_alone: bool,
        lease_s: float = LEASE_S,
        poll_s: float = POLL_S,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._queue = queue
        self._limits = limits
        self._do = do
        self._is_alone = is_alone
        self._lease = timedelta(seconds=lease_s)
        self._poll_s = poll_s
        self._owner = new_id()
        self._held: dict[_Claim, Job] = {}
        self._runs: dict[asyncio.Task[None], Job] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._is_draining = False
        self.bell = Bell()

    async def start(self) -> None:
        """What an earlier server held is ready at once when there can be no other."""
        if self._is_alone:
            now = self._clock.now()
            await self._storage.write(lambda uow: self._queue.release_all(uow, now=now))
        self.bell.ring()
        self._tasks = [
            asyncio.create_task(self._claim_for_ever(), name="letter-claims"),
            asyncio.create_task(self._beat_for_ever(), name="letter-leases"),
        ]

    async def stop(self, drain_s: float) -> None:
        """Claim nothing more, wait for what is under way, give the rest back."""
        self._is_draining = True
        self.bell.ring()
        if self._tasks:
            await asyncio.wait(self._tasks[:1])  # a claim in flight may still start some
        if self._runs:
            await asyncio.wait(set(self._runs), timeout=drain_s)
        left = [*self._runs, *self._tasks]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        self._tasks = []
        held = list(self._held.values())
        self._held.clear()
        if held:
            now = self._clock.now()
            await self._storage.write(
                lambda uow: self._queue.release(uow, held, now=now, has_started=True)
            )

    @property
    def under_way(self) -> list[Job]:
        return list(self._runs.values())

    async def settle(self) -> None:
        """Wait for what is under way now."""
        if self._runs:
            await asyncio.wait(set(self._runs))

    # Claiming

    async def _claim_for_ever(self) -> None:
        while not self._is_draining:
            try:
                while not self._is_draining and await self.turn():
                    pass
            except Exception as exc:  # the database may be well again at the next turn
                log.warning("letters not claimed", extra={"reason": type(exc).__name__})
            await self.bell.wait(self._poll_s)

    async def turn(self) -> bool:
        """Fill free workers; whether anything was claimed."""
        room = self._limits.workers - len(self._runs)
        if room <= 0:
            return False
        busy = Counter(job.project_id for job in self._runs.values())
        now = self._clock.now()
        jobs = await self._storage.write(
            lambda uow: self._queue.claim(
                uow,
                owner=self._owner,
                limit=room,
                now=now,
                until=now + self._lease,
                project_limit=self._limits.per_project,
                held=busy,
            )
        )
        for job in jobs:
            self._held[_claim_of(job)] = replace(job, sealed=b"")
            task = asyncio.create_task(self._carry(job), name=f"letter-{job.id}")
            self._runs[task] = job
            task.add_done_callback(self._over)
        return bool(jobs)

    async def _carry(self, job: Job) -> None:
        await self._do(job)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._runs.pop(task)
        self.bell.ring()
        if not task.cancelled() and task.exception() is not None:
            log.error("a letter's task failed", exc_info=task.exception())

    # Leases

    async def _beat_for_ever(self) -> None:
        while True:
            await self._clock.sleep(self._lease.total_seconds() / 3)
            try:
                await self.extend()
            except Exception as exc:  # tried again in a third of a lease; the lease bears that
                log.warning("leases not extended", extra={"reason": type(exc).__name__})

    async def extend(self) -> None:
        """Extend every lease; forget those that somebody else has taken over."""
        held = list(self._held.values())
        if not held:
            return
        until = self._clock.now() + self._lease
        kept = await self._storage.write(lambda uow: self._queue.extend(uow, held, until=until))
        for claim in {_claim_of(job) for job in held} - {_claim_of(job) for job in kept}:
            self._held.pop(claim, None)

    # Ending

    async def end(self, job: Job, then: Sequence[Job] = ()) -> None:
        """Take the job out of the queue and put `then` into it, however long the database takes;
        a lost lease ends this too."""

        def work(uow: UnitOfWork) -> None:
            if self._queue.ack(uow, [job]):
                self._queue.put(uow, then)

        waits_s = _forever(_STORE_AGAIN_S)
        while _claim_of(job) in self._held:
            try:
                await self._storage.write(work)
            except Exception as exc:  # whatever the database says, the outcome must survive it
                log.warning("letter's outcome not stored", extra={"reason": type(exc).__name__})
                await asyncio.sleep(next(waits_s))
            else:
                self._held.pop(_claim_of(job), None)


def _claim_of(job: Job) -> _Claim:
    return (job.project_id, job.id, job.attempt)


def _forever(waits_s: Sequence[float]) -> Iterator[float]:
    yield from waits_s
    while True:
        yield waits_s[-1]
