"""What a blob store promises."""

import asyncio
import os
from pathlib import Path

import pytest

from runwright.ports.storage import BlobMissing, BlobStore

pytestmark = pytest.mark.anyio

NAME = "shop/fn/source.tar.gz"


def a_file(folder: Path, content: bytes, name: str = "source") -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def files(folder: Path, prefix: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob(f"{prefix}*")}


async def whole(blobs: BlobStore, name: str = NAME) -> bytes:
    size = await blobs.size(name)
    return b"".join([part async for part in blobs.read(name, 0, size)])


@pytest.mark.parametrize("size", [0, 1, 1024, 4 * 1024 * 1024, 9 * 1024 * 1024 + 7])
async def test_a_file_comes_back_byte_for_byte(blobs: BlobStore, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    await blobs.put_file(NAME, a_file(tmp_path, content))
    assert await blobs.size(NAME) == size
    assert await whole(blobs) == content
    await blobs.fetch_file(NAME, str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == content


async def test_a_second_upload_replaces_the_first(blobs: BlobStore, tmp_path: Path) -> None:
    await blobs.put_file(NAME, a_file(tmp_path, b"first, and longer"))
    await blobs.put_file(NAME, a_file(tmp_path, b"second"))
    assert await whole(blobs) == b"second"


async def test_a_reader_sees_one_whole_upload_while_another_replaces_it(
    blobs: BlobStore, tmp_path: Path
) -> None:
    size = 6 * 1024 * 1024
    paths = [a_file(tmp_path, bytes([at]) * size, f"f{at}") for at in range(2)]
    await blobs.put_file(NAME, paths[0])

    async def replace() -> None:
        for at in (1, 0, 1, 0):
            await blobs.put_file(NAME, paths[at])

    replacing = asyncio.ensure_future(replace())
    while not replacing.done():
        seen = set(await whole(blobs))
        assert len(seen) == 1
    await replacing


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 10, b"0123456789"),
        (3, 5, b"34"),
        (9, 10, b"9"),
        (8, 99, b"89"),
        (10, 99, b""),
        (4, 4, b""),
        (0, 0, b""),
        (50, 60, b""),
        (5, 2, b""),
    ],
)
async def test_a_part_can_be_read(
    blobs: BlobStore, tmp_path: Path, start: int, end: int, expected: bytes
) -> None:
    await blobs.put_file(NAME, a_file(tmp_path, b"0123456789"))
    assert b"".join([part async for part in blobs.read(NAME, start, end)]) == expected


async def test_what_is_missing_is_said_to_be_missing(blobs: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(BlobMissing):
        await blobs.size(NAME)
    with pytest.raises(BlobMissing):
        await whole(blobs)
    with pytest.raises(BlobMissing):
        _ = [part async for part in blobs.read(NAME, 0, 1)]
    with pytest.raises(BlobMissing):
        await blobs.copy(NAME, "elsewhere")
    with pytest.raises(BlobMissing):
        await blobs.fetch_file(NAME, str(tmp_path / "back"))
    assert files(tmp_path, "back") == {}


async def test_fetching_replaces_the_target_and_leaves_nothing_else(
    blobs: BlobStore, tmp_path: Path
) -> None:
    await blobs.put_file(NAME, a_file(tmp_path, b"new"))
    target = a_file(tmp_path, b"old", "target")
    await blobs.fetch_file(NAME, target)
    assert files(tmp_path, "target") == {"target": b"new"}


async def test_a_copy_stands_alone(blobs: BlobStore, tmp_path: Path) -> None:
    await blobs.put_file(NAME, a_file(tmp_path, b"one"))
    await blobs.copy(NAME, "shop/fn/copy")
    await blobs.put_file(NAME, a_file(tmp_path, b"two"))
    assert await whole(blobs, "shop/fn/copy") == b"one"
    await blobs.remove(NAME)
    assert await whole(blobs, "shop/fn/copy") == b"one"


async def test_removing_is_final_and_may_be_repeated(blobs: BlobStore, tmp_path: Path) -> None:
    await blobs.put_file(NAME, a_file(tmp_path, b"one"))
    await blobs.remove(NAME)
    await blobs.remove(NAME)
    with pytest.raises(BlobMissing):
        await blobs.size(NAME)


async def test_names_below_a_prefix_are_listed(blobs: BlobStore, tmp_path: Path) -> None:
    path = a_file(tmp_path, b"x")
    names = ["a/b/one", "a/b/two.tar.gz", "a/bc/three", "z/four"]
    for name in reversed(names):
        await blobs.put_file(name, path)
    assert await blobs.names("") == names
    assert await blobs.names("a/b") == names[:2]
    assert await blobs.names("a") == names[:3]
    assert await blobs.names("nothing") == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../secret",
        "a/../b",
        "a//b",
        "a/",
        ".hidden",
        "a/.",
        "a b",
        "a\0b",
        "é",
        "a#1",
        "a\nb",
        "x" * 200,
    ],
)
async def test_a_name_that_is_none_is_refused(blobs: BlobStore, tmp_path: Path, name: str) -> None:
    path = a_file(tmp_path, b"x")
    with pytest.raises(ValueError, match="blob name"):
        await blobs.put_file(name, path)
    with pytest.raises(ValueError, match="blob name"):
        await blobs.copy("a", name)
    with pytest.raises(ValueError, match="blob name"):
        await blobs.remove(name)
    with pytest.raises(ValueError, match="blob name"):
        _ = [part async for part in blobs.read(name, 0, 1)]


async def test_a_missing_source_file_is_the_caller_s_error(
    blobs: BlobStore, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        await blobs.put_file(NAME, str(tmp_path / "nowhere"))
    with pytest.raises(BlobMissing):
        await blobs.size(NAME)
