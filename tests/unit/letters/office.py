"""A post office over a database in memory: a carrier that does as it is told, time by hand."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from runwright.letters.postbox import Postbox
from runwright.letters.postman import Postman, PostmanLimits
from runwright.letters.ways import Sender, Ways
from runwright.model.identity import CONSOLE, Project
from runwright.model.job import Job, JobKind
from runwright.ports.carrier import Parcel, Relay
from runwright.ports.mailer import Letter
from runwright.ports.storage import UnitOfWork
from runwright.queue.rows import RowQueue
from runwright.sealing import Sealer
from runwright.signals.local import LocalSignals
from runwright.standing import StandingKey
from runwright.storage.database import Database, open_memory
from runwright.vault import Vault
from tests.fakes.clock import START, ManualClock
from tests.fakes.mailer import FakeCarrier

LIMITS: Final = PostmanLimits(workers=8, per_project=2, tries=3, backoff_s=60)
SHOP: Final = Project(id="shop", created_at=START, updated_at=START, name="Shop", team_id="org")
RELAY: Final = Relay(host="mail.example.com", port=25)


def a_letter(to: str = "ann@example.com", **changes: Any) -> Letter:
    values: dict[str, Any] = {
        "occasion": "recovery",
        "kind": "email",
        "facts": (("url", "https://app.example.com/?secret=s3cret"),),
    }
    return Letter(to=to, **(values | changes))


@dataclass
class FakeShelf:
    parcels: list[Parcel] = field(default_factory=list)

    async def put(self, parcel: Parcel) -> None:
        self.parcels.append(parcel)


@dataclass(kw_only=True)
class Office:
    storage: Database
    clock: ManualClock
    vault: Vault
    key: StandingKey
    carrier: FakeCarrier
    shelf: FakeShelf
    postbox: Postbox
    postman: Postman
    queue: RowQueue

    async def post(self, *letters: Letter, project: Project | None = SHOP) -> None:
        def work(uow: UnitOfWork) -> None:
            for letter in letters:
                self.postbox.post(uow, project, letter)

        await self.storage.write(work)

    async def settle(self) -> None:
        """Until everything that may be sent now has been, and its outcome is stored."""
        async with asyncio.timeout(60):
            while await self.postman.rounds.turn():
                await self.postman.rounds.settle()

    async def waiting(self, project_id: str = "shop") -> list[Job]:
        return list(
            await self.storage.read(lambda uow: uow.jobs.find(project_id, kind=JobKind.LETTER))
        )


@asynccontextmanager
async def an_office(
    limits: PostmanLimits = LIMITS,
    *,
    relay: Relay | None = RELAY,
    has_folder: bool = True,
    queue_letters: int = 100,
) -> AsyncIterator[Office]:
    clock, signals, carrier, shelf = ManualClock(), LocalSignals(), FakeCarrier(), FakeShelf()
    with tempfile.TemporaryDirectory() as folder:
        async with open_memory() as storage:
            storage.listen(signals.announce)
            await storage.write(lambda uow: uow.projects.add(SHOP))
            vault = Vault(Path(folder), clock)
            await vault.start()
            key = StandingKey(vault.letters, lambda: storage.write(lambda uow: None))
            await key.start()
            ways = Ways(
                sender=Sender(email="no-reply@localhost"),
                relay=relay,
                has_folder=has_folder,
                sealer=Sealer(b"k" * 32),
            )
            queue = RowQueue(JobKind.LETTER)
            postman = Postman(
                storage=storage,
                signals=signals,
                clock=clock,
                queue=queue,
                vault=vault,
                ways=ways,
                carrier=carrier,
                shelf=shelf,
                limits=limits,
                is_alone=True,
                chance=lambda: 0.5,
            )
            yield Office(
                storage=storage,
                clock=clock,
                vault=vault,
                key=key,
                carrier=carrier,
                shelf=shelf,
                postbox=Postbox(queue, key, clock, ways, queue_letters=queue_letters),
                postman=postman,
                queue=queue,
            )
            carrier.open.set()
            await postman.stop(5)
            await key.stop()


__all__ = ["CONSOLE", "SHOP", "Office", "a_letter", "an_office"]
