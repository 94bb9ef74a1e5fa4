"""Rows of the durable queue. Statements change many rows at once, for the reason given in
docs/design/storage.md: each one makes the writer wait for its turn in the interpreter."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import LargeBinary, case, delete, exists, func, literal, not_, select, update
from sqlalchemy.sql.elements import ColumnElement

from runwright.model.job import Job, JobKind, QueueState
from runwright.storage.codec import JobCodec
from runwright.storage.repository import SqlRepository, by_attempt, json_list
from runwright.storage.tables import EXECUTIONS, JOBS, SEQUENCE

_TABLE: Final = JOBS.table
_C: Final = _TABLE.c
_STATE_NAMES: Final = {
    JobKind.DELAYED: "delayed",
    JobKind.DELIVERY: "deliveries",
    JobKind.LETTER: "letters",
    JobKind.DEAD: "dead",
    JobKind.KEPT: "kept",
}


class SqlJobs(SqlRepository[Job]):
    _codec: JobCodec

    def add_all(self, items: Sequence[Job]) -> None:
        for statement in self._codec.add_sql.split([self._codec.params(item) for item in items]):
            self._change(*statement)

    def add_copies(self, first: Job, copies: Sequence[tuple[str, str, str]]) -> None:
        names = ("project_id", "id", "function_id")
        rows = self._codec.params_of_copies(first, names, copies)
        for statement in self._codec.add_sql.split(rows):
            self._change(*statement)

    def projects(self, kind: JobKind, after: str, *, limit: int, last: str = "") -> list[str]:
        chosen = (kind.value,)
        rows = self._driver.rows(self._codec.projects_sql, (*chosen, after, *chosen, last, limit))
        return [row[0] for row in rows]

    def functions(
        self, kind: JobKind, project_id: str, after: str, *, limit: int, last: str = ""
    ) -> list[str]:
        chosen = (kind.value, project_id)
        rows = self._driver.rows(self._codec.functions_sql, (*chosen, after, *chosen, last, limit))
        return [row[0] for row in rows]

    def ready(
        self,
        kind: JobKind,
        project_id: str,
        function_id: str,
        moment: datetime,
        *,
        limit: int,
        offset: int = 0,
    ) -> list[Job]:
        at = self._codec.moment(moment)
        params = (kind.value, project_id, function_id, at, limit, offset)
        rows = self._driver.rows(self._codec.ready_sql, params)
        return [self._codec.from_driver(row) for row in rows]

    def due(self, moment: datetime, *, limit: int) -> list[Job]:
        params = (JobKind.DELAYED.value, self._codec.moment(moment), limit, 0)
        rows = self._driver.rows(self._codec.due_sql, params)
        return [self._codec.from_driver(row) for row in rows]

    def make_runnable(self, items: Sequence[Job], *, at: datetime) -> None:
        for chosen in _chosen(items):
            values = {"kind": JobKind.RUN, "updated_at": at}
            self._connection.execute(update(_TABLE).where(*chosen).values(**values))

    def set_back(self, kind: JobKind, *, now: datetime) -> None:
        ahead = _C.updated_at - now
        self._connection.execute(
            update(_TABLE)
            .where(_C.kind == kind, _C.owner == "", _C.updated_at > now)
            .values(ready_at=_C.ready_at - ahead, updated_at=now)
        )

    def hold(self, items: Sequence[Job], *, owner: str, until: datetime) -> None:
        moment = self._codec.moment(until)
        groups: dict[str, list[str]] = {}
        for item in items:
            groups.setdefault(item.project_id, []).append(item.id)
        for project_id, ids in groups.items():
            params = (moment, owner, project_id, json_list(ids))
            self._driver.change(self._codec.hold_sql, params)

    def extend_held(self, items: Sequence[Job], *, until: datetime) -> list[Job]:
        return self._still_held(items, self._codec.extend_sql, self._codec.moment(until))

    def remove_held(self, items: Sequence[Job]) -> list[Job]:
        return self._still_held(items, self._codec.remove_sql)

    def give_back(self, items: Sequence[Job], *, at: datetime, attempts: int) -> None:
        self._held(
            items,
            lambda chosen: update(_TABLE).where(*chosen),
            owner="",
            ready_at=_turn(at),
            updated_at=at,
            attempt=_C.attempt + attempts,
        )

    def give_back_all(self, kind: JobKind, *, at: datetime) -> None:
        self._connection.execute(
            update(_TABLE)
            .where(_C.kind == kind, _C.owner != "")
            .values(owner="", ready_at=_turn(at), updated_at=at)
        )

    def put_back_held(self, items: Sequence[Job]) -> list[Job]:
        return [item for item in items if self._change(*self._codec.put_back(item))]

    def held(self, kind: JobKind, project_id: str, function_id: str, moment: datetime) -> int:
        params = (kind.value, project_id, function_id, self._codec.moment(moment))
        return int(self._driver.rows(self._codec.held_sql, params)[0][0])

    def kept(
        self,
        project_id: str,
        kind: JobKind,
        *,
        function_id: str = "",
        limit: int,
        offset: int = 0,
    ) -> list[Job]:
        unsealed = literal(b"", LargeBinary).label("sealed")
        columns = (unsealed if name == "sealed" else _C[name] for name in self._codec.kind.fields)
        statement = (
            select(*columns)
            .where(*_of(project_id, kind, function_id))
            .order_by(_C.ready_at, _C[SEQUENCE])
            .limit(limit)
            .offset(offset)
        )
        return self._values(statement)

    def count_kept(self, project_id: str, kind: JobKind, *, function_id: str = "") -> int:
        return self._count(_of(project_id, kind, function_id))

    def remove_kept(self, kinds: Sequence[JobKind], before: datetime, *, limit: int) -> int:
        return self._remove_first(limit, _C.kind.in_(kinds), _C.ready_at <= before)

    def has_any(self, kinds: Sequence[JobKind]) -> bool:
        return any(self._driver.rows(self._codec.any_sql, (kind.value,)) for kind in kinds)

    def has_orphans(self, kinds: Sequence[JobKind]) -> bool:
        statement = select(_C.id).where(_C.kind.in_(kinds), _is_orphan()).limit(1)
        return self._connection.execute(statement).first() is not None

    def remove_orphans(self, kinds: Sequence[JobKind], *, limit: int) -> int:
        return self._remove_first(limit, _C.kind.in_(kinds), _is_orphan())

    def remove_soonest(self, kinds: Sequence[JobKind], *, limit: int) -> int:
        return self._remove_first(limit, _C.kind.in_(kinds))

    def _remove_first(self, limit: int, *chosen: ColumnElement[bool]) -> int:
        first = select(_C[SEQUENCE]).where(*chosen).order_by(_C.ready_at).limit(limit)
        statement = delete(_TABLE).where(_C[SEQUENCE].in_(first))
        return self._connection.execute(statement).rowcount

    def count(self, kinds: Sequence[JobKind]) -> int:
        statement = select(func.count()).select_from(_TABLE).where(_C.kind.in_(kinds))
        return int(self._connection.execute(statement).scalar_one())

    def count_of(self, kind: JobKind, project_id: str, function_id: str, *, most: int) -> int:
        some = (
            select(_C.id)
            .where(_C.kind == kind, _C.project_id == project_id, _C.function_id == function_id)
            .limit(most)
            .subquery()
        )
        return int(self._connection.execute(select(func.count()).select_from(some)).scalar_one())

    def state(self, project_id: str, moment: datetime) -> QueueState:
        is_ready, is_held = _C.ready_at <= moment, _C.owner != ""
        groups = (_C.kind, is_ready.label("is_ready"), is_held.label("is_held"))
        rows = self._connection.execute(
            select(*groups, func.count(), func.min(_C.ready_at))
            .where(_C.project_id == project_id)
            .group_by(*groups)
        ).all()
        counts: Counter[str] = Counter()
        oldest: list[datetime] = []
        for kind, ready, held, count, first in rows:
            if kind != JobKind.RUN:
                counts[_STATE_NAMES[kind]] += count
            elif ready:
                counts["ready"] += count
                oldest.append(first)
            else:
                counts["running" if held else "retrying"] += count
        return QueueState(**counts, oldest_ready_at=min(oldest, default=None))

    def epochs(self) -> frozenset[str]:
        found: set[str] = set()
        after = ""
        while True:
            statement = select(func.min(_C.epoch)).where(_C.epoch > after)
            epoch = self._connection.execute(statement).scalar_one()
            if epoch is None:
                return frozenset(found)
            found.add(epoch)
            after = epoch

    def _still_held(self, items: Sequence[Job], sql: str, *values: object) -> list[Job]:
        """Change rows that are still held as `items` say; which ones were."""
        kept: set[tuple[str, str, int]] = set()
        for (owner, project_id, attempt), ids in _by_holder(items).items():
            params = (*values, project_id, json_list(ids), owner, attempt)
            rows = self._driver.rows(sql, params)
            kept |= {(project_id, row[0], attempt) for row in rows}
        return [item for item in items if (item.project_id, item.id, item.attempt) in kept]

    def _held(self, items: Sequence[Job], statement: Any, **values: object) -> list[Job]:
        """Change rows that are still held as `items` say; which ones were."""
        kept: set[tuple[str, str, int]] = set()
        owners = {item.owner for item in items}
        for owner in owners:
            mine = [item for item in items if item.owner == owner]
            for (project_id, attempt), ids in by_attempt(mine).items():
                changing = statement(
                    (
                        _C.project_id == project_id,
                        _C.id.in_(ids),
                        _C.owner == owner,
                        _C.attempt == attempt,
                    )
                )
                if values:
                    changing = changing.values(**values)
                rows = self._connection.execute(changing.returning(_C.id))
                kept |= {(project_id, row[0], attempt) for row in rows}
        return [item for item in items if (item.project_id, item.id, item.attempt) in kept]


def _turn(at: datetime) -> Any:
    """What is given back takes its old place, before those who came after it."""
    return case((_C.due_at < at, _C.due_at), else_=literal(at, _C.due_at.type))


def _by_holder(items: Sequence[Job]) -> dict[tuple[str, str, int], list[str]]:
    groups: dict[tuple[str, str, int], list[str]] = {}
    for item in items:
        groups.setdefault((item.owner, item.project_id, item.attempt), []).append(item.id)
    return groups


def _chosen(items: Sequence[Job]) -> list[tuple[ColumnElement[bool], ...]]:
    groups: dict[str, list[str]] = {}
    for item in items:
        groups.setdefault(item.project_id, []).append(item.id)
    return [(_C.project_id == project_id, _C.id.in_(ids)) for project_id, ids in groups.items()]


def _of(project_id: str, kind: JobKind, function_id: str) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = [_C.kind == kind, _C.project_id == project_id]
    return [*chosen, _C.function_id == function_id] if function_id else chosen


def _is_orphan() -> ColumnElement[bool]:
    runs = EXECUTIONS.table.c
    return not_(exists().where(runs.project_id == _C.project_id, runs.id == _C.id))
