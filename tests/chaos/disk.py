"""A small disk in memory, which can be filled to the last byte. Needs root."""

import contextlib
import errno
import os
import subprocess
from pathlib import Path
from typing import Final, Self

_PIECE: Final = 1024 * 1024


class Disk:
    """Mounted from entering to leaving; what is on it is gone then."""

    def __init__(self, folder: Path, mib: int) -> None:
        self.folder = folder
        self._mib = mib
        self._filler = folder / "filler"

    def __enter__(self) -> Self:
        self.folder.mkdir()
        size = f"size={self._mib}m,mode=700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "chaos", self.folder], check=True)
        return self

    def __exit__(self, *exc: object) -> None:
        # Sandboxes may hold it for a moment longer.
        subprocess.run(["umount", "--lazy", self.folder], check=True)

    def fill(self) -> None:
        """Until not a byte is left."""
        with self._filler.open("wb", buffering=0) as file:
            piece = _PIECE
            while piece:
                try:
                    file.write(bytes(piece))
                except OSError as exc:
                    if exc.errno != errno.ENOSPC:
                        raise
                    piece //= 2
            os.fsync(file.fileno())

    def make_room(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._filler.unlink()
