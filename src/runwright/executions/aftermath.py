"""What becomes of a job when its run has ended: it is tried again, kept, or removed.

- What was lost with the host's sandboxes is tried again after a moment, as if a lease had ended.
- A failure that the function's `retry` covers is tried again after a wait, until the attempts
  or the age that it allows are used up.
- Any other failure of a function with `retry` makes a dead letter: request and job stay for a
  week, to be redriven. Only who cancels a run by name wants it gone, so that makes none.
- With `requestRetention`, what has ended stays for that long, to be replayed.

A request that goes on must not hold the key of those that end within moments. One that was
sealed for a short wait, because the setting was another then, is sealed anew for a long one.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from runwright.clock import Clock
from runwright.errors import ServiceUnavailable
from runwright.executions.envelope import Request, seal
from runwright.model.execution import ErrorClass, Execution, Status
from runwright.model.function import Function
from runwright.model.job import Job, JobKind
from runwright.model.lineage import NO_LINEAGE, Lineage
from runwright.values import dataclass
from runwright.vault import Vault

log = logging.getLogger(__name__)

DEAD_LETTER_S: Final = 7 * 86_400.0
LOST_WAIT_S: Final = 1.0  # after the first loss; twice as long after each further one


@dataclass(slots=True, kw_only=True)
class Run:
    """A claimed job, and what was learned of it on the way."""

    job: Job
    function: Function | None = None  # None = gone, or not known: then nothing is kept
    request: Request | None = None
    is_lost: bool = False  # the platform failed in the middle of it, so it is tried again
    is_worn_out: bool = False  # its hosts ended too often, so it is not tried again


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    job: Job
    record: Execution | None  # None = nobody is left to tell
    after: Job | None  # as the job goes on; None = it is removed
    lineage: Lineage = NO_LINEAGE  # what led to the run

    @property
    def leaves_queue(self) -> bool:
        return self.after is None or self.after.kind is not JobKind.RUN


def next_attempt_at(
    job: Job, function: Function, error_class: ErrorClass | None, now: datetime, chance: float
) -> datetime | None:
    """When a failed run is tried again; None = not any more. `chance` is drawn from 0 to 1."""
    retry, failures = function.retry, job.failures + 1
    if error_class is None or not retry.covers(error_class) or failures >= retry.attempts:
        return None
    at = now + timedelta(seconds=retry.wait_s(failures, chance))
    return at if at <= job.due_at + timedelta(seconds=retry.max_age_s) else None


class Aftermath:
    def __init__(
        self,
        vault: Vault,
        clock: Clock,
        *,
        dead_letter_s: float = DEAD_LETTER_S,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._vault = vault
        self._clock = clock
        self._dead_letter = timedelta(seconds=dead_letter_s)
        self._chance = chance

    def of_no_more(self, run: Run, record: Execution | None) -> Ended | None:
        """The same as `of` where the job is removed, as most are; None for the others."""
        function = run.function
        if function is not None and record is not None:
            if record.status is Status.FAILED and (function.retry.is_on or run.is_lost):
                return None
            if function.request_retention_s:
                return None
        lineage = run.request.lineage if run.request is not None else NO_LINEAGE
        return Ended(job=run.job, record=record, after=None, lineage=lineage)

    @asynccontextmanager
    async def of(self, run: Run, record: Execution | None) -> AsyncIterator[Ended]:
        """What is to be stored. Stay inside until that is committed: a key is held for it."""
        after = self._after(run, record)
        lineage = run.request.lineage if run.request is not None else NO_LINEAGE
        if after is None:
            yield Ended(job=run.job, record=record, after=None, lineage=lineage)
            return
        async with AsyncExitStack() as stack:
            after = await self._sealed_for_long(run, after, stack)
            if after is not None and after.kind is JobKind.RUN and record is not None:
                record = replace(record, status=Status.PROCESSING)
            yield Ended(job=run.job, record=record, after=after, lineage=lineage)

    def _after(self, run: Run, record: Execution | None) -> Job | None:
        function, now = run.function, self._clock.now()
        if function is None or record is None:
            return None
        job = replace(run.job, updated_at=now, sealed=b"")
        if record.status is Status.FAILED:
            if run.is_lost:
                wait = timedelta(seconds=LOST_WAIT_S * 2**job.takeovers)
                return replace(job, kind=JobKind.RUN, ready_at=now + wait)
            at = None
            if not run.is_worn_out:
                at = next_attempt_at(job, function, record.error_class, now, self._chance())
            if at is not None:
                return replace(job, kind=JobKind.RUN, ready_at=at, failures=job.failures + 1)
            was_cancelled = record.error_class is ErrorClass.CANCELLED and function.is_enabled
            if function.retry.is_on and not was_cancelled:
                return replace(job, kind=JobKind.DEAD, ready_at=now + self._dead_letter)
        if function.request_retention_s:
            until = now + timedelta(seconds=function.request_retention_s)
            return replace(job, kind=JobKind.KEPT, ready_at=until)
        return None

    async def _sealed_for_long(self, run: Run, after: Job, stack: AsyncExitStack) -> Job | None:
        job, request = run.job, run.request
        if not job.epoch or self._vault.is_for_long(job.epoch):
            return after
        if request is None:  # its key is gone, so nobody could use it
            return None
        try:
            epoch, sealer = await stack.enter_async_context(self._vault.kept.lend())
        except ServiceUnavailable:  # the disk takes no key
            if after.kind is JobKind.RUN:
                return after  # it has not ended, so its first key may stay
            log.warning("request not kept: no key for it", extra={"execution_id": job.id})
            return None
        sealing = partial(seal, request, sealer, project_id=job.project_id, job_id=job.id)
        return replace(after, epoch=epoch, sealed=await asyncio.to_thread(sealing))
