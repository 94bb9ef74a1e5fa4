"""Epoch keys in lines, by how long what they seal has to wait.

What ends within moments must not become readable for longer because a neighbour under the
same key waits for a week. So each way of waiting has epochs of its own.
"""

import asyncio
from pathlib import Path
from typing import Final

from runwright.clock import Clock
from runwright.epochs import Epochs, InUse
from runwright.sealing import CannotOpen, Sealer

_KEPT: Final = "k-"
_EVENTS: Final = "e-"
_DELIVERIES: Final = "d-"
_LETTERS: Final = "m-"


class Vault:
    """`start` before use, `sweep` now and then."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.runs = Epochs(folder / "runs", clock)  # what waits for its turn
        # delayed runs, and requests that are kept for retries and replays
        self.kept = Epochs(folder / "kept", clock, prefix=_KEPT)
        self.events = Epochs(folder / "events", clock, prefix=_EVENTS)  # the outbox
        # what a webhook did not take, until it is tried again within hours
        self.deliveries = Epochs(folder / "deliveries", clock, prefix=_DELIVERIES)
        self.letters = Epochs(folder / "letters", clock, prefix=_LETTERS)
        self._lines = (self.kept, self.events, self.deliveries, self.letters, self.runs)

    async def start(self) -> None:
        await asyncio.to_thread(self._open_folders)

    def _open_folders(self) -> None:
        for line in self._lines:
            line.open_folder()

    def is_for_long(self, epoch: str) -> bool:
        """Whether what this epoch seals may wait without keeping short-lived things readable."""
        return epoch.startswith(_KEPT)

    async def sealer(self, epoch: str) -> Sealer:
        """For opening. Raises CannotOpen when the key is gone."""
        for line in self._lines:
            if epoch.startswith(line.prefix):
                return await line.sealer(epoch)
        raise CannotOpen("no such epoch")

    async def sweep(self, in_use: InUse) -> int:
        """Remove the keys that nothing needs any more; how many."""
        needed = await in_use()
        swept = [line.sweep(in_use, needed) for line in self._lines]
        return sum(await asyncio.gather(*swept))
