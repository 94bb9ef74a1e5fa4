"""Cancelling: whatever an execution was doing, it ends once, and what it printed is kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from runwright.errors import RunwrightError
from runwright.executions.dispatcher import Dispatcher
from runwright.model.execution import ErrorClass, Execution, Invocation, Outcome, Status
from runwright.model.retry import Retry
from runwright.ports.executor import NoSlot, ResponseSink
from tests.fakes.user_code import answering, failing
from tests.unit.executions.bench import (
    FUNCTION,
    PROJECT,
    Bench,
    a_bench,
    a_function,
    a_key,
    a_user,
    signed_in,
    until,
)

pytestmark = pytest.mark.anyio

ADA = signed_in(a_user())
SOON = "2099-01-01T00:00:00.000+00:00"


async def for_ever(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


@asynccontextmanager
async def a_dispatcher(bench: Bench) -> AsyncIterator[Dispatcher]:
    dispatcher = bench.dispatcher()
    await dispatcher.start()
    try:
        yield dispatcher
    finally:
        await dispatcher.stop(0)


def is_cancelled(item: Execution) -> bool:
    return (item.status, item.error_class) == (Status.FAILED, ErrorClass.CANCELLED)


async def is_at_rest(bench: Bench) -> bool:
    return not await bench.storage.read(lambda uow: uow.jobs.find(PROJECT))


@pytest.mark.parametrize("scheduled_at", [None, SOON])
async def test_what_has_not_begun_ends_with_its_job_and_never_runs(
    scheduled_at: str | None,
) -> None:
    async with a_bench() as bench:
        made = await bench.executions.accept(ADA, FUNCTION, scheduled_at=scheduled_at)
        ended = await bench.cancelling().cancel(ADA, FUNCTION, made.id)
        assert is_cancelled(ended)
        assert "before it ran" in ended.errors
        assert await is_at_rest(bench)
        async with a_dispatcher(bench):
            other = await bench.executions.accept(ADA, FUNCTION)
            await until(lambda: bool(bench.code.calls))
        assert [call[1].execution_id for call in bench.code.calls] == [other.id]


async def test_a_queued_run_ends_with_what_it_printed() -> None:
    async with a_bench() as bench, a_dispatcher(bench) as dispatcher:
        bench.code.run_next = for_ever
        made = await bench.executions.accept(a_key(), FUNCTION)
        await until(lambda: bool(bench.code.calls))
        ended = await bench.cancelling(dispatcher).cancel(a_key(), FUNCTION, made.id)
        assert is_cancelled(ended)
        assert ended.logs == "so far\n"
        assert await is_at_rest(bench)


async def test_a_caller_who_waits_gets_the_cancelled_record_at_once() -> None:
    async with a_bench() as bench:
        bench.code.run_next = for_ever
        call = asyncio.create_task(bench.executions.create(ADA, FUNCTION, execution_id="e1"))
        await until(lambda: bool(bench.code.calls))
        ended = await bench.cancelling().cancel(ADA, FUNCTION, "e1")
        assert is_cancelled(ended)
        assert (await call).execution == ended


async def test_a_run_that_waits_for_a_slot_never_begins() -> None:
    async with a_bench() as bench, a_dispatcher(bench) as dispatcher:
        bench.code.run_next = failing(NoSlot())
        made = await bench.executions.accept(a_key(), FUNCTION)
        await until(lambda: bool(dispatcher._slotless))
        ended = await bench.cancelling(dispatcher).cancel(a_key(), FUNCTION, made.id)
        assert is_cancelled(ended)
        assert "before it ran" in ended.errors
        assert await is_at_rest(bench)
        assert len(dispatcher) == 0


async def test_a_run_between_two_attempts_ends_at_once() -> None:
    async with a_bench() as bench:
        made = await bench.executions.accept(a_key(), FUNCTION)
        later = replace(made, status=Status.PROCESSING)
        await bench.storage.write(lambda uow: uow.executions.put(later))  # as after a failure
        ended = await bench.cancelling().cancel(a_key(), FUNCTION, made.id)
        assert is_cancelled(ended)
        assert "next attempt" in ended.errors
        assert await is_at_rest(bench)


async def test_a_run_that_is_tried_again_later_is_not_when_it_is_cancelled() -> None:
    async with a_bench() as bench, a_dispatcher(bench) as dispatcher:
        retry = Retry(attempts=5, backoff_s=1.0)
        await bench.put(replace(a_function(), retry=retry))
        bench.code.run_next = answering(
            Outcome(status_code=500, error_class=ErrorClass.USER_EXCEPTION)
        )
        made = await bench.executions.accept(a_key(), FUNCTION)

        async def is_put_back() -> bool:
            found = await bench.storage.read(lambda uow: uow.jobs.get(PROJECT, made.id))
            return found is not None and found.failures > 0 and found.owner == ""

        await until(is_put_back)
        ended = await bench.cancelling(dispatcher).cancel(a_key(), FUNCTION, made.id)
        assert is_cancelled(ended)
        assert await is_at_rest(bench)
        calls = len(bench.code.calls)
        bench.code.run_next = for_ever
        again = await bench.executions.accept(a_key(), FUNCTION)
        await until(lambda: len(bench.code.calls) > calls)
        assert is_cancelled(await bench.cancelling(dispatcher).cancel(a_key(), FUNCTION, again.id))
        assert await is_at_rest(bench)  # to be cancelled is no failure that is tried again


async def test_a_run_that_another_host_holds_ends_and_its_late_outcome_is_refused() -> None:
    async with a_bench() as bench, a_dispatcher(bench):
        go_on = asyncio.Event()

        async def slow(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
            await go_on.wait()
            return Outcome(status_code=200)

        bench.code.run_next = slow
        made = await bench.executions.accept(a_key(), FUNCTION)
        await until(lambda: bool(bench.code.calls))
        elsewhere = bench.cancelling(wait_s=0.01)  # knows nothing of this dispatcher
        assert is_cancelled(await elsewhere.cancel(a_key(), FUNCTION, made.id))
        go_on.set()
        await until(lambda: not bench.code.running)
        found = await bench.executions.history.get(a_key(), FUNCTION, made.id)
        assert is_cancelled(found)


async def test_what_has_ended_stays_as_it_is() -> None:
    async with a_bench() as bench:
        done = await bench.executions.create(ADA, FUNCTION)
        assert await bench.cancelling().cancel(ADA, FUNCTION, done.execution.id) == done.execution
        made = await bench.executions.accept(ADA, FUNCTION)
        first = await bench.cancelling().cancel(ADA, FUNCTION, made.id)
        assert await bench.cancelling().cancel(ADA, FUNCTION, made.id) == first


async def test_who_may_not_read_an_execution_may_not_cancel_it() -> None:
    async with a_bench() as bench:
        made = await bench.executions.accept(ADA, FUNCTION)
        for caller, function_id, execution_id in (
            (signed_in(a_user("eve")), FUNCTION, made.id),
            (a_key(), "other", made.id),
            (a_key(), FUNCTION, "other"),
        ):
            with pytest.raises(RunwrightError):
                await bench.cancelling().cancel(caller, function_id, execution_id)
        found = await bench.executions.history.get(ADA, FUNCTION, made.id)
        assert found.status is Status.WAITING


async def test_cancelling_and_running_race_to_one_end() -> None:
    """Whoever is first decides; nothing is left behind and nothing ends twice."""
    async with a_bench() as bench, a_dispatcher(bench) as dispatcher:
        cancelling = bench.cancelling(dispatcher)
        made = [await bench.executions.accept(a_key(), FUNCTION) for _ in range(30)]
        seen = await asyncio.gather(
            *(cancelling.cancel(a_key(), FUNCTION, item.id) for item in made)
        )
        ends = [await bench.executions.history.get(a_key(), FUNCTION, item.id) for item in made]
        assert ends == seen
        assert {item.status for item in ends} <= {Status.COMPLETED, Status.FAILED}
        assert await is_at_rest(bench)
