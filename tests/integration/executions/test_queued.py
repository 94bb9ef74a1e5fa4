"""Accepted, delayed and dispatched executions, over fakes and a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from runwright.errors import ServiceUnavailable
from runwright.executions.acceptance import QueueFull
from runwright.executions.dispatcher import MAX_TAKEOVERS, Dispatcher
from runwright.executions.errors import ExecutionInProgress, ExecutionNotFound
from runwright.identity.tokens import Tokens
from runwright.model.execution import (
    ErrorClass,
    Execution,
    Invocation,
    Outcome,
    Status,
    Trigger,
)
from runwright.model.function import DeploymentStatus
from runwright.model.identity import Principal
from runwright.model.job import Job
from runwright.model.lineage import Lineage
from runwright.ports.executor import NoSlot, ResponseSink
from runwright.ports.storage import UnitOfWork
from tests.fakes.clock import ManualClock
from tests.fakes.user_code import answering
from tests.unit.executions.bench import (
    FUNCTION,
    PROJECT,
    Bench,
    a_bench,
    a_deployment,
    a_function,
    a_guest,
    a_key,
    a_session,
    a_user,
    signed_in,
    until,
)

pytestmark = pytest.mark.anyio
NEXT_HOUR = "2026-10-05T09:00:00.000+00:00"  # an hour behind the start of the manual clock


class Gate:
    """User code that waits until the test lets it go."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.started: list[str] = []

    async def __call__(self, invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        self.started.append(invocation.execution_id)
        await self.open.wait()
        return Outcome(status_code=200)


@asynccontextmanager
async def dispatching(bench: Bench, **options: Any) -> AsyncIterator[Dispatcher]:
    dispatcher = bench.dispatcher(**options)
    await dispatcher.start()
    try:
        yield dispatcher
    finally:
        await dispatcher.stop(0.0)


async def accepted(bench: Bench, principal: Principal | None = None, **given: Any) -> Execution:
    return await bench.executions.accept(principal or a_key(), FUNCTION, **given)


async def stored(bench: Bench, execution: Execution) -> Execution:
    return await bench.executions.history.get(a_key(), FUNCTION, execution.id)


async def ended(bench: Bench, execution: Execution) -> Execution:
    async def is_final() -> bool:
        return (await stored(bench, execution)).status in (Status.COMPLETED, Status.FAILED)

    await until(is_final)
    return await stored(bench, execution)


async def jobs(bench: Bench) -> list[Job]:
    return await bench.storage.read(lambda uow: uow.jobs.find(None))


# Accepting


async def test_an_accepted_execution_is_found_at_once_with_its_job() -> None:
    async with a_bench() as bench:
        made = await accepted(bench, path="/a?b=1", method="PUT", body=b"in")
        assert await stored(bench, made) == made
        assert (made.status, made.trigger, made.attempt) == (Status.WAITING, Trigger.HTTP, 0)
        assert (made.request_method, made.request_path) == ("PUT", "/a?b=1")
        (job,) = await jobs(bench)
    assert (job.id, job.function_id, job.attempt) == (made.id, FUNCTION, 0)
    assert bench.code.calls == []


async def test_many_callers_share_transactions_and_each_gets_its_own() -> None:
    async with a_bench() as bench:
        made = await asyncio.gather(*(accepted(bench, body=b"%d" % at) for at in range(300)))
        assert len({item.id for item in made}) == 300
        assert {job.id for job in await jobs(bench)} == {item.id for item in made}


async def test_nothing_is_accepted_when_it_cannot_be_stored() -> None:
    async with a_bench() as bench:

        async def write(work: object) -> None:
            raise ServiceUnavailable("the disk is full")

        bench.storage.write = write  # type: ignore[method-assign, assignment]
        with pytest.raises(ServiceUnavailable):
            await accepted(bench)
        del bench.storage.write
        assert await jobs(bench) == []
        assert (await accepted(bench)).status is Status.WAITING


async def test_a_full_queue_says_when_to_come_back() -> None:
    async with a_bench(queue_jobs=3) as bench:
        for _ in range(3):
            await accepted(bench)
        with pytest.raises(QueueFull) as caught:
            await accepted(bench)
        assert (caught.value.status, dict(caught.value.headers)) == (429, {"retry-after": "5"})
        async with dispatching(bench):
            await until(lambda: len(bench.code.calls) == 3)
            await until(lambda: bench.acceptance._size == 0)
            await accepted(bench)


async def test_the_sealed_request_shows_nothing_and_its_key_goes_with_the_run() -> None:
    async with a_bench() as bench:
        await accepted(bench, body=b"mArKeR", headers={"x-mine": "mArKeR"})
        (job,) = await jobs(bench)
        assert b"mArKeR" not in job.sealed
        assert b"x-mine" not in job.sealed
        await bench.upkeep.turn()
        assert len(list(bench.keys.iterdir())) == 1
        async with dispatching(bench):
            await until(lambda: bench.acceptance._size == 0)
        await bench.upkeep.turn()
        assert list(bench.keys.iterdir()) == []


# What the function gets


async def test_a_queued_run_gets_what_was_sent_and_what_is_of_now() -> None:
    async with a_bench() as bench:
        made = await accepted(
            bench,
            body=b"\x00\xff" * 200_000,  # sealed off the event loop
            path="/a?b=1",
            method="PUT",
            headers={"X-Mine": "1", "content-type": "a/b"},
            client_ip="203.0.113.9",
            host="api.example.com",
        )
        await bench.put(replace(a_function(), timeout_s=33))
        async with dispatching(bench):
            done = await ended(bench, made)
    (workload, invocation) = bench.code.calls[0]
    assert invocation.body == b"\x00\xff" * 200_000
    assert (invocation.method, invocation.target) == ("PUT", "/a?b=1")
    assert (invocation.timeout_s, workload.deployment_id) == (33, "d1")
    seen = bench.code.seen
    assert (seen["x-mine"], seen["content-type"], seen["host"]) == ("1", "a/b", "api.example.com")
    assert (seen["x-appwrite-trigger"], seen["x-appwrite-event"]) == ("http", "")
    assert seen["x-appwrite-execution-id"] == made.id
    assert seen["x-appwrite-client-ip"] == "203.0.113.9"
    assert (seen["x-appwrite-user-id"], seen["x-appwrite-user-jwt"]) == ("", "")
    assert seen["x-appwrite-continent-eu"] == "false"
    assert seen["x-runwright-attempt"] == "1"
    key = bench.tokens.read_execution_key(seen["x-appwrite-key"], PROJECT)
    assert key is not None
    assert key.lineage == Lineage((FUNCTION,))
    assert (done.status, done.response_status_code, done.attempt) == (Status.COMPLETED, 200, 1)
    assert (done.created_at, done.id) == (made.created_at, made.id)
    assert dict(done.request_headers) == dict(made.request_headers)
    assert dict(done.request_headers)["content-type"] == "a/b"


async def test_a_signed_in_caller_is_known_to_the_run() -> None:
    async with a_bench() as bench:
        await bench.put(a_user(), a_session())
        caller = signed_in(a_user(), session=a_session())
        made = await accepted(bench, caller)
        async with dispatching(bench):
            await ended(bench, made)
    seen = bench.code.seen
    assert seen["x-appwrite-user-id"] == "ada"
    claims = bench.tokens.read_user_jwt(seen["x-appwrite-user-jwt"])
    assert (claims.user_id, claims.session_id) == ("ada", a_session().id)


@pytest.mark.parametrize(("passed_s", "is_passed_on"), [(0, True), (1000, False)])
async def test_a_callers_own_token_is_passed_on_while_it_is_valid(
    passed_s: int, is_passed_on: bool
) -> None:
    clock = ManualClock()
    async with a_bench(clock=clock) as bench:
        caller = signed_in(a_user(), session=a_session(), by_jwt=True)
        token = Tokens.user_jwt(bench.tokens, "ada", a_session().id, 900, project_id=PROJECT)
        made = await accepted(bench, caller, user_jwt=token)
        clock.advance(passed_s)
        async with dispatching(bench):
            await ended(bench, made)
    assert bench.code.seen["x-appwrite-user-id"] == "ada"
    assert bench.code.seen["x-appwrite-user-jwt"] == (token if is_passed_on else "")


# States


async def test_processing_is_stored_before_user_code_starts() -> None:
    gate = Gate()
    async with a_bench() as bench:
        bench.code.run_next = gate
        made = await accepted(bench)
        async with dispatching(bench):
            await until(lambda: gate.started == [made.id])
            row = await bench.storage.read(lambda uow: uow.executions.get(PROJECT, made.id))
            assert row is not None
            assert (row.status, row.attempt) == (Status.PROCESSING, 1)
            with pytest.raises(ExecutionInProgress):
                await bench.executions.history.delete(a_key(), FUNCTION, made.id)
            gate.open.set()
            assert (await ended(bench, made)).status is Status.COMPLETED
            await bench.executions.history.delete(a_key(), FUNCTION, made.id)
        assert await jobs(bench) == []


async def test_a_failed_run_is_not_tried_again() -> None:
    async with a_bench() as bench:
        outcome = Outcome(status_code=500, errors="no", error_class=ErrorClass.USER_EXCEPTION)
        bench.code.run_next = answering(outcome)
        made = await accepted(bench)
        async with dispatching(bench):
            done = await ended(bench, made)
            await until(lambda: bench.acceptance._size == 0)
        assert (done.status, done.errors, done.attempt) == (Status.FAILED, "no", 1)
        assert len(bench.code.calls) == 1
        assert await jobs(bench) == []


async def test_no_free_sandbox_is_waited_out() -> None:
    refusals = [NoSlot(), NoSlot()]

    async def busy(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        if refusals:
            raise refusals.pop()
        return Outcome(status_code=200)

    async with a_bench() as bench:
        bench.code.run_next = busy
        made = await accepted(bench)
        async with dispatching(bench):
            done = await ended(bench, made)
    assert (done.status, done.attempt) == (Status.COMPLETED, 1)


async def test_no_more_run_at_once_than_there_are_workers() -> None:
    gate = Gate()
    async with a_bench() as bench:
        bench.code.run_next = gate
        for _ in range(20):
            await accepted(bench)
        async with dispatching(bench, workers=8) as dispatcher:
            await until(lambda: len(gate.started) == 6)  # a quarter is kept for others
            await bench.put(replace(a_function("other"), project_id="else"))
            assert len(dispatcher) == 6
            gate.open.set()
            await until(lambda: len(gate.started) == 20)


async def test_a_disabled_functions_queue_ends_as_cancelled() -> None:
    async with a_bench() as bench:
        made = await accepted(bench)
        await bench.put(replace(a_function(), is_enabled=False))
        by_key = await accepted(bench, a_key())  # keys may run what is off
        async with dispatching(bench):
            cancelled, done = await ended(bench, made), await ended(bench, by_key)
    assert (cancelled.status, cancelled.error_class) == (Status.FAILED, ErrorClass.CANCELLED)
    assert "disabled" in cancelled.errors
    assert done.status is Status.COMPLETED
    assert len(bench.code.calls) == 1


async def test_a_deleted_functions_queue_goes_with_it() -> None:
    async with a_bench() as bench:
        await accepted(bench)
        await accepted(bench, scheduled_at="2099-01-01T00:00:00")
        await bench.catalog.delete(PROJECT, FUNCTION)
        assert await jobs(bench) == []
        async with dispatching(bench):
            assert bench.code.calls == []


async def test_a_function_deleted_while_it_runs_leaves_no_record() -> None:
    gate = Gate()
    async with a_bench() as bench:
        bench.code.run_next = gate
        made = await accepted(bench)
        async with dispatching(bench) as dispatcher:
            await until(lambda: gate.started == [made.id])
            await bench.catalog.delete(PROJECT, FUNCTION)
            gate.open.set()
            await until(lambda: len(dispatcher) == 0)
        rows = await bench.storage.read(lambda uow: uow.executions.find(None))
    assert rows == []


async def test_a_run_that_finds_no_build_fails_and_says_why() -> None:
    async with a_bench() as bench:
        made = await accepted(bench)
        await bench.put(a_deployment(DeploymentStatus.BUILDING))
        async with dispatching(bench):
            done = await ended(bench, made)
    assert (done.status, done.error_class) == (Status.FAILED, ErrorClass.COLD_START)
    assert "d1" in done.errors


@pytest.mark.parametrize(
    ("refusal", "logs"), [(ServiceUnavailable("full"), "kept"), (ValueError("odd"), "")]
)
async def test_a_full_disk_costs_no_logs_but_texts_that_cannot_be_stored_do(
    refusal: Exception, logs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runwright.executions.ends._BACKOFF_S", (0.0,))
    async with a_bench() as bench:
        bench.code.run_next = answering(Outcome(status_code=200, logs="kept"))
        dispatcher = bench.dispatcher()
        put, tries = dispatcher._ends._batches.put, 0

        async def refusing(ended: Any) -> None:
            nonlocal tries
            tries += 1
            if tries <= 5:
                raise refusal
            await put(ended)

        monkeypatch.setattr(dispatcher._ends._batches, "put", refusing)
        made = await accepted(bench)
        await dispatcher.start()
        await until(lambda: len(dispatcher) == 0 and tries > 5)
        await dispatcher.stop(0.0)
        found = await stored(bench, made)
    assert (found.status, found.logs) == (Status.COMPLETED, logs)


async def test_a_run_whose_key_is_gone_fails_and_says_so() -> None:
    async with a_bench() as bench:
        made = await accepted(bench)
        for file in bench.keys.iterdir():
            file.unlink()
        bench.vault.runs._sealers.clear()
        async with dispatching(bench):
            done = await ended(bench, made)
    assert (done.status, done.error_class) == (Status.FAILED, ErrorClass.PLATFORM)
    assert "Send it again" in done.errors


async def test_a_chain_without_end_is_stopped() -> None:
    async with a_bench() as bench:
        made = await accepted(bench, a_key(lineage=(FUNCTION,) * 16))
        async with dispatching(bench):
            done = await ended(bench, made)
    assert (done.status, done.error_class) == (Status.FAILED, ErrorClass.LOOP)
    assert bench.code.calls == []


# Leases


def _freeze(dispatcher: Dispatcher) -> None:
    """From now on it is as a host that hangs: no claims, no extended leases."""
    for task in dispatcher._tasks:
        task.cancel()


async def test_what_a_dead_host_held_is_taken_over_and_the_late_outcome_is_refused() -> None:
    clock, first, second = ManualClock(), Gate(), Gate()
    async with a_bench(clock=clock) as bench:
        bench.code.run_next = first
        made = await accepted(bench)
        async with dispatching(bench) as slow:
            await until(lambda: first.started == [made.id])
            _freeze(slow)
            clock.advance(12)
            bench.code.run_next = second
            async with dispatching(bench):
                await until(lambda: second.started == [made.id])
                first.open.set()
                await until(lambda: len(slow) == 0)
                assert (await stored(bench, made)).status is Status.PROCESSING
                second.open.set()
                done = await ended(bench, made)
    assert (done.status, done.attempt) == (Status.COMPLETED, 2)
    assert bench.code.seen["x-runwright-attempt"] == "2"


async def test_a_lease_is_extended_while_its_run_lasts() -> None:
    clock, gate = ManualClock(), Gate()
    async with a_bench(clock=clock) as bench:
        bench.code.run_next = gate
        made = await accepted(bench)
        async with dispatching(bench) as holder, dispatching(bench):
            await until(lambda: gate.started == [made.id])
            for _ in range(10):
                clock.advance(6)
                await holder.extend()
            gate.open.set()
            assert (await ended(bench, made)).attempt == 1
    assert len(bench.code.calls) == 1


async def test_a_clock_that_jumps_does_not_make_a_host_claim_what_it_runs() -> None:
    clock, gate = ManualClock(), Gate()
    async with a_bench(clock=clock) as bench:
        bench.code.run_next = gate
        made = await accepted(bench)
        async with dispatching(bench) as holder:
            await until(lambda: gate.started == [made.id])
            holder._tasks[1].cancel()  # no heartbeat comes first
            clock.advance(10_000)
            other = await accepted(bench)
            await until(lambda: gate.started == [made.id, other.id])
            gate.open.set()
            assert (await ended(bench, made)).attempt == 1
            await ended(bench, other)
    assert len(bench.code.calls) == 2


class _Undone(Exception):
    pass


async def test_a_claim_that_is_undone_and_made_again_claims_nothing_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, gate = ManualClock(), Gate()
    async with a_bench(clock=clock) as bench:
        bench.code.run_next = gate
        made = await accepted(bench)
        async with dispatching(bench) as holder:
            await until(lambda: gate.started == [made.id])
            holder._tasks[1].cancel()  # no heartbeat comes first
            write = bench.storage.write

            async def write_twice(work: Callable[[UnitOfWork], Any]) -> Any:
                """As when another unit of the same transaction fails half done."""

                def undone(uow: UnitOfWork) -> None:
                    work(uow)
                    raise _Undone

                if work.__qualname__.startswith(Dispatcher._claim_some.__qualname__):
                    with pytest.raises(_Undone):
                        await write(undone)
                return await write(work)

            monkeypatch.setattr(bench.storage, "write", write_twice)
            clock.advance(10_000)
            other = await accepted(bench)
            await until(lambda: other.id in gate.started)
            gate.open.set()
            assert (await ended(bench, made)).attempt == 1
            await ended(bench, other)
    assert len(bench.code.calls) == 2


async def test_a_run_whose_host_ends_every_time_is_given_up() -> None:
    async with a_bench() as bench:
        made = await accepted(bench)

        def worn(uow: UnitOfWork) -> None:
            (job,) = uow.jobs.find(None)
            uow.jobs.put(replace(job, attempt=MAX_TAKEOVERS + 1))

        await bench.storage.write(worn)
        async with dispatching(bench):
            done = await ended(bench, made)
    assert (done.status, done.error_class) == (Status.FAILED, ErrorClass.PLATFORM)
    assert done.attempt == MAX_TAKEOVERS + 2
    assert bench.code.calls == []


async def test_a_stop_waits_for_runs_and_gives_the_rest_back() -> None:
    gate = Gate()
    async with a_bench() as bench:
        bench.code.run_next = gate
        made = [await accepted(bench) for _ in range(9)]
        dispatcher = bench.dispatcher(workers=4)
        await dispatcher.start()
        await until(lambda: len(gate.started) == 3)
        stopping = asyncio.create_task(dispatcher.stop(10.0))
        gate.open.set()
        await stopping
        states = [(await stored(bench, item)).status for item in made]
        assert states.count(Status.COMPLETED) == 3
        assert states.count(Status.WAITING) == 6
        gate.open.clear()
        hurried = bench.dispatcher(workers=4)
        await hurried.start()
        await until(lambda: len(gate.started) == 6)
        await hurried.stop(0.0)
        assert all(not job.owner for job in await jobs(bench))
        gate.open.set()
        async with dispatching(bench):
            attempts = [(await ended(bench, item)).attempt for item in made]
    assert sorted(attempts) == [1] * 6 + [2] * 3


async def test_a_restart_leaves_queued_runs_to_the_queue() -> None:
    gate = Gate()
    async with a_bench() as bench:
        bench.code.run_next = gate
        made = await accepted(bench)
        dispatcher = bench.dispatcher()
        await dispatcher.start()
        await until(lambda: gate.started == [made.id])
        await bench.executions.start()  # as the next server would
        assert (await stored(bench, made)).status is Status.PROCESSING
        gate.open.set()
        await ended(bench, made)
        await dispatcher.stop(0.0)


async def test_an_outcome_survives_a_database_that_refuses_for_a_while() -> None:
    async with a_bench() as bench:
        made = await accepted(bench)
        write = bench.storage.write
        failures = 0

        async def run(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
            async def failing(work: Any) -> Any:
                nonlocal failures
                failures += 1
                if failures < 4:
                    raise ServiceUnavailable("the disk is full")
                return await write(work)

            bench.storage.write = failing  # type: ignore[method-assign]
            return Outcome(status_code=200)

        bench.code.run_next = run
        async with dispatching(bench):
            done = await ended(bench, made)
    assert (done.status, done.attempt, failures >= 4) == (Status.COMPLETED, 1, True)
    assert len(bench.code.calls) == 1


# Delayed


async def test_a_delayed_execution_waits_for_its_moment() -> None:
    clock = ManualClock()
    async with a_bench(clock=clock) as bench:
        made = await accepted(bench, a_guest(), scheduled_at=NEXT_HOUR, body=b"later")
        assert (made.status, made.trigger) == (Status.SCHEDULED, Trigger.SCHEDULE)
        assert made.scheduled_at == clock.moment + timedelta(hours=1)
        async with dispatching(bench), dispatching(bench):  # any number may run
            clock.advance(3599)
            other = await accepted(bench)  # a turn of the dispatchers has passed
            await ended(bench, other)
            assert (await stored(bench, made)).status is Status.SCHEDULED
            clock.advance(1)
            done = await ended(bench, made)
    assert (done.status, done.trigger) == (Status.COMPLETED, Trigger.SCHEDULE)
    assert done.scheduled_at == made.scheduled_at
    assert len(bench.code.calls) == 2
    assert bench.code.calls[-1][1].body == b"later"
    assert bench.code.seen["x-appwrite-trigger"] == "schedule"


async def test_a_scheduled_execution_can_be_cancelled_until_it_is_due() -> None:
    clock = ManualClock()
    async with a_bench(clock=clock) as bench:
        made = await accepted(bench, scheduled_at=NEXT_HOUR)
        await bench.executions.history.delete(a_key(), FUNCTION, made.id)
        with pytest.raises(ExecutionNotFound):
            await stored(bench, made)
        assert await jobs(bench) == []
        clock.advance(4000)
        async with dispatching(bench):
            other = await accepted(bench)
            await ended(bench, other)
    assert len(bench.code.calls) == 1


async def test_a_waiting_execution_cannot_be_deleted() -> None:
    async with a_bench() as bench:
        made = await accepted(bench)
        with pytest.raises(ExecutionInProgress):
            await bench.executions.history.delete(a_key(), FUNCTION, made.id)
