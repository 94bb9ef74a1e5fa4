"""The log is brought into the database file beside the writer, whatever becomes of that."""

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.pool import NullPool

from runwright.storage.checkpoints import COMMITS, MUCH, Checkpoints
from runwright.storage.database import open_database
from runwright.storage.dialect import sqlite_engine
from runwright.storage.logindex import LogIndex
from tests.integration.storage.writing import adding

pytestmark = pytest.mark.anyio


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Bench:
    """A database of one table with a writer, and what is copied beside it."""

    def __init__(self, path: Path, *, commits: int, long: int) -> None:
        path.touch()
        engine = sqlite_engine(path)
        self.looks: list[str] = []  # on the thread
        event.listen(engine, "connect", self._listen)
        self.engine = engine
        self.checkpoints = Checkpoints(engine, path, commits=commits, long=long)
        self.own = engine.connect()
        driver: Any = self.own.connection.driver_connection
        self.writer = driver
        driver.execute("CREATE TABLE items (text TEXT)")
        self.index = LogIndex(path)

    def _listen(self, connection: sqlite3.Connection, _: object) -> None:
        if threading.current_thread() is not threading.main_thread():
            connection.set_trace_callback(self.looks.append)

    def commit(self) -> None:
        self.writer.execute("INSERT INTO items VALUES (?)", ("x" * 2000,))
        self.checkpoints.committed(self.writer)

    @property
    def has_copied_all(self) -> bool:
        state = self.index.read()
        return state.copied == state.frames


@contextmanager
def a_bench(path: Path, *, commits: int = 1, long: int = 16_000) -> Iterator[Bench]:
    bench = Bench(path, commits=commits, long=long)
    bench.checkpoints.start()
    yield bench
    bench.checkpoints.close()
    bench.own.close()
    bench.engine.dispose()


async def test_pages_reach_the_file_while_the_log_is_short(tmp_path: Path) -> None:
    path = tmp_path / "runwright.db"
    async with open_database(path) as database:
        before = path.stat().st_mtime_ns
        for number in range(COMMITS):
            await database.write(adding(str(number)))
        deadline = time.monotonic() + 60
        while path.stat().st_mtime_ns == before:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        rows = await database.read(lambda uow: uow.executions.find())
    assert len(rows) == COMMITS


def test_a_log_of_which_all_is_copied_is_not_copied_again(tmp_path: Path) -> None:
    with a_bench(tmp_path / "some.db") as bench:
        bench.commit()
        until(lambda: bench.has_copied_all)
        until(lambda: bench.looks.count("PRAGMA wal_checkpoint(PASSIVE)") == 1)
        for _ in range(3):  # commits that change nothing, so that the log does not begin anew
            bench.checkpoints.committed(bench.writer)
            until(lambda: not bench.checkpoints._due.is_set())
    assert bench.looks.count("PRAGMA wal_checkpoint(PASSIVE)") == 1


def test_no_connection_copies_the_log_within_its_commits(tmp_path: Path) -> None:
    with a_bench(tmp_path / "some.db") as bench:
        assert bench.writer.execute("PRAGMA wal_autocheckpoint").fetchall() == [(0,)]


def test_a_long_log_is_copied_by_the_writer_and_begun_anew(tmp_path: Path) -> None:
    with a_bench(tmp_path / "some.db", commits=64, long=20) as bench:
        reader = sqlite3.connect(tmp_path / "some.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM items").fetchall()
        for _ in range(64):
            bench.commit()
        until(lambda: bench.checkpoints._is_writers_turn)
        reader.close()
        for _ in range(3):
            bench.commit()
        assert 0 < bench.index.read().frames < 20
        assert not bench.checkpoints._is_writers_turn


def test_a_log_that_is_much_too_long_begins_anew_while_there_is_always_a_reader(
    tmp_path: Path,
) -> None:
    path = tmp_path / "some.db"

    def a_reader() -> sqlite3.Connection:
        reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM items").fetchall()
        return reader

    turns = 0

    def read_for_ever() -> None:
        nonlocal turns
        reader = a_reader()
        while not is_over.wait(0.01):
            reader, before = a_reader(), reader
            before.close()
            turns += 1
        reader.close()

    is_over = threading.Event()
    with a_bench(path, commits=8, long=20) as bench:
        readers = threading.Thread(target=read_for_ever)
        readers.start()
        most = 0
        for number in range(400):
            if number % 16 == 0:  # a reader that is not scheduled holds everything up
                before = turns
                until(lambda: turns > before)  # noqa: B023  # over before it changes
            bench.commit()
            most = max(most, bench.index.read().frames)
        is_over.set()
        readers.join()
        assert bench.writer.execute("PRAGMA busy_timeout").fetchall() == [(5000,)]
        assert bench.writer.execute("SELECT count(*) FROM items").fetchall() == [(400,)]
    assert most < 300


def test_a_thread_that_cannot_copy_leaves_it_to_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Checkpoints) -> None:
        raise OSError("too many open files")

    monkeypatch.setattr(Checkpoints, "_copy_some", fails)
    with a_bench(tmp_path / "some.db") as bench:
        bench.commit()
        until(lambda: bench.checkpoints._is_writers_turn)
        bench.commit()
        assert bench.has_copied_all


def test_few_commits_that_are_large_are_not_left_to_wait(tmp_path: Path) -> None:
    with a_bench(tmp_path / "some.db", commits=1_000_000) as bench:
        bench.writer.execute("INSERT INTO items VALUES (?)", ("x" * 4096 * (MUCH + 1),))
        bench.checkpoints.committed(bench.writer)
        until(lambda: bench.has_copied_all)


def test_a_copy_that_fails_is_tried_again_after_more_commits(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries = []

    def connect() -> None:
        tries.append(1)
        raise OSError("the disk is full")

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    checkpoints = Checkpoints(engine, tmp_path / "some.db", commits=2)
    driver = sqlite3.connect(":memory:")
    checkpoints.start()
    with caplog.at_level(logging.WARNING):
        for most in (1, 2):
            checkpoints.committed(driver)
            assert len(tries) < most
            checkpoints.committed(driver)
            deadline = time.monotonic() + 60
            while len(tries) < most or len(caplog.records) < most:
                assert time.monotonic() < deadline
                time.sleep(0.001)
    checkpoints.close()
    assert {record.message for record in caplog.records} == {"database log not copied"}
