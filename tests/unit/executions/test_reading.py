"""Reading and deleting executions: who sees what, and that nobody sees a gap."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

import pytest

from runwright.errors import RunwrightError
from runwright.model.execution import ErrorClass, Execution, Invocation, Outcome, Status
from runwright.model.query import Filter, ListQuery, Order
from runwright.ports.executor import ResponseSink
from tests.unit.executions.bench import (
    FUNCTION,
    NOW,
    PROJECT,
    Bench,
    a_bench,
    a_function,
    a_key,
    a_user,
    an_admin,
    signed_in,
    until,
)

pytestmark = pytest.mark.anyio

ADA = signed_in(a_user())
EVE = signed_in(a_user("eve"))
ADMIN = an_admin(a_user("root"))


def an_execution(execution_id: str, status: Status = Status.COMPLETED) -> Execution:
    return Execution(
        id=execution_id,
        project_id=PROJECT,
        created_at=NOW,
        updated_at=NOW,
        function_id=FUNCTION,
        status=status,
    )


async def stored(bench: Bench, *items: Execution) -> None:
    await bench.storage.write(lambda uow: uow.executions.add_all(items))


async def refused(work: Awaitable[object]) -> str:
    with pytest.raises(RunwrightError) as caught:
        await work
    return f"{caught.value.status} {caught.value.type}"


async def test_an_execution_is_read_by_its_user_and_by_keys_and_admins() -> None:
    async with a_bench() as bench:
        service = bench.executions
        done = await service.create(ADA, FUNCTION)
        execution_id = done.execution.id
        for reader in (ADA, a_key(), ADMIN):
            assert (await service.history.get(reader, FUNCTION, execution_id)).id == execution_id
            assert (await service.history.list(reader, FUNCTION, ListQuery())).total == 1
        not_found = "404 execution_not_found"
        assert await refused(service.history.get(EVE, FUNCTION, execution_id)) == not_found
        assert (await service.history.list(EVE, FUNCTION, ListQuery())).total == 0
        by_key = await service.create(a_key(), FUNCTION)
        assert await refused(service.history.get(ADA, FUNCTION, by_key.execution.id)) == not_found


async def test_reading_needs_a_function_that_the_caller_may_see() -> None:
    async with a_bench() as bench:
        service = bench.executions
        done = await service.create(ADA, FUNCTION)
        not_found = "404 function_not_found"
        assert await refused(service.history.get(ADA, "no", done.execution.id)) == not_found
        assert await refused(service.history.list(a_key(), "no", ListQuery())) == not_found
        await bench.put(replace(a_function(), is_enabled=False))
        assert await refused(service.history.list(ADA, FUNCTION, ListQuery())) == not_found
        assert (await service.history.list(a_key(), FUNCTION, ListQuery())).total == 1
        await bench.put(a_function("other"))
        other = service.history.get(a_key(), "other", done.execution.id)
        assert await refused(other) == "404 execution_not_found"


async def test_a_list_filters_and_orders() -> None:
    async with a_bench() as bench:
        await stored(bench, an_execution("e1"), an_execution("e2", Status.FAILED))
        only = ListQuery(filters=(Filter("equal", "status", ("failed",)),))
        page = await bench.executions.history.list(a_key(), FUNCTION, only)
        assert [item.id for item in page.items] == ["e2"]
        newest = ListQuery(orders=(Order("$sequence", is_descending=True),))
        page = await bench.executions.history.list(a_key(), FUNCTION, newest)
    assert [item.id for item in page.items] == ["e2", "e1"]


async def test_a_record_that_is_not_committed_is_already_read_and_listed() -> None:
    async with a_bench() as bench:
        bench.recorder.record(an_execution("fresh"))
        assert (await bench.executions.history.get(a_key(), FUNCTION, "fresh")).id == "fresh"
        bench.recorder.record(an_execution("fresher"))
        page = await bench.executions.history.list(a_key(), FUNCTION, ListQuery())
    assert [item.id for item in page.items] == ["fresh", "fresher"]


async def test_only_keys_and_admins_delete() -> None:
    async with a_bench() as bench:
        done = await bench.executions.create(ADA, FUNCTION)
        mine = bench.executions.history.delete(ADA, FUNCTION, done.execution.id)
        assert await refused(mine) == "404 function_not_found"
        await bench.executions.history.delete(ADMIN, FUNCTION, done.execution.id)
        gone = bench.executions.history.get(a_key(), FUNCTION, done.execution.id)
        assert await refused(gone) == "404 execution_not_found"


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (Status.COMPLETED, "deleted"),
        (Status.FAILED, "deleted"),
        (Status.SCHEDULED, "deleted"),
        (Status.WAITING, "400 execution_in_progress"),
        (Status.PROCESSING, "400 execution_in_progress"),
    ],
)
async def test_a_waiting_or_running_execution_is_never_deleted(status: Status, answer: str) -> None:
    async with a_bench() as bench:
        await stored(bench, an_execution("e1", status))
        delete = bench.executions.history.delete(a_key(), FUNCTION, "e1")
        if answer == "deleted":
            await delete
        else:
            assert await refused(delete) == answer
        left = await bench.storage.read(lambda uow: uow.executions.get(PROJECT, "e1"))
    assert (left is None) is (answer == "deleted")


async def test_deleting_what_is_not_there_says_so() -> None:
    async with a_bench() as bench:
        await bench.put(a_function("other"))
        await stored(bench, an_execution("e1"))
        not_found = "404 execution_not_found"
        assert await refused(bench.executions.history.delete(a_key(), FUNCTION, "no")) == not_found
        assert await refused(bench.executions.history.delete(a_key(), "other", "e1")) == not_found
        unknown = bench.executions.history.delete(a_key(), "no", "e1")
        assert await refused(unknown) == "404 function_not_found"


async def test_a_run_that_has_just_begun_can_be_read_but_not_deleted() -> None:
    release = asyncio.Event()

    async def wait(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        await release.wait()
        return Outcome(status_code=200)

    async with a_bench() as bench:
        bench.code.run_next = wait
        running = asyncio.create_task(bench.executions.create(a_key(), FUNCTION))
        await until(lambda: bool(bench.code.calls))
        execution_id = bench.code.calls[0][1].execution_id
        seen = await bench.executions.history.get(a_key(), FUNCTION, execution_id)
        delete = bench.executions.history.delete(a_key(), FUNCTION, execution_id)
        assert await refused(delete) == "400 execution_in_progress"
        release.set()
        await running
    assert seen.status is Status.PROCESSING


async def test_runs_of_a_dead_server_become_failed_at_start() -> None:
    async with a_bench() as bench:
        await stored(bench, an_execution("left", Status.PROCESSING), an_execution("done"))
        await bench.executions.start()
        left = await bench.executions.history.get(a_key(), FUNCTION, "left")
        done = await bench.executions.history.get(a_key(), FUNCTION, "done")
    assert (left.status, left.error_class) == (Status.FAILED, ErrorClass.PLATFORM)
    assert "server ended" in left.errors
    assert left.updated_at > NOW
    assert (done.status, done.error_class) == (Status.COMPLETED, None)
