"""An Idempotency-Key: the second call gets the first one's execution and nothing runs again."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runwright.errors import InvalidParam, RunwrightError
from runwright.executions.errors import KeyReused, RepeatedExecutionGone, SynchronousTimeout
from runwright.executions.repeats import checked_key
from runwright.executions.retention import Retention
from runwright.model.execution import Invocation, Outcome, Status
from runwright.ports.executor import NoSlot, ResponseSink
from tests.fakes.clock import ManualClock
from tests.fakes.user_code import failing
from tests.unit.executions.bench import (
    FUNCTION,
    PROJECT,
    Bench,
    a_bench,
    a_guest,
    a_key,
    a_user,
    signed_in,
    until,
)

pytestmark = pytest.mark.anyio

ADA = signed_in(a_user())
KEY = replace(a_key(), key_id="one")


async def rows(bench: Bench) -> int:
    return len(await bench.storage.read(lambda uow: uow.executions.find(PROJECT)))


async def test_a_repeated_call_is_not_run_again_and_gets_no_response() -> None:
    async with a_bench() as bench:
        first = await bench.executions.create(ADA, FUNCTION, idempotency_key="k", body=b"x")
        again = await bench.executions.create(ADA, FUNCTION, idempotency_key="k", body=b"x")
        assert again.execution == first.execution
        assert (first.outcome.body, again.outcome.body, again.outcome.headers) == (
            b"hello",
            b"",
            (),
        )
        assert len(bench.code.calls) == 1
        assert await rows(bench) == 1


async def test_a_guest_does_not_get_the_record_of_another_one_by_the_same_key() -> None:
    async with a_bench() as bench:
        made = [
            await bench.executions.create(a_guest(), FUNCTION, idempotency_key="k", client_ip=ip)
            for ip in ("192.0.2.1", "192.0.2.2", "192.0.2.1")
        ]
        first, other, again = (done.execution.id for done in made)
    assert first == again
    assert other != first


async def test_a_repeat_during_the_run_shows_it_running() -> None:
    async with a_bench() as bench:
        go_on = asyncio.Event()

        async def slow(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
            await go_on.wait()
            return Outcome(status_code=200)

        bench.code.run_next = slow
        first = asyncio.create_task(
            bench.executions.create(ADA, FUNCTION, idempotency_key="k", execution_id="e1")
        )
        await until(lambda: bool(bench.code.calls))
        stored = await bench.storage.read(lambda uow: uow.executions.get(PROJECT, "e1"))
        assert stored is not None  # on disk before it began
        assert stored.status is Status.PROCESSING
        again = await bench.executions.create(ADA, FUNCTION, idempotency_key="k")
        assert (again.execution.id, again.execution.status) == ("e1", Status.PROCESSING)
        go_on.set()
        assert (await first).execution.status is Status.COMPLETED
        assert len(bench.code.calls) == 1


async def test_of_many_queued_calls_at_once_one_makes_the_execution() -> None:
    async with a_bench() as bench:
        calls = (bench.executions.accept(KEY, FUNCTION, idempotency_key="k") for _ in range(20))
        assert len({item.id for item in await asyncio.gather(*calls)}) == 1
        assert await rows(bench) == 1
        assert await bench.storage.read(bench.queue.size) == 1
        bench.acceptance.ended(1)
        assert bench.acceptance._size == 0  # those that stored nothing do not count


async def test_a_repeat_is_answered_when_the_queue_is_full() -> None:
    async with a_bench(queue_jobs=1) as bench:
        first = await bench.executions.accept(KEY, FUNCTION, idempotency_key="k")
        again = await bench.executions.accept(KEY, FUNCTION, idempotency_key="k")
        assert again.id == first.id


async def test_another_request_with_the_same_key_is_refused() -> None:
    async with a_bench() as bench:
        create, accept = bench.executions.create, bench.executions.accept
        await create(KEY, FUNCTION, idempotency_key="k", body=b"a", headers={"a": "b"})
        for other in (
            create(KEY, FUNCTION, idempotency_key="k", body=b"b", headers={"a": "b"}),
            create(KEY, FUNCTION, idempotency_key="k", body=b"a", headers={"a": "c"}),
            create(KEY, FUNCTION, idempotency_key="k", body=b"a", headers={"a": "b"}, path="/x"),
            accept(KEY, FUNCTION, idempotency_key="k", body=b"a", headers={"a": "b"}),
        ):
            with pytest.raises(KeyReused):
                await other
        assert await rows(bench) == 1


async def test_each_caller_has_keys_of_its_own() -> None:
    async with a_bench() as bench:
        callers = (
            ADA,
            signed_in(a_user("eve")),
            KEY,
            replace(KEY, key_id="two"),
            a_key(lineage=("one",)),
            a_key(lineage=("two",)),
            a_guest(),
        )
        for caller in callers:
            await bench.executions.create(caller, FUNCTION, idempotency_key="k")
        assert await rows(bench) == len(callers)


async def test_a_key_counts_for_a_day_and_is_then_deleted() -> None:
    clock = ManualClock(datetime(2026, 1, 2, tzinfo=UTC))
    async with a_bench(clock=clock) as bench:
        first = await bench.executions.accept(KEY, FUNCTION, idempotency_key="k")
        clock.advance(timedelta(hours=23, minutes=59).total_seconds())
        assert (await bench.executions.accept(KEY, FUNCTION, idempotency_key="k")).id == first.id
        clock.advance(61.0)
        assert (await bench.executions.accept(KEY, FUNCTION, idempotency_key="k")).id != first.id
        clock.advance(timedelta(hours=25).total_seconds())
        await Retention(bench.storage, clock, keep_s=1e9).sweep()
        assert await bench.storage.read(lambda uow: uow.repeat_keys.find()) == []


async def test_a_call_for_which_no_slot_came_free_may_be_made_again() -> None:
    async with a_bench() as bench:
        works, bench.code.run_next = bench.code.run_next, failing(NoSlot())
        with pytest.raises(NoSlot):
            await bench.executions.create(ADA, FUNCTION, idempotency_key="k")
        bench.code.run_next = works
        done = await bench.executions.create(ADA, FUNCTION, idempotency_key="k")
        assert done.outcome.body == b"hello"


async def test_a_call_refused_by_a_stopping_server_leaves_nothing() -> None:
    async with a_bench() as bench:
        await bench.executions.stop(0)
        with pytest.raises(RunwrightError):
            await bench.executions.create(ADA, FUNCTION, idempotency_key="k")
        assert await rows(bench) == 0
        assert await bench.storage.read(lambda uow: uow.repeat_keys.find()) == []
        assert bench.recorder._opened == set()


async def test_after_the_synchronous_limit_the_key_leads_to_the_run_that_goes_on() -> None:
    async with a_bench(sync_timeout_s=0.02) as bench:
        go_on = asyncio.Event()

        async def slow(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
            await go_on.wait()
            return Outcome(status_code=200)

        bench.code.run_next = slow
        with pytest.raises(SynchronousTimeout):
            await bench.executions.create(ADA, FUNCTION, idempotency_key="k")
        go_on.set()

        async def is_done() -> bool:
            found = await bench.executions.create(ADA, FUNCTION, idempotency_key="k")
            return found.execution.status is Status.COMPLETED

        await until(is_done)
        assert len(bench.code.calls) == 1


async def test_a_deleted_execution_is_not_made_again() -> None:
    async with a_bench() as bench:
        done = await bench.executions.create(KEY, FUNCTION, idempotency_key="k")
        await bench.executions.history.delete(KEY, FUNCTION, done.execution.id)
        with pytest.raises(RepeatedExecutionGone, match="was deleted"):
            await bench.executions.create(KEY, FUNCTION, idempotency_key="k")


async def test_what_is_stored_tells_nothing_of_key_or_request() -> None:
    async with a_bench() as bench:
        await bench.executions.create(ADA, FUNCTION, idempotency_key="marker-k", body=b"marker-b")
        (row,) = await bench.storage.read(lambda uow: uow.repeat_keys.find())
        assert "marker" not in repr(row)
        assert len(row.id) == len(row.fingerprint) == 64


@pytest.mark.parametrize("text", ["", "x" * 256, "a\tb", "ä", "a\x7f"])
def test_a_key_is_printable_ascii_of_bounded_length(text: str) -> None:
    with pytest.raises(InvalidParam):
        checked_key(text)


def test_a_key_may_be_long() -> None:
    assert checked_key("~ " + "x" * 253)
