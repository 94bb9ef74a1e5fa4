"""Short-lived keys for what must wait in a queue, kept outside of the database.

Everything sealed within one span of time shares a key: an epoch, a file of its own. When
nothing that was sealed under it is left, the file is overwritten and removed, and with it every
copy that the database, its log or a backup of them may still hold becomes unreadable.

A key that is lent is not removed; one that has been taken out of service is never lent again.
So between asking the database which epochs it still needs and removing the others, no new need
can arise.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from runwright.clock import Clock
from runwright.errors import ServiceUnavailable
from runwright.ids import new_id
from runwright.sealing import CannotOpen, Sealer

EPOCH_S: Final = 600.0
_SUFFIX: Final = ".key"
_KEY_BYTES: Final = 32
_OPENED: Final = 256

InUse = Callable[[], Awaitable[Collection[str]]]


class Epochs:
    """One folder of epoch keys, used by one server."""

    def __init__(
        self, folder: Path, clock: Clock, *, every_s: float = EPOCH_S, prefix: str = ""
    ) -> None:
        """`prefix` begins the name of every epoch, which tells it from those of others."""
        self.prefix = prefix
        self._folder = folder
        self._clock = clock
        self._every_s = every_s
        self._current = ""
        self._made_at = 0.0
        self._lent: Counter[str] = Counter()
        self._sealers: dict[str, Sealer] = {}
        self._making = asyncio.Lock()
        self._on_disk: set[str] = set()  # epochs whose keys may be there

    async def start(self) -> None:
        await asyncio.to_thread(self.open_folder)

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[tuple[str, Sealer]]:
        """The present epoch, for sealing; hold it until what was sealed is committed.

        Raises ServiceUnavailable when a new key cannot be stored.
        """
        async with self._making:
            if not self._current or self._is_old():
                await self._renew()
            epoch = self._current
            self._lent[epoch] += 1
        try:
            yield epoch, self._sealers[epoch]
        finally:
            self._lent[epoch] -= 1

    async def turn(self) -> None:
        """End the present epoch: who asks next seals under a new one."""
        async with self._making:
            self._current = ""

    async def sealer(self, epoch: str) -> Sealer:
        """For opening. Raises CannotOpen when the key is gone, ServiceUnavailable when it cannot
        be read at the moment."""
        found = self._sealers.get(epoch)
        if found is None:
            try:
                key = await asyncio.to_thread(self._path(epoch).read_bytes)
                found = Sealer(key)
            except (FileNotFoundError, ValueError) as exc:
                raise CannotOpen("the key of this epoch is gone") from exc
            except OSError as exc:
                raise ServiceUnavailable("A stored key cannot be read. Try again.") from exc
            self._remember(epoch, found)
        return found

    async def sweep(self, in_use: InUse, needed: Collection[str] | None = None) -> int:
        """Remove the keys that nothing needs any more; how many. `needed` is what `in_use` has
        just answered to somebody else."""
        if needed is None:
            needed = await in_use()
        async with self._making:
            is_over = self._is_old() or self._current not in needed
            if is_over and not self._lent[self._current]:
                self._current = ""
            idle = [
                epoch for epoch in self._on_disk if epoch != self._current and not self._lent[epoch]
            ]
        if not idle:
            return 0
        needed = await in_use()  # again: something may have been committed meanwhile
        gone = [epoch for epoch in idle if epoch not in needed]
        for epoch in gone:
            self._sealers.pop(epoch, None)
            del self._lent[epoch]
            self._on_disk.discard(epoch)
        try:
            await asyncio.to_thread(self._remove, gone)
        except OSError:
            self._on_disk.update(gone)  # for the next sweep
            raise
        return len(gone)

    def _is_old(self) -> bool:
        return self._clock.monotonic() - self._made_at >= self._every_s

    async def _renew(self) -> None:
        epoch, key = self.prefix + new_id(), os.urandom(_KEY_BYTES)
        self._on_disk.add(epoch)
        try:
            await asyncio.to_thread(self._store, epoch, key)
        except OSError as exc:
            raise ServiceUnavailable(
                "The execution cannot be queued: the disk refuses to store a key for it. "
                "Try again in a moment."
            ) from exc
        self._remember(epoch, Sealer(key))
        self._current, self._made_at = epoch, self._clock.monotonic()

    def _remember(self, epoch: str, sealer: Sealer) -> None:
        if len(self._sealers) >= _OPENED:
            for known in [item for item in self._sealers if not self._lent[item]]:
                if known != self._current:
                    del self._sealers[known]
        self._sealers[epoch] = sealer

    # on a thread

    def _path(self, epoch: str) -> Path:
        return self._folder / f"{epoch}{_SUFFIX}"

    def open_folder(self) -> None:
        """Make the folder, or see what an earlier server left there."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._on_disk |= {path.stem for path in self._folder.glob(f"*{_SUFFIX}")}

    def _store(self, epoch: str, key: bytes) -> None:
        """On disk before anything is sealed with it: a job must not outlive its key."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(self._path(epoch), flags, 0o600), "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        self._flush_folder()

    def _remove(self, epochs: Collection[str]) -> None:
        for epoch in epochs:
            path = self._path(epoch)
            with suppress(FileNotFoundError):  # another sweep of ours was faster
                with path.open("r+b") as file:
                    file.write(bytes(_KEY_BYTES))
                    file.flush()
                    os.fsync(file.fileno())
                path.unlink()
        if epochs:
            self._flush_folder()

    def _flush_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
