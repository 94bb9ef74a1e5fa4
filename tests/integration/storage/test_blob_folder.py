"""Blobs as files of a local folder."""

import os
import stat
from pathlib import Path

import pytest

from runwright.errors import ServiceUnavailable
from runwright.ports.storage import BlobMissing
from runwright.storage.blobs import PART_BYTES, StoreBlobs
from runwright.storage.errors import StorageRefused

pytestmark = pytest.mark.anyio


def a_file(folder: Path, size: int) -> str:
    path = folder / "source"
    path.write_bytes(os.urandom(size))
    return str(path)


def test_the_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    StoreBlobs.open_folder(tmp_path / "blobs")
    assert stat.S_IMODE((tmp_path / "blobs").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_used_refuses_the_start(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_bytes(b"a file")
    with pytest.raises(StorageRefused) as caught:
        StoreBlobs.open_folder(tmp_path / "blobs")
    assert str(tmp_path) not in str(caught.value)


async def test_leftovers_of_a_crash_are_removed_and_blobs_are_kept(tmp_path: Path) -> None:
    blobs = StoreBlobs.open_folder(tmp_path / "blobs")
    await blobs.put_file("a/b", a_file(tmp_path, 5))
    leftover = tmp_path / "blobs" / "a" / "b#1"
    leftover.write_bytes(b"half")
    again = StoreBlobs.open_folder(tmp_path / "blobs")
    assert not leftover.exists()
    assert await again.names("") == ["a/b"]


async def test_a_large_blob_is_read_in_bounded_parts(tmp_path: Path) -> None:
    blobs = StoreBlobs.open_folder(tmp_path / "blobs")
    size = 3 * PART_BYTES + 1
    await blobs.put_file("large", a_file(tmp_path, size))
    sizes = [len(part) async for part in blobs.read("large", 0, size)]
    assert sum(sizes) == size
    assert max(sizes) <= PART_BYTES


async def test_a_broken_store_is_our_failure_without_its_words(tmp_path: Path) -> None:
    blobs = StoreBlobs.open_folder(tmp_path / "blobs")
    (tmp_path / "blobs" / "a").write_bytes(b"a file where a folder should be")
    with pytest.raises(ServiceUnavailable) as caught:
        await blobs.put_file("a/b", a_file(tmp_path, 5))
    assert str(tmp_path) not in str(caught.value)


async def test_an_upload_that_failed_is_not_visible(tmp_path: Path) -> None:
    blobs = StoreBlobs.open_folder(tmp_path / "blobs")
    with pytest.raises(OSError, match="directory"):
        await blobs.put_file("a/b", str(tmp_path / "no such folder" / "file"))
    with pytest.raises(BlobMissing):
        await blobs.size("a/b")
    assert await blobs.names("") == []


async def test_a_folder_is_no_source(tmp_path: Path) -> None:
    blobs = StoreBlobs.open_folder(tmp_path / "blobs")
    with pytest.raises(ServiceUnavailable):
        await blobs.put_file("a/b", str(tmp_path))
    assert await blobs.names("") == []
