"""Every adapter of the queue port over every storage."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from runwright.model.execution import Trigger
from runwright.model.job import Job, JobKind
from runwright.ports.queue import Queue, RoomFor, unbounded
from runwright.ports.storage import Storage
from runwright.queue.rows import RowQueue
from runwright.storage.database import Database, open_memory
from tests.contract.files import open_empty

NOW: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LEASE: Final = timedelta(seconds=12)
ADAPTERS: Final = ["rows over sqlite-memory", "rows over sqlite-file"]


def a_job(
    id: str,
    *,
    project: str = "shop",
    function: str = "hello",
    ready_at: datetime = NOW,
    kind: JobKind = JobKind.RUN,
    epoch: str = "epoch",
) -> Job:
    return Job(
        id=id,
        project_id=project,
        created_at=NOW,
        updated_at=NOW,
        function_id=function,
        kind=kind,
        trigger=Trigger.HTTP,
        due_at=ready_at,
        ready_at=ready_at,
        epoch=epoch,
        sealed=id.encode(),
    )


@dataclass
class QueueBench:
    """The port with one unit of work for each call, and a clock that the test moves."""

    storage: Storage
    queue: Queue  # of runs
    deliveries: Queue
    now: datetime = NOW
    heard: list[tuple[str, str, str]] = field(default_factory=list)

    def let_pass(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def put(self, *jobs: Job) -> None:
        await self.storage.write(lambda uow: self.queue.put(uow, jobs))

    async def claim(
        self,
        owner: str = "one",
        limit: int = 100,
        *,
        project_limit: int = 1000,
        held: Mapping[str, int] | None = None,
        room_for: RoomFor = unbounded,
        queue: Queue | None = None,
    ) -> list[Job]:
        running = held if held is not None else Counter[str]()
        return await self.storage.write(
            lambda uow: (queue or self.queue).claim(
                uow,
                owner=owner,
                limit=limit,
                now=self.now,
                until=self.now + LEASE,
                project_limit=project_limit,
                held=running,
                room_for=room_for,
            )
        )

    async def extend(self, jobs: Sequence[Job]) -> list[Job]:
        until = self.now + LEASE
        return await self.storage.write(lambda uow: self.queue.extend(uow, jobs, until=until))

    async def ack(self, jobs: Sequence[Job]) -> list[Job]:
        return await self.storage.write(lambda uow: self.queue.ack(uow, jobs))

    async def release(self, jobs: Sequence[Job], *, has_started: bool) -> None:
        await self.storage.write(
            lambda uow: self.queue.release(uow, jobs, now=self.now, has_started=has_started)
        )

    async def put_back(self, jobs: Sequence[Job]) -> list[Job]:
        return await self.storage.write(lambda uow: self.queue.put_back(uow, jobs))

    async def promote(self, limit: int = 100) -> list[Job]:
        return await self.storage.write(
            lambda uow: self.queue.promote(uow, now=self.now, limit=limit)
        )

    async def size(self) -> int:
        return await self.storage.read(self.queue.size)


def _open(adapter: str, folder: Path) -> AbstractAsyncContextManager[Database]:
    if adapter.endswith("memory"):
        return open_memory()
    return open_empty(folder / "runwright.db")


@pytest.fixture(params=ADAPTERS)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[QueueBench]:
    async with _open(request.param, tmp_path) as database:
        made = QueueBench(database, RowQueue(), RowQueue(JobKind.DELIVERY))
        database.listen(lambda *touched: made.heard.append(touched))
        yield made
