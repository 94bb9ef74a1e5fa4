"""A planted text, and the search for it in everything below a folder."""

import base64
import gzip
import os
import secrets
import urllib.parse
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def files_below(folder: Path) -> Iterator[Path]:
    """Its files, links left aside. Somebody at work may remove some, and folders, meanwhile."""
    for parent, _, names in os.walk(folder):  # leaves out what is gone
        for path in (Path(parent, name) for name in names):
            if path.is_file() and not path.is_symlink():
                yield path


class Marker:
    """A text, random unless given, that a test sends through and then must not find again."""

    def __init__(self, text: str = "") -> None:
        self.text = text or f"mArKeR-{secrets.token_hex(12)}"

    def found_below(self, folder: Path) -> list[Path]:
        """Files that hold the marker: plain, in common encodings, or in a gzip or zlib file."""
        return sorted(path for path in files_below(folder) if self._is_in(path))

    def _is_in(self, path: Path) -> bool:
        with suppress(FileNotFoundError):  # a server at work removed it
            content = path.read_bytes()
            return any(self._is_in_bytes(view) for view in (content, *_unpacked(content)))
        return False

    def _is_in_bytes(self, content: bytes) -> bool:
        return any(needle in content for needle in self._needles())

    def _needles(self) -> list[bytes]:
        raw = self.text.encode()
        quoted = urllib.parse.quote(self.text, safe="").encode()
        plain = [raw, quoted, raw.hex().encode(), self.text.encode("utf-16-le"), raw[::-1]]
        # In base64 a text looks different at each of three offsets; its middle is enough.
        shifted = (base64.b64encode(b"\0" * offset + raw) for offset in range(3))
        return plain + [coded[4:-4] for coded in shifted]


def _unpacked(content: bytes) -> list[bytes]:
    found = []
    for unpack in (gzip.decompress, zlib.decompress):
        try:
            found.append(unpack(content))
        except (OSError, EOFError, zlib.error):
            continue
    return found
