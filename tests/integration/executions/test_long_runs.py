"""Runs that outlast their caller: what shows meanwhile, and that the truth is recorded."""

import asyncio

import pytest

from runwright.errors import RunwrightError
from runwright.executions.errors import SynchronousTimeout
from runwright.executions.runs import Draining
from runwright.model.execution import ErrorClass, Invocation, Outcome, Status
from runwright.ports.executor import NoSlot, ResponseSink
from tests.unit.executions.bench import FUNCTION, PROJECT, Bench, a_bench, a_key, until

pytestmark = pytest.mark.anyio


class Gate:
    """User code that waits until it is let go."""

    def __init__(self, outcome: Outcome | Exception) -> None:
        self.outcome = outcome
        self.opened = asyncio.Event()

    async def run(self, invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        await self.opened.wait()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


async def status_of(bench: Bench, execution_id: str) -> Status | None:
    found = await bench.storage.read(lambda uow: uow.executions.get(PROJECT, execution_id))
    return found.status if found else None


async def stored(bench: Bench, execution_id: str, status: Status) -> None:
    async def holds() -> bool:
        return await status_of(bench, execution_id) is status

    await until(holds)


async def test_a_caller_gets_408_at_the_limit_and_the_true_outcome_is_recorded() -> None:
    gate = Gate(Outcome(status_code=201, logs="late", body=b"unheard"))
    async with a_bench(sync_timeout_s=0.1, shown_after_s=0.05) as bench:
        bench.code.run_next = gate.run
        with pytest.raises(SynchronousTimeout) as caught:
            await bench.executions.create(a_key(), FUNCTION)
        await until(lambda: bool(bench.code.calls))
        assert (caught.value.status, caught.value.type) == (408, "function_synchronous_timeout")
        execution_id = bench.code.calls[0][1].execution_id
        await stored(bench, execution_id, Status.PROCESSING)
        gate.opened.set()
        await stored(bench, execution_id, Status.COMPLETED)
        record = await bench.executions.history.get(a_key(), FUNCTION, execution_id)
    assert (record.response_status_code, record.logs) == (201, "late")


async def test_a_run_shows_as_processing_after_a_while_and_ends_as_itself() -> None:
    gate = Gate(Outcome(status_code=200))
    async with a_bench(shown_after_s=0.02) as bench:
        bench.code.run_next = gate.run
        call = asyncio.create_task(bench.executions.create(a_key(), FUNCTION))
        await until(lambda: bool(bench.code.calls))
        execution_id = bench.code.calls[0][1].execution_id
        await stored(bench, execution_id, Status.PROCESSING)
        gate.opened.set()
        done = await call
        assert await status_of(bench, execution_id) is Status.COMPLETED
        rows = await bench.storage.read(lambda uow: uow.executions.find(PROJECT))
    assert done.execution.status is Status.COMPLETED
    assert len(rows) == 1


async def test_a_408_leaves_a_row_even_when_the_limit_is_shorter_than_the_wait_to_show() -> None:
    gate = Gate(Outcome(status_code=200))
    async with a_bench(sync_timeout_s=0.1, shown_after_s=60.0) as bench:
        bench.code.run_next = gate.run
        with pytest.raises(SynchronousTimeout):
            await bench.executions.create(a_key(), FUNCTION)
        await until(lambda: bool(bench.code.calls))
        await stored(bench, bench.code.calls[0][1].execution_id, Status.PROCESSING)
        gate.opened.set()


async def test_a_caller_that_goes_away_does_not_end_the_run() -> None:
    gate = Gate(Outcome(status_code=200))
    async with a_bench() as bench:
        bench.code.run_next = gate.run
        call = asyncio.create_task(bench.executions.create(a_key(), FUNCTION))
        await until(lambda: bool(bench.code.calls))
        call.cancel()
        await asyncio.wait({call})
        gate.opened.set()
        await stored(bench, bench.code.calls[0][1].execution_id, Status.COMPLETED)


async def test_a_run_that_showed_and_then_got_no_slot_ends_as_failed() -> None:
    gate = Gate(NoSlot())
    async with a_bench(shown_after_s=0.02) as bench:
        bench.code.run_next = gate.run
        call = asyncio.create_task(bench.executions.create(a_key(), FUNCTION))
        await until(lambda: bool(bench.code.calls))
        execution_id = bench.code.calls[0][1].execution_id
        await stored(bench, execution_id, Status.PROCESSING)
        gate.opened.set()
        with pytest.raises(NoSlot):
            await call
        await stored(bench, execution_id, Status.FAILED)


async def test_a_stop_waits_for_runs_and_refuses_new_ones() -> None:
    gate = Gate(Outcome(status_code=200))
    async with a_bench() as bench:
        bench.code.run_next = gate.run
        call = asyncio.create_task(bench.executions.create(a_key(), FUNCTION))
        await until(lambda: bool(bench.code.calls))
        stop = asyncio.create_task(bench.executions.stop(10.0))
        await asyncio.sleep(0)
        with pytest.raises(Draining):
            await bench.executions.create(a_key(), FUNCTION)
        gate.opened.set()
        await stop
        done = await call
    assert done.execution.status is Status.COMPLETED


async def test_a_run_that_outlasts_the_drain_is_recorded_as_the_platforms_failure() -> None:
    gate = Gate(Outcome(status_code=200))
    async with a_bench() as bench:
        bench.code.run_next = gate.run
        call = asyncio.create_task(bench.executions.create(a_key(), FUNCTION))
        await until(lambda: bool(bench.code.calls))
        await bench.executions.stop(0.01)
        done = await call
        record = await bench.executions.history.get(a_key(), FUNCTION, done.execution.id)
    assert (record.status, record.error_class) == (Status.FAILED, ErrorClass.PLATFORM)
    assert "stopped" in record.errors
    assert record.response_status_code == 503
    assert record.duration_s > 0


async def test_many_runs_at_once_each_get_their_own_answer() -> None:
    async def echo(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        await asyncio.sleep(0)
        return Outcome(status_code=200, body=invocation.body)

    async with a_bench() as bench:
        bench.code.run_next = echo
        bodies = [str(number).encode() for number in range(200)]
        calls = (bench.executions.create(a_key(), FUNCTION, body=body) for body in bodies)
        done = await asyncio.gather(*calls)
        rows = await bench.storage.read(lambda uow: uow.executions.find(PROJECT))
    assert [item.outcome.body for item in done] == bodies
    assert {row.id for row in rows} == {item.execution.id for item in done}


async def test_a_refusal_names_what_to_do() -> None:
    gate = Gate(Outcome(status_code=200))
    async with a_bench(sync_timeout_s=0.1) as bench:
        bench.code.run_next = gate.run
        with pytest.raises(RunwrightError, match="asynchronous"):
            await bench.executions.create(a_key(), FUNCTION)
        gate.opened.set()
