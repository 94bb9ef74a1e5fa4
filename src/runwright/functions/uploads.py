"""Source archives that arrive in chunks: any order, in parallel, over restarts.

A chunk is a file named by its index, in a folder named by the upload's total size; so what has
arrived is what lies on the disk, and two requests that disagree about the total cannot mix.
A chunk file appears whole or not at all.
"""

import asyncio
import os
import re
import secrets
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from runwright.functions.deployment_errors import InvalidContentRange, UploadBusy
from runwright.functions.folders import Folders
from runwright.values import dataclass

CHUNK_BYTES: Final = 5 * 1024 * 1024
LOCK_WAIT_S: Final = 120.0
_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})")


@dataclass(frozen=True, slots=True)
class Chunk:
    index: int  # from 0
    total_bytes: int  # of the whole upload

    @property
    def count(self) -> int:
        """Chunks of the whole upload."""
        return -(-self.total_bytes // CHUNK_BYTES)


def whole(size: int) -> Chunk:
    """An upload in one request without a range."""
    return Chunk(0, size)


def parse_content_range(header: str, size: int) -> Chunk:
    """The chunk that a `Content-Range` header and a part of `size` bytes make together.

    Some older clients end the last chunk at the total instead of one before it; the part's
    own size tells what they mean. Raises InvalidContentRange.
    """
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None:
        raise InvalidContentRange("write it as `bytes FIRST-LAST/TOTAL`.")
    start, end, total = (int(number) for number in match.groups())
    if start > end or start >= total or end > total:
        raise InvalidContentRange("the first and last byte must lie within the total.")
    if start % CHUNK_BYTES:
        raise InvalidContentRange(f"chunks start at a multiple of {CHUNK_BYTES} bytes.")
    expected = min(CHUNK_BYTES, total - start)
    last = start + expected - 1
    if size != expected or (end != last and not (end == total == last + 1)):
        raise InvalidContentRange(
            f"the chunk that starts at byte {start} of {total} holds {expected} bytes."
        )
    return Chunk(start // CHUNK_BYTES, total)


class Uploads:
    """The chunks of unfinished uploads on disk. Holds no state of its own but the locks."""

    def __init__(self, folders: Folders, *, lock_wait_s: float = LOCK_WAIT_S) -> None:
        self._folders = folders
        self._lock_wait_s = lock_wait_s
        self._locks: dict[str, asyncio.Lock] = {}
        self._users: Counter[str] = Counter()

    @asynccontextmanager
    async def alone(self, project_id: str, deployment_id: str) -> AsyncIterator[None]:
        """One request at a time for one upload. Raises UploadBusy after the longest wait."""
        key = f"{project_id}/{deployment_id}"
        lock = self._locks.setdefault(key, asyncio.Lock())
        self._users[key] += 1
        try:
            try:
                async with asyncio.timeout(self._lock_wait_s):
                    await lock.acquire()
            except TimeoutError as exc:
                raise UploadBusy from exc
            try:
                yield
            finally:
                lock.release()
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._locks[key]

    async def begin(self, project_id: str, deployment_id: str, chunk: Chunk) -> None:
        """Make room for the upload. Raises InvalidContentRange when it began with another
        total."""
        await asyncio.to_thread(self._begin, project_id, deployment_id, chunk)

    async def store(self, project_id: str, deployment_id: str, chunk: Chunk, path: str) -> None:
        """Keep a copy of the file at `path` as this chunk; one that is there already stays.

        Raises OSError when `path` cannot be read or the disk refuses.
        """
        await asyncio.to_thread(self._store, project_id, deployment_id, chunk, path)

    async def count(self, project_id: str, deployment_id: str, chunk: Chunk) -> int:
        """Distinct chunks that have arrived."""
        folder = self._chunks(project_id, deployment_id, chunk)
        return len(await asyncio.to_thread(_names, folder))

    async def assemble(self, project_id: str, deployment_id: str, chunk: Chunk) -> str:
        """The path of the whole archive; every chunk must have arrived."""
        return await asyncio.to_thread(self._assemble, project_id, deployment_id, chunk)

    async def discard(self, project_id: str, deployment_id: str) -> None:
        folder = self._folders.upload(project_id, deployment_id)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _chunks(self, project_id: str, deployment_id: str, chunk: Chunk) -> Path:
        return self._folders.upload(project_id, deployment_id) / str(chunk.total_bytes)

    def _begin(self, project_id: str, deployment_id: str, chunk: Chunk) -> None:
        upload = self._folders.upload(project_id, deployment_id)
        folder = self._chunks(project_id, deployment_id, chunk)
        upload.mkdir(mode=0o700, parents=True, exist_ok=True)
        others = [name for name in os.listdir(upload) if name != folder.name]
        if others:
            raise InvalidContentRange(f"this upload began with a total of {others[0]} bytes.")
        folder.mkdir(exist_ok=True)

    def _store(self, project_id: str, deployment_id: str, chunk: Chunk, path: str) -> None:
        folder = self._chunks(project_id, deployment_id, chunk)
        final = folder / str(chunk.index)
        if final.exists():
            return
        partial = folder / f".{secrets.token_hex(8)}"
        try:
            with open(path, "rb") as source, open(partial, "wb") as target:
                shutil.copyfileobj(source, target, 1024 * 1024)
                target.flush()
                os.fsync(target.fileno())
            os.replace(partial, final)
            _sync(folder)
        finally:
            partial.unlink(missing_ok=True)

    def _assemble(self, project_id: str, deployment_id: str, chunk: Chunk) -> str:
        folder = self._chunks(project_id, deployment_id, chunk)
        if chunk.count == 1:
            return str(folder / "0")
        whole_file = folder / ".whole"
        with open(whole_file, "wb") as target:
            for index in range(chunk.count):
                with open(folder / str(index), "rb") as source:
                    shutil.copyfileobj(source, target, 1024 * 1024)
        return str(whole_file)


def _names(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return [name for name in os.listdir(folder) if not name.startswith(".")]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
