"""The storage port over SQLite: one writer, a few readers."""

import asyncio
import os
import queue
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from runwright.errors import ServiceUnavailable
from runwright.ports.storage import Changed, Emit, UnitOfWork
from runwright.storage.checkpoints import Checkpoints
from runwright.storage.dialect import sqlite_engine
from runwright.storage.errors import NotRead, StorageRefused, translated
from runwright.storage.logroom import LogRoom
from runwright.storage.tables import metadata
from runwright.storage.work import SqlUnitOfWork, codecs_for
from runwright.storage.writer import Job, Writer

R = TypeVar("R")

READERS: Final = 4
READER_CACHE_KIB: Final = 2048  # each; it holds what one read needs, as every commit empties it
MAX_WAITING_READS: Final = 10_000


class Database:
    """Use it from the event loop on which it was opened."""

    def __init__(self, engine: Engine, path: Path | None) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._listeners: list[Changed] = []
        room = LogRoom(path) if path is not None else None
        self._checkpoints = Checkpoints(engine, path) if path is not None else None
        self._writer = Writer(engine, self._loop, self._listeners, room, self._checkpoints)
        self._readers = _Readers(engine) if path is not None else None

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open or create the database file, bring its schema up to date, start the threads.

        Raises StorageRefused when this version must not work on it.
        """
        engine = sqlite_engine(path)
        await asyncio.to_thread(_prepare_file, engine, path)
        database = cls(engine, path)
        database._writer.start(lambda connection: None)
        if database._checkpoints is not None:
            database._checkpoints.start()
        return database

    @classmethod
    async def open_memory(cls) -> Self:
        """An empty database that lives as long as it is open; nothing is on disk."""
        database = cls(_memory_engine(), None)
        database._writer.start(_create_all)
        return database

    async def close(self) -> None:
        """Store everything that was submitted, then let go of the files."""
        await self._writer.close()
        if self._checkpoints is not None:
            await asyncio.to_thread(self._checkpoints.close)
        if self._readers is not None:
            await self._readers.close()
            self._engine.dispose()  # that of databases in memory is shared and keeps nothing

    def listen(self, changed: Changed) -> None:
        """Call `changed` for each touched thing after its commit, from the event loop."""
        self._listeners.append(changed)

    def emit_by(self, emit: Emit) -> None:
        """Let `emit` store the events of units of work; before the first of them."""
        self._writer.emit = emit

    async def write(self, work: Callable[[UnitOfWork], R]) -> R:
        return await self._submit(work, is_read=False)

    async def read(self, work: Callable[[UnitOfWork], R]) -> R:
        if self._readers is not None:
            return await self._readers.run(work)
        return await self._submit(work, is_read=True)  # in memory there is one connection

    async def _submit(self, work: Callable[[UnitOfWork], R], *, is_read: bool) -> R:
        future: asyncio.Future[R] = self._loop.create_future()
        self._writer.submit(Job(work, future, is_read))
        return await future


class _Readers:
    """Threads with a connection each; a read sees one snapshot from start to end."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="storage-reader")
        self._idle: queue.SimpleQueue[tuple[Connection, SqlUnitOfWork]] = queue.SimpleQueue()
        self._waiting = 0
        self._is_closed = False

    async def run(self, work: Callable[[UnitOfWork], R]) -> R:
        if self._is_closed:
            raise ServiceUnavailable("The server is stopping. Try again in a moment.")
        if self._waiting >= MAX_WAITING_READS:
            raise ServiceUnavailable("Too many reads wait for the database. Try again.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, self._run_one, work
            )
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        self._is_closed = True
        await asyncio.to_thread(self._threads.shutdown)
        while not self._idle.empty():
            self._idle.get_nowait()[0].close()

    def _run_one(self, work: Callable[[UnitOfWork], R]) -> R:
        connection, unit = self._lend()
        try:
            with connection.begin():
                result = work(unit)
        except BaseException as exc:
            ours = translated(exc, otherwise=NotRead)
            if ours is exc:
                self._idle.put((connection, unit))
                raise
            connection.close()
            raise ours from exc
        self._idle.put((connection, unit))
        return result

    def _lend(self) -> tuple[Connection, SqlUnitOfWork]:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            pass
        try:
            connection = self._engine.connect()
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA query_only=ON")
            driver.execute(f"PRAGMA cache_size=-{READER_CACHE_KIB}")
        except SQLAlchemyError as exc:
            raise NotRead from exc
        return connection, SqlUnitOfWork(connection, codecs_for(self._engine.dialect))


@asynccontextmanager
async def open_database(path: Path) -> AsyncIterator[Database]:
    database = await Database.open(path)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def open_memory() -> AsyncIterator[Database]:
    """The fake that tests of services use: the same code without a disk."""
    database = await Database.open_memory()
    try:
        yield database
    finally:
        await database.close()


def _prepare_file(engine: Engine, path: Path) -> None:
    from runwright.storage.migrate import upgrade  # only here: Alembic is slow to import

    try:
        # Only the owner may read it: it holds password hashes and session hashes.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        upgrade(engine)
    except (OSError, SQLAlchemyError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not a usable database"
        raise StorageRefused(
            f"The database {path.name} in the data folder cannot be opened: {why}. "
            "Check the folder's permissions and free space, or restore a backup."
        ) from exc


@cache
def _memory_engine() -> Engine:
    """Each of its connections is a database of its own; they share what was compiled for one."""
    return sqlite_engine(None)


def _create_all(connection: Connection) -> None:
    driver: Any = connection.connection.driver_connection
    driver.deserialize(_empty())


@cache
def _empty() -> bytes:
    """The content of a database with all tables and no rows."""
    with _memory_engine().connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.executescript(_schema())
        content: bytes = driver.serialize()
    return content


def _schema() -> str:
    dialect = _memory_engine().dialect
    statements = []
    for table in metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)))
        statements += [str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes]
    return ";\n".join(statements) + ";"
