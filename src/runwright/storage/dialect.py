"""What differs between databases: connections, transactions, a few SQL forms, error texts."""

import sqlite3
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import BindParameter, Table, Text, create_engine, event, literal_column, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Boolean

from runwright.storage.driver import Driver

BUSY_TIMEOUT_MS: Final = 5000
# The log file shrinks back to this after a burst, or after a read that held it open.
LOG_BYTES: Final = 64 * 1024 * 1024
CACHE_KIB: Final = 16384
KEPT_STATEMENTS: Final = 512


class array_has(FunctionElement[bool]):  # reads as an SQL function
    """`array_has(column, value)`: whether the list in a JSON column holds a text."""

    type = Boolean()
    inherit_cache = True


@compiles(array_has, "sqlite")
def _array_has_sqlite(element: array_has, compiler: SQLCompiler, **kw: Any) -> str:
    column, value = (compiler.process(part, **kw) for part in element.clauses)
    return f"EXISTS (SELECT 1 FROM json_each({column}) AS element WHERE element.value = {value})"


@compiles(array_has, "postgresql")
def _array_has_postgresql(element: array_has, compiler: SQLCompiler, **kw: Any) -> str:
    column, value = (compiler.process(part, **kw) for part in element.clauses)
    return f"jsonb_exists(CAST({column} AS jsonb), {value})"


class _texts(FunctionElement[str]):  # reads as an SQL function
    """The texts of a JSON list, as rows with a column `value`."""

    type = Text()
    inherit_cache = True


@compiles(_texts, "sqlite")
def _texts_sqlite(element: _texts, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **kw)})"


@compiles(_texts, "postgresql")
def _texts_postgresql(element: _texts, compiler: SQLCompiler, **kw: Any) -> str:
    texts = compiler.process(element.clauses, **kw)
    return f"jsonb_array_elements_text(CAST({texts} AS jsonb)) AS each(value)"


def among(column: ColumnElement[Any], texts: BindParameter[str]) -> ColumnElement[bool]:
    """Whether a column holds one of the texts of a JSON list.

    One parameter whatever their number, so the statement stays the same and is compiled once.
    """
    return column.in_(select(literal_column("value", Text)).select_from(_texts(texts)))


def upsert(
    name: str,
    table: Table,
    *,
    key: tuple[str, ...],
    keep: frozenset[str],
    where: ColumnElement[bool],
) -> Any:
    """Insert, or replace the row with the same key when `where` holds for it."""
    statement: Any = _insert(name)(table)
    changed = {
        column.name: statement.excluded[column.name]
        for column in table.c
        if not column.primary_key and column.name not in keep and column.name not in key
    }
    return statement.on_conflict_do_update(index_elements=list(key), set_=changed, where=where)


def _insert(name: str) -> Any:
    if name == "postgresql":
        from sqlalchemy.dialects import postgresql  # here: a tenth of a second for SQLite alone

        return postgresql.insert
    return sqlite.insert


def clashing(error: IntegrityError) -> tuple[str, ...] | None:
    """Columns of the unique rule that refused a row; None when it was no such rule."""
    text = str(error.orig)
    before, found, names = text.partition("UNIQUE constraint failed: ")
    if not found or before:
        return None
    columns = tuple(name.strip().rpartition(".")[2] for name in names.split(","))
    return tuple(name for name in columns if name != "project_id")


def sqlite_engine(path: Path | None) -> Engine:
    """An engine whose every connection is new; `path=None` is a database in memory.

    The driver's own transaction handling is off (it would start transactions late and end
    them at odd moments): BEGIN, SAVEPOINT and COMMIT are sent by the code that owns them.
    """

    def connect() -> sqlite3.Connection:
        target = ":memory:" if path is None else f"file:{quote(str(path))}?mode=rw"
        connection = sqlite3.connect(
            target,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=KEPT_STATEMENTS,
            uri=path is not None,
        )
        _prepare(connection, is_file=path is not None)
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    Driver(connection).change(connection.get_execution_options().get("begin", "BEGIN"), ())


def _prepare(connection: sqlite3.Connection, *, is_file: bool) -> None:
    connection.execute("PRAGMA foreign_keys=ON")
    if is_file:
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_autocheckpoint=0")  # see checkpoints.py
        connection.execute(f"PRAGMA journal_size_limit={LOG_BYTES}")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
