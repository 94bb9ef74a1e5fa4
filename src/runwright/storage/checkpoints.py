"""Bringing the write-ahead log's pages into the database file, beside the writer.

SQLite does this within a commit, once the log is long enough, and that commit then takes fifty
times as long as others: all that wait for the writer wait for it. So a thread with a connection of
its own does it every now and then while the writer goes on. What it cannot take, because a reader
still needs the former pages or because commits came meanwhile, waits for the next time. A log that
grows in spite of that is dealt with by a commit, as ever (`CHECKPOINT_PAGES`).
"""

import logging
import threading
from typing import Any, Final

from sqlalchemy.engine import Connection, Engine

log = logging.getLogger(__name__)

# One commit of the queue under load changes about thirty pages, a small one ten.
COMMITS: Final = 128


class Checkpoints:
    """`start`, then `close`. `committed` may be called from any one thread."""

    def __init__(self, engine: Engine, *, commits: int = COMMITS) -> None:
        """Every so many commits the log is copied."""
        self._engine = engine
        self._commits = commits
        self._left = commits
        self._due = threading.Event()
        self._is_closed = False
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="storage-checkpoints", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def committed(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self._left = self._commits
            self._due.set()

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
                self._copy()
            except Exception as exc:  # the log holds everything; a later copy takes more
                log.warning("database log not copied", extra={"reason": type(exc).__name__})
                self._disconnect()
        self._disconnect()

    def _copy(self) -> None:
        if self._connection is None:
            self._connection = self._engine.connect()
        driver: Any = self._connection.connection.driver_connection
        driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except Exception as exc:  # it is not used any more
                log.warning("connection not closed", extra={"reason": type(exc).__name__})
