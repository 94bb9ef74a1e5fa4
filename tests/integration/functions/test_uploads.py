"""Chunks of a source archive: any order, in parallel, again, after a restart, and wrong ones."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runwright.functions import uploads as uploads_module
from runwright.functions.deployment_errors import (
    EntrypointMissing,
    FileEmpty,
    FileTypeUnsupported,
    InvalidContentRange,
    InvalidFile,
    InvalidUploadId,
    NotWritten,
    SourceTooLarge,
    UploadBusy,
)
from runwright.functions.errors import DeploymentNotFound, FunctionNotFound
from runwright.functions.folders import source_name
from runwright.functions.receiving import NewUpload
from runwright.functions.uploads import CHUNK_BYTES, Chunk, parse_content_range
from runwright.model.function import Deployment, DeploymentStatus
from tests.unit.functions.yard import PROJECT, Yard, open_yard

pytestmark = pytest.mark.anyio


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    async with open_yard(tmp_path) as opened:
        await opened.create_function()
        yield opened


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> int:
    """Chunks of ten bytes, so that an upload of many is small."""
    monkeypatch.setattr(uploads_module, "CHUNK_BYTES", 10)
    return 10


async def content(yard: Yard, deployment_id: str) -> bytes:
    name = source_name(PROJECT, deployment_id)
    parts = [part async for part in yard.blobs.read(name, 0, await yard.blobs.size(name))]
    return b"".join(parts)


async def send(
    yard: Yard, data: bytes, index: int, deployment_id: str | None, size: int
) -> Deployment:
    start = index * size
    part = data[start : start + size]
    request = yard.request(
        part,
        content_range=f"bytes {start}-{start + len(part) - 1}/{len(data)}",
        deployment_id=deployment_id,
    )
    return await yard.deployments.upload(PROJECT, "f1", request)


# The header


@pytest.mark.parametrize(
    ("header", "size", "chunk"),
    [
        (f"bytes 0-{CHUNK_BYTES - 1}/{CHUNK_BYTES * 2 + 1}", CHUNK_BYTES, 0),
        (
            f"bytes {CHUNK_BYTES}-{CHUNK_BYTES * 2 - 1}/{CHUNK_BYTES * 2 + 1}",
            CHUNK_BYTES,
            1,
        ),
        (f"bytes {CHUNK_BYTES * 2}-{CHUNK_BYTES * 2}/{CHUNK_BYTES * 2 + 1}", 1, 2),
        ("bytes 0-99/100", 100, 0),
        # Some older clients end the last chunk at the total.
        ("bytes 0-100/100", 100, 0),
    ],
)
def test_a_chunk_is_known_by_where_it_starts(header: str, size: int, chunk: int) -> None:
    parsed = parse_content_range(header, size)
    assert parsed.index == chunk
    assert parsed.count == -(-parsed.total_bytes // CHUNK_BYTES)


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("", 100),
        ("bytes", 100),
        ("bytes 0-99", 100),
        ("bytes 0-99/*", 100),
        ("bytes */100", 100),
        ("bytes -5-99/100", 100),
        ("bytes 0-9x/100", 100),
        ("items 0-99/100", 100),
        ("bytes 0-99/100, bytes 0-1/2", 100),
        ("bytes 50-10/100", 100),
        ("bytes 0-101/100", 100),  # the end lies beyond the total
        ("bytes 100-100/100", 1),  # starts behind the end
        ("bytes 0-99/100", 99),  # fewer bytes than promised
        ("bytes 0-99/100", 101),
        ("bytes 0-49/100", 50),  # not the fixed chunk size
        (f"bytes 10-99/{CHUNK_BYTES}", 90),  # starts inside a chunk
        (f"bytes 0-{CHUNK_BYTES}/{CHUNK_BYTES * 3}", CHUNK_BYTES + 1),
        (f"bytes 0-{2**20 - 1}/{CHUNK_BYTES * 3}", 2**20),  # another chunk size
        ("bytes 0-0/0", 1),
        ("bytes 0-9999999999999999999999/9999999999999999999999", 100),
    ],
)
def test_a_range_that_does_not_fit_is_refused(header: str, size: int) -> None:
    with pytest.raises(InvalidContentRange) as caught:
        parse_content_range(header, size)
    assert (caught.value.type, caught.value.status) == ("storage_invalid_content_range", 400)


# Checks, in their order


async def test_the_checks_come_in_their_order(yard: Yard) -> None:
    """Each request breaks one rule more than the one after it."""
    await yard.create_function("bare", entrypoint="")
    bad_range = "bytes 0-1/1000000000"
    gone = replace(yard.file(b"x"), path=str(yard.folder / "gone"))
    base = yard.request(b"x" * 10, name="code.zip", content_range=bad_range, deployment_id="!")
    no_file = replace(base, file=None)

    async def refuse(function_id: str, request: NewUpload) -> type[Exception]:
        with pytest.raises(Exception) as caught:  # noqa: PT011  # the type is what is looked at
            await yard.deployments.upload(PROJECT, function_id, request)
        return type(caught.value)

    assert await refuse("nobody", no_file) is FunctionNotFound
    assert await refuse("bare", no_file) is EntrypointMissing
    assert await refuse("f1", no_file) is FileEmpty
    assert await refuse("f1", base) is FileTypeUnsupported
    named = replace(base, file=yard.file(b"x" * 10))
    assert await refuse("f1", named) is InvalidContentRange
    size = 40_000_000
    large = replace(
        named,
        file=replace(gone, size=CHUNK_BYTES),
        content_range=f"bytes 0-{CHUNK_BYTES - 1}/{size}",
    )
    assert await refuse("f1", large) is SourceTooLarge
    lost = replace(large, content_range=f"bytes 0-{CHUNK_BYTES - 1}/{CHUNK_BYTES}")
    assert await refuse("f1", lost) is InvalidFile
    found = replace(
        lost, file=yard.file(b"x" * 10), content_range="bytes 0-9/10", deployment_id="!"
    )
    assert await refuse("f1", found) is InvalidUploadId
    assert await yard.database.read(lambda uow: uow.deployments.find()) == []


async def test_an_empty_file_is_no_file(yard: Yard) -> None:
    with pytest.raises(FileEmpty):
        await yard.upload(b"")


async def test_the_extension_is_compared_without_case(yard: Yard) -> None:
    request = yard.request(name="CODE.TAR.GZ")
    assert (await yard.deployments.upload(PROJECT, "f1", request)).is_uploaded


@pytest.mark.parametrize(("limit", "is_taken"), [(10, False), (11, True), (0, True)])
async def test_the_size_limit_counts_the_archive(
    tmp_path: Path, limit: int, is_taken: bool
) -> None:
    async with open_yard(tmp_path, source_bytes=limit) as yard:
        await yard.create_function()
        if is_taken:
            assert (await yard.upload(b"x" * 11)).source_bytes == 11
        else:
            with pytest.raises(SourceTooLarge):
                await yard.upload(b"x" * 11)


@pytest.mark.parametrize("deployment_id", ["unique()", "../../etc", "a" * 37, "_a", "a/b"])
async def test_an_id_that_is_none_is_refused(yard: Yard, deployment_id: str) -> None:
    request = yard.request(b"x" * 10, content_range="bytes 0-9/10", deployment_id=deployment_id)
    with pytest.raises(InvalidUploadId) as caught:
        await yard.deployments.upload(PROJECT, "f1", request)
    assert (caught.value.type, caught.value.status) == ("storage_invalid_appwrite_id", 400)


async def test_the_id_counts_only_together_with_a_range(yard: Yard) -> None:
    request = yard.request(deployment_id="mine")
    made = await yard.deployments.upload(PROJECT, "f1", request)
    assert made.id != "mine"


# Chunks


async def test_a_large_archive_arrives_in_chunks_out_of_order(yard: Yard) -> None:
    data = random.Random(1).randbytes(CHUNK_BYTES * 2 + 5)
    first = await yard.upload_chunk(data, 0)
    assert first.status is DeploymentStatus.WAITING
    assert not first.is_uploaded
    assert (first.chunks_uploaded, first.chunks_total) == (1, 3)
    assert (await yard.function()).latest_deployment_id == first.id
    assert (await yard.function()).latest_deployment_status == "waiting"
    last = await yard.upload_chunk(data, 2, first.id)
    assert (last.id, last.chunks_uploaded, last.is_uploaded) == (first.id, 2, False)
    done = await yard.upload_chunk(data, 1, first.id)
    assert done.is_uploaded
    assert done.source_bytes == len(data)
    assert await content(yard, first.id) == data
    assert not yard.folders.upload(PROJECT, first.id).exists()


async def test_what_the_completing_request_says_counts(yard: Yard, small_chunks: int) -> None:
    data = b"x" * 15

    def request(index: int, **said: object) -> NewUpload:
        start = index * small_chunks
        part = data[start : start + small_chunks]
        made = yard.request(
            part,
            content_range=f"bytes {start}-{start + len(part) - 1}/{len(data)}",
            deployment_id="mine",
        )
        return replace(made, **said)  # type: ignore[arg-type]  # named by the test

    first = request(0, is_activating=False, entrypoint="old.js", commands="old")
    second = request(1, is_activating=True, entrypoint="new.js", commands="")
    await yard.deployments.upload(PROJECT, "f1", first)
    done = await yard.deployments.upload(PROJECT, "f1", second)
    assert (done.entrypoint, done.commands, done.is_activating) == ("new.js", "", True)


async def test_chunks_sent_again_change_nothing(yard: Yard, small_chunks: int) -> None:
    data = b"0123456789abcde"
    await send(yard, data, 0, "mine", small_chunks)
    again = await send(yard, b"XXXXXXXXXXabcde", 0, "mine", small_chunks)
    assert again.chunks_uploaded == 1
    await send(yard, data, 1, "mine", small_chunks)
    heard: list[str] = []
    yard.signals.on("deployment", lambda _, item_id: heard.append(item_id))
    after_the_end = await send(yard, data, 0, "mine", small_chunks)
    assert after_the_end.is_uploaded
    assert heard == []
    assert await content(yard, "mine") == data


async def test_another_total_is_refused(yard: Yard, small_chunks: int) -> None:
    await send(yard, b"x" * 25, 0, "mine", small_chunks)
    with pytest.raises(InvalidContentRange, match="began with a total of 25 bytes"):
        await send(yard, b"x" * 35, 1, "mine", small_chunks)
    assert (await yard.row("mine")).chunks_uploaded == 1


async def test_an_upload_of_another_function_is_not_found(yard: Yard, small_chunks: int) -> None:
    await yard.create_function("f2")
    await send(yard, b"x" * 25, 0, "mine", small_chunks)
    request = yard.request(b"x" * 10, content_range="bytes 10-19/25", deployment_id="mine")
    with pytest.raises(DeploymentNotFound):
        await yard.deployments.upload(PROJECT, "f2", request)


async def test_the_same_id_in_another_project_is_another_upload(
    yard: Yard, small_chunks: int
) -> None:
    await yard.create_function(project_id="p2")
    await send(yard, b"x" * 15, 0, "mine", small_chunks)
    request = yard.request(b"y" * 5, content_range="bytes 10-14/15", deployment_id="mine")
    made = await yard.deployments.upload("p2", "f1", request)
    assert (made.chunks_uploaded, made.is_uploaded) == (1, False)


async def test_an_upload_goes_on_after_a_restart(tmp_path: Path, yard: Yard) -> None:
    """Everything that counts is on the disk and in the database."""
    data = random.Random(2).randbytes(CHUNK_BYTES + 100)
    await yard.upload_chunk(data, 1, "mine")
    partial = next(yard.folders.upload(PROJECT, "mine").iterdir()) / ".cut-short"
    partial.write_bytes(b"half a chunk")  # as a crash leaves it
    successor = uploads_module.Uploads(yard.folders)
    yard.deployments._receiver._uploads = successor
    done = await yard.upload_chunk(data, 0, "mine")
    assert done.is_uploaded
    assert await content(yard, "mine") == data


async def test_a_cancelled_upload_takes_no_more_chunks(yard: Yard, small_chunks: int) -> None:
    await send(yard, b"x" * 15, 0, "mine", small_chunks)
    await yard.deployments.cancel(PROJECT, "f1", "mine")
    after = await send(yard, b"x" * 15, 1, "mine", small_chunks)
    assert after.status is DeploymentStatus.CANCELED
    assert not after.is_uploaded
    assert not yard.folders.upload(PROJECT, "mine").exists()
    assert await yard.blobs.names("") == []


async def test_a_cancel_between_begin_and_store_wins(
    yard: Yard, small_chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = yard.uploads.store

    async def late(project_id: str, deployment_id: str, chunk: Chunk, path: str) -> None:
        await yard.deployments.cancel(PROJECT, "f1", deployment_id)
        await store(project_id, deployment_id, chunk, path)

    monkeypatch.setattr(yard.uploads, "store", late)
    after = await send(yard, b"x" * 15, 0, "mine", small_chunks)
    assert after.status is DeploymentStatus.CANCELED
    assert await yard.blobs.names("") == []


async def test_a_delete_between_begin_and_store_wins(
    yard: Yard, small_chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = yard.uploads.store

    async def late(project_id: str, deployment_id: str, chunk: Chunk, path: str) -> None:
        await store(project_id, deployment_id, chunk, path)
        await yard.deployments.delete(PROJECT, "f1", deployment_id)

    monkeypatch.setattr(yard.uploads, "store", late)
    with pytest.raises(DeploymentNotFound):
        await send(yard, b"x" * 15, 0, "mine", small_chunks)
    assert not yard.folders.upload(PROJECT, "mine").exists()


async def test_a_full_disk_is_our_failure_and_the_upload_can_go_on(
    yard: Yard, small_chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "/secret/path")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(NotWritten) as caught:
            await send(yard, b"x" * 15, 0, "mine", small_chunks)
    assert (caught.value.type, caught.value.status) == ("general_server_error", 500)
    assert "/secret" not in str(caught.value)
    assert (await yard.row("mine")).chunks_uploaded == 0
    await send(yard, b"x" * 15, 1, "mine", small_chunks)
    assert (await send(yard, b"x" * 15, 0, "mine", small_chunks)).is_uploaded


async def test_a_chunk_for_a_deleted_upload_begins_anew(yard: Yard, small_chunks: int) -> None:
    await send(yard, b"x" * 15, 0, "mine", small_chunks)
    await yard.deployments.delete(PROJECT, "f1", "mine")
    assert not yard.folders.upload(PROJECT, "mine").exists()
    after = await send(yard, b"x" * 15, 1, "mine", small_chunks)
    assert (after.chunks_uploaded, after.is_uploaded) == (1, False)


async def test_a_busy_upload_answers_429_after_the_longest_wait(tmp_path: Path) -> None:
    async with open_yard(tmp_path, lock_wait_s=0.05) as yard:
        await yard.create_function()
        async with yard.uploads.alone(PROJECT, "mine"):
            request = yard.request(b"x" * 10, content_range="bytes 0-9/10", deployment_id="mine")
            with pytest.raises(UploadBusy) as caught:
                await yard.deployments.upload(PROJECT, "f1", request)
    assert (caught.value.type, caught.value.status) == ("general_rate_limit_exceeded", 429)
    assert caught.value.headers == (("retry-after", "5"),)


async def test_locks_are_forgotten_when_nobody_uses_them(yard: Yard) -> None:
    async with yard.uploads.alone(PROJECT, "a"), yard.uploads.alone(PROJECT, "b"):
        assert len(yard.uploads._locks) == 2
    assert not yard.uploads._locks
    assert not yard.uploads._users


async def test_unfinished_uploads_expire(yard: Yard, small_chunks: int) -> None:
    await send(yard, b"x" * 15, 0, "old", small_chunks)
    yard.clock.advance(3000)
    await send(yard, b"x" * 15, 0, "young", small_chunks)
    yard.clock.advance(700)
    assert await yard.housekeeper.expire_uploads() == 1
    old, young = await yard.row("old"), await yard.row("young")
    assert old.status is DeploymentStatus.FAILED
    assert "The upload was not finished in time" in old.build_logs
    assert not yard.folders.upload(PROJECT, "old").exists()
    assert young.status is DeploymentStatus.WAITING
    late = await send(yard, b"x" * 15, 1, "old", small_chunks)
    assert late.status is DeploymentStatus.FAILED


# Any order, any repetition, any parallelism


@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    data=st.binary(min_size=1, max_size=95),
    order=st.lists(st.integers(min_value=0, max_value=9), max_size=15),
    width=st.integers(min_value=1, max_value=8),
    seed=st.integers(),
)
def test_chunks_in_any_order_make_the_same_archive_once(
    tmp_path_factory: pytest.TempPathFactory,
    small_chunks: int,
    data: bytes,
    order: list[int],
    width: int,
    seed: int,
) -> None:
    count = -(-len(data) // small_chunks)
    chosen = [index % count for index in order] + list(range(count))
    random.Random(seed).shuffle(chosen)

    async def play() -> None:
        async with open_yard(tmp_path_factory.mktemp("upload")) as yard:
            await yard.create_function()
            submitted = await _play(yard, data, chosen, width, small_chunks)
            assert submitted == 1
            assert await content(yard, "mine") == data
            row = await yard.row("mine")
            assert (row.source_bytes, row.chunks_uploaded) == (len(data), count)

    asyncio.run(play())


async def _play(yard: Yard, data: bytes, chosen: list[int], width: int, size: int) -> int:
    """Send the chunks, `width` at a time; how often the source was submitted."""
    submitted = 0
    put_file = yard.blobs.put_file

    async def counted(name: str, path: str) -> None:
        nonlocal submitted
        submitted += 1
        await put_file(name, path)

    yard.blobs.put_file = counted  # type: ignore[method-assign]  # a spy
    room = asyncio.Semaphore(width)

    async def one(index: int) -> None:
        async with room:
            made = await send(yard, data, index, "mine", size)
            assert made.id == "mine"

    await asyncio.gather(*(one(index) for index in chosen))
    return submitted


def test_a_chunk_counts_its_siblings() -> None:
    assert [Chunk(0, size).count for size in (1, CHUNK_BYTES, CHUNK_BYTES + 1)] == [1, 1, 2]


async def test_a_stored_chunk_is_a_copy(yard: Yard) -> None:
    """What the edge received may be removed at once."""
    made = yard.request(b"x" * 10, content_range="bytes 0-9/10", deployment_id="mine")
    assert made.file is not None
    await yard.deployments.upload(PROJECT, "f1", made)
    await asyncio.to_thread(os.unlink, made.file.path)
    assert await content(yard, "mine") == b"x" * 10
