"""Repositories over one connection; used only inside a unit of work."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    Text,
    delete,
    func,
    literal,
    literal_column,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from runwright.model.execution import Execution, Status, Trigger
from runwright.model.function import Function
from runwright.model.job import Job, JobKind
from runwright.model.query import MAX_TOTAL, ListQuery, Page
from runwright.ports.storage import AlreadyStored, CursorMissing, CursorOrderNull
from runwright.storage.attributes import ATTRIBUTES
from runwright.storage.codec import FINAL, Codec, ExecutionCodec
from runwright.storage.dialect import among, clashing
from runwright.storage.driver import Driver
from runwright.storage.queries import (
    Condition,
    QueryRefused,
    Term,
    beyond,
    conditions,
    terms,
    words,
)
from runwright.storage.tables import EXECUTIONS, FUNCTIONS, JOBS, SEARCH, SEQUENCE

T = TypeVar("T")

MANY: Final = (list, tuple, set, frozenset)  # what may equal a column is one of them


def _is_nullable(expression: ColumnElement[Any]) -> bool:
    return expression.nullable is not False if isinstance(expression, Column) else True


class SqlRepository(Generic[T]):
    def __init__(self, connection: Connection, codec: Codec[T]) -> None:
        self._connection = connection
        self._driver = Driver(connection)
        self._codec = codec
        self._table = codec.kind.table
        self._attributes = ATTRIBUTES[codec.kind]

    def get(self, project_id: str, item_id: str) -> T | None:
        rows = self._driver.rows(self._codec.get_sql, (project_id, item_id))
        return self._codec.from_driver(rows[0]) if rows else None

    def add(self, item: T) -> None:
        try:
            self._change(self._codec.insert_sql, self._codec.params(item))
        except AlreadyStored as exc:
            # Databases differ in which broken rule they name first; we name the id.
            project_id, item_id = self._codec.key(item)
            if exc.columns != ("id",) and self.get(project_id, item_id) is not None:
                raise AlreadyStored(("id",)) from exc
            raise

    def put(self, item: T) -> None:
        key = self._codec.key(item)
        if not self._change(self._codec.update_sql, self._codec.params(item) + key):
            raise KeyError(key)

    def remove(self, project_id: str, item_id: str) -> bool:
        return self._change(self._codec.delete_sql, (project_id, item_id)) > 0

    def find(self, project_id: str | None = None, **equals: object) -> list[T]:
        if not any(isinstance(value, MANY) for value in equals.values()):
            wanted = equals if project_id is None else {"project_id": project_id, **equals}
            rows = self._driver.rows(*self._codec.find_sql(wanted))
            return [self._codec.from_driver(row) for row in rows]
        chosen = self._equal(equals)
        if project_id is not None:
            chosen.append(self._table.c.project_id == project_id)
        statement = self._codec.select().where(*chosen).order_by(self._table.c[SEQUENCE])
        return self._values(statement)

    def remove_where(self, project_id: str, **equals: object) -> int:
        if not equals:
            raise ValueError("remove_where needs a condition")
        statement = delete(self._table).where(
            self._table.c.project_id == project_id, *self._equal(equals)
        )
        return self._connection.execute(statement).rowcount

    def page(self, project_id: str, query: ListQuery, **equals: object) -> Page[T]:
        own = [self._table.c.project_id == project_id, *self._equal(equals)]
        chosen = [*own, *conditions(self._attributes, query.filters)]
        if query.search:
            if not self._codec.kind.has_search:
                raise QueryRefused("This list cannot be searched. Leave `search` empty.")
            chosen.append(words(self._table.c[SEARCH], query.search))
        total = self._count(chosen) if query.with_total else 0
        order = terms(self._attributes, query.orders, is_nullable=_is_nullable)
        if query.is_cursor_before:
            order = [term.turned() for term in order]
        if query.cursor:
            values = self._cursor_values(own, query.cursor, order)
            chosen.append(beyond(order, values))
        statement = self._codec.select().where(*chosen).limit(query.limit).offset(query.offset)
        if query.is_random:
            return Page(tuple(self._values(statement.order_by(func.random()))), total)
        items = self._values(statement.order_by(*(term.sorted() for term in order)))
        if query.is_cursor_before:
            items.reverse()
        return Page(tuple(items), total)

    def _change(self, sql: str, params: Any) -> int:
        try:
            return self._driver.change(sql, params)
        except IntegrityError as exc:
            columns = clashing(exc)
            if columns is None:
                raise
            raise AlreadyStored(columns) from exc

    def _values(self, statement: Select[Any]) -> list[T]:
        rows = self._connection.execute(statement).fetchall()
        return [self._codec.from_values(row) for row in rows]

    def _equal(self, equals: dict[str, object]) -> list[Condition]:
        found: list[Condition] = []
        for name, value in equals.items():
            column = self._codec.column(name)
            if value is None:
                found.append(column.is_(None))
            elif isinstance(value, MANY):
                found.append(column.in_(value))
            else:
                found.append(column == value)
        return found

    def _count(self, chosen: Sequence[Condition]) -> int:
        # Counting stops at the largest number that is ever shown.
        inner: Select[Any] = select(literal_column("1")).select_from(self._table).where(*chosen)
        statement = select(func.count()).select_from(inner.limit(MAX_TOTAL).subquery())
        return int(self._connection.execute(statement).scalar_one())

    def _cursor_values(
        self, own: Sequence[Condition], item_id: str, order: Sequence[Term]
    ) -> Sequence[object]:
        wanted = (term.expression.label(f"term_{at}") for at, term in enumerate(order))
        statement = select(*wanted).where(*own, self._table.c.id == item_id)
        row = self._connection.execute(statement).fetchone()
        if row is None:
            raise CursorMissing(item_id)
        for term, value in zip(order, row, strict=True):
            if value is None:
                raise CursorOrderNull(term.attribute)
        return tuple(row)


class SqlFunctions(SqlRepository[Function]):
    def listening(self, project_id: str) -> list[Function]:
        column = self._table.c
        statement = (
            self._codec.select()
            .where(
                column.project_id == project_id,
                column.is_enabled.is_(True),
                column.events != (),  # bound as the text of an empty list
            )
            .order_by(column[SEQUENCE])
        )
        return self._values(statement)

    def with_instances(self) -> list[Function]:
        column = self._table.c
        is_bounded = (column.min_instances > 0) | (column.max_instances > 0)
        statement = self._codec.select().where(column.is_enabled.is_(True), is_bounded)
        return self._values(statement.order_by(column[SEQUENCE]))


class SqlExecutions(SqlRepository[Execution]):
    _codec: ExecutionCodec

    def add_all(self, items: Sequence[Execution]) -> None:
        for statement in self._codec.add_sql.split([self._codec.params(item) for item in items]):
            self._change(*statement)

    def add_copies(self, first: Execution, copies: Sequence[tuple[str, str, str, str]]) -> None:
        names = ("project_id", "id", "function_id", "deployment_id")
        rows = self._codec.params_of_copies(first, names, copies)
        for statement in self._codec.add_sql.split(rows):
            self._change(*statement)

    def finish_all(self, items: Sequence[Execution]) -> None:
        rows = [self._codec.params(item) for item in items]
        for statement in self._codec.finish_sql.split(rows):
            self._change(*statement)

    def remove_before(self, moment: datetime, *, limit: int) -> int:
        table = EXECUTIONS.table
        is_final = type_coerce(table.c.status, Text).in_(FINAL)
        oldest = (
            select(table.c[SEQUENCE])
            .where(table.c.created_at < moment, is_final)
            .order_by(table.c.created_at)
            .limit(limit)
        )
        statement = delete(table).where(table.c[SEQUENCE].in_(oldest))
        return self._connection.execute(statement).rowcount

    def overfull(self, *, keep: int) -> list[tuple[str, str]]:
        # No more of each function is counted than that takes: there may be millions.
        run, function = EXECUTIONS.table.c, FUNCTIONS.table.c
        has_more = (
            select(literal_column("1"))
            .where(run.project_id == function.project_id, run.function_id == function.id)
            .offset(keep)
            .limit(1)
            .exists()
        )
        statement = select(function.project_id, function.id).where(has_more)
        return [(row[0], row[1]) for row in self._connection.execute(statement)]

    def beyond(self, project_id: str, function_id: str, *, keep: int, limit: int) -> list[str]:
        table = EXECUTIONS.table
        mine = (table.c.project_id == project_id, table.c.function_id == function_id)
        newest_first = (table.c.created_at.desc(), table.c[SEQUENCE].desc())
        beyond_count = (
            select(table.c.created_at, table.c[SEQUENCE])
            .where(*mine)
            .order_by(*newest_first)
            .offset(keep)
            .limit(1)
        )
        last = self._connection.execute(beyond_count).fetchone()
        if last is None:
            return []
        created_at, number = last
        is_beyond = or_(table.c.created_at < created_at, table.c[SEQUENCE] <= number)
        job = JOBS.table.c
        is_dead_letter = (
            select(literal_column("1"))
            .where(job.project_id == project_id, job.id == table.c.id, job.kind == JobKind.DEAD)
            .exists()
        )
        oldest = (
            select(table.c.id)
            .where(
                *mine,
                table.c.created_at <= created_at,
                is_beyond,
                type_coerce(table.c.status, Text).in_(FINAL),
                or_(table.c.status != Status.FAILED, ~is_dead_letter),
            )
            .order_by(table.c.created_at, table.c[SEQUENCE])
            .limit(limit)
        )
        return list(self._connection.execute(oldest).scalars())

    def remove_ended(self, project_id: str, ids: Sequence[str]) -> int:
        table = EXECUTIONS.table
        statement = delete(table).where(
            table.c.project_id == project_id,
            among(table.c.id, literal(json_list(ids), Text)),
            type_coerce(table.c.status, Text).in_(FINAL),
        )
        return self._connection.execute(statement).rowcount

    def await_turn(self, jobs: Sequence[Job], at: datetime) -> None:
        table = EXECUTIONS.table
        for (project_id, _), ids in by_attempt(jobs).items():
            self._connection.execute(
                update(table)
                .where(
                    table.c.project_id == project_id,
                    table.c.id.in_(ids),
                    table.c.status == Status.SCHEDULED,
                )
                .values(status=Status.WAITING, updated_at=at)
            )

    def with_open_tick(self, project_id: str, function_ids: Sequence[str]) -> frozenset[str]:
        column = EXECUTIONS.table.c
        statement = (
            select(column.function_id)
            .distinct()
            .where(
                column.project_id == project_id,
                column.function_id.in_(function_ids),
                column.status.in_((Status.WAITING, Status.PROCESSING)),
                column.trigger == Trigger.SCHEDULE,
                column.scheduled_at.is_(None),
            )
        )
        return frozenset(self._connection.execute(statement).scalars())

    def begin_all(self, jobs: Sequence[Job], at: datetime) -> frozenset[tuple[str, str]]:
        moment = self._codec.moment(at)
        begun: set[tuple[str, str]] = set()
        for (project_id, attempt), ids in by_attempt(jobs).items():
            params = (moment, attempt, project_id, json_list(ids))
            rows = self._driver.rows(self._codec.begin_sql, params)
            begun |= {(project_id, row[0]) for row in rows}
        return frozenset(begun)


def json_list(texts: Sequence[str]) -> str:
    """For `among`."""
    return msgspec.json.encode(texts).decode()


def by_attempt(jobs: Sequence[Job]) -> dict[tuple[str, int], list[str]]:
    """Ids of jobs by project and attempt: what one statement can change."""
    groups: dict[tuple[str, int], list[str]] = {}
    for job in jobs:
        groups.setdefault((job.project_id, job.attempt), []).append(job.id)
    return groups
