"""Who is live once every build has ended, whatever came in which order."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runwright.functions import lifecycle
from runwright.model.function import Deployment, DeploymentStatus
from runwright.ports.storage import UnitOfWork
from tests.unit.functions.yard import PROJECT, Yard, open_yard

READY = DeploymentStatus.READY

# A deployment: whether it claims to go live, and how it ends.
plans = st.lists(
    st.tuples(st.booleans(), st.sampled_from(["ready", "failed", "canceled"])),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(plan=plans, data=st.data())
def test_the_newest_success_that_claimed_to_go_live_is_live_in_the_end(
    tmp_path_factory: pytest.TempPathFactory,
    plan: list[tuple[bool, str]],
    data: st.DataObject,
) -> None:
    # Uploads happen in order; each ends at any time after it was uploaded.
    steps = [("upload", number) for number in range(len(plan))]
    for number in range(len(plan)):
        earliest = steps.index(("upload", number)) + 1
        steps.insert(data.draw(st.integers(earliest, len(steps))), ("end", number))

    async def play(folder: Path) -> None:
        async with open_yard(folder) as yard:
            await yard.create_function()
            made: dict[int, Deployment] = {}
            for step, number in steps:
                claims, end = plan[number]
                if step == "upload":
                    made[number] = await yard.upload(activate=claims)
                else:
                    await finish(yard, made[number].id, end)
                await check(yard)
            winners = [
                made[number].id
                for number, (claims, end) in enumerate(plan)
                if claims and end == "ready"
            ]
            assert (await yard.function()).deployment_id == (winners[-1] if winners else "")

    asyncio.run(play(tmp_path_factory.mktemp("claims")))


async def finish(yard: Yard, deployment_id: str, end: str) -> None:
    now = yard.clock.now()

    def work(uow: UnitOfWork) -> None:
        row = uow.deployments.get(PROJECT, deployment_id)
        assert row is not None
        row = lifecycle.begin(uow, row, "", now)
        if end == "ready":
            lifecycle.succeed(uow, row, logs="", build_bytes=1, now=now)
        else:
            lifecycle.fail(uow, row, logs="", now=now)

    if end == "canceled":
        await yard.deployments.cancel(PROJECT, "f1", deployment_id)
    else:
        await yard.database.write(work)


async def check(yard: Yard) -> None:
    """What holds after every step."""
    function = await yard.function()
    rows = await yard.database.read(lambda uow: uow.deployments.find(PROJECT))
    assert sum(row.is_activating for row in rows) <= 1
    active = [row for row in rows if row.id == function.deployment_id]
    assert not function.deployment_id or active[0].status is READY
    newest = max(rows, key=lambda row: row.created_at)
    assert function.latest_deployment_id == newest.id
    assert function.latest_deployment_status == newest.status
