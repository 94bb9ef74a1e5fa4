"""What a running server keeps on disk."""

from contextlib import suppress
from pathlib import Path

from tests.marker import files_below


def holding(folder: Path, text: bytes) -> list[Path]:
    """Files that hold the text. The server goes on meanwhile and may remove some of them."""
    found = []
    for path in files_below(folder):
        with suppress(FileNotFoundError):
            if text in path.read_bytes():
                found.append(path)
    return found
