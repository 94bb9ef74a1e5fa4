"""Damage to what a killed server had written and had not yet seen on disk.

A KILL alone keeps the kernel's copy of every write; a power cut does not. SQLite says what may
be lost: the header of its shared index (`-shm`) names the last commit of the log, and a commit
is named there only after its fsync. So every byte of the log behind it is fair game, and
nothing before it is. The database file is written only by checkpoints, with pages that the log
holds; until a checkpoint is over, each page between its two marks in the index may be half
written.

Offsets: https://www.sqlite.org/walformat.html
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

HEADER: Final = 32
FRAME_HEADER: Final = 24
SECTOR: Final = 512
_INDEX: Final = struct.Struct("=3I2BH2I2I8s2I")  # one copy of the index's header
_MARKS: Final = struct.Struct("=I")
_INVENTED: Final = 3


@dataclass(frozen=True, slots=True)
class Index:
    """What the shared index says of the log."""

    page: int  # bytes
    frames: int  # of the log that are on disk
    salts: bytes  # which generation of the log
    copied: int  # frames that a checkpoint has brought to the database file for good

    @classmethod
    def read(cls, data: bytes) -> "Index | None":
        """None when there is none."""
        if len(data) < 2 * _INDEX.size + _MARKS.size:
            return None
        copies = [data[: _INDEX.size], data[_INDEX.size : 2 * _INDEX.size]]
        # The second copy is written first. A kill between the two leaves a commit that is on
        # disk and that nobody was told of: it may stay.
        valid = [copy for copy in reversed(copies) if _is_valid(copy)]
        if not valid:
            return None
        _, _, _, is_made, _, page, frames, _, _, _, salts, _, _ = _INDEX.unpack(valid[0])
        if not is_made:
            return None
        (copied,) = _MARKS.unpack_from(data, 2 * _INDEX.size)
        return cls(65536 if page == 1 else page, frames, salts, copied)


@dataclass(frozen=True, slots=True)
class Torn:
    """What was done, in bytes and pages."""

    cut: int = 0
    spoilt: int = 0
    invented: int = 0
    pages: int = 0


def tear(database: Path, random: Random) -> Torn:
    """Damage the files of a database that no process has open."""
    log = database.with_name(database.name + "-wal")
    shared = database.with_name(database.name + "-shm")
    index = Index.read(shared.read_bytes()) if shared.exists() else None
    if index is None or not log.exists() or log.stat().st_size < HEADER:
        return Torn()
    with log.open("r+b") as file:
        pages = _tear_pages(database, file.fileno(), index, random)
        cut, spoilt, invented = tear_log(file.fileno(), index, random)
    return Torn(cut=cut, spoilt=spoilt, invented=invented, pages=pages)


def tear_log(log: int, index: Index, random: Random) -> tuple[int, int, int]:
    """Damage everything behind the last commit that `index` names."""
    size = os.fstat(log).st_size
    salts = os.pread(log, 8, 16)
    if salts != index.salts:
        return 0, 0, 0  # between two generations; nothing of the new one is on disk
    start = HEADER + index.frames * (FRAME_HEADER + index.page)
    end = start + sum(1 for _ in _frames(log, index, index.frames)) * (FRAME_HEADER + index.page)
    end = min(end, size)
    cut = spoilt = 0
    if end > start:
        if random.random() < 0.5:
            keep = random.randrange(start, end)
            cut, end = end - keep, keep
            if keep + cut == size:
                os.ftruncate(log, keep)
            else:  # room that was made before: the file has its length, and zeros there
                os.pwrite(log, bytes(cut), keep)
        else:
            for at in range(start, end, SECTOR):
                if random.random() < 0.5:
                    os.pwrite(log, random.randbytes(min(SECTOR, end - at)), at)
                    spoilt += SECTOR
    # What the next commit would have begun to write there, in part.
    invented = random.randrange(_INVENTED + 1) if end == start else 0
    for number in range(invented):
        frame = struct.pack(">2I", random.randrange(1, 100), random.randrange(100))
        frame += salts + random.randbytes(8 + index.page)
        os.pwrite(log, frame, start + number * len(frame))
    return cut, spoilt, invented


def _tear_pages(database: Path, log: int, index: Index, random: Random) -> int:
    """As if a checkpoint had been under way. The log still holds each of these pages."""
    if os.pread(log, 8, 16) != index.salts:
        return 0
    pages = {page for page, _ in _frames(log, index, index.copied, index.frames)}
    chosen = [page for page in sorted(pages) if page > 1 and random.random() < 0.5]
    with database.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        inside = [page for page in chosen if page * index.page <= size]
        for page in inside:
            at = (page - 1) * index.page + SECTOR * random.randrange(index.page // SECTOR)
            os.pwrite(file.fileno(), random.randbytes(SECTOR), at)
    return len(inside)


def _frames(
    log: int, index: Index, first: int, until: int | None = None
) -> Iterator[tuple[int, int]]:
    """Page and size of the database after it, of the frames of this generation."""
    at = HEADER + first * (FRAME_HEADER + index.page)
    number = first
    while until is None or number < until:
        head = os.pread(log, FRAME_HEADER, at)
        # A transaction that is not over may have frames whose sums are still to be written. Those
        # have a page; room that was made for later has not.
        is_ours = head[8:16] == index.salts or (any(head[:4]) and not any(head[8:]))
        if len(head) < FRAME_HEADER or not is_ours:
            return
        page, after = struct.unpack_from(">2I", head)
        yield page, after
        at += FRAME_HEADER + index.page
        number += 1


def _is_valid(copy: bytes) -> bool:
    """The checksum of the format, over what is before it."""
    words = struct.unpack("=10I", copy[:40])
    one = two = 0
    for at in range(0, len(words), 2):
        one = (one + words[at] + two) & 0xFFFFFFFF
        two = (two + words[at + 1] + one) & 0xFFFFFFFF
    return (one, two) == struct.unpack("=2I", copy[40:48])
