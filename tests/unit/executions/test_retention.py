"""Old records go; young and unfinished ones stay."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from runwright.clock import SystemClock
from runwright.executions import retention as module
from runwright.executions.retention import AT_ONCE, EVERY_S, SOON_S, Retention
from runwright.model.execution import Execution, Status
from runwright.ports.storage import UnitOfWork
from runwright.storage.database import Database, open_memory
from tests.fakes.clock import ManualClock
from tests.unit.executions.bench import PROJECT, a_function, until
from tests.unit.executions.test_reading import an_execution

pytestmark = pytest.mark.anyio

R = TypeVar("R")


async def left(database: Database) -> set[str]:
    rows = await database.read(lambda uow: uow.executions.find(PROJECT))
    return {row.id for row in rows}


async def test_only_ended_executions_beyond_the_age_are_deleted() -> None:
    now = datetime.now(UTC)
    rows = [
        replace(an_execution("old"), created_at=now - timedelta(seconds=101)),
        replace(an_execution("young"), created_at=now - timedelta(seconds=50)),
        replace(
            an_execution("running", Status.PROCESSING), created_at=now - timedelta(seconds=500)
        ),
    ]
    async with open_memory() as database:
        await database.write(lambda uow: uow.executions.add_all(rows))
        assert await Retention(database, SystemClock(), keep_s=100).sweep() == 1
        assert await left(database) == {"young", "running"}


async def test_many_old_records_go_in_several_transactions() -> None:
    count = AT_ONCE * 2 + 3
    async with open_memory() as database:
        rows = [an_execution(f"e{number}") for number in range(count)]
        await database.write(lambda uow: uow.executions.add_all(rows))
        assert await Retention(database, SystemClock(), keep_s=100).sweep() == count
        assert await left(database) == set()


class Rests(ManualClock):
    """Each look at it comes a second later; the tests end its sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def monotonic(self) -> float:
        self.advance(1)
        return super().monotonic()

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await super().sleep(seconds)


class Between:
    """A storage that does something before and after each write, as others wait for it too."""

    def __init__(self, database: Database, do: Callable[[], object]) -> None:
        self._database = database
        self._do = do
        self.read = database.read

    async def write(self, work: Callable[[UnitOfWork], R]) -> R:
        self._do()
        result = await self._database.write(work)
        self._do()
        return result


async def test_a_sweep_rests_for_what_it_kept_the_writer_and_the_next_comes_soon() -> None:
    clock = Rests()

    async def rests(count: int) -> list[float]:
        await until(lambda: len(clock.seconds) == count)
        return clock.seconds

    async with open_memory() as database:
        rows = [an_execution(f"e{number}") for number in range(AT_ONCE + 1)]
        await database.write(lambda uow: uow.executions.add_all(rows))
        slow = Between(database, lambda: clock.advance(30))  # for others, and for the disk
        retention = Retention(slow, clock, keep_s=100)
        retention.start()
        assert await rests(1) == [4.0]
        clock.advance(4)
        assert await rests(2) == [4.0, 4.0]
        clock.advance(4)
        assert await rests(3) == [4.0, 4.0, SOON_S]
        assert await left(database) == set()
        clock.advance(SOON_S)
        assert await rests(4) == [4.0, 4.0, SOON_S, EVERY_S]
        await retention.stop()


async def test_a_function_that_runs_all_the_time_does_not_keep_others_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Restless(Rests):
        async def sleep(self, seconds: float) -> None:
            new = [an_execution(f"b{len(self.seconds)}-{number}") for number in range(3)]
            self.seconds.append(seconds)
            assert len(self.seconds) < 1000, "never done"
            await database.write(lambda uow: uow.executions.add_all([busy(row) for row in new]))

    def busy(row: Execution) -> Execution:
        return replace(row, function_id="busy")

    def fill(uow: UnitOfWork) -> None:
        uow.functions.add(a_function("busy"))
        uow.functions.add(a_function("other"))
        uow.executions.add_all([busy(an_execution(f"b-{number}")) for number in range(40)])
        others = [an_execution(f"o-{number}") for number in range(9)]
        uow.executions.add_all([replace(row, function_id="other") for row in others])

    monkeypatch.setattr(module, "AT_ONCE", 2)
    async with open_memory() as database:
        await database.write(fill)
        retention = Retention(database, Restless(), keep_s=1_000_000_000, keep_count=4)
        assert await retention.sweep() > 20
        rows = await left(database)
        assert len([row for row in rows if row.startswith("o")]) == 4


async def test_no_writer_waits_for_the_search_among_records_that_stay() -> None:
    writes: list[None] = []
    rows = [an_execution(f"e{number}", Status.WAITING) for number in range(5)]
    async with open_memory() as database:
        await database.write(lambda uow: uow.executions.add_all(rows))
        await database.write(lambda uow: uow.functions.add(a_function(rows[0].function_id)))
        storage = Between(database, lambda: writes.append(None))
        retention = Retention(storage, SystemClock(), keep_s=1_000_000_000, keep_count=2)
        assert await retention.sweep() == 0
    assert len(writes) == 2 * 2  # of keys that are over, and of what is too old


async def test_the_sweeper_runs_by_itself_until_it_is_stopped() -> None:
    async with open_memory() as database:
        retention = Retention(database, SystemClock(), keep_s=100, every_s=0.01)
        retention.start()
        await database.write(lambda uow: uow.executions.add(an_execution("old")))
        rows: set[str] = {"old"}

        async def is_gone() -> bool:
            return not await left(database) & rows

        await until(is_gone)
        await retention.stop()


async def test_each_function_keeps_its_newest_records() -> None:
    now = datetime.now(UTC)
    rows = [
        replace(
            an_execution(f"{name}-{number}"),
            function_id=name,
            created_at=now - timedelta(seconds=10 - number),
        )
        for name, count in (("hello", 5), ("other", 2))
        for number in range(count)
    ]
    rows[0] = replace(rows[0], status=Status.WAITING)

    def add_functions(uow: UnitOfWork) -> None:
        for name in ("hello", "other"):
            uow.functions.add(a_function(name))

    async with open_memory() as database:
        await database.write(lambda uow: uow.executions.add_all(rows))
        await database.write(add_functions)
        retention = Retention(database, SystemClock(), keep_s=100, keep_count=2)
        assert await retention.sweep() == 2
        assert await left(database) == {"hello-0", "hello-3", "hello-4", "other-0", "other-1"}
        assert await Retention(database, SystemClock(), keep_s=100).sweep() == 0
