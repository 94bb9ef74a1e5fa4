"""Large programs in memory of large pages.

A fresh process meets the pages of its program one fault at a time: a fifth of the start of Node,
whose file has 120 MiB, goes into that. So an interpreter that is in use is copied once into a
tmpfs that takes pages of two MiB, and mounted over the original in its runtime's tree. Sandboxes
share the copy; those that run keep what they have.

It is done by a child of the launcher, at the fourth start of a runtime, and not where that gains
nothing (a small program, one whose parts do not lie as large pages do, a kernel without them) or
memory is short. Whatever fails leaves the tree as it was, and is not tried again.
"""

import contextlib
import os
import select
import signal
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from runwright.executor import kernel, stage
from runwright.executor.processes import end

_MIB: Final = 1024 * 1024
_LARGE_PAGE: Final = 2 * _MIB
_LEAST_BYTES: Final = 32 * _MIB
_LEAST_CODE: Final = 4 * _LARGE_PAGE
_MOST_SHARE: Final = 16  # one of so many parts of the memory that is free
_STARTS: Final = 4  # not before a pool is filled: each runtime has one sandbox from the beginning
_NICE: Final = 10
_FIRST_FD: Final = 3
_EVERY_FD: Final = 1 << 20
_FORBIDDEN: Final = "[deny]"
_SWITCH: Final = "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
_PAGE_SIZE: Final = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"
_ELF: Final = struct.Struct("<4sBB10xH14xQ14xHH")  # of 64 bits: kind, where the segments are told
_SEGMENT: Final = struct.Struct("<IIQQ8xQ8xQ")  # type, flags, offset, address, bytes, alignment
_ELF_64, _LITTLE, _FIXED = 2, 1, 2
_LOADED, _EXECUTED = 1, 1


class Programs:
    """For a process with one thread that polls: `arrived` for descriptors it has."""

    def __init__(self, poll: select.epoll) -> None:
        self._poll = poll
        self._starts: dict[str, int] = {}
        self._copiers: dict[int, tuple[int, int]] = {}  # pidfd -> process, bytes
        self._bytes = 0  # of all copies, also of those that are being made

    @property
    def copiers(self) -> list[int]:
        """Process ids of children that it will reap itself."""
        return [pid for pid, _ in self._copiers.values()]

    def started(self, program: str, memory_left: Callable[[], int | None]) -> None:
        """A sandbox of the program at this path of the stage is being started.

        `memory_left` tells what the limits of this process's own groups leave; None = not known.
        """
        count = self._starts[program] = self._starts.get(program, 0) + 1
        if count != _STARTS:
            return
        with contextlib.suppress(OSError):  # no start may fail for what only makes others quick
            size, left = os.stat(program).st_size, memory_left()
            if left is not None and self._is_little(size, left) and _pays(program, size):
                self._start_copier(program, size)

    def _is_little(self, size: int, memory_left: int) -> bool:
        """Whether with a copy of so many bytes all copies are a small part of what is free."""
        return (self._bytes + size) * _MOST_SHARE <= min(memory_left, _free_bytes())

    def _start_copier(self, program: str, size: int) -> None:
        pid = os.fork()
        if pid == 0:
            code = 1
            with contextlib.suppress(BaseException):  # a forked child must never return
                # Also sockets of the sandbox that is just being started, whose end others wait for.
                os.closerange(_FIRST_FD, _EVERY_FD)
                kernel.die_with_parent(signal.SIGKILL)
                os.nice(_NICE)
                _put_copy(program)
                code = 0
            os._exit(code)
        try:
            watch = os.pidfd_open(pid)
        except OSError:
            end(pid)
            raise
        self._copiers[watch] = (pid, size)
        self._bytes += size
        self._poll.register(watch, select.EPOLLIN)

    def arrived(self, fd: int) -> bool:
        """Note that a copier has ended; False if the descriptor is none's."""
        copier = self._copiers.pop(fd, None)
        if copier is None:
            return False
        pid, size = copier
        self._poll.unregister(fd)
        os.close(fd)
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, 0)[1] != 0:
                self._bytes -= size  # nothing is left of it
        return True


def _pays(program: str, size: int) -> bool:
    """Whether large pages can be had for a program of so many bytes; raises OSError."""
    with open(program, "rb") as file:
        head = file.read(4096)
    switch = Path(stage.host_path(_SWITCH)).read_text()
    if int(Path(stage.host_path(_PAGE_SIZE)).read_text()) != _LARGE_PAGE:
        return False
    return size >= _LEAST_BYTES and _FORBIDDEN not in switch and lies_as_large_pages(head)


def lies_as_large_pages(head: bytes) -> bool:
    """Whether the code of a program file, of which this is the beginning, can be mapped by them."""
    if len(head) < _ELF.size:
        return False
    magic, size, order, kind, table, entry_bytes, count = _ELF.unpack_from(head)
    if magic != b"\x7fELF" or size != _ELF_64 or order != _LITTLE:
        return False
    for number in range(count):
        at = table + number * entry_bytes
        if at + _SEGMENT.size > len(head):
            return False
        type_, flags, offset, address, code_bytes, alignment = _SEGMENT.unpack_from(head, at)
        if type_ == _LOADED and flags & _EXECUTED and code_bytes >= _LEAST_CODE:
            # One that is not fixed is moved by multiples of its alignment.
            is_kept = kind == _FIXED or alignment >= _LARGE_PAGE
            return bool(is_kept and (address - offset) % _LARGE_PAGE == 0)
    return False


def _free_bytes() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, *words = line.split()
        if name == "MemAvailable:":
            return int(words[0]) * 1024
    return 0


def _put_copy(program: str) -> None:
    """Raises OSError, and then nothing is left of it.

    The file system is attached when the copy is whole: one whose maker dies before is freed by
    the kernel.
    """
    name = os.path.basename(program)
    room = (os.stat(program).st_size // _LARGE_PAGE + 2) * _LARGE_PAGE
    options = {"source": "tmpfs", "huge": "always", "size": str(room), "mode": "755"}
    tree = kernel.new_tree("tmpfs", options)
    try:
        fd = os.open(name, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o755, dir_fd=tree)
        with open(program, "rb") as source, open(fd, "wb") as target:
            before = _state(os.fstat(source.fileno()))
            while block := source.read(_LARGE_PAGE):
                target.write(block)
            target.flush()
            os.fchmod(fd, 0o755)
            copied = os.fstat(fd).st_size
        # Something else may have been written over it, or moved to its place.
        if _state(os.stat(program)) != before or copied != before[0]:
            raise OSError("the program was changed while it was copied")
        _show_copy(tree, name, program)
    finally:
        os.close(tree)


def _state(found: os.stat_result) -> tuple[int, ...]:
    return found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev


def _show_copy(tree: int, name: str, program: str) -> None:
    place = f"{stage.PROGRAMS}/{program.strip('/').replace('/', '-')}"
    os.mkdir(place, 0o755)
    kernel.attach_tree(tree, place)
    try:
        stage.bind(f"{place}/{name}", program)
    except OSError:
        kernel.detach(place)
        raise
