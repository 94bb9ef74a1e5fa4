"""Storing how runs of claimed jobs ended: the outcome and the removal of the job are one
transaction, which counts only for a job that is still held.

Ends are stored in batches. While a claim is due soon they wait for it, so that both are one
commit; elsewhere they are stored at once.
"""

import asyncio
import logging
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import replace
from typing import Final

from runwright.errors import ServiceUnavailable
from runwright.executions.acceptance import Acceptance
from runwright.executions.aftermath import Ended
from runwright.executions.announcing import announce_ended
from runwright.executions.batches import Batches
from runwright.executions.records import reduced
from runwright.model.execution import Status
from runwright.model.job import Job
from runwright.ports.queue import Queue
from runwright.ports.storage import Storage, UnitOfWork

log = logging.getLogger(__name__)

Claim = tuple[str, str, int]  # project, job, attempt

_CLAIM_S: Final = 0.012  # how long ends wait for the next claim, which is due before that
_BACKOFF_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0)
_TRIES_IN_FULL: Final = 3  # to store a record before its texts are suspected
_TRIES_ON_A_FULL_DISK: Final = 30  # a minute; then too, lest one record is tried for ever


class Ends:
    def __init__(
        self,
        *,
        storage: Storage,
        queue: Queue,
        acceptance: Acceptance,
        held: MutableMapping[Claim, Job],
        wants: Callable[[str], bool],
        claims_soon: Callable[[], bool],
    ) -> None:
        """`held` are the dispatcher's jobs: one that leaves it is stored no more, and one whose
        end is stored leaves it. `wants` says whether anybody may listen to executions of a
        project."""
        self._storage = storage
        self._queue = queue
        self._acceptance = acceptance
        self._held = held
        self._wants = wants
        self._claims_soon = claims_soon
        self._claim = asyncio.Event()  # one is about to be made
        self._batches: Batches[Ended, None] = Batches(
            self._store_all, name="ended-jobs", bytes_of=_text_of, gather=self._gather
        )

    async def close(self) -> None:
        """Wait for what is being stored."""
        await self._batches.close()

    async def join_claim(self) -> None:
        """A claim is about to be made: what waits for it is submitted before it."""
        if len(self._batches):
            self._claim.set()
            await asyncio.sleep(0)

    async def store(self, ended: Ended) -> None:
        """Store the end, however long the database takes; a lost lease ends this too."""
        job, failures = ended.job, 0
        while claim_of(job) in self._held:
            try:
                await self._batches.put(ended)
            except Exception as exc:  # whatever the database says, the outcome must survive it
                log.warning(
                    "outcome not stored",
                    extra={"execution_id": job.id, "reason": type(exc).__name__},
                )
                failures += 1
                is_refused = isinstance(exc, ServiceUnavailable)  # whatever the record holds
                most = _TRIES_ON_A_FULL_DISK if is_refused else _TRIES_IN_FULL
                if failures >= most and ended.record is not None:
                    ended = replace(ended, record=reduced(ended.record))
                await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
            else:
                return

    async def _gather(self) -> None:
        """Wait for the claim that follows, if one does: then both are one commit."""
        if not self._claims_soon():
            return
        self._claim.clear()
        try:
            async with asyncio.timeout(_CLAIM_S):
                await self._claim.wait()
        except TimeoutError:
            pass

    async def _store_all(self, ended: Sequence[Ended]) -> Sequence[None]:
        wanted = {item.job.project_id for item in ended if self._wants(item.job.project_id)}
        over = [item.job for item in ended if item.after is None]
        going_on = [item.after for item in ended if item.after is not None]

        def work(uow: UnitOfWork) -> list[Ended]:
            kept = self._queue.ack(uow, over) + self._queue.put_back(uow, going_on)
            mine = {claim_of(job) for job in kept}
            stored = [item for item in ended if claim_of(item.job) in mine]
            uow.executions.finish_all([item.record for item in stored if item.record is not None])
            for item in stored:
                job, record = item.job, item.record
                if record is None:
                    uow.executions.remove(job.project_id, job.id)
                elif job.project_id in wanted and record.status is not Status.PROCESSING:
                    # As it is stored: what a run does not know, such as which one it repeats,
                    # is told as well.
                    whole = uow.executions.get(job.project_id, job.id)
                    announce_ended(uow, whole or record, item.lineage)
            return stored

        stored = await self._storage.write(work)
        for item in ended:
            self._held.pop(claim_of(item.job), None)
        self._acceptance.ended(sum(item.leaves_queue for item in stored))
        if len(stored) < len(ended):
            log.warning("late outcomes refused", extra={"jobs": len(ended) - len(stored)})
        return [None] * len(ended)


def _text_of(ended: Ended) -> int:
    record, after = ended.record, ended.after
    texts = len(record.logs) + len(record.errors) if record is not None else 0
    return texts + (len(after.sealed) if after is not None else 0)


def claim_of(job: Job) -> Claim:
    return (job.project_id, job.id, job.attempt)
