"""What happens to deployments and domains without a call is announced as well."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from runwright.functions import lifecycle
from runwright.functions.uploads import CHUNK_BYTES
from runwright.model.function import DeploymentStatus
from runwright.ports.storage import UnitOfWork
from tests.fakes.announced import listening
from tests.unit.functions.desk import PROJECT, Desk, open_desk
from tests.unit.functions.yard import open_yard

pytestmark = pytest.mark.anyio


async def ended(desk: Desk, status: DeploymentStatus, *, is_uploaded: bool = True) -> None:
    await desk.create()
    await desk.add_deployment(status=DeploymentStatus.BUILDING)

    def work(uow: UnitOfWork) -> None:
        found = uow.deployments.get(PROJECT, "d1")
        assert found is not None
        now = desk.clock.now()
        found = replace(found, is_uploaded=is_uploaded)
        if status is DeploymentStatus.READY:
            lifecycle.succeed(uow, found, logs="done", build_bytes=7, now=now)
        elif status is DeploymentStatus.FAILED:
            lifecycle.fail(uow, found, logs="oh", now=now)
        else:
            lifecycle.cancel(uow, found, "stopped", now)

    await desk.database.write(work)


@pytest.mark.parametrize(
    "status", [DeploymentStatus.READY, DeploymentStatus.FAILED, DeploymentStatus.CANCELED]
)
async def test_the_end_of_a_build_is_an_update_of_its_deployment(status: DeploymentStatus) -> None:
    async with open_desk() as desk, listening(desk.database) as announced:
        await ended(desk, status)
        first, second = await announced.take()
    assert first.event.full_name == "functions.f1.create"
    assert second.event.full_name == "functions.f1.deployments.d1.update"
    assert (second.payload["$id"], second.payload["status"]) == ("d1", status.value)


async def test_an_upload_that_never_ended_began_and_ends_in_silence() -> None:
    async with open_desk() as desk, listening(desk.database) as announced:
        await ended(desk, DeploymentStatus.FAILED, is_uploaded=False)
        assert await announced.names() == ["functions.f1.create"]


async def test_an_upload_in_chunks_is_announced_with_its_last_one(tmp_path: Path) -> None:
    whole = bytes(CHUNK_BYTES + 10)
    async with open_yard(tmp_path) as yard:
        await yard.create_function()
        async with listening(yard.database) as announced:
            made = await yard.upload_chunk(whole, 0)
            assert await announced.names() == []
            await yard.upload_chunk(whole, 1, made.id)
            name, payload = await announced.one()
            await yard.upload_chunk(whole, 1, made.id)  # again: nothing changes any more
            assert await announced.names() == []
    assert name == f"functions.f1.deployments.{made.id}.create"
    assert payload["sourceSize"] == len(whole)


async def test_a_deployment_that_is_kept_no_longer_is_announced_as_deleted() -> None:
    async with open_desk() as desk, listening(desk.database) as announced:
        await desk.create()
        deployment = await desk.add_deployment()
        await announced.take()
        await desk.database.write(lambda uow: lifecycle.remove(uow, deployment, desk.clock.now()))
        name, payload = await announced.one()
    assert name == "functions.f1.deployments.d1.delete"
    assert payload["$id"] == "d1"


async def test_a_domain_is_news_when_its_status_changed_and_not_when_it_was_looked_at() -> None:
    async with open_desk() as desk:
        rule = await desk.domains.create_for_api(PROJECT, "shop.example.com")
        async with listening(desk.database) as announced:
            young = desk.clock.now() - timedelta(days=1)
            assert await desk.domains.verify_waiting(younger_than=young, most=10) == 0
            assert await announced.names() == []
            desk.resolver.table["shop.example.com", "CNAME"] = ["in.example.com"]
            assert await desk.domains.verify_waiting(younger_than=young, most=10) == 1
            name, payload = await announced.one()
    assert name == f"rules.{rule.id}.update"
    assert payload["status"] == "verified"
