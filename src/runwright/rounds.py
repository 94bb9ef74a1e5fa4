"""Rounds of a worker: claim jobs of one kind with a lease, keep the leases, end what was done.

The claim is committed before anything is done, the outcome before the job is gone. So a crash
in between does a job again, and none is lost. What takes long has its lease extended; who has
lost a lease can store nothing any more.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from runwright.bell import IDLE_S, Bell
from runwright.clock import Clock
from runwright.ids import new_id
from runwright.model.job import Job
from runwright.ports.queue import Queue
from runwright.ports.storage import Storage, UnitOfWork
from runwright.values import dataclass

log = logging.getLogger(__name__)

POLL_S: Final = 1.0
_STORE_AGAIN_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0)

Task = tuple[Job, Callable[[], Coroutine[Any, Any, None]]]
# What is to be done for the claimed jobs. Those that it leaves out are dropped.
Pick = Callable[[UnitOfWork, Sequence[Job]], Sequence[Task]]
_Claim = tuple[str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundLimits:
    workers: int  # jobs under way at once
    per_project: int
    per_subject: int | None = None  # what a job is for: a webhook, say


class Rounds:
    """`start`, then `stop`. What `pick` returns is run, each in a task of its own, and calls
    `end` or `store`."""

    def __init__(
        self,
        *,
        name: str,
        storage: Storage,
        clock: Clock,
        queue: Queue,
        limits: RoundLimits,
        pick: Pick,
        is_alone: bool,
        lease_s: float,
        poll_s: float = POLL_S,
        idle_s: float = IDLE_S,
    ) -> None:
        """`name` says in tasks and logs what a job is; `is_alone`: no other server claims."""
        self._name = name
        self._storage = storage
        self._clock = clock
        self._queue = queue
        self._limits = limits
        self._pick = pick
        self._is_alone = is_alone
        self._lease = timedelta(seconds=lease_s)
        self._poll_s = poll_s
        self._idle_s = idle_s if is_alone else poll_s
        self._is_idle = False  # there is nothing, now or later
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
            asyncio.create_task(self._claim_for_ever(), name=f"{self._name}-claims"),
            asyncio.create_task(self._beat_for_ever(), name=f"{self._name}-leases"),
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
        self.lose()
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
                self._warn("jobs not claimed", exc)
            await self.bell.wait(self._idle_s if self._is_idle else self._poll_s)

    async def turn(self) -> bool:
        """Fill free workers; whether anything was claimed."""
        self._is_idle = False
        room = self._limits.workers - len(self._runs)
        if room <= 0:
            return False
        jobs = self.under_way
        projects = Counter(job.project_id for job in jobs)
        subjects = Counter((job.project_id, job.function_id) for job in jobs)
        tasks, dropped, self._is_idle = await self._storage.write(
            lambda uow: self._claim(uow, room, projects, subjects)
        )
        for job, do in tasks:
            self._begin(job, do)
        if dropped:
            log.info("jobs dropped", extra={"job": self._name, "jobs": dropped})
        return bool(tasks or dropped)

    def _claim(
        self,
        uow: UnitOfWork,
        limit: int,
        projects: Mapping[str, int],
        subjects: Mapping[tuple[str, str], int],
    ) -> tuple[Sequence[Task], int, bool]:
        now = self._clock.now()
        most = self._limits.per_subject
        jobs = self._queue.claim(
            uow,
            owner=self._owner,
            limit=limit,
            now=now,
            until=now + self._lease,
            project_limit=self._limits.per_project,
            held=projects,
            room_for=lambda *place: limit if most is None else most - subjects.get(place, 0),
        )
        tasks = self._pick(uow, jobs)
        wanted = {_claim_of(job) for job, _ in tasks}
        dropped = [job for job in jobs if _claim_of(job) not in wanted]
        self._queue.ack(uow, dropped)
        is_idle = not jobs and not self._held and self._queue.is_empty(uow)
        return tasks, len(dropped), is_idle

    def _begin(self, job: Job, do: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._held[_claim_of(job)] = replace(job, sealed=b"")
        task = asyncio.create_task(do(), name=f"{self._name}-{job.id}")
        self._runs[task] = job
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._runs.pop(task)
        self.bell.ring()
        if not task.cancelled() and task.exception() is not None:
            log.error("a job's task failed", extra={"job": self._name}, exc_info=task.exception())

    # Leases

    async def _beat_for_ever(self) -> None:
        while True:
            await self._clock.sleep(self._lease.total_seconds() / 3)
            try:
                await self.extend()
            except Exception as exc:  # tried again in a third of a lease; the lease bears that
                self._warn("leases not extended", exc)

    async def extend(self) -> None:
        """Extend every lease; forget those that somebody else has taken over."""
        held = list(self._held.values())
        if not held:
            return
        until = self._clock.now() + self._lease
        kept = await self._storage.write(lambda uow: self._queue.extend(uow, held, until=until))
        for claim in {_claim_of(job) for job in held} - {_claim_of(job) for job in kept}:
            self._held.pop(claim, None)

    def lose(self) -> None:
        """Forget every lease: nothing that is under way can store its outcome any more."""
        self._held.clear()

    # Ending

    async def end(self, job: Job, then: Sequence[Job] = ()) -> None:
        """Take the job out of the queue and put `then` into it, as `store` does."""

        def work(uow: UnitOfWork) -> None:
            if self._queue.ack(uow, [job]):
                self._queue.put(uow, then)

        await self.store(job, lambda: self._storage.write(work))

    async def store(self, job: Job, work: Callable[[], Awaitable[None]]) -> None:
        """Let `work` store the outcome of the job, however long the database takes; a lost lease
        ends this too."""
        waits_s = _forever(_STORE_AGAIN_S)
        while _claim_of(job) in self._held:
            try:
                await work()
            except Exception as exc:  # whatever the database says, the outcome must survive it
                self._warn("outcome not stored", exc, project_id=job.project_id)
                await asyncio.sleep(next(waits_s))
            else:
                self._held.pop(_claim_of(job), None)

    def _warn(self, what: str, exc: Exception, **more: str) -> None:
        log.warning(what, extra={"job": self._name, "reason": type(exc).__name__, **more})


def _claim_of(job: Job) -> _Claim:
    return (job.project_id, job.id, job.attempt)


def _forever(waits_s: Sequence[float]) -> Iterator[float]:
    yield from waits_s
    while True:
        yield waits_s[-1]
