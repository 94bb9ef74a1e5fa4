"""Dead letters are redriven or dropped, kept requests replayed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from runwright.errors import Unauthorized
from runwright.executions.acceptance import QueueFull
from runwright.executions.errors import ExecutionInProgress, ExecutionNotFound
from runwright.executions.replays import DeadLetter, NoDeadLetter, NotRetained, Redriven
from runwright.executions.retention import Retention
from runwright.functions.errors import FunctionNotFound
from runwright.model.execution import ErrorClass, Execution, Status
from runwright.model.job import JobKind
from runwright.model.lineage import Lineage
from runwright.model.retry import Retry
from tests.fakes.user_code import answering
from tests.integration.executions.test_retries import (
    FAILURE,
    SUCCESS,
    dispatching,
    ended,
    jobs,
    stored,
)
from tests.unit.executions.bench import (
    FUNCTION,
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

pytestmark = pytest.mark.anyio
ENTRYPOINT = replace(FAILURE, error_class=ErrorClass.ENTRYPOINT)  # fails for good at once


async def accepted(bench: Bench, body: bytes = b"in", **given: Any) -> Execution:
    return await bench.executions.accept(a_key(), FUNCTION, body=body, **given)


@asynccontextmanager
async def with_dead_letters(count: int = 1) -> AsyncIterator[tuple[Bench, list[Execution]]]:
    """A running queue whose function now works; its first runs failed."""
    async with a_bench() as bench:
        await bench.put(replace(a_function(), retry=Retry(attempts=2)))
        bench.code.run_next = answering(ENTRYPOINT)
        async with dispatching(bench):
            made = [await accepted(bench, b"%d" % at, path=f"/{at}") for at in range(count)]
            for item in made:
                await ended(bench, item)
            bench.code.run_next = answering(SUCCESS)
            bench.code.calls.clear()
            yield bench, made


async def listed(bench: Bench, **asked: Any) -> tuple[list[DeadLetter], int]:
    asked = {"limit": 25, "offset": 0} | asked
    return await replays_of(bench).dead_letters(a_key(), **asked)


async def test_a_redriven_dead_letter_runs_as_it_was_sent_and_is_gone() -> None:
    async with with_dead_letters() as (bench, (old,)):
        before = await stored(bench, old)
        made = await replays_of(bench).redrive(a_key(), old.id)
        assert (made.status, made.replay_of, made.id != old.id) == (Status.WAITING, old.id, True)
        done = await ended(bench, made)
        assert (done.status, done.replay_of, done.attempt) == (Status.COMPLETED, old.id, 1)
        assert (done.request_path, done.request_method) == ("/0", "POST")
        ((_, invocation),) = bench.code.calls
        assert (invocation.body, invocation.target) == (b"0", "/0")
        assert await stored(bench, old) == before
        assert await jobs(bench) == []
        await bench.upkeep.turn()
        assert list((bench.keys.parent / "kept").glob("*")) == []
        with pytest.raises(NoDeadLetter):
            await replays_of(bench).redrive(a_key(), old.id)


async def test_dead_letters_are_listed_with_what_became_of_them() -> None:
    async with with_dead_letters(3) as (bench, made):
        found, total = await listed(bench)
        assert total == 3
        assert {item.execution.id for item in found} == {item.id for item in made}
        assert all(item.dropped_at > item.execution.updated_at for item in found)
        assert found[0].execution.error_class is ErrorClass.ENTRYPOINT
        page, total = await listed(bench, limit=1, offset=1)
        assert (page, total) == (found[1:2], 3)
        assert await listed(bench, function_id="other") == ([], 0)


async def test_dead_letters_stay_however_many_runs_come_after_them() -> None:
    async with with_dead_letters(3) as (bench, made):
        done = [await ended(bench, await accepted(bench)) for _ in range(3)]
        assert await Retention(bench.storage, bench.clock, keep_s=1e9, keep_count=1).sweep() == 2
        assert await stored(bench, done[-1]) == done[-1]
        assert (await listed(bench))[1] == len((await listed(bench))[0]) == 3
        assert await replays_of(bench).redrive_all(a_key()) == Redriven(
            redriven=3, failed=0, left=0
        )
        await until(lambda: len(bench.code.calls) == 6)
        assert len(made) == 3


async def test_all_dead_letters_of_a_function_are_redriven_once() -> None:
    async with with_dead_letters(23) as (bench, made):
        replays = replays_of(bench)
        nothing = await replays.redrive_all(a_key(), function_id="other")
        assert nothing == Redriven(redriven=0, failed=0, left=0)
        done = await replays.redrive_all(a_key(), function_id=FUNCTION)
        assert done == Redriven(redriven=23, failed=0, left=0)
        await until(lambda: len(bench.code.calls) == 23)
        assert {call.body for _, call in bench.code.calls} == {b"%d" % at for at in range(23)}
        assert len(made) == 23


async def test_what_cannot_be_redriven_stays_and_does_not_stop_the_others() -> None:
    async with with_dead_letters(2) as (bench, made):
        await bench.vault.kept.turn()
        bench.code.run_next = answering(ENTRYPOINT)
        last = await accepted(bench)
        await ended(bench, last)
        lost = {job.id: job.epoch for job in await jobs(bench)}[made[0].id]
        (bench.keys.parent / "kept" / f"{lost}.key").unlink()
        bench.vault.kept._sealers.pop(lost)
        bench.code.run_next = answering(SUCCESS)
        done = await replays_of(bench).redrive_all(a_key())
        assert done == Redriven(redriven=1, failed=2, left=2)
        with pytest.raises(NotRetained):
            await replays_of(bench).redrive(a_key(), made[0].id)


async def test_a_full_queue_refuses_and_loses_no_dead_letter() -> None:
    async with with_dead_letters() as (bench, (old,)):
        bench.acceptance._size = bench.acceptance._queue_jobs
        with pytest.raises(QueueFull):
            await replays_of(bench).redrive_all(a_key())
        with pytest.raises(QueueFull):
            await replays_of(bench).redrive(a_key(), old.id)
        assert [job.kind for job in await jobs(bench)] == [JobKind.DEAD]


async def test_a_dropped_dead_letter_leaves_only_its_record() -> None:
    async with with_dead_letters() as (bench, (old,)):
        await replays_of(bench).drop(a_key(), old.id)
        assert await jobs(bench) == []
        assert (await stored(bench, old)).status is Status.FAILED
        with pytest.raises(NoDeadLetter):
            await replays_of(bench).drop(a_key(), old.id)


async def test_a_deleted_execution_takes_its_dead_letter_along() -> None:
    async with with_dead_letters() as (bench, (old,)):
        await bench.executions.history.delete(a_key(), FUNCTION, old.id)
        assert await jobs(bench) == []


async def test_a_kept_request_can_be_replayed_more_than_once() -> None:
    async with a_bench() as bench:
        await bench.put(replace(a_function(), request_retention_s=60))
        async with dispatching(bench):
            first = await accepted(bench, b"again", headers={"x-one": "1"})
            await ended(bench, first)
            for _ in range(2):
                made = await replays_of(bench).replay(a_key(), FUNCTION, first.id)
                assert (await ended(bench, made)).replay_of == first.id
        assert [call.body for _, call in bench.code.calls] == [b"again"] * 3
        assert {dict(call.headers)["x-one"] for _, call in bench.code.calls} == {"1"}


async def test_what_is_not_kept_cannot_be_replayed() -> None:
    async with a_bench() as bench:
        replays = replays_of(bench)
        waiting = await accepted(bench)
        with pytest.raises(ExecutionInProgress):
            await replays.replay(a_key(), FUNCTION, waiting.id)
        with pytest.raises(ExecutionNotFound):
            await replays.replay(a_key(), FUNCTION, "none")
        with pytest.raises(FunctionNotFound):
            await replays.replay(a_key(), "none", waiting.id)
        async with dispatching(bench):
            await ended(bench, waiting)
        with pytest.raises(NotRetained, match="requestRetention"):
            await replays.replay(a_key(), FUNCTION, waiting.id)


async def test_a_function_that_replays_itself_is_stopped_as_a_loop() -> None:
    async with a_bench() as bench:
        await bench.put(replace(a_function(), request_retention_s=60))
        async with dispatching(bench):
            first = await accepted(bench)
            await ended(bench, first)
            caller = replace(a_key(), lineage=Lineage((FUNCTION,) * 15, "chain"))
            made = await replays_of(bench).replay(caller, FUNCTION, first.id)
            stopped = await ended(bench, made)
        assert (stopped.error_class, stopped.chain_id) == (ErrorClass.LOOP, "chain")


async def test_only_keys_and_admins_see_and_touch_dead_letters() -> None:
    async with with_dead_letters() as (bench, (old,)):
        replays = replays_of(bench)
        for stranger in (a_guest(), signed_in(a_user())):
            with pytest.raises(Unauthorized):
                await replays.dead_letters(stranger, limit=1, offset=0)
            with pytest.raises(Unauthorized):
                await replays.redrive(stranger, old.id)
            with pytest.raises(Unauthorized):
                await replays.redrive_all(stranger)
            with pytest.raises(Unauthorized):
                await replays.drop(stranger, old.id)
            with pytest.raises(Unauthorized):
                await replays.replay(stranger, FUNCTION, old.id)
        elsewhere = replace(a_key(), project_id="other")
        assert await replays.dead_letters(elsewhere, limit=1, offset=0) == ([], 0)
        with pytest.raises(NoDeadLetter):
            await replays.redrive(elsewhere, old.id)
        assert (await listed(bench))[1] == 1


async def test_a_tick_without_content_is_replayed_too() -> None:
    async with with_dead_letters() as (bench, (old,)):
        job = (await jobs(bench))[0]
        bare = replace(job, epoch="", sealed=b"")
        await bench.storage.write(lambda uow: uow.jobs.put(bare))
        made = await replays_of(bench).redrive(a_key(), old.id)
        assert (await ended(bench, made)).status is Status.COMPLETED
