"""The writer thread: shared commits, bounded waiting, failures of the disk, the end."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from runwright.errors import ServiceUnavailable
from runwright.ports.storage import AlreadyStored, UnitOfWork
from runwright.storage import writer
from runwright.storage.database import Database, open_database, open_memory
from runwright.storage.dialect import sqlite_engine
from runwright.storage.migrate import upgrade
from runwright.storage.writer import Job, Writer
from tests.contract.storage.rows import PROJECT, a_user, adding

pytestmark = pytest.mark.anyio
R = TypeVar("R")
Write = Callable[[Callable[[UnitOfWork], Any]], Awaitable[Any]]


def an_engine(folder: Path) -> Engine:
    (folder / "runwright.db").touch()
    engine = sqlite_engine(folder / "runwright.db")
    upgrade(engine)
    return engine


@asynccontextmanager
async def a_writer(engine: Engine) -> AsyncIterator[Write]:
    loop = asyncio.get_running_loop()
    it = Writer(engine, loop, [])
    it.start(lambda connection: None)

    async def write(work: Callable[[UnitOfWork], R]) -> R:
        future: asyncio.Future[R] = loop.create_future()
        it.submit(Job(work, future))
        return await future

    yield write
    await it.close()


class Held:
    """A write that keeps the writer busy until `release`; others wait behind it."""

    def __init__(self, write: Write) -> None:
        self._begun, self._gate = threading.Event(), threading.Event()
        self._task = asyncio.ensure_future(write(self._work))

    def _work(self, unit: UnitOfWork) -> None:
        self._begun.set()
        assert self._gate.wait(60)

    async def begun(self) -> None:
        assert await asyncio.to_thread(self._begun.wait, 60)

    async def release(self) -> None:
        await asyncio.sleep(0)  # whoever was started by now is submitted
        self._gate.set()
        await self._task


def users(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT id FROM users ORDER BY sequence")
        return [row[0] for row in rows]


def counted(engine: Engine, what: str) -> list[object]:
    seen: list[object] = []
    event.listen(engine, what, seen.append)
    return seen


async def test_callers_that_wait_together_share_one_commit(tmp_path: Path) -> None:
    engine = an_engine(tmp_path)
    commits = counted(engine, "commit")
    async with a_writer(engine) as write:
        held = Held(write)
        await held.begun()
        rest = [asyncio.ensure_future(write(adding("users", a_user(f"u{n}")))) for n in range(100)]
        await held.release()
        await asyncio.gather(*rest)
    assert len(commits) == 2
    assert users(engine) == [f"u{n}" for n in range(100)]


async def test_a_work_that_fails_half_way_is_undone_and_its_neighbours_run_again(
    tmp_path: Path,
) -> None:
    engine = an_engine(tmp_path)
    runs = []

    def half_way(unit: UnitOfWork) -> None:
        unit.users.add(a_user("half"))
        unit.touch("user", PROJECT, "half")
        raise LookupError("half way")

    def neighbour(unit: UnitOfWork) -> str:
        runs.append("neighbour")
        unit.users.add(a_user("whole"))
        return f"answer {len(runs)}"

    async with a_writer(engine) as write:
        held = Held(write)
        await held.begun()
        rest = [asyncio.ensure_future(write(work)) for work in (neighbour, half_way)]
        await held.release()
        answer, error = await asyncio.gather(*rest, return_exceptions=True)
    assert isinstance(error, LookupError)
    assert (answer, runs) == ("answer 2", ["neighbour", "neighbour"])
    assert users(engine) == ["whole"]


async def test_works_that_fail_before_any_change_do_not_make_others_run_again(
    tmp_path: Path,
) -> None:
    engine = an_engine(tmp_path)
    runs = []

    def neighbour(unit: UnitOfWork) -> None:
        runs.append("neighbour")
        unit.users.add(a_user("whole"))

    def not_found(unit: UnitOfWork) -> None:
        if unit.users.get(PROJECT, "nobody") is None:
            raise LookupError

    async with a_writer(engine) as write:
        held = Held(write)
        await held.begun()
        works = (neighbour, not_found, adding("users", a_user("whole")))
        rest = [asyncio.ensure_future(write(work)) for work in works]
        await held.release()
        results = await asyncio.gather(*rest, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), LookupError, AlreadyStored]
    assert runs == ["neighbour"]
    assert users(engine) == ["whole"]


async def test_a_commit_that_fails_fails_every_caller_and_changes_nothing(tmp_path: Path) -> None:
    engine = an_engine(tmp_path)

    def no_disk(connection: object) -> None:
        raise sqlite3.OperationalError("disk I/O error at /var/secret")

    async with a_writer(engine) as write:
        await write(adding("users", a_user("before")))
        event.listen(engine, "commit", no_disk)
        held = Held(write)
        await held.begun()
        rest = [asyncio.ensure_future(write(adding("users", a_user(f"u{n}")))) for n in range(5)]
        with pytest.raises(ServiceUnavailable, match="nothing was changed"):
            await held.release()
        results = await asyncio.gather(*rest, return_exceptions=True)
        for result in results:
            assert isinstance(result, ServiceUnavailable)
            assert "nothing was changed" in str(result)
            assert "secret" not in str(result)
        event.remove(engine, "commit", no_disk)
        await write(adding("users", a_user("after")))
    assert users(engine) == ["before", "after"]


async def test_a_full_disk_fails_the_write_and_the_next_one_works(tmp_path: Path) -> None:
    engine = an_engine(tmp_path)

    def limited(pages: int) -> Callable[[UnitOfWork], None]:
        def work(unit: UnitOfWork) -> None:
            connection = unit._connection  # type: ignore[attr-defined]  # the only way in
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

        return work

    async with a_writer(engine) as write:
        await write(limited(1))  # that is: no page more than there are
        with pytest.raises(ServiceUnavailable, match="nothing was changed"):
            await write(adding("users", a_user("big", name="x" * 1_000_000)))
        await write(limited(1_000_000))
        await write(adding("users", a_user("small")))
    assert users(engine) == ["small"]


async def test_a_transaction_that_the_database_gave_up_fails_the_whole_batch(
    tmp_path: Path,
) -> None:
    engine = an_engine(tmp_path)

    def lost(unit: UnitOfWork) -> None:
        # As SQLite does by itself after some I/O errors.
        unit._connection.exec_driver_sql("ROLLBACK")  # type: ignore[attr-defined]
        raise RuntimeError("after a rollback")

    async with a_writer(engine) as write:
        held = Held(write)
        await held.begun()
        rest = [
            asyncio.ensure_future(write(work))
            for work in (adding("users", a_user("a")), lost, adding("users", a_user("b")))
        ]
        await held.release()
        before, at, after = await asyncio.gather(*rest, return_exceptions=True)
        assert isinstance(before, ServiceUnavailable)
        assert isinstance(at, RuntimeError)
        assert isinstance(after, ServiceUnavailable)
        await write(adding("users", a_user("c")))
    assert users(engine) == ["c"]


async def test_a_caller_that_left_before_its_turn_changes_nothing() -> None:
    async with open_memory() as database:
        held = Held(database.write)
        await held.begun()
        left = asyncio.ensure_future(database.write(adding("users", a_user())))
        await asyncio.sleep(0)
        left.cancel()
        await held.release()
        assert left.cancelled()
        assert await database.read(lambda unit: unit.users.find()) == []


async def test_a_caller_that_left_during_its_turn_does_not_disturb_the_others() -> None:
    gate, begun = threading.Event(), threading.Event()

    def slow(unit: UnitOfWork) -> None:
        begun.set()
        gate.wait(60)
        unit.users.add(a_user())

    async with open_memory() as database:
        left = asyncio.ensure_future(database.write(slow))
        assert await asyncio.to_thread(begun.wait, 60)
        left.cancel()
        gate.set()
        assert await database.read(lambda unit: unit.users.get(PROJECT, "ann")) == a_user()


async def test_more_callers_than_can_wait_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING", 3)
    async with open_memory() as database:
        held = Held(database.write)
        await held.begun()
        waiting = [asyncio.ensure_future(database.write(lambda unit: None)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(ServiceUnavailable, match="Too many"):
            await database.write(lambda unit: None)
        await held.release()
        await asyncio.gather(*waiting)
        await database.write(lambda unit: None)


async def test_closing_stores_what_was_submitted_and_takes_no_more(tmp_path: Path) -> None:
    path = tmp_path / "runwright.db"
    database = await Database.open(path)
    waiting = [
        asyncio.ensure_future(database.write(adding("users", a_user(f"u{n}")))) for n in range(50)
    ]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*waiting)
    with pytest.raises(ServiceUnavailable, match="stopping"):
        await database.write(lambda unit: None)
    with pytest.raises(ServiceUnavailable, match="stopping"):
        await database.read(lambda unit: None)
    await database.close()
    async with open_database(path) as again:
        assert len(await again.read(lambda unit: unit.users.find())) == 50


async def test_a_stop_leaves_one_file(tmp_path: Path) -> None:
    """The write-ahead log has been copied into the database, so a copy of that is whole."""
    async with open_database(tmp_path / "runwright.db") as database:
        await database.write(adding("users", a_user()))
        await database.read(lambda unit: unit.users.find())
    assert os.listdir(tmp_path) == ["runwright.db"]


async def test_a_read_sees_one_moment_while_writes_go_on(tmp_path: Path) -> None:
    in_read, written = threading.Event(), threading.Event()

    def reads_twice(unit: UnitOfWork) -> tuple[int, int]:
        before = len(unit.users.find())
        in_read.set()
        assert written.wait(60)
        return before, len(unit.users.find())

    async with open_database(tmp_path / "runwright.db") as database:
        await database.write(adding("users", a_user("a")))
        reading = asyncio.ensure_future(database.read(reads_twice))
        assert await asyncio.to_thread(in_read.wait, 60)
        await database.write(adding("users", a_user("b")))
        written.set()
        assert await reading == (1, 1)
        assert len(await database.read(lambda unit: unit.users.find())) == 2


async def test_reads_run_beside_each_other_and_beside_a_write(tmp_path: Path) -> None:
    together = threading.Barrier(3)

    async with open_database(tmp_path / "runwright.db") as database:
        await asyncio.gather(
            database.write(lambda unit: together.wait(60)),
            database.read(lambda unit: together.wait(60)),
            database.read(lambda unit: together.wait(60)),
        )


async def test_more_reads_than_can_wait_are_turned_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runwright.storage.database.MAX_WAITING_READS", 2)
    gate = threading.Event()
    async with open_database(tmp_path / "runwright.db") as database:
        waiting = [asyncio.ensure_future(database.read(lambda unit: gate.wait(60))) for _ in "ab"]
        await asyncio.sleep(0)
        with pytest.raises(ServiceUnavailable, match="Too many"):
            await database.read(lambda unit: None)
        gate.set()
        await asyncio.gather(*waiting)
        await database.read(lambda unit: None)
