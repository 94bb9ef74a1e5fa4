"""Blobs in any object store that obstore can reach; by default a local folder."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore

from runwright.errors import ServiceUnavailable
from runwright.ports.storage import BlobMissing
from runwright.storage.errors import StorageRefused

# A part of a name is an id, perhaps with an ending such as `.tar.gz`. No part begins with a
# dot, so no name leads out of the folder.
NAME: Final = re.compile(
    r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,127})*"
)

PART_BYTES: Final = 4 * 1024 * 1024
# Parts of one upload that are in memory at once.
PARTS: Final = 4
READ_BYTES: Final = 1024 * 1024


class StoreBlobs:
    """Memory stays bounded whatever the size of a blob."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def open_folder(cls, folder: Path) -> "StoreBlobs":
        """Blobs as files. Leftovers of uploads that a crash cut short are removed."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for leftover in folder.rglob("*#*"):  # no name holds a #; unfinished files do
                leftover.unlink()
        except OSError as exc:
            raise StorageRefused(
                f"The folder {folder.name} in the data folder cannot be used: {exc.strerror}."
            ) from exc
        # Empty folders stay: removing them could race with an upload into the same one.
        return cls(LocalStore(folder))

    async def put_file(self, name: str, path: str) -> None:
        source = Path(path)
        await asyncio.to_thread(source.stat)  # the caller's file missing is not our failure
        with _failures(_checked(name)):
            await obstore.put_async(
                self._store,
                name,
                source,
                use_multipart=True,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS,
            )
        await self._flush(name)

    async def fetch_file(self, name: str, path: str) -> None:
        parts = self._stream(name, None)
        # The first part before the file is made: a missing blob leaves nothing behind.
        first = await anext(parts, b"")
        partial = f"{path}.part"
        target = await asyncio.to_thread(open, partial, "wb")
        try:
            await asyncio.to_thread(target.write, first)
            async for part in parts:
                await asyncio.to_thread(target.write, part)
            await asyncio.to_thread(target.close)
            await asyncio.to_thread(os.replace, partial, path)
        except BaseException:
            await asyncio.to_thread(target.close)
            await asyncio.to_thread(Path(partial).unlink, missing_ok=True)
            raise

    async def size(self, name: str) -> int:
        with _failures(_checked(name)):
            return (await obstore.head_async(self._store, name))["size"]

    async def read(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        """An `end` past the blob's end means its end."""
        if start < 0:
            raise ValueError(f"a blob has no byte {start}")
        last = min(end, await self.size(name))
        if start < last:
            async for part in self._stream(name, (start, last)):
                yield part

    async def copy(self, source: str, target: str) -> None:
        _checked(target)
        with _failures(_checked(source)):
            await obstore.copy_async(self._store, source, target)
        await self._flush(target)

    async def remove(self, name: str) -> None:
        try:
            with _failures(_checked(name)):
                await obstore.delete_async(self._store, name)
        except BlobMissing:
            pass

    async def names(self, prefix: str) -> Sequence[str]:
        """Sorted names below `prefix`, which is whole parts of a name; "" = every one."""
        with _failures(_checked(prefix) if prefix else ""):
            found = [
                item["path"]
                async for items in obstore.list(self._store, prefix or None)
                for item in items
            ]
        return sorted(found)

    async def _stream(self, name: str, part: tuple[int, int] | None) -> AsyncIterator[bytes]:
        with _failures(_checked(name)):
            answer = await obstore.get_async(
                self._store, name, options=None if part is None else {"range": part}
            )
            async for chunk in answer.stream(min_chunk_size=READ_BYTES):
                yield bytes(chunk)

    async def _flush(self, name: str) -> None:
        # Object stores answer when the blob is safe; the local folder does not wait for the
        # disk, and a row that says "uploaded" must not outlive the bytes in a power cut.
        if isinstance(self._store, LocalStore) and self._store.prefix is not None:
            await asyncio.to_thread(_sync, Path(self._store.prefix), name)


def _sync(root: Path, name: str) -> None:
    path = root / name
    for item in (path, *path.parents[: name.count("/") + 1]):
        try:
            held = os.open(item, os.O_RDONLY)
        except FileNotFoundError:  # removed meanwhile by someone else
            continue
        try:
            os.fsync(held)
        finally:
            os.close(held)


def _checked(name: str) -> str:
    if NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} is not a blob name")
    return name


@contextmanager
def _failures(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:
        raise BlobMissing(name) from exc
    except (BaseError, OSError) as exc:
        raise ServiceUnavailable("The file store could not be reached. Try again.") from exc
