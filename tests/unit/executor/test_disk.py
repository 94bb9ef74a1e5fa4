"""When a build has taken too much of the disk; the disk is a pair of numbers here."""

from collections.abc import Sequence

import pytest

from runwright.executor.disk import LOOK_S, NEARLY_FULL, Disk, Free, exceeded, too_large

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


class Drive:
    """A file system that the build writes `per_look` bytes to between two looks."""

    def __init__(
        self, free: int, per_look: int, *, hidden: int = 0, empty: int = 0, files: int = 0
    ) -> None:
        self.free_bytes = free
        self.free_files = files  # as bytes
        self.used_bytes = 0
        self.counts = 0
        self.looks = 0
        self._per_look = per_look
        self._hidden = hidden  # of what is written, in files that were removed
        self._empty = empty  # what is made of files without content, as bytes

    async def used(self, folders: Sequence[str]) -> int:
        self.counts += 1
        return self.used_bytes

    def free(self, folder: str) -> Free:
        return Free(self.free_bytes, self.free_files)

    async def sleep(self, seconds: float) -> None:
        self.looks += 1
        if self.looks > 10_000:
            raise AssertionError("it was never noticed")
        self.free_bytes -= self._per_look
        self.used_bytes += self._per_look + self._empty - self._hidden
        self.free_files -= self._empty

    def disk(self) -> Disk:
        return Disk(self.used, self.free, self.sleep, lambda: self.looks * LOOK_S)


async def test_a_build_is_ended_when_it_holds_more_than_it_may() -> None:
    drive = Drive(free=100_000 * MIB, per_look=10 * MIB)
    assert await exceeded(["/w", "/c"], 1000, drive.disk()) == too_large(1000)
    assert drive.looks <= 102  # at once, not at the next regular count


async def test_empty_files_count_too() -> None:
    drive = Drive(free=100_000 * MIB, per_look=0, empty=10 * MIB, files=50_000 * MIB)
    assert await exceeded(["/w", "/c"], 1000, drive.disk()) == too_large(1000)
    assert drive.looks <= 102


async def test_a_disk_with_hardly_any_inodes_left_is_nearly_full() -> None:
    drive = Drive(free=100_000 * MIB, per_look=0, empty=100 * MIB, files=4_000 * MIB)
    assert await exceeded(["/w", "/c"], 100_000, drive.disk()) == NEARLY_FULL


async def test_files_are_counted_seldom_while_there_is_room() -> None:
    drive = Drive(free=100_000 * MIB, per_look=MIB)
    await exceeded(["/w", "/c"], 1000, drive.disk())
    assert drive.looks > 1000
    assert drive.counts < 40


async def test_a_nearly_full_disk_ends_a_build_whose_files_cannot_be_seen() -> None:
    drive = Drive(free=4_000 * MIB, per_look=100 * MIB, hidden=100 * MIB)
    assert await exceeded(["/w", "/c"], 100_000, drive.disk()) == NEARLY_FULL


async def test_a_build_that_writes_nothing_may_run_on_a_nearly_full_disk() -> None:
    drive = Drive(free=100 * MIB, per_look=0)
    with pytest.raises(AssertionError, match="never noticed"):
        await exceeded(["/w", "/c"], 1000, drive.disk())
