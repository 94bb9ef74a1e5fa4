"""Execution records: stored in batches, in order, and never lost to one bad row or a bad disk."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from runwright.executions.records import NotRecorded, Recorder, RecordsBehind
from runwright.model.execution import Execution, Status
from runwright.ports.storage import UnitOfWork
from runwright.storage.database import Database, open_memory
from tests.unit.executions.bench import PROJECT, until
from tests.unit.executions.test_reading import an_execution

pytestmark = pytest.mark.anyio
R = TypeVar("R")


class Disk:
    """A database that counts its commits and fails on demand."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.commits = 0
        self.is_broken = False
        self.poison = ""
        self.gate: asyncio.Event | None = None

    async def write(self, work: Callable[[UnitOfWork], R]) -> R:
        if self.gate is not None:
            await self.gate.wait()
        if self.is_broken:
            raise OSError("no space left")
        result = await self.database.write(lambda uow: work(_Picky(uow, self.poison)))  # type: ignore[arg-type]
        self.commits += 1
        return result

    async def read(self, work: Callable[[UnitOfWork], R]) -> R:
        return await self.database.read(work)

    async def stored(self) -> dict[str, Execution]:
        rows = await self.database.read(lambda uow: uow.executions.find(PROJECT))
        return {row.id: row for row in rows}


class _Picky:
    """A unit of work that refuses the row with a certain text in its logs or path."""

    def __init__(self, uow: UnitOfWork, poison: str) -> None:
        self.executions = self
        self._uow = uow
        self._poison = poison

    def _check(self, *items: Execution) -> None:
        for item in items:
            if self._poison and (self._poison in item.logs or self._poison in item.request_path):
                raise ValueError("this row breaks a limit")

    def add(self, item: Execution) -> None:
        self._check(item)
        self._uow.executions.add(item)

    def add_all(self, items: list[Execution]) -> None:
        self._check(*items)
        self._uow.executions.add_all(items)

    def finish_all(self, items: list[Execution]) -> None:
        self._check(*items)
        self._uow.executions.finish_all(items)

    def get(self, project_id: str, item_id: str) -> Execution | None:
        return self._uow.executions.get(project_id, item_id)


class Recording:
    def __init__(self, **options: Any) -> None:
        self._options = options

    async def __aenter__(self) -> "tuple[Disk, Recorder]":
        self._memory = open_memory()
        self.disk = Disk(await self._memory.__aenter__())
        self.recorder = Recorder(self.disk, **self._options)
        self.recorder.start()
        return self.disk, self.recorder

    async def __aexit__(self, *exc: object) -> None:
        await self.recorder.stop()
        await self._memory.__aexit__(None, None, None)


async def test_a_durable_record_is_committed_when_the_call_returns() -> None:
    async with Recording(gather_s=60.0) as (disk, recorder):
        await recorder.record_durably(an_execution("e1"))
        assert set(await disk.stored()) == {"e1"}
        assert recorder.pending(PROJECT, "e1") is None


async def test_records_nobody_waits_for_share_one_commit() -> None:
    async with Recording(gather_s=0.02) as (disk, recorder):
        for number in range(100):
            recorder.record(an_execution(f"e{number}"))
        await until(lambda: disk.commits > 0)
        assert disk.commits == 1
        assert len(await disk.stored()) == 100


async def test_a_full_batch_does_not_wait_for_more() -> None:
    async with Recording(gather_s=60.0, batch_rows=10) as (disk, recorder):
        for number in range(10):
            recorder.record(an_execution(f"e{number}"))
        await until(lambda: disk.commits > 0)
        assert len(await disk.stored()) == 10


async def test_a_stop_writes_what_is_pending() -> None:
    async with Recording(gather_s=60.0) as (disk, recorder):
        recorder.record(an_execution("e1"))
        await recorder.stop()
        assert set(await disk.stored()) == {"e1"}


async def test_a_running_row_is_followed_by_its_end_whatever_the_timing() -> None:
    async with Recording(gather_s=0.0) as (disk, recorder):
        running = an_execution("e1", Status.PROCESSING)
        disk.gate = asyncio.Event()
        recorder.record(running)
        await until(lambda: not recorder._waiting)  # the first row is being written
        recorder.record(running.moved(Status.COMPLETED))
        assert recorder.pending(PROJECT, "e1") == running.moved(Status.COMPLETED)
        disk.gate.set()
        await recorder.flush()
        recorder.record(an_execution("e2", Status.PROCESSING))
        recorder.record(an_execution("e2", Status.FAILED))
        await recorder.flush()
        stored = await disk.stored()
    assert stored["e1"].status is Status.COMPLETED
    assert stored["e2"].status is Status.FAILED


async def test_an_outage_loses_nothing_and_pending_rows_stay_readable() -> None:
    async with Recording(gather_s=0.0) as (disk, recorder):
        disk.is_broken = True
        for number in range(7):
            recorder.record(an_execution(f"e{number}"))
        await asyncio.sleep(0.02)
        assert recorder.pending(PROJECT, "e3") is not None
        assert recorder.pending("other", "e3") is None
        disk.is_broken = False
        await recorder.flush()
        assert len(await disk.stored()) == 7


async def test_a_durable_record_says_so_when_the_disk_does_not_take_it() -> None:
    async with Recording(gather_s=0.0, durable_wait_s=0.02) as (disk, recorder):
        disk.is_broken = True
        with pytest.raises(NotRecorded):
            await recorder.record_durably(an_execution("e1"))
        disk.is_broken = False
        await until(lambda: recorder.pending(PROJECT, "e1") is None)
        assert set(await disk.stored()) == {"e1"}


async def test_a_row_with_a_bad_text_is_stored_without_it_and_spares_its_batch() -> None:
    async with Recording() as (disk, recorder):
        disk.poison = "poison"
        recorder.record(replace(an_execution("bad"), logs="poison"))
        for number in range(5):
            recorder.record(an_execution(f"e{number}"))
        await recorder.flush()
        stored = await disk.stored()
    assert len(stored) == 6
    assert stored["bad"].logs == ""
    assert "could not be stored" in stored["bad"].errors


async def test_a_row_that_cannot_be_stored_at_all_is_given_up_beside_good_ones(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Recording(gather_s=0.0) as (disk, recorder):
        disk.poison = "/poison"
        recorder.record(replace(an_execution("bad"), request_path="/poison"))
        await asyncio.sleep(0.02)  # alone it could be the disk's fault, so it is kept
        assert recorder.pending(PROJECT, "bad") is not None
        recorder.record(an_execution("good"))
        await until(lambda: recorder.pending(PROJECT, "bad") is None)
        assert set(await disk.stored()) == {"good"}
    assert "execution record given up" in caplog.text


async def test_whoever_waits_for_a_row_that_is_given_up_hears_of_it() -> None:
    async with Recording(gather_s=0.01) as (disk, recorder):
        disk.poison = "/poison"
        recorder.record(an_execution("good"))
        with pytest.raises(NotRecorded):
            await recorder.record_durably(replace(an_execution("b"), request_path="/poison"))


async def test_a_writer_that_is_behind_holds_new_runs_back() -> None:
    async with Recording(gather_s=0.0, pending_rows=2, room_wait_s=0.02) as (disk, recorder):
        await recorder.room()
        disk.gate = asyncio.Event()
        recorder.record(an_execution("e0"))
        await until(lambda: not recorder._waiting)  # in the writer's hands now
        recorder.record(an_execution("e1"))
        recorder.record(an_execution("e2"))
        assert recorder.is_behind
        with pytest.raises(RecordsBehind) as caught:
            await recorder.room()
        assert (caught.value.status, caught.value.headers) == (503, (("retry-after", "1"),))
        recorder._room_wait_s = 60.0  # the disk has to be in time from here on
        waiting = asyncio.create_task(recorder.room())
        disk.gate.set()
        await waiting
        assert not recorder.is_behind


async def test_large_logs_count_against_the_bound() -> None:
    async with Recording(gather_s=60.0, pending_bytes=1000) as (_, recorder):
        recorder.record(replace(an_execution("e1"), logs="x" * 999))
        assert not recorder.is_behind
        recorder.record(replace(an_execution("e1"), logs="x" * 1000))
        assert recorder.is_behind
