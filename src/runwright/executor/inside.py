"""What the launcher does in a running sandbox's mount namespace, from outside.

No user code has run there yet, so the tree is still the one that bubblewrap made.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Final

from runwright.executor import kernel

_MIB: Final = 1024 * 1024
_PAGE_BYTES: Final = 4096
_EMPTY_FILE: Final = "/dev/null"
_EMPTY_FOLDER: Final = "/run"
# What /proc tells of the machine and not of the sandbox. Container runtimes cover most of it
# too; left are the figures that programs read (cpuinfo, meminfo, stat, loadavg, uptime,
# version) and the sandbox's own. Files that root alone may read need no cover. /proc/sys may be
# read; nothing in it can be written, because no capability is left.
_COVERED: Final = (
    "acpi", "asound", "buddyinfo", "bus", "cmdline", "config.gz", "consoles", "crypto", "devices",
    "diskstats", "dma", "driver", "execdomains", "fs", "interrupts", "iomem", "ioports", "irq",
    "kallsyms", "kcore", "key-users", "keys", "latency_stats", "locks", "mdstat", "misc",
    "modules", "mtrr", "partitions", "pressure", "sched_debug", "scsi", "softirqs", "swaps",
    "sysrq-trigger", "timer_list", "tty", "vmstat", "zoneinfo",
)  # fmt: skip


def covered() -> tuple[tuple[str, bool], ...]:
    """Which of them this machine has, as (path, is a folder). Look once; it stays so."""
    paths = [f"/proc/{name}" for name in _COVERED]
    return tuple((path, os.path.isdir(path)) for path in paths if os.path.exists(path))


@contextlib.contextmanager
def mounts_of(pid: int, own: int) -> Iterator[None]:
    """Be in the mount namespace of `pid`; `own` is a descriptor of the one to return to."""
    theirs = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        kernel.setns(theirs, kernel.CLONE_NEWNS)
        try:
            yield
        finally:
            kernel.setns(own, kernel.CLONE_NEWNS)
    finally:
        os.close(theirs)


def cover(paths: Sequence[tuple[str, bool]]) -> None:
    for path, is_folder in paths:
        source = _EMPTY_FOLDER if is_folder else _EMPTY_FILE
        with contextlib.suppress(FileNotFoundError):  # it went with its kernel module
            kernel.mount(source, path, None, kernel.MS_BIND)


def bound_files(tmp_mib: int) -> None:
    """The largest size of /tmp, with a file for each page of it; /dev/shm has half as much.

    Files have a bound of their own because empty ones take no space and still take memory.
    """
    for folder, size in (("/tmp", tmp_mib * _MIB), ("/dev/shm", tmp_mib * _MIB // 2)):
        flags = kernel.MS_REMOUNT | kernel.MS_NOSUID | kernel.MS_NODEV
        options = f"size={size},nr_inodes={max(size // _PAGE_BYTES, 1024)}"
        kernel.mount("tmpfs", folder, None, flags, options)
