"""The one thread that changes a SQLite database, with group commit.

Units of work wait in a bounded queue. The thread takes all that are there, runs them in one
shared transaction, commits once, and only then lets the callers go on. So many callers share
one flush to disk, and nobody is told of a change that is not on disk.

A unit that raises loses its own changes only. Most that raise have changed nothing yet (a row
was not found, the first insert clashed), so at first nobody gets a savepoint: two more
statements for each unit, and at each statement Python lets another thread run, which a busy
event loop makes expensive. When a unit raises after it changed something, the batch is undone
and run again with savepoints; units may be run again by their contract.

When the commit fails, or the database has given up the whole transaction (disk full, I/O
error), every unit of the batch fails: none of them has changed anything.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import field
from typing import Any, Final

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from runwright.errors import ServiceUnavailable
from runwright.model.event import Event
from runwright.ports.storage import Changed, Emit, UnitOfWork
from runwright.storage.checkpoints import Checkpoints
from runwright.storage.errors import NotRead, NotStored, translated
from runwright.storage.logroom import LogRoom
from runwright.storage.work import SqlUnitOfWork, Touched, codecs_for
from runwright.values import dataclass

log = logging.getLogger(__name__)

# Beyond this many waiting writes the disk cannot keep up, and more waiting helps nobody.
MAX_WAITING: Final = 10_000
# Bounds how long the first caller of a batch waits for the last one's statements.
MAX_BATCH: Final = 512


@dataclass(slots=True, eq=False)
class Job:
    work: Callable[[UnitOfWork], Any]
    future: asyncio.Future[Any]
    is_read: bool = False
    context: Context = field(default_factory=copy_context)  # of the caller: who acts
    result: Any = None
    error: BaseException | None = None
    touched: Sequence[Touched] = field(default=())


class TransactionLost(Exception):
    """The database ended the shared transaction by itself."""


class HalfDone(Exception):
    """A unit raised after it had changed something."""


class Writer:
    def __init__(
        self,
        engine: Engine,
        loop: asyncio.AbstractEventLoop,
        changed: Sequence[Changed],
        room: LogRoom | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.emit: Emit | None = None
        self._engine = engine
        self._loop = loop
        self._changed = changed
        self._room = room
        self._checkpoints = checkpoints
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._is_closed = False
        self._connection: Connection | None = None
        self._work: SqlUnitOfWork | None = None
        self._thread = threading.Thread(target=self._run, name="storage-writer", daemon=True)

    def start(self, prepare: Callable[[Connection], None]) -> None:
        """Open the connection, `prepare` it and start the thread."""
        prepare(self._connected())
        self._thread.start()

    def submit(self, job: Job) -> None:
        if self._is_closed:
            raise ServiceUnavailable("The server is stopping. Try again in a moment.")
        if self._queue.qsize() >= MAX_WAITING:
            raise ServiceUnavailable("Too many changes wait to be stored. Try again in a moment.")
        self._queue.put(job)

    async def close(self) -> None:
        """Run what was submitted, then end the thread."""
        if not self._is_closed:
            self._is_closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    # from here on: the writer's thread

    def _run(self) -> None:
        is_open = True
        while is_open:
            batch, is_open = self._next_batch()
            if batch:
                self._run_batch(batch)
                self._report(batch)
                self._tend_log()
        self._disconnect()

    def _tend_log(self) -> None:
        if self._connection is None:
            return
        driver = self._connection.connection.driver_connection
        if self._checkpoints is not None:
            self._checkpoints.committed(driver)
        if self._room is not None and self._queue.empty():
            self._room.make(driver)

    def _next_batch(self) -> tuple[list[Job], bool]:
        batch: list[Job] = []
        job = self._queue.get()
        while job is not None:
            # Nobody waits for a cancelled one any more; it has not begun, so it need not.
            if not job.future.cancelled():
                batch.append(job)
            if len(batch) >= MAX_BATCH:
                return batch, True
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _run_batch(self, batch: Sequence[Job]) -> None:
        try:
            try:
                self._run_all(batch, self._run_plainly)
            except HalfDone:
                if len(batch) > 1:  # alone, it has been undone with its transaction
                    self._run_all(batch, self._run_in_savepoint)
        except Exception as exc:  # the thread must live on whatever the disk does
            log.error("storage commit failed", extra={"waiting": len(batch)}, exc_info=exc)
            self._disconnect()
            for job in batch:
                job.result, job.touched = None, ()
                if job.error is None:
                    job.error = NotStored()
                    job.error.__cause__ = exc

    def _run_all(self, batch: Sequence[Job], run: Callable[[Job, Any], None]) -> None:
        connection = self._connected()
        driver: Any = connection.connection.driver_connection
        with connection.begin():
            for job in batch:
                job.result, job.error, job.touched = None, None, ()
                run(job, driver)

    def _run_plainly(self, job: Job, driver: Any) -> None:
        before = driver.total_changes
        self._run_one(job, driver)
        if job.error is not None and driver.total_changes != before:
            raise HalfDone

    def _run_in_savepoint(self, job: Job, driver: Any) -> None:
        # By the driver itself: Core's own savepoints cost as much as a small unit of work.
        driver.execute("SAVEPOINT work")
        self._run_one(job, driver)
        if job.error is not None:
            driver.execute("ROLLBACK TO work")
        driver.execute("RELEASE work")

    def _run_one(self, job: Job, driver: Any) -> None:
        unit = self._work
        assert unit is not None
        if job.is_read:
            driver.execute("PRAGMA query_only=ON")
        try:
            job.result = job.context.run(job.work, unit)
        except BaseException as exc:  # handed to the caller
            job.error = translated(exc, otherwise=NotRead if job.is_read else NotStored)
            if job.error is not exc:
                log.error("storage statement failed", exc_info=exc)
            unit.take_touched()
            if not driver.in_transaction:
                raise TransactionLost from exc
        else:
            job.touched = unit.take_touched()
        finally:
            if job.is_read:
                driver.execute("PRAGMA query_only=OFF")

    def _connected(self) -> Connection:
        if self._connection is None:
            connection = self._engine.connect().execution_options(begin="BEGIN IMMEDIATE")
            self._connection = connection
            self._work = SqlUnitOfWork(connection, codecs_for(self._engine.dialect), self._emitted)
        return self._connection

    def _emitted(self, uow: UnitOfWork, project_id: str, event: Event, subject: object) -> None:
        if self.emit is not None:
            self.emit(uow, project_id, event, subject)

    def _disconnect(self) -> None:
        """A connection that failed once is not trusted again; the next batch gets a new one."""
        connection, self._connection, self._work = self._connection, None, None
        if self._room is not None:
            self._room.close()
        if self._checkpoints is not None:
            self._checkpoints.disconnected()
        if connection is not None:
            try:
                connection.close()
            except SQLAlchemyError:
                log.warning("storage connection did not close cleanly", exc_info=True)

    def _report(self, batch: Sequence[Job]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._resolve, batch)
        except RuntimeError:  # the loop has ended, and every waiter with it
            log.warning("storage results had no event loop to go to")

    # on the event loop

    def _resolve(self, batch: Sequence[Job]) -> None:
        # Caches hear of a change before the caller goes on, so it never reads its own past.
        for touched in dict.fromkeys(item for job in batch for item in job.touched):
            for changed in self._changed:
                try:
                    changed(*touched)
                except Exception:  # a listener's fault must not hold back the callers
                    log.exception("change listener failed", extra={"kind": touched[0]})
        for job in batch:
            if job.future.done():
                continue
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.result)
