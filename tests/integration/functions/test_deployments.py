"""Deployments: their states, the claim to go live, copies, templates, ends and downloads."""

import asyncio
import gzip
import io
import os
import tarfile
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.functions import lifecycle
from runwright.functions.deployment_errors import BuildAlreadyCompleted, InvalidRange
from runwright.functions.deployments import NewFromTemplate
from runwright.functions.downloads import DownloadTokens, FileKind, Span, parse_range
from runwright.functions.errors import (
    DeploymentNotFound,
    FunctionNotFound,
    InstallationNotFound,
    ProviderRepositoryNotFound,
)
from runwright.functions.folders import output_name, source_name
from runwright.functions.settings import FunctionSettings
from runwright.model.function import Deployment, DeploymentStatus, Rule, RuleStatus, RuleType
from runwright.model.query import ListQuery
from runwright.ports.storage import UnitOfWork
from tests.fakes.archives import source
from tests.fakes.clock import ManualClock
from tests.unit.functions.yard import OTHER_PROJECT, PROJECT, Yard, building, open_yard

pytestmark = pytest.mark.anyio

READY, FAILED = DeploymentStatus.READY, DeploymentStatus.FAILED
CANCELED = DeploymentStatus.CANCELED


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    async with open_yard(tmp_path) as opened:
        await opened.create_function()
        yield opened


async def finish(yard: Yard, deployment: Deployment, *, is_ready: bool) -> None:
    """End a build as the builder does."""
    now = yard.clock.now()

    def work(uow: UnitOfWork) -> None:
        row = uow.deployments.get(PROJECT, deployment.id)
        assert row is not None
        row = lifecycle.begin(uow, row, "log\n", now)
        if is_ready:
            lifecycle.succeed(uow, row, logs="log\n", build_bytes=5, now=now)
        else:
            lifecycle.fail(uow, row, logs="log\n", now=now)

    await yard.database.write(work)


async def active(yard: Yard) -> str:
    return (await yard.function()).deployment_id


async def claims(yard: Yard) -> list[str]:
    rows = await yard.database.read(lambda uow: uow.deployments.find(PROJECT))
    return [row.id for row in rows if row.is_activating]


# The claim to go live


async def test_only_the_last_submitted_goes_live_whatever_ends_first(yard: Yard) -> None:
    first, second = await yard.upload(), await yard.upload()
    assert await claims(yard) == [second.id]
    await finish(yard, second, is_ready=True)
    await finish(yard, first, is_ready=True)
    assert await active(yard) == second.id
    assert await claims(yard) == [second.id]


async def test_a_new_claim_leaves_what_is_live_alone(yard: Yard) -> None:
    live = await yard.upload()
    await finish(yard, live, is_ready=True)
    await yard.upload()
    assert await active(yard) == live.id
    assert not (await yard.row(live.id)).is_activating


async def test_a_deployment_without_a_claim_changes_nothing(yard: Yard) -> None:
    live = await yard.upload()
    await finish(yard, live, is_ready=True)
    quiet = await yard.upload(activate=False)
    await finish(yard, quiet, is_ready=True)
    assert await active(yard) == live.id
    assert await claims(yard) == [live.id]


async def test_the_claim_goes_back_to_a_build_in_flight(yard: Yard) -> None:
    first, second = await yard.upload(), await yard.upload()
    await finish(yard, second, is_ready=False)
    assert await claims(yard) == [first.id]
    await finish(yard, first, is_ready=True)
    assert await active(yard) == first.id


async def test_the_claim_goes_back_to_the_newest_that_is_ready_already(yard: Yard) -> None:
    older, newer, last = [await yard.upload() for _ in range(3)]
    await finish(yard, older, is_ready=True)
    await finish(yard, newer, is_ready=True)
    assert await active(yard) == ""
    await finish(yard, last, is_ready=False)
    assert await active(yard) == newer.id


async def test_a_build_that_failed_before_gets_nothing_back(yard: Yard) -> None:
    first, second, third = [await yard.upload() for _ in range(3)]
    await finish(yard, second, is_ready=False)
    await finish(yard, first, is_ready=True)
    assert await active(yard) == ""
    await finish(yard, third, is_ready=False)
    assert await active(yard) == first.id


async def test_cancelling_and_deleting_give_the_claim_back_too(yard: Yard) -> None:
    first, second, third = [await yard.upload() for _ in range(3)]
    await finish(yard, first, is_ready=True)
    await yard.deployments.cancel(PROJECT, "f1", third.id)
    assert (await yard.row(second.id)).is_activating
    await yard.deployments.delete(PROJECT, "f1", second.id)
    assert await active(yard) == first.id


async def test_what_was_live_does_not_come_back_by_a_failure(yard: Yard) -> None:
    live = await yard.upload()
    await finish(yard, live, is_ready=True)
    chosen = await yard.upload(activate=False)
    await finish(yard, chosen, is_ready=True)
    await yard.catalog.activate(PROJECT, "f1", chosen.id)
    last = await yard.upload()
    await finish(yard, last, is_ready=False)
    assert await active(yard) == chosen.id


async def test_a_choice_by_hand_outlives_a_claim_that_comes_back(yard: Yard) -> None:
    chosen = await yard.upload(activate=False)
    await finish(yard, chosen, is_ready=True)
    first, second = await yard.upload(), await yard.upload()
    await finish(yard, first, is_ready=True)
    await yard.catalog.activate(PROJECT, "f1", chosen.id)
    await finish(yard, second, is_ready=False)
    assert await active(yard) == chosen.id


async def test_deleting_what_is_live_does_not_revive_what_it_won_over(yard: Yard) -> None:
    first, second = await yard.upload(), await yard.upload()
    await finish(yard, first, is_ready=True)
    await finish(yard, second, is_ready=True)
    await yard.deployments.delete(PROJECT, "f1", second.id)
    assert await active(yard) == ""


async def test_going_live_makes_the_function_live_and_moves_its_domains(yard: Yard) -> None:
    now = yard.clock.now()

    def add(uow: UnitOfWork) -> None:
        for rule_id, branch in (("follows", ""), ("pinned", "main")):
            uow.rules.add(
                Rule(
                    id=rule_id,
                    project_id=PROJECT,
                    created_at=now,
                    updated_at=now,
                    domain=f"{rule_id}.example.com",
                    type=RuleType.DEPLOYMENT,
                    resource_type="function",
                    resource_id="f1",
                    branch=branch,
                    status=RuleStatus.VERIFIED,
                )
            )
        function = uow.functions.get(PROJECT, "f1")
        assert function is not None
        uow.functions.put(replace(function, is_live=False))

    await yard.database.write(add)
    made = await yard.upload()
    await finish(yard, made, is_ready=True)
    rules = await yard.database.read(lambda uow: uow.rules.find(PROJECT))
    shown = {rule.id: rule.deployment_id for rule in rules if not rule.is_generated}
    assert shown == {"follows": made.id, "pinned": ""}
    assert (await yard.function()).is_live
    await yard.deployments.delete(PROJECT, "f1", made.id)
    rules = await yard.database.read(lambda uow: uow.rules.find(PROJECT))
    assert {rule.deployment_id for rule in rules} == {""}


# The newest deployment, as the function shows it


async def test_the_function_follows_its_newest_deployment_at_every_step(yard: Yard) -> None:
    async def latest() -> tuple[str, str]:
        function = await yard.function()
        return function.latest_deployment_id, function.latest_deployment_status

    first = await yard.upload()
    assert await latest() == (first.id, "waiting")
    second = await yard.upload()
    await finish(yard, first, is_ready=True)
    assert await latest() == (second.id, "waiting")
    await finish(yard, second, is_ready=False)
    assert await latest() == (second.id, "failed")
    await yard.deployments.delete(PROJECT, "f1", second.id)
    assert await latest() == (first.id, "ready")
    assert (await yard.function()).latest_deployment_created_at == first.created_at
    await yard.deployments.delete(PROJECT, "f1", first.id)
    assert await latest() == ("", "")
    assert (await yard.function()).latest_deployment_created_at is None


async def test_of_two_from_the_same_moment_the_later_row_is_the_newest(yard: Yard) -> None:
    request = yard.request()
    await yard.deployments.upload(PROJECT, "f1", request)
    later = await yard.deployments.upload(PROJECT, "f1", request)
    assert (await yard.function()).latest_deployment_id == later.id


# Ends


async def test_a_waiting_deployment_can_be_cancelled_twice(yard: Yard) -> None:
    made = await yard.upload()
    once = await yard.deployments.cancel(PROJECT, "f1", made.id)
    twice = await yard.deployments.cancel(PROJECT, "f1", made.id)
    assert (once.status, twice.status) == (CANCELED, CANCELED)
    assert once.build_ended_at is not None
    assert twice.build_logs.count("The deployment was cancelled.") == 2
    assert (await yard.function()).latest_deployment_status == "canceled"


@pytest.mark.parametrize("is_ready", [True, False])
async def test_what_is_over_cannot_be_cancelled(yard: Yard, is_ready: bool) -> None:
    made = await yard.upload()
    await finish(yard, made, is_ready=is_ready)
    with pytest.raises(BuildAlreadyCompleted) as caught:
        await yard.deployments.cancel(PROJECT, "f1", made.id)
    assert (caught.value.type, caught.value.status) == ("build_already_completed", 400)


async def test_deleting_removes_the_row_the_files_and_the_sandboxes(yard: Yard) -> None:
    async with building(yard):
        made = await yard.built(await yard.upload())
    await yard.deployments.download(PROJECT, "f1", made.id, FileKind.OUTPUT)
    assert yard.artifact(made.id).exists()
    await yard.deployments.delete(PROJECT, "f1", made.id)
    assert await yard.stored(made.id) is None
    assert await yard.blobs.names("") == []
    assert not yard.artifact(made.id).exists()
    assert yard.executor.retired == [made.id]
    function = await yard.function()
    assert (function.deployment_id, function.deployment_created_at) == ("", None)
    with pytest.raises(DeploymentNotFound):
        await yard.deployments.delete(PROJECT, "f1", made.id)


async def test_a_rule_for_one_deployment_goes_with_it(yard: Yard) -> None:
    made = await yard.upload()
    now = yard.clock.now()
    rule = Rule(
        id="preview",
        project_id=PROJECT,
        created_at=now,
        updated_at=now,
        domain="preview.example.com",
        type=RuleType.DEPLOYMENT,
        trigger="deployment",
        deployment_id=made.id,
    )
    await yard.database.write(lambda uow: uow.rules.add(rule))
    await yard.deployments.delete(PROJECT, "f1", made.id)
    assert await yard.database.read(lambda uow: uow.rules.get(PROJECT, "preview")) is None


async def test_nothing_is_found_through_another_function_or_project(yard: Yard) -> None:
    await yard.create_function("f2")
    await yard.create_function("f1", OTHER_PROJECT)
    made = await yard.upload()
    for project_id, function_id in ((PROJECT, "f2"), (OTHER_PROJECT, "f1")):
        for work in (yard.deployments.get, yard.deployments.cancel, yard.deployments.delete):
            with pytest.raises(DeploymentNotFound):
                await work(project_id, function_id, made.id)
        with pytest.raises(DeploymentNotFound):
            await yard.deployments.duplicate(project_id, function_id, made.id)
        with pytest.raises(DeploymentNotFound):
            await yard.deployments.download(project_id, function_id, made.id, FileKind.SOURCE)
        assert (await yard.deployments.list(project_id, function_id, ListQuery())).total == 0
    with pytest.raises(FunctionNotFound):
        await yard.deployments.list(PROJECT, "nobody", ListQuery())
    with pytest.raises(FunctionNotFound):
        await yard.deployments.get(PROJECT, "nobody", made.id)


# Other origins


async def test_a_copy_has_the_old_source_and_the_new_settings(yard: Yard) -> None:
    old = await yard.upload(activate=False, entrypoint="old.js", commands="old")
    await finish(yard, old, is_ready=False)
    settings = FunctionSettings(name="Mail", commands="new", entrypoint="new.js")
    await yard.catalog.update(PROJECT, "f1", settings)
    yard.clock.advance(1)
    copy = await yard.deployments.duplicate(PROJECT, "f1", old.id)
    assert copy.id != old.id
    assert (copy.entrypoint, copy.commands, copy.is_activating) == ("new.js", "new", True)
    assert copy.status is DeploymentStatus.WAITING
    assert (copy.build_logs, copy.build_bytes, copy.build_attempts) == ("", 0, 0)
    assert copy.source_bytes == old.source_bytes
    await yard.deployments.delete(PROJECT, "f1", old.id)
    assert await yard.blobs.size(source_name(PROJECT, copy.id)) == old.source_bytes
    async with building(yard):
        assert (await yard.built(copy)).status is READY
    assert await active(yard) == copy.id


async def test_without_a_source_there_is_no_copy(yard: Yard) -> None:
    unfinished = yard.request(b"x", content_range="bytes 0-0/1", deployment_id="mine")
    done = await yard.deployments.upload(PROJECT, "f1", unfinished)
    await yard.blobs.remove(source_name(PROJECT, done.id))
    with pytest.raises(DeploymentNotFound):
        await yard.deployments.duplicate(PROJECT, "f1", done.id)
    rows = await yard.database.read(lambda uow: uow.deployments.find(PROJECT))
    assert [row.id for row in rows] == [done.id]


async def test_a_shipped_template_is_packed_and_built(yard: Yard) -> None:
    made = await yard.deployments.from_template(PROJECT, "f1", a_template())
    assert (made.type, made.is_uploaded, made.is_activating) == ("vcs", True, True)
    assert made.source_bytes > 0
    async with building(yard):
        ready = await yard.built(made)
    assert ready.status is READY
    assert (yard.artifact(made.id) / "main.js").exists()
    assert not list(yard.folders.trash.iterdir())
    copy = await yard.deployments.duplicate(PROJECT, "f1", made.id)
    assert (copy.type, copy.template) == ("vcs", made.template)


@pytest.mark.parametrize(
    "change",
    [
        {"owner": "somebody"},
        {"repository": "else"},
        {"root_directory": "nothing/node"},
        {"root_directory": "../../functions"},
        {"reference": "9.9.9"},
    ],
)
async def test_other_repositories_are_not_found(yard: Yard, change: dict[str, str]) -> None:
    with pytest.raises(ProviderRepositoryNotFound, match="owner 'runwright'") as caught:
        await yard.deployments.from_template(PROJECT, "f1", replace(a_template(), **change))  # type: ignore[arg-type]  # texts only
    assert caught.value.type == "provider_repository_not_found"


def a_template() -> NewFromTemplate:
    return NewFromTemplate(
        owner="runwright",
        repository="templates",
        root_directory="starter/node",
        reference="0.1.*",
        is_activating=True,
    )


async def test_version_control_answers_what_it_lacks(yard: Yard) -> None:
    with pytest.raises(InstallationNotFound):
        await yard.deployments.from_vcs(PROJECT, "f1")
    connected = replace(await yard.function(), installation_id="i1", provider_repository_id="r1")
    await yard.database.write(lambda uow: uow.functions.put(connected))
    with pytest.raises(ProviderRepositoryNotFound):
        await yard.deployments.from_vcs(PROJECT, "f1")


# Ageing


async def test_old_deployments_are_deleted_but_never_the_active_one(yard: Yard) -> None:
    live, old = await yard.upload(), await yard.upload(activate=False)
    await finish(yard, live, is_ready=True)
    yard.clock.advance(timedelta(days=10).total_seconds())
    young = await yard.upload(activate=False)
    assert (
        await yard.housekeeper.expire_deployments() == 0
    )  # kept for ever, unless the function says so
    keeping = replace(await yard.function(), deployment_retention_days=5)
    await yard.database.write(lambda uow: uow.functions.put(keeping))
    assert await yard.housekeeper.expire_deployments() == 1
    assert await yard.stored(old.id) is None
    assert await yard.stored(live.id) is not None
    assert await yard.stored(young.id) is not None
    assert await yard.blobs.names("sources") == sorted(
        source_name(PROJECT, item.id) for item in (live, young)
    )


async def test_more_old_deployments_than_fit_one_transaction_go_too(yard: Yard) -> None:
    for _ in range(25):
        await yard.upload(activate=False)
    yard.clock.advance(timedelta(days=2).total_seconds())
    keeping = replace(await yard.function(), deployment_retention_days=1)
    await yard.database.write(lambda uow: uow.functions.put(keeping))
    assert await yard.housekeeper.expire_deployments() == 25


async def test_files_without_a_row_are_removed(yard: Yard) -> None:
    kept = await yard.upload()
    file = yard.file(b"x")
    await yard.blobs.put_file("sources/p1/gone.tar.gz", file.path)
    await yard.blobs.put_file("outputs/p1/gone.tar.gz", file.path)
    for folder in (
        yard.folders.artifact(PROJECT, "gone"),
        yard.folders.artifact(PROJECT, kept.id),
        yard.folders.cache(PROJECT, "gone"),
        yard.folders.cache(PROJECT, "f1"),
        yard.folders.upload(PROJECT, "gone"),
    ):
        folder.mkdir(parents=True)
    await yard.housekeeper.remove_orphans(older_than_s=1000)
    assert yard.folders.artifact(PROJECT, "gone").exists()  # too young to judge
    assert len(await yard.blobs.names("")) == 3  # a row may still be on its way
    await yard.housekeeper.remove_orphans(older_than_s=0)
    assert await yard.blobs.names("") == [source_name(PROJECT, kept.id)]
    assert not yard.folders.artifact(PROJECT, "gone").exists()
    assert yard.folders.artifact(PROJECT, kept.id).exists()
    assert not yard.folders.cache(PROJECT, "gone").exists()
    assert yard.folders.cache(PROJECT, "f1").exists()
    assert not yard.folders.upload(PROJECT, "gone").exists()


async def test_a_discarded_tree_stays_a_while_for_who_still_runs_it(yard: Yard) -> None:
    tree = yard.folders.artifact(PROJECT, "d1")
    tree.mkdir(parents=True)
    (tree / "main.js").write_text("x")
    tree.chmod(0o555)
    yard.folders.discard(tree)
    assert not tree.exists()
    await yard.housekeeper.empty_trash(older_than_s=3600)
    assert len(list(yard.folders.trash.glob("*/main.js"))) == 1
    await yard.housekeeper.empty_trash(older_than_s=0)
    assert not list(yard.folders.trash.iterdir())


async def test_the_housekeeper_works_by_itself(yard: Yard) -> None:
    request = yard.request(b"x" * 10, content_range="bytes 0-9/10")
    await yard.deployments.upload(PROJECT, "f1", request)
    half = await yard.database.read(lambda uow: uow.deployments.find(PROJECT))
    await yard.put(replace(half[0], is_uploaded=False))
    interrupted = yard.folders.uploads / "upload-abc"
    interrupted.write_text("a body that was being received")
    yard.clock.advance(4000)
    await yard.housekeeper.start()
    try:
        await yard.until(half[0].id, FAILED)
    finally:
        await yard.housekeeper.stop()
    assert not interrupted.exists()


# Downloads


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-99", Span(0, 100)),
        ("bytes=0-9", Span(0, 10)),
        ("bytes=10-10", Span(10, 11)),
        ("bytes=99-", Span(99, 100)),
        ("bytes=0-", Span(0, 100)),
    ],
)
def test_ranges_inside_the_file_are_served(header: str, span: Span) -> None:
    assert parse_range(header, 100) == span


def test_a_range_without_an_end_is_ten_mebibytes() -> None:
    size = 30 * 1024 * 1024
    assert parse_range("bytes=5-", size) == Span(5, 5 + 10 * 1024 * 1024)


@pytest.mark.parametrize(
    "header",
    [
        *("", "bytes", "bytes=", "bytes=-5", "bytes=5-4", "bytes=0-100", "bytes=100-", "items=0-5"),
        *("bytes=0-1,3-4", "bytes=a-b", "bytes=0-9 9", "bytes=" + "9" * 30 + "-"),
    ],
)
def test_ranges_that_do_not_fit_are_refused(header: str) -> None:
    with pytest.raises(InvalidRange) as caught:
        parse_range(header, 100)
    assert (caught.value.type, caught.value.status) == ("storage_invalid_range", 416)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(1, 150))
def test_a_served_range_lies_in_the_file(first: int, last: int, size: int) -> None:
    try:
        span = parse_range(f"bytes={first}-{last}", size)
    except InvalidRange:
        assert first > last or last >= size
    else:
        assert (span.start, span.end) == (first, last + 1)
        assert span.end <= size


async def test_the_source_comes_back_as_it_was_sent(yard: Yard) -> None:
    data = source({"main.js": os.urandom(5000)})
    made = await yard.upload(data)
    found = await yard.deployments.download(PROJECT, "f1", made.id, FileKind.SOURCE)
    assert b"".join([part async for part in found.parts]) == data
    assert (found.name, found.is_partial) == (f"{made.id}-source.tar.gz", False)
    part = await yard.deployments.download(PROJECT, "f1", made.id, FileKind.SOURCE, "bytes=10-19")
    assert b"".join([piece async for piece in part.parts]) == data[10:20]
    assert (part.is_partial, part.total_bytes) == (True, len(data))


async def test_the_output_is_packed_once_when_it_is_asked_for(yard: Yard) -> None:
    async with building(yard):
        made = await yard.built(await yard.upload())
    name = output_name(PROJECT, made.id)
    assert await yard.blobs.names("outputs") == []
    found = await asyncio.gather(
        *(yard.deployments.download(PROJECT, "f1", made.id, FileKind.OUTPUT) for _ in range(3))
    )
    assert await yard.blobs.names("outputs") == [name]
    data = b"".join([part async for part in found[0].parts])
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as tar:
        assert tar.getnames() == ["main.js"]
    assert found[0].name == f"{made.id}-output-code.tar.gz"
    assert not list(yard.folders.trash.iterdir())


async def test_what_is_not_there_cannot_be_downloaded(yard: Yard) -> None:
    made = await yard.upload()
    with pytest.raises(DeploymentNotFound):
        await yard.deployments.download(PROJECT, "f1", made.id, FileKind.OUTPUT)
    await yard.blobs.remove(source_name(PROJECT, made.id))
    with pytest.raises(DeploymentNotFound):
        await yard.deployments.download(PROJECT, "f1", made.id, FileKind.SOURCE)


def test_a_token_opens_one_file_for_a_while() -> None:
    clock = ManualClock()
    tokens = DownloadTokens(b"k" * 32, clock, build_timeout_s=900)
    token = tokens.mint(PROJECT, "d1", FileKind.SOURCE)
    assert tokens.opens(token, PROJECT, "d1", FileKind.SOURCE)
    assert not tokens.opens(token, PROJECT, "d1", FileKind.OUTPUT)
    assert not tokens.opens(token, PROJECT, "d2", FileKind.SOURCE)
    assert not tokens.opens(token, OTHER_PROJECT, "d1", FileKind.SOURCE)
    other = DownloadTokens(b"x" * 32, clock, build_timeout_s=900)
    assert not other.opens(token, PROJECT, "d1", FileKind.SOURCE)
    for broken in ("", "x", token[:-2], token + "x", "é", "a.b.c"):
        assert not tokens.opens(broken, PROJECT, "d1", FileKind.SOURCE)
    clock.advance(1199)
    assert tokens.opens(token, PROJECT, "d1", FileKind.SOURCE)
    clock.advance(2)
    assert not tokens.opens(token, PROJECT, "d1", FileKind.SOURCE)
