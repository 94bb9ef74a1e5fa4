"""One server for one data folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from runwright.storage.errors import StorageRefused

NAME: Final = "lock"


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Hold the folder; the kernel lets go of it when the process ends in any way.

    Raises StorageRefused when another server holds it.
    """
    try:
        # The descriptor is not inherited: a sandbox that outlives us must not keep the lock.
        held = os.open(data_dir / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise StorageRefused(
            f"The data folder cannot be used: {exc.strerror}. "
            "Check that it exists and that this user may write to it."
        ) from exc
    try:
        _take(held)
        yield
    finally:
        os.close(held)


def _take(held: int) -> None:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        pid = os.pread(held, 32, 0).decode(errors="replace").strip()
        by = f" (process {pid})" if pid else ""
        raise StorageRefused(
            f"Another server{by} is already using this data folder. "
            "Stop it, or give this one a data folder of its own (RUNWRIGHT_DATA_DIR)."
        ) from exc
    # For that message only; the lock itself is the kernel's.
    os.ftruncate(held, 0)
    os.pwrite(held, f"{os.getpid()}\n".encode(), 0)
