"""The rig damages what was not on disk, all of that and nothing else."""

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tests.chaos.tearing import Index, Torn, tear, tear_log

COMMITTED = 200
ROOM = 100_000  # zeros behind what was written, as the server makes them
SUFFIXES = ("", "-wal", "-shm")


def a_crash(folder: Path, *, copied: bool = False, is_over: bool = False) -> Path:
    """Files as a KILL leaves them: commits, and a transaction that was written in part or none."""
    living, dead = folder / "living.db", folder / "dead.db"
    with closing(sqlite3.connect(living, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("PRAGMA wal_autocheckpoint=0")
        database.execute("PRAGMA cache_size=2")  # so that uncommitted pages go to the log
        database.execute("CREATE TABLE runs (number INTEGER PRIMARY KEY, text TEXT)")
        for number in range(COMMITTED):
            if copied and number == COMMITTED // 2:
                database.execute("PRAGMA wal_checkpoint(PASSIVE)")
            database.execute("INSERT INTO runs VALUES (?, ?)", (number, "x" * 300))
        if not is_over:
            database.execute("BEGIN")
        for number in range(COMMITTED, COMMITTED if is_over else 2 * COMMITTED):
            database.execute("INSERT INTO runs VALUES (?, ?)", (number, "y" * 300))
        for suffix in SUFFIXES:
            shutil.copy(f"{living}{suffix}", f"{dead}{suffix}")
    return dead


def survivors(database: Path) -> list[int]:
    with closing(sqlite3.connect(database)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [row[0] for row in opened.execute("SELECT number FROM runs ORDER BY number")]


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("room", [0, ROOM])
def test_what_was_committed_survives_and_what_was_not_is_damaged(
    tmp_path: Path, copied: bool, room: int
) -> None:
    did: list[Torn] = []
    crash = a_crash(tmp_path, copied=copied)
    log = Path(f"{crash}-wal")
    written = log.stat().st_size
    os.truncate(log, written + room)
    for seed in range(12):
        dead = tmp_path / f"{seed}.db"
        for suffix in SUFFIXES:
            shutil.copy(f"{crash}{suffix}", f"{dead}{suffix}")
        did.append(tear(dead, Random(seed)))
        if room:
            with Path(f"{dead}-wal").open("rb") as torn:
                torn.seek(written)
                assert torn.read() == bytes(room)
        assert survivors(dead) == list(range(COMMITTED))
    assert any(item.cut for item in did)
    assert any(item.spoilt for item in did)
    assert any(item.pages for item in did) is copied  # else the file has no pages to spoil yet


def test_behind_a_log_that_was_flushed_frames_are_made_up_in_its_room(tmp_path: Path) -> None:
    did = 0
    crash = a_crash(tmp_path, is_over=True)
    os.truncate(f"{crash}-wal", os.stat(f"{crash}-wal").st_size + ROOM)
    for seed in range(4):
        dead = tmp_path / f"{seed}.db"
        for suffix in SUFFIXES:
            shutil.copy(f"{crash}{suffix}", f"{dead}{suffix}")
        did += tear(dead, Random(seed)).invented
        assert survivors(dead) == list(range(COMMITTED))
    assert did


def test_damage_before_the_last_flush_would_be_seen(tmp_path: Path) -> None:
    dead = a_crash(tmp_path)
    index = Index.read(Path(f"{dead}-shm").read_bytes())
    assert index is not None
    with Path(f"{dead}-wal").open("r+b") as log:
        tear_log(log.fileno(), replace(index, frames=index.frames - 5), Random(1))
    assert survivors(dead) < list(range(COMMITTED))


def test_a_database_that_was_closed_well_has_nothing_to_damage(tmp_path: Path) -> None:
    a_crash(tmp_path)  # its connection is closed by now
    assert tear(tmp_path / "living.db", Random(1)) == Torn()
