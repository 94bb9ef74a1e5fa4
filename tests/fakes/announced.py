"""What a storage announces: an outbox over it, and the rows read back as subscribers get them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from runwright.api.shapes.events import payload
from runwright.clock import Clock, SystemClock
from runwright.epochs import Epochs
from runwright.model.outbox import Announcement
from runwright.ports.storage import UnitOfWork
from runwright.sealing import Sealer
from runwright.storage.database import Database
from runwright.triggers.outbox import Outbox, opened


class OneEpoch:
    """A key that needs no folder and never ends."""

    def __init__(self) -> None:
        self.sealer = Sealer(b"e" * 32)

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[tuple[str, Sealer]]:
        yield "e1", self.sealer

    async def turn(self) -> None:
        return


@dataclass(frozen=True, slots=True)
class Announced:
    storage: Database
    epoch: OneEpoch

    async def take(self) -> list[Announcement]:
        """Everything since the last call, in the order in which it happened."""

        def work(uow: UnitOfWork) -> list[Announcement]:
            rows = uow.outbox.take(uow.outbox.oldest(limit=1000))
            return [opened(row, self.epoch.sealer) for row in rows]

        return await self.storage.write(work)

    async def names(self) -> list[str]:
        return [item.event.full_name for item in await self.take()]

    async def one(self) -> tuple[str, Any]:
        """Name and payload of the only one since the last call."""
        (item,) = await self.take()
        return item.event.full_name, item.payload


@asynccontextmanager
async def listening(storage: Database, clock: Clock | None = None) -> AsyncIterator[Announced]:
    epoch = OneEpoch()
    outbox = Outbox(storage, clock or SystemClock(), cast("Epochs", epoch), payload)
    await outbox.start()
    storage.emit_by(outbox.emit)
    yield Announced(storage, epoch)
    await outbox.stop()
