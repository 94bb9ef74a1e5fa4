"""Workers that have nothing to do sleep until they are rung for, and hardly look."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from runwright.bell import IDLE_S, Bell
from runwright.model.execution import Invocation, Outcome
from runwright.model.job import JobKind
from runwright.ports.executor import ResponseSink
from runwright.ports.storage import UnitOfWork
from runwright.queue.rows import RowQueue
from runwright.rounds import POLL_S, RoundLimits, Rounds
from runwright.triggers import relay
from tests.fakes.user_code import Run, hello
from tests.unit.executions.bench import Bench, a_bench, a_key, until
from tests.unit.letters.office import a_letter
from tests.unit.letters.office import an_office as a_post_office
from tests.unit.triggers.test_courier import an_office as a_courier_office
from tests.unit.triggers.test_cron import a_rig, a_timer
from tests.unit.triggers.test_relay import a_desk

pytestmark = pytest.mark.anyio


class Sleeps:
    """How long bells were waited for. Nobody wakes but by a ring."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.all: list[float] = []
        wait = Bell.wait

        async def noted(bell: Bell, seconds: float) -> bool:
            self.all.append(seconds)
            return await wait(bell, 600)

        monkeypatch.setattr(Bell, "wait", noted)

    async def reach(self, seconds: float, *, in_a_row: int = 1) -> None:
        """A start rings, so it is the second wait that lasts."""
        await until(lambda: self.all[-in_a_row:] == [seconds] * in_a_row)


class Asked:
    """How often it was asked whether a queue is empty."""

    def __init__(self, queue: RowQueue, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        is_empty = queue.is_empty

        def counted(uow: UnitOfWork) -> bool:
            self.times += 1
            return is_empty(uow)

        monkeypatch.setattr(queue, "is_empty", counted)


async def test_a_dispatcher_rests_when_nothing_is_queued_and_not_when_something_will_be_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sleeps = Sleeps(monkeypatch)
    async with a_bench() as bench:
        dispatcher = bench.dispatcher(is_alone=True)
        await dispatcher.start()
        await sleeps.reach(IDLE_S)
        moment = (bench.clock.now() + timedelta(minutes=5)).replace(second=0, microsecond=0)
        at = moment.isoformat()
        await bench.executions.accept(a_key(), "hello", scheduled_at=at)
        await sleeps.reach(0.01)
        await dispatcher.stop(0.0)


async def test_one_that_shares_its_queue_with_other_servers_goes_on_looking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sleeps = Sleeps(monkeypatch)
    async with a_bench() as bench:
        dispatcher = bench.dispatcher(is_alone=False)
        await dispatcher.start()
        await sleeps.reach(0.01)
        await dispatcher.stop(0.0)


def some_rounds(bench: Bench, *, is_alone: bool) -> Rounds:
    return Rounds(
        name="letter",
        storage=bench.storage,
        clock=bench.clock,
        queue=RowQueue(JobKind.LETTER),
        limits=RoundLimits(workers=1, per_project=1),
        pick=lambda uow, jobs: [],
        is_alone=is_alone,
        lease_s=30.0,
    )


@pytest.mark.parametrize("is_alone", [True, False])
async def test_deliveries_and_letters_are_looked_for_as_rarely(
    is_alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeps = Sleeps(monkeypatch)
    async with a_bench() as bench:
        rounds = some_rounds(bench, is_alone=is_alone)
        await rounds.start()
        await sleeps.reach(IDLE_S if is_alone else POLL_S)
        await rounds.stop(0.0)


async def test_a_dispatcher_that_holds_a_job_does_not_ask_whether_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sleeps = Sleeps(monkeypatch)
    async with a_bench() as bench:
        asked = Asked(bench.queue, monkeypatch)
        goes_on = asyncio.Event()
        bench.code.run_next = held_until(goes_on)
        dispatcher = bench.dispatcher(is_alone=True)
        await dispatcher.start()
        await sleeps.reach(IDLE_S, in_a_row=2)
        assert asked.times == 2
        await bench.executions.accept(a_key(), "hello")
        await sleeps.reach(0.01)  # one claim took it, the next one found nothing
        assert asked.times == 2
        goes_on.set()
        await dispatcher.stop(60.0)


def held_until(goes_on: asyncio.Event) -> Run:
    async def run(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        await goes_on.wait()
        return await hello(invocation, sink)

    return run


async def test_nor_do_rounds_that_hold_one(monkeypatch: pytest.MonkeyPatch) -> None:
    sleeps = Sleeps(monkeypatch)
    async with a_post_office() as office:
        rounds = office.postman.rounds
        asked = Asked(office.queue, monkeypatch)
        office.carrier.open.clear()
        await rounds.start()
        await sleeps.reach(IDLE_S, in_a_row=2)
        assert asked.times == 2
        await office.post(a_letter())
        await sleeps.reach(POLL_S)
        assert asked.times == 2


@dataclass(kw_only=True)
class Resting:
    """A worker with nothing to do."""

    start: Callable[[], Awaitable[object] | None]
    put: Callable[[], Awaitable[object]]
    is_taken: Callable[[], bool | Awaitable[bool]]
    wait_s: float = IDLE_S


@asynccontextmanager
async def a_resting_dispatcher() -> AsyncIterator[Resting]:
    async with a_bench() as bench:
        dispatcher = bench.dispatcher(is_alone=True)
        yield Resting(
            start=dispatcher.start,
            put=lambda: bench.executions.accept(a_key(), "hello"),
            is_taken=lambda: bool(bench.code.calls),
        )
        await dispatcher.stop(60.0)


@asynccontextmanager
async def a_resting_postman() -> AsyncIterator[Resting]:
    async with a_post_office() as office:
        yield Resting(
            start=office.postman.start,
            put=lambda: office.post(a_letter()),
            is_taken=lambda: bool(office.carrier.parcels),
        )


@asynccontextmanager
async def a_resting_courier() -> AsyncIterator[Resting]:
    async with a_courier_office() as office:
        webhook = await office.hook()
        yield Resting(
            start=office.courier.start,
            put=lambda: office.tell(webhook),
            is_taken=lambda: bool(office.poster.posts),
        )


@asynccontextmanager
async def a_resting_relay() -> AsyncIterator[Resting]:
    async with a_desk() as desk:
        made = desk.relay()
        yield Resting(
            start=made.start,
            put=lambda: desk.emit("users.ada.create"),
            is_taken=lambda: bool(desk.heard),
        )
        await made.stop()


@asynccontextmanager
async def a_resting_scheduler() -> AsyncIterator[Resting]:
    async with a_rig() as rig:
        scheduler = rig.scheduler()

        async def has_fired() -> bool:
            return bool(await rig.rows())

        yield Resting(
            start=scheduler.start,
            put=lambda: rig.add(a_timer()),
            is_taken=has_fired,
            wait_s=0.005,  # between two looks at its clock
        )
        await scheduler.stop()


@pytest.mark.parametrize(
    "resting",
    [
        a_resting_dispatcher,
        a_resting_postman,
        a_resting_courier,
        a_resting_relay,
        a_resting_scheduler,
    ],
)
async def test_what_is_put_before_one_that_rests_wakes_it(
    resting: Callable[[], AbstractAsyncContextManager[Resting]], monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeps = Sleeps(monkeypatch)
    async with resting() as worker:
        started = worker.start()
        if started is not None:
            await started
        await sleeps.reach(worker.wait_s, in_a_row=2)
        await worker.put()
        await until(worker.is_taken)


async def test_an_empty_outbox_is_left_alone_and_one_that_is_not_read_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sleeps = Sleeps(monkeypatch)
    async with a_desk() as desk:
        made = desk.relay()
        made.start()
        await sleeps.reach(IDLE_S)

        async def broken(work: object) -> None:
            raise RuntimeError("no storage")

        monkeypatch.setattr(desk.bench.storage, "read", broken)
        await desk.emit("users.ada.create")
        await sleeps.reach(relay.POLL_S)
        await made.stop()


async def test_a_relay_and_a_scheduler_that_share_a_database_go_on_looking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with a_rig() as rig:
        scheduler = rig.scheduler(is_alone=False, idle_s=600.0)
        read, reads = rig.storage.read, 0

        async def counted(work: Callable[[UnitOfWork], object]) -> object:
            nonlocal reads
            reads += 1
            return await read(work)

        monkeypatch.setattr(rig.storage, "read", counted)
        scheduler.start()
        await until(lambda: reads > 10)  # though nobody rings
        await scheduler.stop()
    sleeps = Sleeps(monkeypatch)
    async with a_desk() as desk:
        made = desk.relay(is_alone=False)
        made.start()
        await sleeps.reach(relay.POLL_S, in_a_row=2)
        await made.stop()


async def test_a_scheduler_asks_its_clock_often_and_the_database_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with a_rig() as rig:
        await rig.add(a_timer())
        await rig.fire()  # the next tick is a minute ahead
        scheduler = rig.scheduler(idle_s=600.0)
        reads, looks = 0, 0
        read, now = rig.storage.read, rig.clock.now

        async def counted(work: Callable[[UnitOfWork], object]) -> object:
            nonlocal reads
            reads += 1
            return await read(work)

        def looked() -> object:
            nonlocal looks
            looks += 1
            return now()

        monkeypatch.setattr(rig.storage, "read", counted)
        scheduler.start()
        await until(lambda: reads == 4)  # two looks: its start rings
        monkeypatch.setattr(rig.clock, "now", looked)
        await until(lambda: looks > 20)
        assert reads == 4
        rig.clock.advance(60.0)
        await until(lambda: reads > 4)  # though nobody rang
        await scheduler.stop()
