"""Bringing the write-ahead log's pages into the database file, beside the writer.

SQLite does this within a commit, once the log is long enough, and that commit then takes fifty
times as long as others: all that wait for the writer wait for it. So a thread with a connection of
its own does it every now and then while the writer goes on. What it cannot take, because a reader
still needs the former pages or because commits came meanwhile, waits for the next time.

The writer itself does it, after each commit, while the log is long in spite of that, and once when
the thread failed. Then its next commit begins the log anew, unless a reader is in the way. When
there always is one, the writer waits for those that are there; later ones need no log.

**A log of which all is copied is left alone.** Until 3.51.2, a copy that reads the length of such a
log just before the writer begins it anew goes on with the former length: it marks the new log's
commits as copied, and they are lost (https://sqlite.org/wal.html, "the WAL-reset bug"). While
something is left to copy the log does not begin anew. That holds only if nobody else copies the
rest meanwhile: so SQLite's own way is off (dialect.py), and one copy excludes another.
"""

import logging
import threading
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import Connection, Engine

from runwright.storage.logindex import LogIndex

log = logging.getLogger(__name__)

# One commit of the queue under load changes about thirty pages, a small one ten.
COMMITS: Final = 128
# Frames that wait to be copied, from which on no more commits are awaited: 16 MiB.
MUCH: Final = 4_000
# Frames from which on the writer copies the log. As many as `LOG_BYTES`.
LONG: Final = 16_000
# So many times longer, it also waits for readers: while one is always there, no log begins anew.
_TOO_LONG: Final = 4
_WAIT_MS: Final = 100  # for them, with every commit that comes meanwhile


class Checkpoints:
    """`start`, then `close`. `committed` may be called from any one thread."""

    def __init__(
        self, engine: Engine, path: Path, *, commits: int = COMMITS, long: int = LONG
    ) -> None:
        """Every so many commits the log is copied, earlier when they were large."""
        self._engine = engine
        self._seen_by_writer = LogIndex(path)
        self._index = LogIndex(path)
        self._commits = commits
        self._long = long
        self._left = commits
        self._due = threading.Event()
        self._copying = threading.Lock()
        self._is_writers_turn = False
        self._is_closed = False
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="storage-checkpoints", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def committed(self, driver: Any) -> None:
        """After each commit, by the only writer, with its connection."""
        self._left -= 1
        if self._left <= 0 or self._is_much():
            self._left = self._commits
            self._due.set()
        if self._is_writers_turn and self._copying.acquire(blocking=False):
            try:
                self._copy_by_writer(driver)
            except Exception as exc:
                self._is_writers_turn = False  # until the thread, too, has tried once more
                log.warning("database log not copied", extra={"reason": type(exc).__name__})
            finally:
                self._copying.release()

    def disconnected(self) -> None:
        """The writer's connection is closed; the next one may have another log."""
        self._seen_by_writer.close()

    def _is_much(self) -> bool:
        try:
            state = self._seen_by_writer.read()
        except OSError:  # then the number of commits alone decides
            return False
        return state.frames - state.copied >= MUCH

    def _copy_by_writer(self, driver: Any) -> None:
        frames = _copy(driver)
        self._is_writers_turn = frames >= self._long
        if frames < self._long * _TOO_LONG:
            return
        ((before,),) = driver.execute("PRAGMA busy_timeout").fetchall()
        driver.execute(f"PRAGMA busy_timeout={_WAIT_MS}").fetchall()
        try:
            driver.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        finally:
            driver.execute(f"PRAGMA busy_timeout={before}").fetchall()
        self._is_writers_turn = False  # else, with a reader that stays, each commit would wait

    def close(self) -> None:
        """Blocks while the last copy ends."""
        self._is_closed = True
        self._due.set()
        if self._thread.is_alive():
            self._thread.join()

    # on the thread

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            if self._is_closed:
                break
            try:
                self._copy_some()
            except Exception as exc:  # the log holds everything; a later copy takes more
                log.warning("database log not copied", extra={"reason": type(exc).__name__})
                self._is_writers_turn = True
                self._disconnect()
        self._disconnect()

    def _copy_some(self) -> None:
        if self._connection is None:
            self._connection = self._engine.connect()
        with self._copying:
            state = self._index.read()
            if state.copied < state.frames:
                driver = self._connection.connection.driver_connection
                self._is_writers_turn = _copy(driver) >= self._long

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        self._index.close()
        if connection is not None:
            try:
                connection.close()
            except Exception as exc:  # it is not used any more
                log.warning("connection not closed", extra={"reason": type(exc).__name__})


def _copy(driver: Any) -> int:
    """Copy what no reader is in the way of, and wait for none; how many frames the log has."""
    ((_, frames, _),) = driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    return int(frames)
