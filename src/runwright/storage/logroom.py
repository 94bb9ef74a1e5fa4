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
from pathlib import Path
from typing import Any, Final

from runwright.storage.logindex import LogIndex

log = logging.getLogger(__name__)

STEP_BYTES: Final = 1024 * 1024
LEAST_BYTES: Final = 256 * 1024  # some ten commits of one execution each
MOST_BYTES: Final = 64 * 1024 * 1024  # a log that long is on its way back; see checkpoints.py


class LogRoom:
    """Of one database; used by its only writer, between two of its transactions."""

    def __init__(self, path: Path) -> None:
        self._log = f"{path}-wal"
        self._index = LogIndex(path)
        self._until = 0  # what the file is known to have reached

    def make(self, driver: Any) -> None:
        """See to it that the next commits find room. Costs nothing when they do."""
        used = 0
        try:
            used = self._index.read().bytes
            if self._until < used + LEAST_BYTES <= MOST_BYTES:
                self._lengthen(driver)
        except Exception as exc:  # a full disk, a busy database: commits are slower, no more
            self._until = used + STEP_BYTES  # where it is tried again
            log.warning("no room made in the log", extra={"reason": type(exc).__name__})

    def _lengthen(self, driver: Any) -> None:
        driver.execute("BEGIN IMMEDIATE")
        try:
            fd = os.open(self._log, os.O_WRONLY | os.O_CLOEXEC)
            try:
                at = os.fstat(fd).st_size
                until = min(self._index.read().bytes + STEP_BYTES, MOST_BYTES)
                if at < until:
                    at += os.pwrite(fd, bytes(until - at), at)  # fewer, on a full disk
                    os.fdatasync(fd)
                self._until = at
            finally:
                os.close(fd)
        finally:
            driver.execute("ROLLBACK")

    def close(self) -> None:
        """The connection is closed, and with it perhaps the log; the next one may have another."""
        self._until = 0
        self._index.close()
