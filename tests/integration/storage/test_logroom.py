"""Room in the log file: made while nobody waits, never taken for a part of the log."""

import asyncio
import errno
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from runwright.storage import logroom
from runwright.storage.database import open_database
from tests.contract.storage.rows import a_user, adding

pytestmark = pytest.mark.anyio

# SQLite holds this byte of the index while it has the database open ("DMS" in its os_unix.c).
TRY_LOCK = """
import fcntl, sys
with open(sys.argv[1], "r+b") as index:
    try:
        fcntl.lockf(index, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 128)
    except BlockingIOError:
        sys.exit(3)
"""


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def users(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        count: int = connection.execute("SELECT count(*) FROM users").fetchone()[0]
        return count


async def test_the_log_is_longer_than_what_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "runwright.db"
    async with open_database(path) as database:
        await database.write(adding("users", a_user("u0")))
        await until(lambda: log_of(path).stat().st_size >= logroom.STEP_BYTES)
        before = log_of(path).stat().st_size
        await database.write(adding("users", a_user("u1")))
        assert log_of(path).stat().st_size == before
        assert log_of(path).read_bytes().endswith(bytes(logroom.LEAST_BYTES))


async def test_it_is_made_longer_before_the_room_is_used_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logroom, "STEP_BYTES", 128 * 1024)
    monkeypatch.setattr(logroom, "LEAST_BYTES", 96 * 1024)
    path = tmp_path / "runwright.db"
    async with open_database(path) as database:
        for number in range(40):
            await database.write(adding("users", a_user(f"u{number}")))
        await until(lambda: log_of(path).read_bytes().endswith(bytes(64 * 1024)))
        assert log_of(path).stat().st_size > 2 * 128 * 1024
    assert users(path) == 40


async def test_what_a_killed_server_leaves_is_all_that_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "runwright.db"
    async with open_database(path) as database:
        for number in range(5):
            await database.write(adding("users", a_user(f"u{number}")))
            await until(lambda: log_of(path).stat().st_size >= logroom.STEP_BYTES)
        left = tmp_path / "left"
        left.mkdir()
        for file in (path, log_of(path)):
            shutil.copy(file, left)
    assert users(left / path.name) == 5
    async with open_database(left / path.name) as database:
        await database.write(adding("users", a_user("after")))
    assert users(left / path.name) == 6


async def test_other_processes_see_all_the_while_that_the_log_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "runwright.db"
    async with open_database(path) as database:
        await database.write(adding("users", a_user("u0")))
        await until(lambda: log_of(path).stat().st_size >= logroom.STEP_BYTES)
        index = path.with_name(f"{path.name}-shm")
        locked = await asyncio.create_subprocess_exec(sys.executable, "-c", TRY_LOCK, index)
        async with asyncio.timeout(60):
            assert await locked.wait() == 3


async def test_a_disk_without_room_refuses_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def full(*_: object) -> int:
        tries.append(1)
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "pwrite", full)
    path = tmp_path / "runwright.db"
    async with open_database(path) as database:
        for number in range(3):
            await database.write(adding("users", a_user(f"u{number}")))
        await until(lambda: bool(tries))
        await database.write(adding("users", a_user("last")))
    assert users(path) == 4
    assert len(tries) == 1
