"""Running what is queued: claim with a lease, run, store the outcome and remove the job in one
transaction.

Rules:

- The claim and `waiting -> processing` are one transaction, committed before user code starts.
- A lease is extended three times in its length. A host that dies stops doing so, and another
  (or the same one, started again) takes its jobs over; the attempt is counted.
- The outcome is stored only together with the removal of a job that is still held. So whoever
  lost a lease cannot store anything any more.
- What user code does is a reason to run it again only where its function says so
  (aftermath.py). The loss of a lease is always one, and so is a host that lost what runs its
  sandboxes, but only a few times: code that kills its host would otherwise kill every host in turn.
- A job that waits for its next attempt is given back with a later moment, so nothing is held in
  memory for it and a restart changes nothing. Its execution stays `processing`.
- A slot is claimed for; there is no queue in memory. So at a stop, runs get their time and what
  is left is given back. A slot is free when its run has ended, not when that is stored: the end
  and the next claim then share a transaction.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from runwright.bell import IDLE_S, Bell
from runwright.clock import Clock
from runwright.errors import RunwrightError
from runwright.executions.acceptance import Acceptance
from runwright.executions.aftermath import Aftermath, Run
from runwright.executions.attempt import Attempt
from runwright.executions.ends import Claim, Ends, claim_of
from runwright.executions.envelope import PLAIN, Request, unseal
from runwright.executions.lanes import Lanes
from runwright.executions.pacing import Pacing
from runwright.executions.runs import Carried
from runwright.executions.service import Executions, loop_outcome
from runwright.ids import new_id
from runwright.model.execution import ErrorClass, Execution, Outcome, Status
from runwright.model.function import LiveFunction
from runwright.model.job import Job
from runwright.ports.executor import Executor, NoSlot
from runwright.ports.queue import Queue
from runwright.ports.signals import Signals
from runwright.ports.storage import Storage, UnitOfWork
from runwright.sealing import CannotOpen
from runwright.values import dataclass
from runwright.vault import Vault

log = logging.getLogger(__name__)

LEASE_S: Final = 12.0
MAX_TAKEOVERS: Final = 5
POLL_S: Final = 0.5
_SMALL_BYTES: Final = 2048  # a sealed request that may as well stay with its job
_PROMOTED_AT_ONCE: Final = 500
_BACKOFF_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0)

_CANCELLED: Final = "The function was disabled while this execution waited, so it was not run."
_UNREADABLE: Final = (
    "The request of this execution can no longer be read, so it was not run. Send it again."
)
_OURS: Final = "The platform failed to run this execution. It is not the function's fault."
_WORN_OUT: Final = (
    f"The host that ran this execution ended in the middle, {MAX_TAKEOVERS + 1} times in a row. "
    "It is not tried again."
)


@dataclass(frozen=True, slots=True)
class _Share:
    """What one claim may take."""

    limit: int
    of_one_project: int
    running: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Claimed:
    """What one claim did. None of it is true before it is committed."""

    jobs: Sequence[Job]
    at: datetime
    has_promoted: bool
    has_extended: bool
    is_idle: bool  # there is nothing, now or later


class Dispatcher:
    """`start`, then `stop`. Several may work on the same queue."""

    def __init__(
        self,
        *,
        storage: Storage,
        signals: Signals,
        clock: Clock,
        queue: Queue,
        vault: Vault,
        executor: Executor,
        executions: Executions,
        acceptance: Acceptance,
        workers: int,
        is_alone: bool,
        wants: Callable[[str], bool] = lambda project_id: True,
        lease_s: float = LEASE_S,
        poll_s: float = POLL_S,
        idle_s: float = IDLE_S,
        aftermath: Aftermath | None = None,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._queue = queue
        self._vault = vault
        self._executor = executor
        self._executions = executions
        self._aftermath = aftermath or Aftermath(vault, clock)
        self._lanes = Lanes(signals)
        self._workers = workers
        self._pacing = Pacing(workers, callers=lambda: acceptance.waiting)
        self._is_alone = is_alone
        self._lease = timedelta(seconds=lease_s)
        self._poll_s = poll_s
        self._idle_s = idle_s if is_alone else poll_s
        self._is_idle = False
        self.owner = new_id()
        self._held: dict[Claim, Job] = {}
        self._sealed: dict[Claim, bytes] = {}  # large ones, until the run begins
        self._runs: dict[asyncio.Task[None], Job] = {}  # until their ends are stored
        self._busy: set[Claim] = set()  # claims that have a slot
        self._slotless: set[str] = set()  # executions that pause before they ask again for a slot
        self._extended_at = clock.now()
        self._promoted_at = clock.now() - self._lease
        self._ends = Ends(
            storage=storage,
            queue=queue,
            acceptance=acceptance,
            held=self._held,
            wants=wants,
            claims_soon=lambda: self._pacing.has_backlog and not self._is_draining,
        )
        self._bell = Bell()
        self._is_draining = False
        self._tasks: list[asyncio.Task[None]] = []
        signals.on("job", self._hear)
        signals.on("delayed", lambda project_id, item_id: self._bell.ring())

    async def start(self) -> None:
        """What an earlier server held is ready at once when there can be no other."""
        if self._is_alone:
            now = self._clock.now()
            await self._storage.write(lambda uow: self._queue.release_all(uow, now=now))
        self._bell.ring()
        self._tasks = [
            asyncio.create_task(self._claim_for_ever(), name="job-claims"),
            asyncio.create_task(self._beat_for_ever(), name="job-leases"),
        ]

    async def stop(self, drain_s: float) -> None:
        """Claim nothing more, wait for what runs, give the rest back."""
        self._is_draining = True
        self._bell.ring()
        claims = self._tasks[:1]
        if claims:
            await asyncio.wait(claims)  # a claim in flight may still start runs
        if self._runs:
            await asyncio.wait(set(self._runs), timeout=drain_s)
        left = dict(self._runs)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        await self._ends.close()
        await self._give_back()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks = []

    def __len__(self) -> int:
        return len(self._runs)

    def _hear(self, project_id: str, item_id: str) -> None:
        self._pacing.heard(project_id)
        self._bell.ring()

    # Claiming

    async def _claim_for_ever(self) -> None:
        while not self._is_draining:
            try:
                while not self._is_draining and await self._claim_some():
                    pass
            except Exception as exc:  # the database may be well again at the next turn
                log.warning("jobs not claimed", extra={"reason": type(exc).__name__})
            await self._bell.wait(self._idle_s if self._is_idle else self._poll_s)

    async def _claim_some(self) -> bool:
        """Fill free slots; whether more may be there to claim for slots that are free."""
        self._is_idle = False
        if self._pacing.limit <= 0 or self._is_behind:
            return False
        await self._pacing.gather()
        if self._is_draining:
            return False
        await self._ends.join_claim()
        share = _Share(self._pacing.limit, self._pacing.project_slots, dict(self._pacing.running))
        if share.limit <= 0:
            return False
        held = list(self._held.values())
        claimed = await self._storage.write(lambda uow: self._claim(uow, share, held))
        self._is_idle = claimed.is_idle
        if claimed.has_promoted:
            self._promoted_at = claimed.at
        if claimed.has_extended:
            self._extended_at = claimed.at
        jobs = claimed.jobs
        self._pacing.claimed(Counter(job.project_id for job in jobs), limit=share.limit)
        for job in jobs:
            self._begin(job)
        return len(jobs) > 0

    def _claim(self, uow: UnitOfWork, share: _Share, held: Sequence[Job]) -> _Claimed:
        now = self._clock.now()
        # Or the clock was set back.
        has_to_promote = abs((now - self._promoted_at).total_seconds()) >= self._poll_s
        if has_to_promote:
            due = self._queue.promote(uow, now=now, limit=_PROMOTED_AT_ONCE)
            uow.executions.await_turn(due, now)
        # A clock that jumped, or an event loop that stood still, may have ended our own leases;
        # what we hold and run is not to be claimed by ourselves.
        has_to_extend = bool(held) and now - self._extended_at > self._lease / 2
        if has_to_extend:
            self._queue.extend(uow, held, until=now + self._lease)
        jobs = self._queue.claim(
            uow,
            owner=self.owner,
            limit=share.limit,
            now=now,
            until=now + self._lease,
            project_limit=share.of_one_project,
            held=share.running,
            room_for=self._lanes.room_for(uow, now),
        )
        begun = uow.executions.begin_all(jobs, now)
        orphans = [job for job in jobs if (job.project_id, job.id) not in begun]
        self._queue.ack(uow, orphans)
        return _Claimed(
            [job for job in jobs if (job.project_id, job.id) in begun],
            now,
            has_to_promote,
            has_to_extend,
            is_idle=not jobs and not held and self._queue.is_empty(uow),
        )

    def _begin(self, job: Job) -> None:
        claim = claim_of(job)
        if len(job.sealed) > _SMALL_BYTES:
            # A run may take long; it needs its request then, but not the sealed one beside it.
            self._sealed[claim] = job.sealed
            job = replace(job, sealed=b"")
        self._held[claim] = job
        self._busy.add(claim)
        task = asyncio.create_task(self._carry(job), name=f"job-{job.id}")
        self._runs[task] = job
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        job = self._runs.pop(task)
        claim = claim_of(job)
        self._free(job)
        self._sealed.pop(claim, None)
        self._bell.ring()
        if not task.cancelled() and task.exception() is not None:
            log.error("a job's task failed", exc_info=task.exception())
            self._held.pop(claim, None)  # its lease ends, and it is claimed again

    def _free(self, job: Job) -> None:
        """Its run has ended, so another may have its slot."""
        claim = claim_of(job)
        if claim in self._busy:
            self._busy.remove(claim)
            self._pacing.ended(job.project_id)
            self._bell.ring()

    @property
    def _is_behind(self) -> bool:
        """Whether ends wait to be stored for longer than runs take, as on a full disk."""
        return len(self._runs) >= 2 * self._workers

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
        self._extended_at = until - self._lease
        lost = {claim_of(job) for job in held} - {claim_of(job) for job in kept}
        for claim in lost:
            # Either lost, or ended while we asked: then it is no longer held and no news.
            if self._held.pop(claim, None) is not None:
                log.warning("lease lost", extra={"execution_id": claim[1], "attempt": claim[2]})

    async def _give_back(self) -> None:
        left = list(self._held.values())
        self._held.clear()
        if left:
            now = self._clock.now()
            await self._storage.write(
                lambda uow: self._queue.release(uow, left, now=now, has_started=True)
            )

    # Running

    async def _carry(self, job: Job) -> None:
        run = Run(job=job)
        try:
            record = await self._result(run)
        except asyncio.CancelledError:
            raise  # still held; `stop` gives it back
        except Exception:  # a fault of ours must still end as a record
            log.exception("job failed", extra={"execution_id": job.id})
            record = await self._not_run(job, ErrorClass.PLATFORM, _OURS)
        self._free(job)
        await self._pacing.settle(job.project_id)
        over = self._aftermath.of_no_more(run, record)
        if over is not None:
            await self._ends.store(over)
            return
        async with self._aftermath.of(run, record) as ended:
            await self._ends.store(ended)

    async def _result(self, run: Run) -> Execution | None:
        """How an attempt at a claimed job ended; None when its function or project is gone."""
        job = run.job
        try:
            request = run.request = await self._request(job)
        except CannotOpen:
            return await self._not_run(job, ErrorClass.PLATFORM, _UNREADABLE)
        runnable = self._executions.runnables.known(job.project_id, job.function_id)
        if runnable is not None:
            live: LiveFunction | None = runnable.live
        else:
            live = await self._executions.runnables.live(job.project_id, job.function_id)
        if live is None:
            return None
        run.function = live.function
        if job.takeovers > MAX_TAKEOVERS:
            run.is_worn_out = True
            return await self._not_run(job, ErrorClass.PLATFORM, _WORN_OUT)
        if not live.function.is_enabled and not request.runs_disabled:
            return await self._not_run(job, ErrorClass.CANCELLED, _CANCELLED)
        if runnable is None:
            try:
                project = await self._executions.runnables.project(job.project_id)
                runnable = self._executions.runnables.prepared(live, project)
            except RunwrightError as exc:
                return await self._not_run(job, ErrorClass.COLD_START, str(exc))
        attempt = self._executions.queued_attempt(runnable, job, request)
        outcome = loop_outcome(request.lineage, live.function)
        if outcome is None:
            outcome = await self._run(attempt)
            if outcome.error_class is ErrorClass.PLATFORM:
                run.is_lost = job.takeovers < MAX_TAKEOVERS
                run.is_worn_out = not run.is_lost
        return attempt.finished(outcome, self._clock.now())

    async def cancel(self, project_id: str, execution_id: str, *, wait_s: float) -> Carried:
        """End a run that is carried here and wait until its outcome is stored.

        One that waits for a slot is dropped; its job is still held, and the caller's to remove.
        """
        for task, job in list(self._runs.items()):
            if (job.project_id, job.id) != (project_id, execution_id):
                continue
            if execution_id in self._slotless:
                task.cancel()
                self._held.pop(claim_of(job), None)
                await asyncio.wait({task}, timeout=wait_s)
                return Carried.DROPPED
            if self._executor.cancel(execution_id):
                await asyncio.wait({task}, timeout=wait_s)
            return Carried.ENDED
        return Carried.NOT_HERE

    def carries(self, project_id: str) -> bool:
        return any(job.project_id == project_id for job in self._runs.values())

    def evict(self, project_id: str) -> None:
        """End the runs of a project that is gone, and its jobs with it."""
        for task, job in list(self._runs.items()):
            if job.project_id != project_id:
                continue
            if job.id in self._slotless:
                task.cancel()
                self._held.pop(claim_of(job), None)
            else:
                self._executor.cancel(job.id)

    async def _request(self, job: Job) -> Request:
        if not job.epoch:
            return PLAIN
        sealed = job.sealed or self._sealed.pop(claim_of(job))
        sealer = await self._vault.sealer(job.epoch)
        return unseal(sealed, sealer, project_id=job.project_id, job_id=job.id)

    async def _run(self, attempt: Attempt) -> Outcome:
        for wait_s in _forever(_BACKOFF_S):
            try:
                return await self._executor.run(attempt.runnable.workload, attempt.invocation)
            except NoSlot:  # nothing has run; the lease is kept meanwhile
                self._slotless.add(attempt.execution_id)
                try:
                    await self._clock.sleep(wait_s)
                finally:
                    self._slotless.discard(attempt.execution_id)
        raise AssertionError("unreachable")

    async def _not_run(self, job: Job, error_class: ErrorClass, why: str) -> Execution | None:
        found = await self._storage.read(
            lambda uow: uow.executions.get(job.project_id, job.id),
        )
        if found is None or found.status is not Status.PROCESSING:
            return None
        return replace(
            found.moved(Status.FAILED),
            updated_at=self._clock.now(),
            response_status_code=500,
            errors=why,
            error_class=error_class,
            attempt=job.attempt,
        )


def _forever(waits_s: Sequence[float]) -> Iterator[float]:
    yield from waits_s
    while True:
        yield waits_s[-1]
