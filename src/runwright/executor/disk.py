"""The disk space that one build may take: its workspace and its package cache together.

The kernel offers three ways to bound it, and none fits everywhere. Project quotas need a mount
option that root file systems are rarely mounted with, and root. A loop image needs root, a free
loop device, and all its space in advance or else it promises what the disk may not have. A
tmpfs is paid from memory. So the build is watched and ended:

* the size of one file is bounded by rlimit, and a build cannot reserve space without writing it
  (`fallocate` answers "not supported"), so it grows no faster than it writes;
* the free space of the file system is read several times a second, which costs nothing; only
  when it fell by as much as the build had left are the files counted, and now and then in any
  case;
* an empty file takes no block and still one of the file system's inodes, which may run out long
  before the space does: every file counts as a block at least;
* what counting cannot see, files that were removed and are still open, is noticed when the disk
  is nearly full: then every build that runs is ended, and the server can still write.

A build overshoots by what it writes in a quarter of a second.
"""

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from runwright.values import dataclass

_MIB: Final = 1024 * 1024
LOOK_S: Final = 0.25
_COUNT_S: Final = 10.0  # the files are counted this often, whatever the free space says
_REST: Final = 4  # times what counting took
_COUNTED_S: Final = 600.0
_RESERVE_BYTES: Final = 1024 * _MIB  # of the file system, for the server itself
_OWN_BYTES: Final = 64 * _MIB  # a build that took less did not fill the disk
_FILE_BYTES: Final = 4096  # that a file counts as at least, also an empty one

NEARLY_FULL: Final = (
    "The disk of the server is nearly full, so the build was stopped. Try again later."
)


def too_large(bound_mib: int) -> str:
    return (
        f"The build needed more than its {bound_mib} MiB of disk for its files and its package "
        "cache, where each file counts as 4 KiB at least, and was stopped. Install less, or raise "
        "RUNWRIGHT_BUILD_DISK_MIB."
    )


def used_bytes(*folders: str) -> int:
    """Blocks of all files, or one for each if that is more: many may be empty."""
    return max(_summed("-B1", folders), _summed("--inodes", folders) * _FILE_BYTES)


def _summed(unit: str, folders: Sequence[str]) -> int:
    """`du` takes trees of any depth, follows no link and counts a file once."""
    command = ["du", "-s", "-c", unit, "--", *folders]
    # It complains of files that vanish meanwhile; the sum is printed all the same.
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=_COUNTED_S, check=False
    )
    last = done.stdout.rpartition("\ttotal")[0].rpartition("\n")[2]
    return int(last) if last.isdigit() else 0


class Free(NamedTuple):
    """Space of a file system, and what is left for files that take none."""

    space: int
    files: int  # as bytes; 0 where the file system makes inodes as it needs them

    @property
    def least(self) -> int:
        return min(self.space, self.files or self.space)


def free_bytes(folder: str) -> Free:
    found = os.statvfs(folder)
    return Free(found.f_bavail * found.f_frsize, found.f_favail * _FILE_BYTES)


async def _count(folders: Sequence[str]) -> int:
    return await asyncio.to_thread(used_bytes, *folders)


@dataclass(frozen=True, slots=True)
class Disk:
    """How the disk is looked at."""

    used: Callable[[Sequence[str]], Awaitable[int]] = _count
    free: Callable[[str], Free] = free_bytes
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    now: Callable[[], float] = time.monotonic


REAL_DISK: Final = Disk()


async def exceeded(folders: Sequence[str], bound_mib: int, disk: Disk = REAL_DISK) -> str:
    """Wait until the folders hold more than they may; what the build is to be told."""
    bound = bound_mib * _MIB
    first = before = disk.free(folders[0])
    used, rest_s = 0, 0.0
    counted_at = disk.now() - _COUNT_S
    while True:
        free, now = disk.free(folders[0]), disk.now()
        if free.least < _RESERVE_BYTES and _fallen(first, free) > _OWN_BYTES:
            return NEARLY_FULL
        is_suspect = _fallen(before, free) >= bound - used
        is_time = now - counted_at >= (rest_s if is_suspect else max(_COUNT_S, rest_s))
        if is_time:
            used, before = await disk.used(folders), free
            counted_at = disk.now()
            rest_s = (counted_at - now) * _REST
            if used > bound:
                return too_large(bound_mib)
        await disk.sleep(LOOK_S)


def _fallen(before: Free, now: Free) -> int:
    return max(before.space - now.space, before.files - now.files)
