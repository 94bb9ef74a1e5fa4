"""From the outbox to jobs: once for each event and subscriber, whatever happens on the way."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from runwright.errors import ServiceUnavailable
from runwright.model.actor import Actor, acts
from runwright.model.event import Event
from runwright.model.execution import ErrorClass, Execution
from runwright.model.function import Function
from runwright.model.job import Job
from runwright.model.lineage import Lineage
from runwright.model.outbox import Announcement
from runwright.model.webhook import Webhook
from runwright.ports.storage import UnitOfWork
from runwright.triggers.breaker import RateBreaker
from runwright.triggers.outbox import Custom, Outbox
from runwright.triggers.relay import AT_ONCE, Relay, execution_id_of
from runwright.triggers.subscriptions import Subscriptions
from tests.contract.storage.rows import a_webhook, an_execution
from tests.unit.executions.bench import PROJECT, Bench, a_bench, a_function

pytestmark = pytest.mark.anyio


class NoDeliveries:
    @asynccontextmanager
    async def jobs(
        self, due: Sequence[tuple[Webhook, Announcement]]
    ) -> AsyncIterator[list[tuple[str, Job]]]:
        yield []


class Noting(NoDeliveries):
    """Notes down what webhooks would be told."""

    def __init__(self) -> None:
        self.due: list[tuple[str, str]] = []

    @asynccontextmanager
    async def jobs(
        self, due: Sequence[tuple[Webhook, Announcement]]
    ) -> AsyncIterator[list[tuple[str, Job]]]:
        self.due += [(webhook.id, announcement.id) for webhook, announcement in due]
        yield []


class Counting:
    """A breaker that refuses nothing, and fails for what a test names."""

    def __init__(self) -> None:
        self.poisoned: set[str] = set()  # full names of events

    def refusal(self, function: Function, announcement: Announcement) -> str:
        if announcement.event.full_name in self.poisoned:
            raise KeyError(announcement.id)
        return ""


@dataclass
class Desk:
    bench: Bench
    outbox: Outbox
    breaker: Counting = field(default_factory=Counting)
    heard: list[str] = field(default_factory=list)

    def relay(self, **changes: Any) -> Relay:
        """Another one over the same database; not started."""
        bench = self.bench
        parts: dict[str, Any] = {
            "storage": bench.storage,
            "signals": bench.signals,
            "clock": bench.clock,
            "queue": bench.queue,
            "vault": bench.vault,
            "acceptance": bench.acceptance,
            "subscriptions": Subscriptions(bench.storage, bench.signals),
            "breaker": self.breaker,
            "deliveries": NoDeliveries(),
            "hear": lambda announcement: self.heard.append(announcement.event.full_name),
            "is_alone": True,
        }
        return Relay(**{**parts, **changes})

    async def emit(self, *names: str, size: int = 0, actor: Actor | None = None) -> None:
        def work(uow: UnitOfWork) -> None:
            for name in names:
                uow.emit(PROJECT, Event.parse(name), {"name": name, "filler": "x" * size})

        with acts(actor or Actor()):
            await self.bench.storage.write(work)

    async def executions(self) -> list[Execution]:
        return await self.bench.storage.read(lambda uow: uow.executions.find(PROJECT))

    async def jobs(self) -> list[Job]:
        return await self.bench.storage.read(lambda uow: uow.jobs.find(PROJECT))

    async def waiting(self) -> int:
        return await self.bench.storage.read(lambda uow: uow.outbox.count())


@asynccontextmanager
async def a_desk(*functions: Function, **options: Any) -> AsyncIterator[Desk]:
    async with a_bench(**options) as bench:
        outbox = Outbox(bench.storage, bench.clock, bench.vault.events, as_it_is)
        await outbox.start()
        bench.storage.emit_by(outbox.emit)
        await bench.put(*(functions or (listener("a"), listener("b"))))
        try:
            yield Desk(bench, outbox)
        finally:
            await outbox.stop()


def as_it_is(subject: object, actor: Actor) -> dict[str, Any]:
    return subject if isinstance(subject, dict) else {}


def listener(function_id: str, *events: str, **changes: Any) -> Function:
    return replace(a_function(function_id), events=events or ("users.*",), **changes)


async def everything(relay: Relay) -> None:
    while await relay.turn():
        pass


async def test_each_event_starts_each_subscriber_once() -> None:
    async with a_desk(listener("a"), listener("b", "users.*.create", "users.u1")) as desk:
        await desk.emit("users.u1.create", "users.u2.update.name", "custom.nobody.listens")
        await everything(desk.relay())
        started = sorted((item.function_id, item.event) for item in await desk.executions())
        assert started == [
            ("a", "users.u1.create"),
            ("a", "users.u2.update.name"),
            ("b", "users.u1.create"),
        ]
        assert {item.id for item in await desk.jobs()} == {
            item.id for item in await desk.executions()
        }
        assert await desk.waiting() == 0
        assert desk.heard == ["users.u1.create", "users.u2.update.name", "custom.nobody.listens"]


async def test_an_event_that_was_sent_in_starts_functions_and_is_told_to_no_connection() -> None:
    async with a_desk(listener("a")) as desk:
        subject = Custom("e1", {"$permissions": ['read("any")']}, "source:main")

        def work(uow: UnitOfWork) -> None:
            uow.emit(PROJECT, Event.parse("users.u1.create"), subject)

        await desk.bench.storage.write(work)
        await everything(desk.relay())
        assert len(await desk.jobs()) == 1
        assert desk.heard == []


async def test_what_came_by_a_webhook_goes_to_no_webhook() -> None:
    async with a_desk() as desk:
        hook = a_webhook("hook", PROJECT, events=("users.*",), is_enabled=True)

        def work(uow: UnitOfWork) -> None:
            uow.webhooks.add(hook)
            for event_id, origin in (("came", "source:main"), ("sent", "key")):
                uow.emit(PROJECT, Event.parse("users.u1.create"), Custom(event_id, {}, origin))

        await desk.bench.storage.write(work)
        noting = Noting()
        await everything(desk.relay(deliveries=noting))
        assert noting.due == [("hook", "sent")]


async def test_a_crash_before_the_commit_leaves_the_events_and_one_after_it_the_jobs() -> None:
    async with a_desk() as desk:
        await desk.emit("users.u1.create")
        storage = desk.bench.storage

        class Dies:
            """Ends before or after the transaction, as a killed process does."""

            def __init__(self, *, commits: bool) -> None:
                self.commits = commits

            async def read(self, work: Callable[[UnitOfWork], Any]) -> Any:
                return await storage.read(work)

            async def write(self, work: Callable[[UnitOfWork], Any]) -> Any:
                if self.commits:
                    await storage.write(work)
                raise ServiceUnavailable("killed")

        with pytest.raises(ServiceUnavailable):
            await desk.relay(storage=Dies(commits=False)).turn()
        assert (len(await desk.jobs()), await desk.waiting()) == (0, 1)
        with pytest.raises(ServiceUnavailable):
            await desk.relay(storage=Dies(commits=True)).turn()
        assert (len(await desk.jobs()), await desk.waiting()) == (2, 0)
        await everything(desk.relay())
        assert len(await desk.jobs()) == 2


async def test_of_two_relays_that_have_read_the_same_event_one_hands_it_on() -> None:
    async with a_desk() as desk:
        await desk.emit("users.u1.create")
        second = desk.relay()

        class Overtaken(NoDeliveries):
            """The other relay does all of it between this one's read and its transaction."""

            @asynccontextmanager
            async def jobs(
                self, due: Sequence[tuple[Webhook, Announcement]]
            ) -> AsyncIterator[list[tuple[str, Job]]]:
                await everything(second)
                yield []

        await desk.relay(deliveries=Overtaken()).turn()
        assert (len(await desk.jobs()), await desk.waiting()) == (2, 0)
        assert desk.heard == ["users.u1.create"]


async def test_a_full_queue_makes_events_wait_and_loses_none() -> None:
    async with a_desk(queue_jobs=2) as desk:
        relay = desk.relay()
        await desk.emit("users.u1.create")
        await everything(relay)
        await desk.emit("users.u2.create")
        await everything(relay)
        assert (len(await desk.jobs()), await desk.waiting()) == (2, 1)
        desk.bench.acceptance.ended(1)
        await everything(relay)
        assert (len(await desk.jobs()), await desk.waiting()) == (4, 0)


async def test_who_is_off_or_gone_starts_nothing_and_holds_nobody_back() -> None:
    off = listener("off", is_enabled=False)
    async with a_desk(listener("a"), off, listener("gone")) as desk:
        await desk.emit("users.u1.create")
        subscriptions = Subscriptions(desk.bench.storage, desk.bench.signals)
        assert len((await subscriptions.of(PROJECT)).functions) == 2

        def delete(uow: UnitOfWork) -> None:
            """As it happens between the look at the subscribers and the transaction."""
            uow.functions.remove(PROJECT, "gone")

        await desk.bench.storage.write(delete)
        await everything(desk.relay(subscriptions=subscriptions))
        assert [item.function_id for item in await desk.executions()] == ["a"]
        assert [item.function_id for item in await desk.jobs()] == ["a"]


async def test_events_of_a_project_that_was_deleted_meanwhile_start_nothing() -> None:
    async with a_desk() as desk:
        await desk.emit("users.u1.create")

        class Overtaken(NoDeliveries):
            @asynccontextmanager
            async def jobs(
                self, due: Sequence[tuple[Webhook, Announcement]]
            ) -> AsyncIterator[list[tuple[str, Job]]]:
                await desk.bench.storage.write(lambda uow: uow.remove_project_rows(PROJECT))
                yield []

        await desk.relay(deliveries=Overtaken()).turn()
        assert (await desk.executions(), await desk.jobs(), await desk.waiting()) == ([], [], 0)


async def test_an_event_whose_key_is_gone_does_not_hold_back_the_next() -> None:
    async with a_desk() as desk:
        await desk.emit("users.u1.create", "users.u2.create")

        def spoil(uow: UnitOfWork) -> None:
            first = uow.outbox.oldest(limit=1)[0]
            uow.outbox.put(replace(first, epoch="e-gone"))

        await desk.bench.storage.write(spoil)
        await everything(desk.relay())
        assert {item.event for item in await desk.executions()} == {"users.u2.create"}
        assert await desk.waiting() == 0


async def test_an_event_that_cannot_be_handed_on_is_set_aside_and_kept() -> None:
    async with a_desk() as desk:
        relay = desk.relay()
        desk.breaker.poisoned = {"users.u1.create"}
        await desk.emit("users.u1.create", "users.u2.create")
        for _ in range(3):
            assert not await relay.turn()
        assert {item.event for item in await desk.executions()} == {"users.u2.create"}
        await desk.emit("users.u3.create")
        assert await relay.turn()  # the bad one is not even looked at
        assert await desk.waiting() == 1
        desk.breaker.poisoned = set()
        await everything(desk.relay())  # the next start
        assert len(await desk.executions()) == 6


async def test_a_subscriber_that_was_started_before_is_not_started_again() -> None:
    """As after a backup was put back that has the event and the run of one of its subscribers."""
    async with a_desk() as desk:
        await desk.emit("users.u1.create", "users.u2.create")

        def restored(uow: UnitOfWork) -> None:
            first = uow.outbox.oldest(limit=1)[0]
            known = an_execution(execution_id_of(first.id, "a"), PROJECT, function_id="a")
            uow.executions.add(known)

        await desk.bench.storage.write(restored)
        relay = desk.relay()
        assert not await relay.turn()
        assert await desk.waiting() == 0
        assert sorted(job.function_id for job in await desk.jobs()) == ["a", "b", "b"]


async def test_a_storage_that_cannot_write_sets_no_event_aside() -> None:
    async with a_desk() as desk:
        storage = desk.bench.storage
        failures = 5

        class Full:
            async def read(self, work: Callable[[UnitOfWork], Any]) -> Any:
                return await storage.read(work)

            async def write(self, work: Callable[[UnitOfWork], Any]) -> Any:
                nonlocal failures
                if failures:
                    failures -= 1
                    raise ServiceUnavailable("disk full")
                return await storage.write(work)

        relay = desk.relay(storage=Full())
        await desk.emit("users.u1.create")
        for _ in range(5):
            with pytest.raises(ServiceUnavailable):
                await relay.turn()
        assert await relay.turn()
        assert len(await desk.jobs()) == 2


async def test_large_events_are_handed_on_a_few_at_a_time_in_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runwright.triggers.relay._BYTES_AT_ONCE", 160_000)
    async with a_desk(listener("a")) as desk:
        names = [f"users.u{at}.create" for at in range(6)]
        await desk.emit(*names, size=60_000)
        relay = desk.relay()
        assert await relay.turn()
        assert desk.heard == names[:2]
        await everything(relay)
        assert desk.heard == names


async def test_many_events_are_handed_on_in_their_order() -> None:
    async with a_desk(listener("a", "users.never")) as desk:
        names = [f"users.u{at}.create" for at in range(2 * AT_ONCE + 1)]
        await desk.emit(*names)
        await everything(desk.relay())
        assert desk.heard == names


@pytest.mark.parametrize(("earlier", "is_started"), [(14, True), (15, False)])
async def test_the_sixteenth_run_in_a_chain_is_recorded_as_a_loop(
    earlier: int, is_started: bool
) -> None:
    async with a_desk(listener("a")) as desk:
        led = ("a", "b") * earlier
        await desk.emit("users.u1.create", actor=Actor(lineage=Lineage(led, "first")))
        await everything(desk.relay())
        [made] = await desk.executions()
        assert (made.status == "waiting") is is_started
        assert made.chain_id == "first"
        if not is_started:
            assert (made.error_class, made.response_status_code) == ("loop", 0)
            assert "Chain first has 31 runs, 16 of them of 'a'" in made.errors
            assert made.errors.endswith("a -> b -> a")
        assert len(await desk.jobs()) == is_started


async def test_the_breaker_stops_what_has_lost_its_lineage() -> None:
    async with a_desk(listener("a")) as desk:
        relay = desk.relay(breaker=RateBreaker(desk.bench.clock, most=3))
        await desk.emit(*["users.u1.update.name"] * 5, "users.u2.update.name")
        await everything(relay)
        classes = [item.error_class for item in await desk.executions()]
        assert classes.count(ErrorClass.LOOP) == 2
        assert len(await desk.jobs()) == 4
