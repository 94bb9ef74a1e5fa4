"""Ticks: fired once, recorded when missed, by whatever number of schedulers."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.clock import iso_millis
from runwright.executions.acceptance import Acceptance
from runwright.model.execution import ErrorClass, Execution, Status, Trigger
from runwright.model.job import Job
from runwright.model.tick import DUE_HEADER
from runwright.model.timer import CatchUp, Overlap, Timer
from runwright.ports.storage import Storage, UnitOfWork
from runwright.queue.rows import RowQueue
from runwright.signals.local import LocalSignals
from runwright.storage.database import Database, open_memory
from runwright.triggers.cron import Scheduler
from runwright.vault import Vault
from tests.fakes.announced import listening
from tests.fakes.clock import START, ManualClock
from tests.unit.executions.bench import a_bench, until

pytestmark = pytest.mark.anyio

R = TypeVar("R")
PROJECT = "shop"
MINUTE = timedelta(minutes=1)
DAY_S = 86_400.0


def a_timer(id: str = "f1", **more: Any) -> Timer:
    base = Timer(
        id=id,
        project_id=PROJECT,
        created_at=START,
        updated_at=START,
        due_at=START,
        schedule="* * * * *",
        interval_min=0,
        time_zone="",
        catch_up=CatchUp.LAST,
        overlap=Overlap.ALLOW,
        deployment_id="d1",
    )
    return replace(base, **more)


@dataclass
class Rig:
    storage: Database
    clock: ManualClock
    queue: RowQueue
    acceptance: Acceptance
    signals: LocalSignals

    def scheduler(self, storage: Storage | None = None, **more: Any) -> Scheduler:
        options: dict[str, Any] = {
            "keep_s": 14 * DAY_S,
            "is_alone": True,
            "poll_s": 0.005,
            **more,
        }
        return Scheduler(
            storage=storage or self.storage,
            signals=self.signals,
            clock=self.clock,
            queue=self.queue,
            acceptance=self.acceptance,
            **options,
        )

    async def add(self, *timers: Timer) -> None:
        def work(uow: UnitOfWork) -> None:
            for timer in timers:
                uow.timers.add(timer)
                uow.touch("timer", timer.project_id, timer.id)

        await self.storage.write(work)

    async def fire(self, **more: Any) -> None:
        scheduler = self.scheduler(**more)
        while await scheduler.turn():
            pass

    async def rows(self) -> list[Execution]:
        return await self.storage.read(lambda uow: uow.executions.find(None))

    async def jobs(self) -> list[Job]:
        return await self.storage.read(lambda uow: uow.jobs.find(None))

    async def ran(self) -> list[str]:
        return [due_of(row) for row in await self.rows() if row.status is Status.WAITING]

    async def missed(self) -> dict[str, str]:
        rows = [row for row in await self.rows() if row.status is Status.FAILED]
        assert all(row.error_class is ErrorClass.EXPIRED for row in rows)
        return {due_of(row): row.errors for row in rows}

    async def next_due(self, timer_id: str = "f1") -> datetime:
        found = await self.storage.read(lambda uow: uow.timers.get(PROJECT, timer_id))
        assert found is not None
        return found.due_at


def due_of(row: Execution) -> str:
    return dict(row.request_headers)[DUE_HEADER][11:16]


@asynccontextmanager
async def a_rig(*, queue_jobs: int = 100_000) -> AsyncIterator[Rig]:
    clock, signals, queue = ManualClock(), LocalSignals(), RowQueue()
    async with open_memory() as storage:
        storage.listen(signals.announce)
        vault = Vault(Path("unused"), clock)  # ticks have nothing to seal
        acceptance = Acceptance(storage, queue, vault, queue_jobs=queue_jobs)
        yield Rig(storage, clock, queue, acceptance, signals)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with a_rig() as made:
        yield made


async def test_a_tick_becomes_a_waiting_execution_with_its_job(rig: Rig) -> None:
    await rig.add(a_timer())
    rig.clock.advance(0.2)
    await rig.fire()
    (row,) = await rig.rows()
    assert (row.status, row.trigger, row.function_id) == (Status.WAITING, Trigger.SCHEDULE, "f1")
    assert (row.deployment_id, row.scheduled_at, row.created_at) == ("d1", None, rig.clock.now())
    assert (row.request_method, row.request_path) == ("POST", "/")
    assert row.request_headers == ((DUE_HEADER, "2026-10-05T08:00:00.000+00:00"),)
    (job,) = await rig.jobs()
    assert (job.id, job.due_at, job.ready_at) == (row.id, START, rig.clock.now())
    assert (job.epoch, job.sealed) == ("", b"")
    assert await rig.next_due() == START + MINUTE
    await rig.fire()
    assert len(await rig.rows()) == 1


async def test_what_is_not_due_is_left_alone(rig: Rig) -> None:
    await rig.add(a_timer(due_at=START + MINUTE))
    await rig.fire()
    assert await rig.rows() == []
    rig.clock.advance(60)
    await rig.fire()
    assert await rig.ran() == ["08:01"]


async def test_each_function_has_its_own_tick_of_the_same_moment(rig: Rig) -> None:
    await rig.add(*(a_timer(f"f{number}") for number in range(7)), a_timer(project_id="other"))
    await rig.fire(at_once=3)
    assert Counter((row.project_id, row.function_id) for row in await rig.rows()) == {
        **{(PROJECT, f"f{number}"): 1 for number in range(7)},
        ("other", "f1"): 1,
    }


@pytest.mark.parametrize("functions", [1, 20])  # few are made one by one, many as copies
async def test_equal_ids_in_two_projects_share_no_execution(rig: Rig, functions: int) -> None:
    names = [f"f{number}" for number in range(functions)]
    await rig.add(
        *(a_timer(name, project_id=project) for name in names for project in (PROJECT, "rival"))
    )
    rig.clock.advance(1)
    await rig.fire()
    ids = [row.id for row in await rig.rows()]
    assert len(set(ids)) == len(ids) == 2 * functions


async def test_many_ticks_of_one_moment_are_like_few(rig: Rig) -> None:
    many = [a_timer(f"f{at}", deployment_id=f"d{at}", catch_up=CatchUp.ALL) for at in range(40)]
    await rig.add(*many, a_timer("early", due_at=START - MINUTE, catch_up=CatchUp.ALL))
    await rig.fire()
    rows, jobs = await rig.rows(), await rig.jobs()
    alone = next(row for row in rows if row.function_id == "early" and due_of(row) == "08:00")
    for at in range(40):
        (row,) = (row for row in rows if row.function_id == f"f{at}")
        alike = replace(row, id=alone.id, function_id="early", deployment_id="d1")
        assert (row.deployment_id, alike) == (f"d{at}", alone)
    assert [(job.id, job.function_id) for job in jobs] == [
        (row.id, row.function_id) for row in rows
    ]
    ticks = [due_of(row) for row in rows]
    assert ticks == sorted(ticks)
    assert {(job.ready_at, job.sealed) for job in jobs} == {(rig.clock.now(), b"")}


async def test_after_downtime_the_last_tick_runs_and_the_others_are_recorded(rig: Rig) -> None:
    await rig.add(a_timer())
    rig.clock.advance(4 * 60 + 10)
    await rig.fire()
    assert await rig.ran() == ["08:04"]
    missed = await rig.missed()
    assert list(missed) == ["08:00", "08:01", "08:02", "08:03"]
    assert missed["08:03"] == (
        "The tick of 2026-10-05T08:03:00.000+00:00 was not run: a later tick was due as well, "
        "and `scheduleCatchUp` is `last`."
    )
    assert await rig.next_due() == START + 5 * MINUTE


async def test_who_wants_all_ticks_gets_them_in_order(rig: Rig) -> None:
    await rig.add(a_timer(catch_up=CatchUp.ALL))
    rig.clock.advance(200)
    await rig.fire(at_once=2)
    assert await rig.ran() == ["08:00", "08:01", "08:02", "08:03"]
    assert await rig.missed() == {}


async def test_who_skips_gets_no_tick_that_is_more_than_a_minute_late(rig: Rig) -> None:
    await rig.add(a_timer(catch_up=CatchUp.SKIP, schedule="*/2 * * * *"))
    rig.clock.advance(2 * 60 + 50)
    await rig.fire()
    assert await rig.ran() == ["08:02"]
    assert list(await rig.missed()) == ["08:00"]
    rig.clock.advance(2 * 60 + 20)  # 08:05:10
    await rig.fire()
    assert await rig.ran() == ["08:02"]
    assert list(await rig.missed()) == ["08:00", "08:04"]


async def test_a_week_of_ticks_is_recorded_in_bounded_parts(rig: Rig) -> None:
    """And the present of another function does not wait for it."""
    await rig.add(a_timer("old", schedule="*/15 * * * *"))
    rig.clock.advance(7 * DAY_S)
    await rig.add(a_timer("new", due_at=rig.clock.now()))
    scheduler = rig.scheduler(at_once=130)
    assert await scheduler.turn()
    assert [row.function_id for row in await rig.rows()] == ["new"]
    turns, before = 0, 1
    while await scheduler.turn():
        after = len(await rig.rows())
        assert after - before <= 130
        turns, before = turns + 1, after
    rows = [row for row in await rig.rows() if row.function_id == "old"]
    assert len(rows) == 7 * 96 + 1
    assert len({row.id for row in rows}) == len(rows)
    assert [row.status for row in rows[-2:]] == [Status.FAILED, Status.WAITING]
    assert turns == 6


async def test_ticks_older_than_any_record_are_not_counted_up(rig: Rig) -> None:
    await rig.add(a_timer())
    rig.clock.advance(10 * DAY_S)
    await rig.fire(keep_s=600.0)
    rows = await rig.rows()
    assert (len(rows), due_of(rows[0]), due_of(rows[-1])) == (10, "07:51", "08:00")


async def test_a_tick_is_skipped_while_an_earlier_run_has_not_ended(rig: Rig) -> None:
    await rig.add(a_timer(overlap=Overlap.SKIP), a_timer("f2"))
    await rig.fire()
    rig.clock.advance(60)
    await rig.fire()
    assert await rig.ran() == ["08:00", "08:00", "08:01"]  # f2 may overlap
    assert await rig.missed() == {
        "08:01": "The tick of 2026-10-05T08:01:00.000+00:00 was not run: an earlier tick's run "
        "had not ended, and `scheduleOverlap` is `skip`."
    }
    first = next(row for row in await rig.rows() if row.function_id == "f1")
    ended = replace(first, status=Status.COMPLETED)
    await rig.storage.write(lambda uow: uow.executions.finish_all([ended]))
    rig.clock.advance(60)
    await rig.fire()
    assert "08:02" in await rig.ran()
    assert list(await rig.missed()) == ["08:01"]


async def test_of_ticks_that_may_not_overlap_only_the_first_of_a_batch_runs(rig: Rig) -> None:
    await rig.add(a_timer(overlap=Overlap.SKIP, catch_up=CatchUp.ALL))
    rig.clock.advance(130)
    await rig.fire()
    assert await rig.ran() == ["08:00"]
    assert list(await rig.missed()) == ["08:01", "08:02"]


async def test_while_the_queue_is_full_ticks_stay_due() -> None:
    async with a_rig(queue_jobs=1) as rig:
        await rig.add(a_timer())
        await rig.fire()
        rig.clock.advance(120)
        await rig.fire()
        assert await rig.ran() == ["08:00"]
        assert await rig.next_due() == START + MINUTE
        rig.acceptance.ended(1)
        await rig.fire()
        assert await rig.ran() == ["08:00", "08:02"]
        assert list(await rig.missed()) == ["08:01"]


async def test_missed_ticks_are_announced_where_somebody_listens(rig: Rig) -> None:
    await rig.add(a_timer("f1"), a_timer("f2", project_id="quiet"))
    rig.clock.advance(200)
    async with listening(rig.storage, rig.clock) as announced:
        await rig.fire(wants=lambda uow, project_id: project_id == PROJECT)
        found = await announced.take()
    missed = [row.id for row in await rig.rows() if row.status is Status.FAILED]
    assert len(missed) == 6
    assert len(found) == 3  # the one that runs is announced when it has ended
    for item in found:
        assert item.event.full_name == f"functions.f1.executions.{item.payload['$id']}.update"
        assert item.payload["$id"] in missed


async def test_a_clock_that_jumps_ahead_is_downtime_and_one_that_goes_back_fires_nothing(
    rig: Rig,
) -> None:
    await rig.add(a_timer())
    await rig.fire()
    rig.clock.advance(3600)
    await rig.fire()
    assert await rig.ran() == ["08:00", "09:00"]
    assert len(await rig.missed()) == 59
    rig.clock.advance(-1800)
    await rig.fire()
    rig.clock.advance(1790)
    await rig.fire()
    assert len(await rig.rows()) == 61
    rig.clock.advance(70)  # 09:01:00: the clock has come again to where it was
    await rig.fire()
    assert (await rig.ran())[-1] == "09:01"
    assert len(await rig.rows()) == 62


async def test_a_timer_that_went_back_repeats_no_tick(rig: Rig) -> None:
    """As after an old copy of the table came back, or an edit while the clock was wrong."""
    await rig.add(a_timer(catch_up=CatchUp.ALL), a_timer("f2"))
    rig.clock.advance(60)
    await rig.fire()
    before = await rig.rows()
    await rig.storage.write(lambda uow: uow.timers.put(a_timer(catch_up=CatchUp.ALL)))
    rig.clock.advance(60)
    await rig.fire()
    rows = await rig.rows()
    assert rows[: len(before)] == before
    new = [(row.function_id, due_of(row)) for row in rows[len(before) :]]
    assert sorted(new) == [("f1", "08:02"), ("f2", "08:02")]
    assert len(await rig.jobs()) == len(await rig.ran())


async def test_a_tick_whose_record_was_deleted_does_not_stand_in_the_way(rig: Rig) -> None:
    await rig.add(a_timer())
    await rig.fire()
    (row,) = await rig.rows()

    def work(uow: UnitOfWork) -> None:
        uow.executions.remove(PROJECT, row.id)
        uow.timers.put(a_timer())

    await rig.storage.write(work)  # its job is still there
    rig.clock.advance(60)
    await rig.fire()
    assert await rig.ran() == ["08:01"]


async def test_days_on_which_clocks_change_have_their_one_run(rig: Rig) -> None:
    saturday = datetime(2026, 3, 28, 1, 30, tzinfo=UTC)
    rig.clock.moment = saturday
    berlin = {"schedule": "30 2 * * *", "time_zone": "Europe/Berlin"}
    await rig.add(a_timer(due_at=saturday, **berlin))
    await rig.fire()
    for _ in range(72):
        rig.clock.advance(3600)
        await rig.fire()
    # 2:30 in winter time, the jump to 3:00, then 2:30 in summer time.
    assert await rig.ran() == ["01:30", "01:00", "00:30", "00:30"]
    assert await rig.missed() == {}


async def test_a_schedule_that_never_comes_due_again_ends(rig: Rig) -> None:
    await rig.add(a_timer(schedule="0 0 30W 2 *"))
    await rig.fire()
    assert await rig.ran() == ["08:00"]
    assert await rig.storage.read(lambda uow: uow.timers.find(None)) == []


async def test_a_crash_in_the_middle_leaves_the_tick_due(rig: Rig) -> None:
    await rig.add(a_timer())
    with pytest.raises(RuntimeError, match="crashed"):
        await rig.scheduler(Crashing(rig.storage)).turn()
    assert await rig.rows() == []
    assert await rig.next_due() == START
    await rig.fire()
    assert await rig.ran() == ["08:00"]


async def test_a_scheduler_outlives_a_database_that_fails(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    await rig.add(*(a_timer(f"f{number}") for number in range(5)))
    storage = Crashing(rig.storage, after=1)
    scheduler = rig.scheduler(storage, at_once=1)
    scheduler.start()

    def has_warned() -> bool:
        return any(record.getMessage() == "ticks not fired" for record in caplog.records)

    await until(has_warned)
    storage.after = 1_000
    await until(lambda: all_fired(rig, 5))
    await scheduler.stop()
    told = [record for record in caplog.records if record.getMessage() == "ticks not fired"]
    assert {record.__dict__["reason"] for record in told} == {"RuntimeError"}


async def all_fired(rig: Rig, count: int) -> bool:
    return len(await rig.rows()) == count


async def test_any_number_of_schedulers_fires_each_tick_once(rig: Rig) -> None:
    await rig.add(*(a_timer(f"f{number}") for number in range(40)))
    schedulers = [rig.scheduler(at_once=7) for _ in range(3)]
    for _ in range(3):
        for _ in range(10):
            await asyncio.gather(*(scheduler.turn() for scheduler in schedulers))
        rig.clock.advance(60)
    rows = await rig.rows()
    assert len(rows) == 120
    assert set(Counter(row.function_id for row in rows).values()) == {3}


async def test_a_scheduler_that_read_the_past_fires_nothing(rig: Rig) -> None:
    """As a second server would whose read came before the first one's commit."""
    await rig.add(a_timer())
    stale = await rig.storage.read(lambda uow: uow.timers.find(None))
    await rig.fire()
    assert not await rig.scheduler(Stale(rig.storage, stale)).turn()
    assert await rig.ran() == ["08:00"]


async def test_a_running_scheduler_hears_of_new_timers_and_runs_what_is_due() -> None:
    clock = ManualClock()
    async with a_bench(clock=clock) as bench:
        scheduler = Scheduler(
            storage=bench.storage,
            signals=bench.signals,
            clock=clock,
            queue=bench.queue,
            acceptance=bench.acceptance,
            keep_s=DAY_S,
            is_alone=True,
            poll_s=60.0,  # too long to be what wakes it
        )
        dispatcher = bench.dispatcher()
        await dispatcher.start()
        scheduler.start()

        def work(uow: UnitOfWork) -> None:
            uow.timers.add(a_timer("hello"))
            uow.touch("timer", PROJECT, "hello")

        async def done() -> bool:
            rows = await bench.storage.read(lambda uow: uow.executions.find(None))
            return [row.status for row in rows] == [Status.COMPLETED]

        await bench.storage.write(work)
        await until(done)
        await scheduler.stop()
        await dispatcher.stop(1.0)
        (row,) = await bench.storage.read(lambda uow: uow.executions.find(None))
        assert dict(row.request_headers)[DUE_HEADER] == "2026-10-05T08:00:00.000+00:00"
        ((_, invocation),) = bench.code.calls
        headers = dict(invocation.headers)
        assert (invocation.method, invocation.target, invocation.body) == ("POST", "/", b"")
        assert headers["x-appwrite-trigger"] == "schedule"
        assert headers["x-appwrite-event"] == ""
        assert headers[DUE_HEADER] == "2026-10-05T08:00:00.000+00:00"


_STEPS = st.one_of(
    st.tuples(st.just("advance"), st.sampled_from([1, 20, 59, 60, 61, 200, 1000, -30, -400])),
    st.tuples(st.just("turn"), st.integers(1, 4)),
    st.tuples(st.just("crash"), st.just(0)),
    st.tuples(st.just("race"), st.integers(1, 3)),
)


@given(st.sampled_from(CatchUp), st.sampled_from(Overlap), st.lists(_STEPS, max_size=14))
def test_whatever_happens_each_tick_has_one_record(
    catch_up: CatchUp, overlap: Overlap, steps: list[tuple[str, int]]
) -> None:
    """Crashes, races and a clock that jumps both ways."""

    async def play() -> tuple[list[Execution], list[Job], datetime]:
        async with a_rig() as rig:
            await rig.add(a_timer(catch_up=catch_up, overlap=overlap), a_timer("f2"))
            for step, number in steps:
                if step == "advance":
                    rig.clock.advance(number)
                elif step == "turn":
                    await rig.scheduler(at_once=number).turn()
                elif step == "crash":
                    with suppress(RuntimeError):
                        await rig.scheduler(Crashing(rig.storage)).turn()
                else:
                    rivals = (rig.scheduler(at_once=number) for _ in range(2))
                    await asyncio.gather(*(rival.turn() for rival in rivals))
            await rig.fire()
            return await rig.rows(), await rig.jobs(), await rig.next_due()

    rows, jobs, next_due = asyncio.run(play())
    mine = sorted(dict(row.request_headers)[DUE_HEADER] for row in rows if row.function_id == "f1")
    expected = [START + at * MINUTE for at in range((next_due - START) // MINUTE)]
    assert mine == [iso_millis(tick) for tick in expected]
    assert {job.id for job in jobs} == {row.id for row in rows if row.status is Status.WAITING}
    assert {row.error_class for row in rows} <= {None, ErrorClass.EXPIRED}


class Crashing:
    """Storage whose transactions end by an error after all of their work, but for the first."""

    def __init__(self, storage: Storage, *, after: int = 0) -> None:
        self.read = storage.read
        self.after = after
        self._storage = storage

    async def write(self, work: Callable[[UnitOfWork], R]) -> R:
        if self.after > 0:
            self.after -= 1
            return await self._storage.write(work)

        def crashing(uow: UnitOfWork) -> R:
            work(uow)
            raise RuntimeError("crashed")

        return await self._storage.write(crashing)


class Stale:
    """Storage whose timers are read as they were before somebody else changed them."""

    def __init__(self, storage: Storage, timers: Sequence[Timer]) -> None:
        self._storage = storage
        self._timers = list(timers)

    async def read(self, work: Callable[[UnitOfWork], R]) -> R:
        return await self._storage.read(lambda uow: work(self._seen(uow)))

    async def write(self, work: Callable[[UnitOfWork], R]) -> R:
        return await self._storage.write(lambda uow: work(self._seen(uow)))

    def _seen(self, uow: UnitOfWork) -> UnitOfWork:
        seen: Any = _Seen()
        seen.timers, seen.executions = _Seen(), uow.executions
        seen.touch, seen.jobs = uow.touch, uow.jobs
        seen.timers.first_due = lambda: self._timers[0].due_at
        seen.timers.due = lambda *limits, **more: self._timers
        seen.timers.move_on = uow.timers.move_on
        unit: UnitOfWork = seen
        return unit


class _Seen:
    pass
