"""Taking an execution into the queue: its record and its job in one committed transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from runwright.epochs import Epochs
from runwright.errors import RateLimited
from runwright.executions.batches import Batches
from runwright.executions.envelope import Request, seal
from runwright.model.execution import Execution
from runwright.model.job import Job, JobKind
from runwright.ports.queue import Queue
from runwright.ports.storage import Storage, UnitOfWork
from runwright.sealing import Sealer

_RETRY_AFTER_S: Final = 5
_LARGE_BYTES: Final = 256 * 1024  # sealing more than this on the event loop would be felt


class QueueFull(RateLimited):
    def __init__(self, most: int) -> None:
        super().__init__(
            f"The queue holds {most} executions, which is its limit. Try again when some ended.",
            headers=(("retry-after", str(_RETRY_AFTER_S)),),
        )


@dataclass(frozen=True, slots=True)
class _Accepted:
    execution: Execution
    request: Request


class Acceptance:
    """`recount` before use and now and then; `close` last."""

    def __init__(self, storage: Storage, queue: Queue, epochs: Epochs, *, queue_jobs: int) -> None:
        self._storage = storage
        self._queue = queue
        self._epochs = epochs
        self._queue_jobs = queue_jobs
        self._size = 0  # counted again by `recount`, since rows also go with their function
        self._batches: Batches[_Accepted, None] = Batches(
            self._store, name="accepted-jobs", bytes_of=lambda item: len(item.request.body)
        )

    async def accept(self, execution: Execution, request: Request) -> None:
        """Return when execution and job are on disk. Raises QueueFull."""
        if self._size >= self._queue_jobs:
            raise QueueFull(self._queue_jobs)
        self._size += 1
        try:
            await self._batches.put(_Accepted(execution, request))
        except Exception:
            self._size -= 1
            raise

    def ended(self, jobs: int) -> None:
        self._size = max(0, self._size - jobs)

    async def recount(self) -> None:
        self._size = await self._storage.read(self._queue.size)

    async def close(self) -> None:
        await self._batches.close()

    async def _store(self, accepted: Sequence[_Accepted]) -> Sequence[None]:
        # The epoch is held until the commit, so its key cannot go before its jobs are seen.
        async with self._epochs.lend() as (epoch, sealer):
            jobs = [await self._job(item, epoch, sealer) for item in accepted]

            def work(uow: UnitOfWork) -> None:
                uow.executions.add_all([item.execution for item in accepted])
                self._queue.put(uow, jobs)

            await self._storage.write(work)
        return [None] * len(jobs)

    async def _job(self, item: _Accepted, epoch: str, sealer: Sealer) -> Job:
        execution, request = item.execution, item.request
        if len(request.body) > _LARGE_BYTES:
            sealed = await asyncio.to_thread(_sealed, item, sealer)
        else:
            sealed = _sealed(item, sealer)
        due_at = execution.scheduled_at or execution.created_at
        return Job(
            id=execution.id,
            project_id=execution.project_id,
            created_at=execution.created_at,
            updated_at=execution.updated_at,
            function_id=execution.function_id,
            kind=JobKind.RUN if execution.scheduled_at is None else JobKind.DELAYED,
            trigger=execution.trigger,
            due_at=due_at,
            ready_at=due_at,
            epoch=epoch,
            sealed=sealed,
        )


def _sealed(item: _Accepted, sealer: Sealer) -> bytes:
    execution = item.execution
    return seal(item.request, sealer, project_id=execution.project_id, job_id=execution.id)
