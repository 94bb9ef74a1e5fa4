"""Which runs are announced, when, and with what; and that nobody listening costs nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest

from runwright.api.shapes.executions import execution
from runwright.executions.announcing import announce
from runwright.executions.errors import SynchronousTimeout
from runwright.executions.interest import Interest
from runwright.executions.records import Recorder
from runwright.model.actor import PLATFORM, Actor, acts
from runwright.model.execution import Execution, Invocation, Outcome, Status
from runwright.model.identity import Principal
from runwright.model.lineage import Lineage
from runwright.model.webhook import Webhook
from runwright.ports.executor import ResponseSink
from runwright.ports.storage import UnitOfWork
from runwright.storage.database import open_memory
from tests.fakes.announced import Announced, listening
from tests.fakes.clock import ManualClock
from tests.fakes.user_code import answering
from tests.integration.executions.test_replays import accepted
from tests.integration.executions.test_retries import dispatching, ended
from tests.unit.executions.bench import (
    FUNCTION,
    NOW,
    PROJECT,
    Bench,
    a_bench,
    a_function,
    a_guest,
    a_key,
    a_user,
    replays_of,
    signed_in,
    until,
)
from tests.unit.executions.test_reading import an_execution

pytestmark = pytest.mark.anyio
TALKING = answering(
    Outcome(status_code=200, headers=(("x-secret", "s"),), body=b"private", logs="log line")
)
USER = signed_in(a_user())


@dataclass
class Heard:
    bench: Bench
    announced: Announced

    async def run(self, principal: Principal, **request: Any) -> Execution:
        with acts(Actor.of(principal)):
            done = await self.bench.executions.create(principal, FUNCTION, **request)
        return done.execution

    async def accept(self, principal: Principal, **request: Any) -> Execution:
        with acts(Actor.of(principal)):
            return await self.bench.executions.accept(principal, FUNCTION, **request)


@asynccontextmanager
async def heard_runs(**options: Any) -> AsyncIterator[Heard]:
    async with a_bench(**options) as bench, listening(bench.storage) as announced:
        bench.code.run_next = TALKING
        yield Heard(bench, announced)


def named(execution: Execution, action: str) -> str:
    return f"functions.{FUNCTION}.executions.{execution.id}.{action}"


async def test_a_synchronous_run_is_announced_once_as_created_and_ended() -> None:
    async with heard_runs() as heard:
        done = await heard.run(a_key())
        name, payload = await heard.announced.one()
    assert name == named(done, "create")
    assert (payload["$id"], payload["status"]) == (done.id, "completed")
    assert (payload["logs"], payload["responseStatusCode"]) == ("log line", 200)


async def test_no_event_carries_what_the_function_answered() -> None:
    async with heard_runs() as heard:
        await heard.run(a_key())
        _, payload = await heard.announced.one()
    assert (payload["responseBody"], payload["responseHeaders"]) == ("", [])
    assert "private" not in str(payload)


@pytest.mark.parametrize("principal", [USER, a_guest()], ids=["user", "guest"])
async def test_logs_of_an_untrusted_callers_run_are_blank_in_its_creation(
    principal: Principal,
) -> None:
    async with heard_runs() as heard:
        done = await heard.run(principal)
        (item,) = await heard.announced.take()
    assert done.logs == "log line"
    assert (item.payload["logs"], item.payload["errors"]) == ("", "")
    assert item.user_id == principal.user_id


async def test_a_queued_run_is_announced_when_accepted_and_when_ended() -> None:
    async with heard_runs() as heard:
        accepted = await heard.accept(replace(USER, lineage=Lineage(("first",))))
        (begun,) = await heard.announced.take()
        dispatcher = heard.bench.dispatcher()
        await dispatcher.start()
        ended: list[Any] = []

        async def has_ended() -> bool:
            ended.extend(await heard.announced.take())
            return bool(ended)

        await until(has_ended)
        await dispatcher.stop(5.0)
    assert begun.event.full_name == named(accepted, "create")
    assert begun.payload["status"] == "waiting"
    assert [item.event.full_name for item in ended] == [named(accepted, "update")]
    assert ended[0].payload["status"] == "completed"
    assert ended[0].payload["logs"] == "log line"  # in full: the platform tells it
    assert begun.user_id == ended[0].user_id == "ada"
    # A webhook may start the next run, so the end of this one says what led to it.
    assert ended[0].lineage.functions == ("first", FUNCTION)


async def test_the_end_of_a_run_is_told_as_it_is_stored() -> None:
    clock = ManualClock()
    async with heard_runs(clock=clock) as heard:
        bench = heard.bench
        await bench.put(replace(a_function(), request_retention_s=60))
        async with dispatching(bench):
            first = await accepted(bench, scheduled_at="2026-10-05T12:00:00.000+00:00")
            clock.advance(86_400 * 365)
            await ended(bench, first)
            again = await replays_of(bench).replay(a_key(), FUNCTION, first.id)
            done = [await ended(bench, item) for item in (first, again)]
        told = [item for item in await heard.announced.take() if item.event.action == "update"]
    assert [item.payload for item in told] == [
        json.loads(msgspec.json.encode(execution(item, shows_logs=True))) for item in done
    ]
    assert told[0].payload["scheduledAt"] != told[1].payload["scheduledAt"]
    assert told[1].payload["replayOf"] == first.id


async def test_a_batch_of_accepted_runs_names_each_caller() -> None:
    async with heard_runs() as heard:
        callers = [signed_in(a_user(f"u{number}")) for number in range(5)]
        async with asyncio.TaskGroup() as group:
            for caller in callers:
                group.create_task(heard.accept(caller))
        found = await heard.announced.take()
    assert {item.user_id for item in found} == {caller.user_id for caller in callers}
    assert all(item.payload["$permissions"] == [f'read("user:{item.user_id}")'] for item in found)


async def test_a_run_on_a_domain_is_not_announced() -> None:
    async with heard_runs() as heard:
        live = await heard.bench.executions.runnables.live(PROJECT, FUNCTION)
        assert live is not None
        project = await heard.bench.executions.runnables.project(PROJECT)
        attempt = heard.bench.executions.attempt(
            heard.bench.executions.runnables.prepared(live, project),
            execution_id="on-a-domain",
            method="GET",
            path="/",
            headers=(),
            body=b"",
            client_ip="",
            user_id="",
            user_jwt="",
            lineage=a_key().lineage,
        )
        await heard.bench.executions.run(attempt, lineage=a_key().lineage)
        await heard.bench.recorder.flush()
        assert await heard.announced.names() == []


async def test_a_call_that_ended_in_408_is_not_announced() -> None:
    gate = asyncio.Event()

    async def slow(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        await gate.wait()
        return Outcome(status_code=200)

    async with heard_runs(sync_timeout_s=0.02) as heard:
        heard.bench.code.run_next = slow
        with pytest.raises(SynchronousTimeout):
            await heard.run(a_key())
        gate.set()

        async def is_stored() -> bool:
            await heard.bench.recorder.flush()
            rows = await heard.bench.storage.read(lambda uow: uow.executions.find(PROJECT))
            return [row.status for row in rows] == [Status.COMPLETED]

        await until(is_stored)
        assert await heard.announced.names() == []


async def test_a_run_whose_caller_hung_up_is_announced() -> None:
    gate = asyncio.Event()

    async def slow(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        await gate.wait()
        return Outcome(status_code=200)

    async with heard_runs() as heard:
        heard.bench.code.run_next = slow
        call = asyncio.create_task(heard.run(a_key()))
        await until(lambda: bool(heard.bench.code.calls))
        call.cancel()
        await asyncio.wait({call})
        gate.set()
        await until(lambda: not heard.bench.code.running)
        await asyncio.sleep(0)
        await heard.bench.recorder.flush()
        (item,) = await heard.announced.take()
    assert item.event.action == "create"


async def test_a_deleted_run_is_announced_as_it_was() -> None:
    async with heard_runs() as heard:
        done = await heard.run(a_key())
        await heard.announced.take()
        await heard.bench.executions.history.delete(a_key(), FUNCTION, done.id)
        name, payload = await heard.announced.one()
    assert (name, payload["logs"]) == (named(done, "delete"), "log line")


class Unsure:
    """A database that says that a commit failed which did not."""

    def __init__(self, database: Any) -> None:
        self.database = database
        self.lies = 1

    async def write(self, work: Any) -> Any:
        result = await self.database.write(work)
        if self.lies:
            self.lies -= 1
            raise OSError("the disk went away")
        return result

    async def read(self, work: Any) -> Any:
        return await self.database.read(work)


async def test_a_record_that_is_written_twice_is_announced_once() -> None:
    async with open_memory() as storage, listening(storage) as announced:
        recorder = Recorder(Unsure(storage))
        recorder.start()
        recorder.record(an_execution("e1"), "create")
        await recorder.stored("e1")
        await recorder.stop()
        assert await announced.names() == [named(an_execution("e1"), "create")]


async def test_what_is_rolled_back_is_not_announced() -> None:
    async with open_memory() as storage, listening(storage) as announced:

        def work(uow: UnitOfWork) -> None:
            announce(uow, an_execution("e1"), "create", PLATFORM)
            raise ValueError("changed my mind")

        with pytest.raises(ValueError, match="changed my mind"):
            await storage.write(work)
        assert await announced.names() == []


# Interest


def a_webhook(*events: str, **changes: Any) -> Webhook:
    hook = Webhook(
        id="w",
        project_id=PROJECT,
        created_at=NOW,
        updated_at=NOW,
        name="Hook",
        url="https://example.com",
        events=events,
    )
    return replace(hook, **changes)


@asynccontextmanager
async def an_interest() -> AsyncIterator[tuple[Bench, Interest]]:
    async with a_bench() as bench:
        interest = Interest(bench.storage, bench.signals)
        yield bench, interest
        await interest.stop()


async def store(bench: Bench, hook: Webhook) -> None:
    def work(uow: UnitOfWork) -> None:
        uow.webhooks.add(hook)
        uow.touch("webhook", hook.project_id, hook.id)

    await bench.storage.write(work)


async def test_what_is_not_known_counts_as_wanted_until_it_is() -> None:
    async with an_interest() as (_, interest):
        assert interest.wants(PROJECT)
        await until(lambda: not interest.wants(PROJECT))


async def test_it_may_be_asked_inside_of_a_unit_of_work() -> None:
    async with an_interest() as (bench, interest):
        assert await bench.storage.write(lambda uow: interest.wants(PROJECT))
        interest.wants(PROJECT)
        await until(lambda: not interest.wants(PROJECT))
        assert not await bench.storage.write(lambda uow: interest.wants(PROJECT))


@pytest.mark.parametrize(
    ("events", "changes", "is_wanted"),
    [
        (("functions.*",), {}, True),
        (("functions.hello.executions.*.update",), {}, True),
        (("users.*", "functions.*"), {}, True),
        (("users.*",), {}, False),
        (("functions.*",), {"is_enabled": False}, False),
    ],
)
async def test_only_webhooks_of_functions_want_to_hear(
    events: tuple[str, ...], changes: dict[str, Any], is_wanted: bool
) -> None:
    async with an_interest() as (bench, interest):
        interest.wants(PROJECT)
        await until(lambda: not interest.wants(PROJECT))
        await store(bench, a_webhook(*events, **changes))
        inside = await bench.storage.read(lambda uow: interest.wants_inside(uow, PROJECT))
        assert inside == is_wanted
        assert interest.wants(PROJECT)  # at once, whatever it is
        if is_wanted:
            for _ in range(20):
                await bench.storage.read(lambda uow: None)
                assert interest.wants(PROJECT)
        else:
            await until(lambda: not interest.wants(PROJECT))


async def test_a_webhook_that_is_made_while_the_others_are_read_is_not_missed() -> None:
    async with an_interest() as (bench, interest):
        held, reading = asyncio.Event(), asyncio.Event()
        read = bench.storage.read

        async def slow_read(work: Any) -> Any:
            found = await read(work)
            reading.set()
            await held.wait()
            return found

        with patched(bench.storage, slow_read):
            assert interest.wants(PROJECT)  # begins to read, and finds none
            await reading.wait()
            await store(bench, a_webhook("functions.*"))
            held.set()
            for _ in range(20):
                await asyncio.sleep(0)
                assert interest.wants(PROJECT)


@contextmanager
def patched(storage: Any, read: Any) -> Any:
    storage.read = read
    try:
        yield
    finally:
        del storage.read


async def test_open_connections_want_to_hear_as_long_as_they_are_open() -> None:
    async with an_interest() as (_, interest):
        interest.wants(PROJECT)
        await until(lambda: not interest.wants(PROJECT))
        with interest.listening(PROJECT), interest.listening(PROJECT):
            assert interest.wants(PROJECT)
            interest.drop_listener(PROJECT)
            assert interest.wants(PROJECT)
            interest.add_listener(PROJECT)
        assert not interest.wants(PROJECT)


async def test_without_interest_nothing_is_written() -> None:
    async with open_memory() as storage, listening(storage) as announced:
        recorder = Recorder(storage, wants=lambda project_id: False)
        recorder.start()
        recorder.record(an_execution("e1"), "create")
        await recorder.stored("e1")
        await recorder.stop()
        assert await announced.names() == []
