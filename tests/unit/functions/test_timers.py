"""The timer of a function follows it in every change."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from runwright.functions import lifecycle
from runwright.functions.settings import FunctionSettings
from runwright.functions.timers import Schedules, keep_timer
from runwright.model.execution import ErrorClass
from runwright.model.function import DeploymentStatus
from runwright.model.timer import CatchUp, Overlap, Timer
from runwright.ports.storage import UnitOfWork
from tests.unit.functions.desk import PROJECT, START, Desk, open_desk

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with open_desk() as opened:
        yield opened


async def timer(desk: Desk) -> Timer | None:
    return await desk.database.read(lambda uow: uow.timers.get(PROJECT, "f1"))


async def due(desk: Desk) -> datetime:
    found = await timer(desk)
    assert found is not None
    return found.due_at


async def a_scheduled(desk: Desk, **settings: Any) -> None:
    """A function that comes due every ten minutes, with an active deployment."""
    await desk.create(**{"schedule": "*/10 * * * *", **settings})
    await desk.add_deployment()
    await desk.catalog.activate(PROJECT, "f1", "d1")


async def test_a_timer_is_there_while_schedule_deployment_and_switch_all_say_so(
    desk: Desk,
) -> None:
    await desk.create(
        schedule="0 9 * * *", time_zone="Europe/Berlin", catch_up=CatchUp.ALL, overlap=Overlap.SKIP
    )
    assert await timer(desk) is None  # nothing to run yet
    await desk.add_deployment()
    await desk.catalog.activate(PROJECT, "f1", "d1")
    assert await timer(desk) == Timer(
        id="f1",
        project_id=PROJECT,
        created_at=START,
        updated_at=START,
        due_at=START.replace(day=6, hour=7),
        schedule="0 9 * * *",
        interval_min=0,
        time_zone="Europe/Berlin",
        catch_up=CatchUp.ALL,
        overlap=Overlap.SKIP,
        deployment_id="d1",
    )
    await desk.update(schedule="0 9 * * *", is_enabled=False)
    assert await timer(desk) is None
    await desk.update(schedule="0 9 * * *")
    assert await due(desk) == START.replace(day=6, hour=7)
    await desk.update()  # an update without a schedule takes it away
    assert await timer(desk) is None


async def test_a_new_deployment_leaves_the_next_tick_and_a_new_schedule_does_not(
    desk: Desk,
) -> None:
    await a_scheduled(desk)
    desk.clock.moment += timedelta(minutes=25)  # ticks are due that nobody has fired yet
    await desk.add_deployment("d2")
    await desk.catalog.activate(PROJECT, "f1", "d2")
    found = await timer(desk)
    assert found is not None
    assert (found.due_at, found.deployment_id) == (START + timedelta(minutes=10), "d2")
    await desk.update(schedule="*/15 * * * *")
    assert await due(desk) == START + timedelta(minutes=30)


@pytest.mark.parametrize(
    "settings", [{"schedule": "@hourly"}, {"schedule": "*/10 * * * *", "is_enabled": False}, {}]
)
async def test_a_tick_that_its_schedule_did_not_live_to_see_is_recorded(
    desk: Desk, settings: dict[str, Any]
) -> None:
    await a_scheduled(desk)
    desk.clock.moment += timedelta(minutes=25)
    await desk.update(**settings)
    rows = await desk.database.read(lambda uow: uow.executions.find(None))
    told = [row.errors for row in rows]
    assert [text[:41] for text in told] == [
        "The tick of 2026-10-05T08:10:00.000+00:00",
        "The tick of 2026-10-05T08:20:00.000+00:00",
    ]
    assert {row.error_class for row in rows} == {ErrorClass.EXPIRED}
    await desk.update(**settings)  # and once only, also when the clock was set back
    desk.clock.moment -= timedelta(minutes=25)
    await desk.update(schedule="*/10 * * * *")
    desk.clock.moment += timedelta(minutes=25)
    await desk.update()
    assert len(await desk.database.read(lambda uow: uow.executions.find(None))) == 2


async def test_an_interval_counts_from_the_minute_in_which_it_begins(desk: Desk) -> None:
    desk.clock.moment += timedelta(seconds=40)
    await a_scheduled(desk, schedule="", interval_min=7)
    assert await due(desk) == START + timedelta(minutes=7)
    found = await timer(desk)
    assert found is not None
    assert found.after(START + timedelta(minutes=7)) == START + timedelta(minutes=14)
    assert found.after(START + timedelta(minutes=20, seconds=59)) == START + timedelta(minutes=21)
    assert found.after(START) == START + timedelta(minutes=7)


async def test_a_deleted_deployment_and_a_deleted_function_take_the_timer_along(
    desk: Desk,
) -> None:
    await a_scheduled(desk)
    deployment = await desk.database.read(lambda uow: uow.deployments.get(PROJECT, "d1"))
    assert deployment is not None
    now = desk.clock.now()
    await desk.database.write(lambda uow: lifecycle.remove(uow, deployment, now))
    assert await timer(desk) is None
    await desk.add_deployment("d2")
    await desk.catalog.activate(PROJECT, "f1", "d2")
    assert await timer(desk) is not None
    await desk.catalog.delete(PROJECT, "f1")
    assert await timer(desk) is None


async def test_a_build_that_goes_live_starts_the_schedule(desk: Desk) -> None:
    await desk.create(interval_min=5)
    building = await desk.add_deployment(status=DeploymentStatus.BUILDING)
    await desk.database.write(
        lambda uow: lifecycle.succeed(uow, building, logs="", build_bytes=1, now=START)
    )
    assert await timer(desk) is None  # it was not to be activated


async def test_a_timer_that_is_refused_leaves_the_function_as_it_was(desk: Desk) -> None:
    """Both are one transaction."""
    await a_scheduled(desk)
    before = await timer(desk)

    def work(uow: UnitOfWork) -> None:
        stored = uow.functions.get(PROJECT, "f1")
        assert stored is not None
        changed = FunctionSettings(name="x", schedule="@hourly").applied_to(stored, START)
        uow.functions.put(changed)
        keep_timer(uow, changed, START)
        raise RuntimeError("deliberate")

    with pytest.raises(RuntimeError, match="deliberate"):
        await desk.database.write(work)
    assert await timer(desk) == before


async def test_what_a_function_will_do_is_shown_from_its_own_timer(desk: Desk) -> None:
    schedules = Schedules(desk.database, desk.clock)
    await desk.create(interval_min=7)
    idle = await schedules.of_function(PROJECT, "f1", 2)
    assert (idle.is_active, len(idle.ticks)) == (False, 2)
    await desk.add_deployment()
    await desk.catalog.activate(PROJECT, "f1", "d1")
    desk.clock.moment += timedelta(minutes=10)
    shown = await schedules.of_function(PROJECT, "f1", 2)
    assert shown.is_active
    assert shown.ticks == (START + timedelta(minutes=14), START + timedelta(minutes=21))
