"""Events are stored with the change they tell of: sealed, and on behalf of whoever made it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import pytest

from runwright.clock import SystemClock
from runwright.epochs import Epochs
from runwright.model.actor import Actor, acts
from runwright.model.event import Event
from runwright.ports.storage import UnitOfWork
from runwright.sealing import Sealer
from runwright.storage.database import Database, open_memory
from runwright.triggers.outbox import Outbox
from tests.fakes.announced import listening

pytestmark = pytest.mark.anyio
R = TypeVar("R")
PROJECT = "shop"


def emits(name: str) -> Callable[[UnitOfWork], None]:
    return lambda uow: uow.emit(PROJECT, Event.of("update", "users", name), {"name": name})


def gives_up(name: str) -> Callable[[UnitOfWork], None]:
    def work(uow: UnitOfWork) -> None:
        emits(name)(uow)
        raise ValueError(name)

    return work


async def test_a_neighbour_that_gives_up_takes_no_event_along_and_leaves_none() -> None:
    """They share a transaction, which is then undone and run again."""
    async with open_memory() as storage, listening(storage) as announced:
        works = [gives_up(f"u{at}") if at % 3 == 0 else emits(f"u{at}") for at in range(30)]
        results = await asyncio.gather(
            *(storage.write(work) for work in works), return_exceptions=True
        )
        assert sum(isinstance(item, ValueError) for item in results) == 10
        names = await announced.names()
    assert names == [f"users.u{at}.update" for at in range(30) if at % 3]


async def test_each_of_many_changes_at_once_names_its_own_actor() -> None:
    async def change(storage: Database, name: str) -> None:
        with acts(Actor(user_id=name, session_id=f"s-{name}")):
            await storage.write(emits(name))

    async with open_memory() as storage, listening(storage) as announced:
        await asyncio.gather(*(change(storage, f"u{at}") for at in range(30)))
        found = await announced.take()
    assert len(found) == 30
    for item in found:
        assert item.user_id == item.payload["name"]
        assert item.session_id == f"s-{item.user_id}"


async def test_the_payload_waits_sealed() -> None:
    async with open_memory() as storage, listening(storage):
        await storage.write(emits("marker-of-this-test"))
        (row,) = await storage.read(lambda uow: uow.outbox.oldest(limit=10))
    assert b"marker" not in row.sealed


@dataclass
class Line:
    """Epochs that can be counted, and that fail on demand."""

    now: int = 1
    lent: list[int] = field(default_factory=list)
    is_broken: bool = False

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[tuple[str, Sealer]]:
        if self.is_broken:
            raise OSError("no room for a key")
        epoch = self.now
        self.lent.append(epoch)
        yield f"e{epoch}", Sealer(bytes([epoch]) * 32)
        self.lent.remove(epoch)

    async def turn(self) -> None:
        self.now += 1


class Flaky:
    """A storage whose writes fail on demand."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.is_broken = False

    async def write(self, work: Callable[[UnitOfWork], R]) -> R:
        if self.is_broken:
            raise OSError("disk full")
        return await self.database.write(work)

    async def read(self, work: Callable[[UnitOfWork], R]) -> R:
        return await self.database.read(work)


@dataclass
class Bench:
    storage: Flaky
    line: Line
    outbox: Outbox

    async def epoch_of_next(self) -> str:
        await self.storage.database.write(emits("u"))
        rows = await self.storage.read(lambda uow: uow.outbox.oldest(limit=100))
        return rows[-1].epoch


@asynccontextmanager
async def a_bench() -> AsyncIterator[Bench]:
    async with open_memory() as database:
        storage, line = Flaky(database), Line()

        def payload(subject: object, actor: Actor) -> Any:
            return subject

        outbox = Outbox(storage, SystemClock(), cast("Epochs", line), payload)
        await outbox.start()
        database.emit_by(outbox.emit)
        yield Bench(storage, line, outbox)
        await outbox.stop()
        assert line.lent == []


async def test_a_key_is_changed_after_its_use_and_not_before() -> None:
    async with a_bench() as bench:
        await bench.outbox.rotate()
        assert await bench.epoch_of_next() == "e1"
        await bench.outbox.rotate()
        assert bench.line.lent == [2]
        assert await bench.epoch_of_next() == "e2"


async def test_a_key_is_given_back_even_when_the_database_failed_at_that_moment() -> None:
    async with a_bench() as bench:
        await bench.epoch_of_next()
        bench.storage.is_broken = True
        with pytest.raises(OSError, match="disk full"):
            await bench.outbox.rotate()
        assert bench.line.lent == [1, 2]  # a work may still hold the old one
        bench.storage.is_broken = False
        await bench.outbox.rotate()
        assert bench.line.lent == [2]


async def test_without_room_for_a_new_key_the_old_one_goes_on_sealing() -> None:
    async with a_bench() as bench:
        await bench.epoch_of_next()
        bench.line.is_broken = True
        with pytest.raises(OSError, match="no room"):
            await bench.outbox.rotate()
        assert await bench.epoch_of_next() == "e1"
        bench.line.is_broken = False
        await bench.outbox.rotate()
        assert await bench.epoch_of_next() != "e1"
        assert len(bench.line.lent) == 1
