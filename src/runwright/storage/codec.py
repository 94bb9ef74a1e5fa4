"""Values of the model <-> parameters and rows, and the fixed statements of one kind.

The statements of the hot path are compiled once and sent to the driver as text with
positional parameters: the general way through Core costs several times as much per row.
Those that every kind has are compiled when they are first needed: a start needs few of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    Integer,
    Select,
    Text,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ColumnElement

from runwright.model.execution import Status
from runwright.storage.columns import Choice, Convert, Instant, Pairs, Words
from runwright.storage.dialect import among, upsert
from runwright.storage.tables import SEARCH, SEQUENCE, Kind, searchable

T = TypeVar("T")

FINAL: Final = tuple(status.value for status in (Status.COMPLETED, Status.FAILED))
KEY: Final = ("project_id", "id")
# Rows of one statement, widest first. SQLite takes 32 766 parameters.
WIDTHS: Final = (256, 128, 64, 32, 16, 8, 4, 2, 1)


class Codec(Generic[T]):
    """One kind of row as one database wants it."""

    def __init__(self, kind: Kind[T], dialect: Dialect) -> None:
        self.kind = kind
        self._dialect = dialect
        self._fields = attrgetter(*kind.fields)
        self._has_search = kind.has_search
        self._to_driver = self._converters("bind_processor")
        self._from_driver = self._converters("result_processor", None)
        self._found: dict[tuple[tuple[str, bool], ...], str] = {}

    @cached_property
    def insert_sql(self) -> str:
        return self._text(insert(self.kind.table), self._stored())

    @cached_property
    def update_sql(self) -> str:
        column = self.kind.table.c
        return self._text(
            update(self.kind.table).where(*(column[name] == bindparam(f"_{name}") for name in KEY)),
            self._stored(),
            tuple(f"_{name}" for name in KEY),
        )

    @cached_property
    def get_sql(self) -> str:
        return self._text(self.select().where(*self._by_key()), (), KEY)

    @cached_property
    def delete_sql(self) -> str:
        return self._text(delete(self.kind.table).where(*self._by_key()), (), KEY)

    def find_sql(self, equals: Mapping[str, object]) -> tuple[str, list[Any]]:
        """The rows whose columns have these values, oldest first, and its parameters.

        The texts are kept: their number is that of the places in the code that look for rows.
        """
        shape = tuple((name, value is None) for name, value in equals.items())
        sql = self._found.get(shape)
        if sql is None:
            chosen = [
                self.column(name).is_(None) if is_null else self.column(name) == bindparam(name)
                for name, is_null in shape
            ]
            statement = self.select().where(*chosen).order_by(self.kind.table.c[SEQUENCE])
            wanted = [name for name, is_null in shape if not is_null]
            sql = self._found[shape] = self._text(statement, (), wanted)
        return sql, [
            self._converts[name](value) if name in self._converts else value
            for name, value in equals.items()
            if value is not None
        ]

    def column(self, name: str) -> Column[Any]:
        """Of a field of the model; raises ValueError."""
        if name not in self.kind.fields:
            raise ValueError(f"{self.kind.table.name} have no field {name!r}")
        return self.kind.table.c[name]

    def select(self) -> Select[Any]:
        return self._select

    @cached_property
    def _select(self) -> Select[Any]:
        return select(*(self.kind.table.c[name] for name in self.kind.fields))

    @cached_property
    def _converts(self) -> dict[str, Convert]:
        return {self.kind.fields[at]: convert for at, convert in self._to_driver}

    def params(self, item: T) -> tuple[Any, ...]:
        """Column values in the order of the statements."""
        values = list(self._fields(item))
        for at, convert in self._to_driver:
            value = values[at]
            if value is not None:  # which every database holds as it is
                values[at] = convert(value)
        if self._has_search:
            values.append(searchable(item.search))  # type: ignore[attr-defined]
        return tuple(values)

    def params_of_copies(
        self, first: T, names: Sequence[str], copies: Sequence[Sequence[str]]
    ) -> list[list[Any]]:
        """`params` of values that differ from `first` in some texts only."""
        places = [self.kind.fields.index(name) for name in names]
        base = list(self.params(first))
        rows = []
        for copy in copies:
            row = base.copy()
            for at, text in zip(places, copy, strict=True):
                row[at] = text
            rows.append(row)
        return rows

    def key(self, item: T) -> tuple[str, str]:
        return item.project_id, item.id  # type: ignore[attr-defined]  # every model has both

    def from_driver(self, row: Sequence[Any]) -> T:
        """The value of a row as the driver gave it."""
        values = list(row)
        for at, convert in self._from_driver:
            values[at] = convert(values[at])
        return self.from_values(values)

    def from_values(self, values: Sequence[Any]) -> T:
        return self.kind.model(**dict(zip(self.kind.fields, values, strict=True)))

    def _converters(self, which: str, *more: object) -> list[tuple[int, Convert]]:
        found = []
        for at, name in enumerate(self.kind.fields):
            column_type = self.kind.table.c[name].type
            if which == "result_processor" and isinstance(column_type, (Choice, Instant)):
                found.append((at, column_type.from_driver(self._dialect)))
                continue
            if which == "bind_processor":
                if isinstance(column_type, (Choice, Instant, Pairs, Words)):
                    found.append((at, column_type.to_driver(self._dialect)))
                    continue
                if self._dialect.name == "sqlite" and isinstance(column_type, (Boolean, Float)):
                    continue  # the driver takes both as they are
            convert = getattr(column_type.dialect_impl(self._dialect), which)(self._dialect, *more)
            if convert is not None:
                found.append((at, convert))
        return found

    def _stored(self) -> Sequence[str]:
        return (*self.kind.fields, SEARCH) if self._has_search else self.kind.fields

    def _by_key(self) -> list[ColumnElement[bool]]:
        return [self.kind.table.c[name] == bindparam(name) for name in KEY]

    def _text(self, statement: Any, stored: Sequence[str], more: Sequence[str] = ()) -> str:
        compiled = statement.compile(
            dialect=self._dialect, column_keys=list(stored) if stored else None
        )
        wanted = [*stored, *more]
        if compiled.positiontup != wanted:
            raise AssertionError(f"parameters {compiled.positiontup} are not in order {wanted}")
        return str(compiled)


class Batches:
    """An INSERT of one row, widened to many rows at a time.

    Python's driver lets other threads run at each call into SQLite. Row by row, a writer
    beside a busy event loop would wait for its turn once for every row; that costs far more
    than the row. Only a few widths are used, so that the driver keeps their plans.
    """

    def __init__(self, sql: str, columns: int) -> None:
        one = f"({', '.join('?' * columns)})"
        assert sql.count(one) == 1, sql
        self._sql = {width: sql.replace(one, ", ".join([one] * width)) for width in WIDTHS}

    def split(self, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Statements with their parameters, for all rows in their order."""
        at = 0
        for width, sql in self._sql.items():
            while len(rows) - at >= width:
                yield sql, tuple(chain.from_iterable(rows[at : at + width]))
                at += width


# How a run began stays as it was stored then.
_KEPT_AT_END: Final = frozenset({"created_at", "scheduled_at", "event", "chain_id", "replay_of"})


class ExecutionCodec(Codec[Any]):
    """Executions also come in batches of final states."""

    def __init__(self, kind: Kind[Any], dialect: Dialect) -> None:
        super().__init__(kind, dialect)
        final: list[ColumnElement[str]] = [literal_column(f"'{status}'") for status in FINAL]
        is_open: ColumnElement[bool] = kind.table.c.status.not_in(final)
        self.add_sql = Batches(self.insert_sql, len(kind.fields))
        column = kind.table.c
        begun = (Status.WAITING, Status.PROCESSING)
        states: list[ColumnElement[str]] = [literal_column(f"'{status}'") for status in begun]
        self.begin_sql = self._text(
            update(kind.table)
            .where(
                column.project_id == bindparam("of_project", type_=Text),
                among(column.id, bindparam("ids", type_=Text)),
                column.status.in_(states),
            )
            .values(
                status=literal_column(f"'{Status.PROCESSING}'"),
                updated_at=bindparam("at", type_=column.updated_at.type),
                attempt=bindparam("number", type_=Integer),
            )
            .returning(column.id),
            (),
            ("at", "number", "of_project", "ids"),
        )
        bind = column.updated_at.type.dialect_impl(dialect).bind_processor(dialect)
        self.moment: Convert = bind if bind is not None else lambda value: value
        self.finish_sql = Batches(
            self._text(
                upsert(
                    dialect.name,
                    kind.table,
                    key=KEY,
                    keep=_KEPT_AT_END,
                    where=is_open,
                ),
                kind.fields,
            ),
            len(kind.fields),
        )


def _names(column: str, chosen: str) -> str:
    """The different values of a column of jobs, each found by one step in the index.

    Parameters: those of `chosen`, after which value, those of `chosen`, the value with which to
    stop ("" = none), how many.
    """
    first = f"SELECT min({column}) AS name FROM jobs WHERE {chosen} AND {column} > "
    return (
        f"WITH RECURSIVE step AS ({first}? UNION ALL SELECT ({first}step.name) FROM step "
        "WHERE step.name IS NOT NULL AND coalesce(step.name < nullif(?, ''), true) LIMIT ?) "
        "SELECT name FROM step WHERE name IS NOT NULL"
    )


_PUT_BACK: Final = ("updated_at", "kind", "ready_at", "failures")
_SEALED: Final = ("epoch", "sealed")
_PROOF: Final = ("project_id", "id", "owner", "attempt")


_CHOSEN: Final = ("of_project", "ids", "of_owner", "of_attempt")


class JobCodec(Codec[Any]):
    """Jobs also come in batches of new ones, and are looked for many times a second."""

    def __init__(self, kind: Kind[Any], dialect: Dialect) -> None:
        super().__init__(kind, dialect)
        self.add_sql = Batches(self.insert_sql, len(kind.fields))
        column = kind.table.c
        of_kind = column.kind == bindparam("kind", type_=Text)
        self.projects_sql = _names("project_id", "kind = ?")
        self.any_sql = "SELECT 1 FROM jobs WHERE kind = ? LIMIT 1"
        self.functions_sql = _names("function_id", "kind = ? AND project_id = ?")
        self.ready_sql = self._text(
            self.select()
            .where(
                of_kind,
                column.project_id == bindparam("project_id"),
                column.function_id == bindparam("function_id"),
                column.ready_at <= bindparam("moment"),
            )
            .order_by(column.ready_at, column[SEQUENCE])
            .limit(bindparam("most", type_=Integer))
            .offset(bindparam("skip", type_=Integer))
            .with_for_update(skip_locked=True),
            (),
            ("kind", "project_id", "function_id", "moment", "most", "skip"),
        )
        self.due_sql = self._text(
            self.select()
            .where(of_kind, column.ready_at <= bindparam("moment"))
            .order_by(column.ready_at)
            .limit(bindparam("most", type_=Integer))
            .offset(bindparam("skip", type_=Integer))
            .with_for_update(skip_locked=True),
            (),
            ("kind", "moment", "most", "skip"),
        )
        bind = column.ready_at.type.dialect_impl(dialect).bind_processor(dialect)
        self.moment: Convert = bind if bind is not None else lambda value: value
        self.held_sql = self._text(
            select(func.count())
            .select_from(kind.table)
            .where(
                of_kind,
                column.project_id == bindparam("project_id"),
                column.function_id == bindparam("function_id"),
                column.ready_at > bindparam("moment"),
                column.owner != literal_column("''"),
            ),
            (),
            ("kind", "project_id", "function_id", "moment"),
        )
        table = kind.table
        chosen = (
            column.project_id == bindparam("of_project", type_=Text),
            among(column.id, bindparam("ids", type_=Text)),
        )
        proof = (
            column.owner == bindparam("of_owner", type_=Text),
            column.attempt == bindparam("of_attempt", type_=Integer),
        )
        until: ColumnElement[Any] = bindparam("until", type_=column.ready_at.type)
        self.hold_sql = self._text(
            update(table)
            .where(*chosen)
            .values(
                owner=bindparam("by", type_=Text),
                ready_at=until,
                attempt=column.attempt + literal_column("1"),
            ),
            (),
            ("until", "by", "of_project", "ids"),
        )
        held = (*chosen, *proof)
        self.extend_sql = self._text(
            update(table).where(*held).values(ready_at=until).returning(column.id),
            (),
            ("until", *_CHOSEN),
        )
        self.remove_sql = self._text(delete(table).where(*held).returning(column.id), (), _CHOSEN)
        self._put_back_sql = self._put_back(_PUT_BACK)
        self._put_back_resealed_sql = self._put_back((*_PUT_BACK, *_SEALED))

    def put_back(self, item: Any) -> tuple[str, tuple[Any, ...]]:
        """The statement that ends a lease and changes what has to change with it."""
        row = dict(zip(self.kind.fields, self.params(item), strict=True))
        changed = (*_PUT_BACK, *_SEALED) if item.sealed else _PUT_BACK
        sql = self._put_back_resealed_sql if item.sealed else self._put_back_sql
        return sql, tuple(row[name] for name in (*changed, *_PROOF))

    def _put_back(self, changed: Sequence[str]) -> str:
        column = self.kind.table.c
        values: dict[str, Any] = {
            name: bindparam(f"_{name}", type_=column[name].type) for name in changed
        }
        proof = [column[name] == bindparam(f"is_{name}") for name in _PROOF]
        statement = (
            update(self.kind.table).where(*proof).values(**values, owner=literal_column("''"))
        )
        return self._text(
            statement, (), [*(f"_{name}" for name in changed), *(f"is_{name}" for name in _PROOF)]
        )


class TimerCodec(Codec[Any]):
    """Thousands of timers are moved on at a time, each to a moment of its own."""

    def __init__(self, kind: Kind[Any], dialect: Dialect) -> None:
        super().__init__(kind, dialect)
        self.move_sql = Batches(
            "WITH moved (project_id, id, due_at, next_due) AS (VALUES (?, ?, ?, ?)) "
            "UPDATE timers SET due_at = moved.next_due FROM moved "
            "WHERE timers.project_id = moved.project_id AND timers.id = moved.id "
            "AND timers.due_at = moved.due_at RETURNING timers.project_id, timers.id",
            4,
        )
        bind = kind.table.c.due_at.type.dialect_impl(dialect).bind_processor(dialect)
        self.moment: Convert = bind if bind is not None else lambda value: value
