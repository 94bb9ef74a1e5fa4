"""Room in SQLite's log file, made before it is needed.

A commit that makes the log longer has the file system write down the new length as well, which
is a second flush to the disk before anybody is answered; one that writes over bytes the file has
already is done after the first. So the file is kept a little longer than what is in use, by
zeros, at moments when nobody waits.

Zeros are no part of the log: each frame of it carries the salt of its header, and whoever reads
it ends at the first one that does not. They are added within a write transaction, in which no
other connection can lengthen the log.
"""

import logging
import os
import sys
from pathlib import Path
from typing import Any, Final

log = logging.getLogger(__name__)

STEP_BYTES: Final = 1024 * 1024
LEAST_BYTES: Final = 256 * 1024  # some ten commits of one execution each
MOST_BYTES: Final = 64 * 1024 * 1024  # a log that long is on its way back; see dialect.py
_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
# In the index beside the log: two bytes of page size, two of other things, the number of frames.
_PAGE_SIZE: Final = slice(14, 16)
_FRAMES: Final = slice(16, 20)


class LogRoom:
    """Of one database; used by its only writer, between two of its transactions."""

    def __init__(self, path: Path) -> None:
        self._log = f"{path}-wal"
        self._index_path = f"{path}-shm"
        self._index = -1  # SQLite's own descriptor
        self._until = 0  # what the file is known to have reached

    def make(self, driver: Any) -> None:
        """See to it that the next commits find room. Costs nothing when they do."""
        try:
            if self._used() + LEAST_BYTES > self._until:
                self._lengthen(driver)
        except Exception as exc:  # a full disk, a busy database: commits are slower, no more
            self._until = MOST_BYTES
            log.warning("no room made in the log", extra={"reason": type(exc).__name__})

    def _used(self) -> int:
        if self._index < 0:
            self._index = _own_descriptor(self._index_path)
        head = os.pread(self._index, _FRAMES.stop, 0)
        page_bytes = int.from_bytes(head[_PAGE_SIZE], sys.byteorder)
        frames = int.from_bytes(head[_FRAMES], sys.byteorder)
        return _HEADER_BYTES + frames * (page_bytes + _FRAME_HEADER_BYTES)

    def _lengthen(self, driver: Any) -> None:
        driver.execute("BEGIN IMMEDIATE")
        try:
            fd = os.open(self._log, os.O_WRONLY | os.O_CLOEXEC)
            try:
                at = os.fstat(fd).st_size
                until = min(self._used() + STEP_BYTES, MOST_BYTES)
                if at < until:
                    os.pwrite(fd, bytes(until - at), at)
                    os.fdatasync(fd)
                self._until = max(at, until)
            finally:
                os.close(fd)
        finally:
            driver.execute("ROLLBACK")

    def close(self) -> None:
        """The connection is closed, and with it perhaps the log; the next one may have another."""
        self._until = 0
        self._index = -1


def _own_descriptor(path: str) -> int:
    """The descriptor by which this process has a file open already.

    Opening it once more would not do: when any descriptor of a file is closed, its process loses
    all locks on it (POSIX, fcntl), and SQLite's on this one tell other processes that the log is
    in use. `sqlite3 runwright.db` would then begin another beneath a running server.
    """
    wanted = os.stat(path)
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.path.samestat(os.fstat(int(name)), wanted):
                return int(name)
        except OSError:  # closed meanwhile
            continue
    raise FileNotFoundError(path)
