"""Taking an execution into the queue: its record and its job in one committed transaction."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from runwright.errors import RateLimited
from runwright.executions.announcing import announce
from runwright.executions.batches import Batches
from runwright.executions.envelope import Request, seal
from runwright.executions.repeats import claim
from runwright.model.actor import Actor
from runwright.model.execution import Execution, Status
from runwright.model.job import Job, JobKind
from runwright.model.repeat import RepeatKey
from runwright.ports.queue import Queue
from runwright.ports.storage import Storage, UnitOfWork
from runwright.sealing import Sealer
from runwright.values import dataclass
from runwright.vault import Vault

_RETRY_AFTER_S: Final = 5
_LARGE_BYTES: Final = 256 * 1024  # sealing more than this on the event loop would be felt


class QueueFull(RateLimited):
    def __init__(self, most: int) -> None:
        super().__init__(
            f"The queue holds {most} executions, which is its limit. Try again when some ended.",
            headers=(("retry-after", str(_RETRY_AFTER_S)),),
        )


@dataclass(frozen=True, slots=True)
class Accepted:
    """An execution that is to be queued. No request = one without any content."""

    execution: Execution
    request: Request | None
    is_kept: bool = False  # the request may be needed after the first attempt
    caller: Actor | None = None  # whose call this is; None = the platform's, not announced
    repeat: RepeatKey | None = None  # an earlier call with this key stands for this one


class Acceptance:
    """`recount` before use and now and then; `close` last."""

    def __init__(
        self,
        storage: Storage,
        queue: Queue,
        vault: Vault,
        *,
        queue_jobs: int,
        wants: Callable[[str], bool] = lambda project_id: True,
    ) -> None:
        """`wants` says whether anybody may listen to executions of a project."""
        self._storage = storage
        self._wants = wants
        self._queue = queue
        self._vault = vault
        self._queue_jobs = queue_jobs
        self._size = 0  # counted again by `recount`, since rows also go with their function
        self._batches: Batches[Accepted, str] = Batches(
            self._store, name="accepted-jobs", bytes_of=lambda item: _body_bytes(item.request)
        )

    @property
    def is_full(self) -> bool:
        return self._size >= self._queue_jobs

    @property
    def waiting(self) -> int:
        """Callers who wait for their execution to be stored."""
        return len(self._batches)

    async def accept(self, item: Accepted) -> str:
        """Return when execution and job are on disk, with the id of that execution.

        It is another one when an earlier call had the same key. Raises QueueFull, KeyReused.
        """
        if self.is_full:
            raise QueueFull(self._queue_jobs)
        self._size += 1
        try:
            stored = await self._batches.put(item)
        except Exception:
            self._size -= 1
            raise
        if stored != item.execution.id:
            self._size -= 1
        return stored

    async def put(self, item: Accepted, first: Callable[[UnitOfWork], None]) -> None:
        """As `accept`, in a transaction of its own that begins with `first`.

        Raises QueueFull, and whatever `first` raises.
        """
        if self.is_full:
            raise QueueFull(self._queue_jobs)
        execution, caller = item.execution, item.caller
        async with self.jobs([item]) as jobs:

            def work(uow: UnitOfWork) -> None:
                first(uow)
                uow.executions.add(execution)
                if caller is not None and self._wants(execution.project_id):
                    announce(uow, execution, "create", caller)
                self._queue.put(uow, jobs)

            await self._storage.write(work)
        self.began(1)

    def began(self, jobs: int) -> None:
        """Jobs that somebody stored who made them by `jobs`."""
        self._size += jobs

    def ended(self, jobs: int) -> None:
        self._size = max(0, self._size - jobs)

    async def recount(self) -> None:
        self._size = await self._storage.read(self._queue.size)

    async def close(self) -> None:
        await self._batches.close()

    @asynccontextmanager
    async def jobs(self, items: Sequence[Accepted]) -> AsyncIterator[list[Job]]:
        """The jobs of new executions, sealed. Stay inside until they are committed.

        The keys are held until then, so none can go before its jobs are seen.
        """
        async with AsyncExitStack() as stack:
            lines: dict[bool, tuple[str, Sealer]] = {}
            jobs = []
            for item in items:
                if item.request is None:
                    jobs.append(_job(item, "", b""))
                    continue
                is_long = item.is_kept or item.execution.scheduled_at is not None
                if is_long not in lines:
                    line = self._vault.kept if is_long else self._vault.runs
                    lines[is_long] = await stack.enter_async_context(line.lend())
                epoch, sealer = lines[is_long]
                jobs.append(_job(item, epoch, await _sealed(item, item.request, sealer)))
            yield jobs

    async def _store(self, accepted: Sequence[Accepted]) -> Sequence[str]:
        announced = [
            (item.execution, item.caller)
            for item in accepted
            if item.caller is not None and self._wants(item.execution.project_id)
        ]
        async with self.jobs(accepted) as jobs:

            def work(uow: UnitOfWork) -> list[str]:
                ids = [_claimed(uow, item) for item in accepted]
                repeated = {item.execution.id for item in accepted}.difference(ids)
                uow.executions.add_all(
                    [item.execution for item in accepted if item.execution.id not in repeated]
                )
                for execution, caller in announced:
                    if execution.id not in repeated:
                        announce(uow, execution, "create", caller)
                self._queue.put(uow, [job for job in jobs if job.id not in repeated])
                return ids

            return await self._storage.write(work)


def _claimed(uow: UnitOfWork, item: Accepted) -> str:
    return item.execution.id if item.repeat is None else claim(uow, item.repeat)


def _job(item: Accepted, epoch: str, sealed: bytes) -> Job:
    execution = item.execution
    due_at = execution.scheduled_at or execution.created_at
    return Job(
        id=execution.id,
        project_id=execution.project_id,
        created_at=execution.created_at,
        updated_at=execution.updated_at,
        function_id=execution.function_id,
        kind=JobKind.RUN if execution.status is Status.WAITING else JobKind.DELAYED,
        trigger=execution.trigger,
        due_at=due_at,
        ready_at=due_at,
        epoch=epoch,
        sealed=sealed,
    )


async def _sealed(item: Accepted, request: Request, sealer: Sealer) -> bytes:
    execution = item.execution
    sealing = partial(seal, request, sealer, project_id=execution.project_id, job_id=execution.id)
    if len(request.body) > _LARGE_BYTES:
        return await asyncio.to_thread(sealing)
    return sealing()


def _body_bytes(request: Request | None) -> int:
    return len(request.body) if request is not None else 0
