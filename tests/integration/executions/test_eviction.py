"""What runs in a project that is deleted ends at once, and leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from runwright.executions.dispatcher import Dispatcher
from runwright.executions.eviction import Eviction
from runwright.executions.runs import Runs
from runwright.identity.errors import ProjectNotFound
from runwright.identity.projects import remove_project
from runwright.model.execution import Execution, Invocation, Outcome
from runwright.model.function import Deployment, Function
from runwright.model.identity import Project
from runwright.ports.executor import NoSlot, ResponseSink
from tests.fakes.user_code import failing
from tests.unit.executions.bench import (
    FUNCTION,
    PROJECT,
    Bench,
    a_bench,
    a_deployment,
    a_function,
    a_key,
    a_project,
    until,
)

pytestmark = pytest.mark.anyio


async def for_ever(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


@asynccontextmanager
async def evicting(bench: Bench) -> AsyncIterator[Dispatcher]:
    dispatcher = bench.dispatcher()
    runs: Runs = bench.executions.runs
    eviction = Eviction(bench.signals, bench.authenticator.project, (runs, dispatcher))
    await dispatcher.start()
    try:
        yield dispatcher
    finally:
        await eviction.stop()
        await dispatcher.stop(0)


async def delete(bench: Bench) -> None:
    await bench.storage.write(lambda uow: remove_project(uow, a_project()))


async def records(bench: Bench) -> list[Execution]:
    await bench.recorder.flush()
    return list(await bench.storage.read(lambda uow: uow.executions.find(PROJECT)))


async def test_a_caller_is_told_and_the_run_is_ended_without_a_record() -> None:
    async with a_bench(shown_after_s=0.0) as bench, evicting(bench):
        bench.code.run_next = for_ever
        call = asyncio.create_task(bench.executions.create(a_key(), FUNCTION))
        await until(lambda: len(bench.code.running) == 1)
        await until(lambda: is_shown(bench))
        await delete(bench)
        async with asyncio.timeout(60):
            with pytest.raises(ProjectNotFound):
                await call
        await until(lambda: not bench.code.running and not len(bench.executions.runs))
        assert await records(bench) == []


async def is_shown(bench: Bench) -> bool:
    return len(await records(bench)) == 1


async def test_a_queued_run_is_ended_without_a_record() -> None:
    async with a_bench() as bench, evicting(bench) as dispatcher:
        bench.code.run_next = for_ever
        await bench.executions.accept(a_key(), FUNCTION)
        await until(lambda: len(bench.code.running) == 1)
        await delete(bench)
        await until(lambda: not bench.code.running and not len(dispatcher))
        assert await records(bench) == []


async def test_a_queued_run_that_waits_for_a_slot_ends_as_well() -> None:
    async with a_bench() as bench, evicting(bench) as dispatcher:
        bench.code.run_next = failing(NoSlot())
        await bench.executions.accept(a_key(), FUNCTION)
        await until(lambda: len(bench.code.calls) > 0)
        await delete(bench)
        await until(lambda: not len(dispatcher))
        assert await records(bench) == []


async def test_other_projects_and_other_changes_end_nothing() -> None:
    async with a_bench() as bench, evicting(bench):
        bench.code.run_next = for_ever
        other = _elsewhere(a_function(), a_deployment())
        await bench.put(a_project("elsewhere"), *other)
        elsewhere = replace(a_key(), project_id="elsewhere")
        here = asyncio.create_task(bench.executions.create(a_key(), FUNCTION))
        there = asyncio.create_task(bench.executions.create(elsewhere, FUNCTION))
        await until(lambda: len(bench.code.running) == 2)
        renamed: Project = replace(a_project("elsewhere"), name="New")
        await bench.put(renamed)
        await delete(bench)
        with pytest.raises(ProjectNotFound):
            await here
        await until(lambda: len(bench.code.running) == 1)
        assert not there.done()
        there.cancel()


def _elsewhere(function: Function, deployment: Deployment) -> tuple[Function, Deployment]:
    return (
        replace(function, project_id="elsewhere"),
        replace(deployment, project_id="elsewhere"),
    )
