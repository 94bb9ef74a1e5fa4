"""What SQLite's index of the write-ahead log says of it: how long it is, how much was copied.

The index is the file `-shm`, which every connection of this and other processes maps. Its layout
is part of SQLite's file format (https://sqlite.org/walformat.html).
"""

import os
import sys
from pathlib import Path
from typing import Final

from runwright.values import dataclass

_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
_PAGE_SIZE: Final = slice(14, 16)
_FRAMES: Final = slice(16, 20)
_COPIED: Final = slice(96, 100)


@dataclass(frozen=True, slots=True)
class LogState:
    bytes: int  # in use, of a file that may be longer
    frames: int
    copied: int  # frames that are in the database file, too


class LogIndex:
    """Of one database. For one thread, while a connection of that thread is open."""

    def __init__(self, path: Path) -> None:
        self._path = f"{path}-shm"
        self._fd = -1  # SQLite's own

    def read(self) -> LogState:
        if self._fd < 0:
            self._fd = _own_descriptor(self._path)
        head = os.pread(self._fd, _COPIED.stop, 0)
        page_bytes, frames, copied = (
            int.from_bytes(head[part], sys.byteorder) for part in (_PAGE_SIZE, _FRAMES, _COPIED)
        )
        return LogState(_HEADER_BYTES + frames * (page_bytes + _FRAME_HEADER_BYTES), frames, copied)

    def close(self) -> None:
        """The connection is closed, and with it perhaps the file."""
        self._fd = -1


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
