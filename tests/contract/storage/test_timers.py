"""Timers: what is due, and who may fire it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from runwright.model.execution import Execution, Status, Trigger
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork
from tests.contract.storage.rows import NOW, PROJECT, a_job, a_timer, adding, an_execution

pytestmark = pytest.mark.anyio

MINUTE = timedelta(minutes=1)


async def test_the_longest_due_go_first_and_what_is_not_due_does_not(storage: Storage) -> None:
    await storage.write(
        adding(
            "timers",
            a_timer("soon", due_at=NOW + MINUTE),
            a_timer("now", due_at=NOW),
            a_timer("old", due_at=NOW - 2 * MINUTE),
            a_timer("new", project_id="other", due_at=NOW - MINUTE),
        )
    )

    async def due(limit: int = 10, **more: object) -> list[str]:
        found = await storage.read(
            lambda uow: uow.timers.due(NOW, limit=limit, **more)  # type: ignore[arg-type]
        )
        return [item.id for item in found]

    assert await due() == ["old", "new", "now"]
    assert await due(limit=2) == ["old", "new"]
    assert await due(since=NOW - MINUTE) == ["new", "now"]
    assert await storage.read(lambda uow: uow.timers.first_due()) == NOW - 2 * MINUTE


async def test_without_timers_nothing_is_due(storage: Storage) -> None:
    assert await storage.read(lambda uow: uow.timers.first_due()) is None
    assert await storage.read(lambda uow: uow.timers.due(NOW, limit=1)) == []


async def test_a_tick_belongs_to_the_first_who_moves_its_timer_on(storage: Storage) -> None:
    here, there = a_timer("a"), a_timer("a", project_id="other")
    later = a_timer("b", due_at=NOW)
    await storage.write(adding("timers", here, there, later))
    moves = [(here, NOW + 5 * MINUTE), (later, NOW + 9 * MINUTE), (there, NOW + 5 * MINUTE)]
    assert await storage.write(lambda uow: uow.timers.move_on(moves)) == [True, True, True]
    assert await storage.write(lambda uow: uow.timers.move_on(moves)) == [False, False, False]
    gone = a_timer("gone")
    again = [(a_timer("b", due_at=NOW + 9 * MINUTE), NOW), (gone, NOW), (here, NOW)]
    assert await storage.write(lambda uow: uow.timers.move_on(again)) == [True, False, False]

    stored = await storage.read(lambda uow: uow.timers.find(None))
    assert {(item.project_id, item.id): item.due_at for item in stored} == {
        (PROJECT, "a"): NOW + 5 * MINUTE,
        ("other", "a"): NOW + 5 * MINUTE,
        (PROJECT, "b"): NOW,
    }
    assert await storage.write(lambda uow: uow.timers.move_on([])) == []


async def test_open_ticks_are_runs_of_a_schedule_that_wait_or_run(storage: Storage) -> None:
    def run(id: str, **more: Any) -> Execution:
        plain: dict[str, Any] = {
            "function_id": id,
            "trigger": Trigger.SCHEDULE,
            "scheduled_at": None,
        }
        return an_execution(id, **{**plain, **more})

    await storage.write(
        adding(
            "executions",
            run("waits", status=Status.WAITING),
            run("runs", status=Status.PROCESSING),
            run("ended", status=Status.FAILED),
            run("delayed", scheduled_at=NOW, status=Status.WAITING),
            run("called", trigger=Trigger.HTTP, status=Status.WAITING),
            run("elsewhere", project_id="other", status=Status.WAITING),
        )
    )
    asked = ["waits", "runs", "ended", "delayed", "called", "elsewhere", "unknown"]
    found = await storage.read(lambda uow: uow.executions.with_open_tick(PROJECT, asked))
    assert found == {"waits", "runs"}


async def test_copies_differ_from_the_first_in_what_is_said_and_in_nothing_else(
    storage: Storage,
) -> None:
    run, job = an_execution("a0"), a_job("a0")
    runs = [(PROJECT, f"a{at}", f"fn{at}", f"build{at}") for at in range(300)]
    runs.append(("other", "a0", "fn", "build"))
    jobs = [copy[:3] for copy in runs]

    def work(uow: UnitOfWork) -> None:
        uow.executions.add_copies(run, runs)
        uow.jobs.add_copies(job, jobs)

    await storage.write(work)
    stored_runs = await storage.read(lambda uow: uow.executions.find(None))
    stored_jobs = await storage.read(lambda uow: uow.jobs.find(None))
    assert stored_runs == [
        replace(run, project_id=project, id=id, function_id=function, deployment_id=deployment)
        for project, id, function, deployment in runs
    ]
    assert stored_jobs == [
        replace(job, project_id=project, id=id, function_id=function)
        for project, id, function in jobs
    ]
    with pytest.raises(AlreadyStored):
        await storage.write(lambda uow: uow.executions.add_copies(run, runs[:1]))
    with pytest.raises(AlreadyStored):
        await storage.write(lambda uow: uow.jobs.add_copies(job, jobs[:1]))
