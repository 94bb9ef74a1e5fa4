"""What a running server keeps on disk."""

from contextlib import suppress
from pathlib import Path


def holding(folder: Path, text: bytes) -> list[Path]:
    """Files that hold the text. The server goes on meanwhile and may remove some of them."""
    found = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file() and not path.is_symlink() and text in path.read_bytes():
                found.append(path)
    return found
