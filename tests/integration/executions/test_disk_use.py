"""Disk use stays flat: what retention deletes makes room for what comes."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runwright.clock import SystemClock
from runwright.executions.retention import Retention
from runwright.model.execution import Execution, Status
from runwright.ports.storage import Storage
from runwright.storage.database import open_database
from runwright.storage.dialect import LOG_BYTES
from tests.unit.executions.bench import FUNCTION, PROJECT, a_function

pytestmark = pytest.mark.anyio

ROWS = 400
KEPT = 200
TEXT_BYTES = 4000
ROUNDS = 36


def some_executions(number: int) -> list[Execution]:
    now = datetime.now(UTC)
    return [
        Execution(
            id=f"e{number}-{at}",
            project_id=PROJECT,
            created_at=now + timedelta(microseconds=at),
            updated_at=now,
            function_id=FUNCTION,
            status=Status.COMPLETED,
            logs="some text\n" * (TEXT_BYTES // 10),
        )
        for at in range(ROWS)
    ]


async def test_the_database_does_not_grow_with_the_number_of_runs(tmp_path: Path) -> None:
    path = tmp_path / "runwright.db"
    async with open_database(path) as storage:
        await storage.write(lambda uow: uow.functions.add(a_function()))
        retention = Retention(storage, SystemClock(), keep_s=1e6, keep_count=KEPT)
        sizes, logs = [], []
        for number in range(ROUNDS):
            rows = some_executions(number)
            await storage.write(lambda uow, rows=rows: uow.executions.add_all(rows))  # type: ignore[misc]  # bound now
            await retention.sweep()
            sizes.append(path.stat().st_size)
            logs.append(path.with_name(f"{path.name}-wal").stat().st_size)
        left = await storage.read(lambda uow: uow.executions.find(PROJECT))
    assert [row.id for row in left] == [f"e{ROUNDS - 1}-{at}" for at in range(ROWS - KEPT, ROWS)]
    assert max(sizes) < ROUNDS * ROWS * TEXT_BYTES / 4  # rows that took new room each: all of it
    assert max(logs) < LOG_BYTES * 1.25


async def test_a_sweep_lets_writers_through(tmp_path: Path) -> None:
    """Many rows go while others are written; each writer waits for a part of it only."""
    async with open_database(tmp_path / "runwright.db") as storage:
        await storage.write(lambda uow: uow.functions.add(a_function()))
        for number in range(10):
            rows = some_executions(number)
            await storage.write(lambda uow, rows=rows: uow.executions.add_all(rows))  # type: ignore[misc]  # bound now
        sweep = asyncio.create_task(
            Retention(storage, SystemClock(), keep_s=1e6, keep_count=1).sweep()
        )
        written = await _write_until(sweep, storage)
        assert await sweep == 10 * ROWS - 1
        assert written >= 3


async def _write_until(sweep: "asyncio.Task[int]", storage: Storage) -> int:
    row, written = some_executions(99)[0], 0
    while not sweep.done():
        mine = replace(row, id=f"w{written}", status=Status.WAITING, function_id="other")
        await storage.write(lambda uow, mine=mine: uow.executions.add(mine))  # type: ignore[misc]  # bound now
        written += 1
    return written
