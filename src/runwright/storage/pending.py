"""Rows that wait for a moment or for a reader: timers and the outbox."""

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Final

from sqlalchemy import delete, func, select

from runwright.model.outbox import OutboxEvent
from runwright.model.timer import Timer
from runwright.storage.codec import TimerCodec
from runwright.storage.repository import SqlRepository
from runwright.storage.tables import OUTBOX, SEQUENCE, TIMERS

_TIMERS: Final = TIMERS.table
_OUTBOX: Final = OUTBOX.table


class SqlTimers(SqlRepository[Timer]):
    _codec: TimerCodec

    def due(self, moment: datetime, *, limit: int, since: datetime | None = None) -> list[Timer]:
        column = _TIMERS.c
        chosen = [column.due_at <= moment]
        if since is not None:
            chosen.append(column.due_at >= since)
        return self._values(
            self._codec.select()
            .where(*chosen)
            .order_by(column.due_at, column[SEQUENCE])
            .limit(limit)
            .with_for_update(skip_locked=True)
        )

    def first_due(self) -> datetime | None:
        statement = select(func.min(_TIMERS.c.due_at, type_=_TIMERS.c.due_at.type))
        found: datetime | None = self._connection.execute(statement).scalar_one()
        return found

    def move_on(self, moves: Sequence[tuple[Timer, datetime]]) -> list[bool]:
        moment = self._codec.moment
        rows = [
            (timer.project_id, timer.id, moment(timer.due_at), moment(due_at))
            for timer, due_at in moves
        ]
        moved: set[tuple[str, str]] = set()
        for sql, params in self._codec.move_sql.split(rows):
            found = self._driver.rows(sql, params)
            moved |= {(project_id, timer_id) for project_id, timer_id in found}
        return [(timer.project_id, timer.id) in moved for timer, _ in moves]


class SqlOutbox(SqlRepository[OutboxEvent]):
    def oldest(
        self, *, limit: int, most_bytes: int = 0, but: Collection[str] = ()
    ) -> list[OutboxEvent]:
        column = _OUTBOX.c
        wanted = self._codec.select().order_by(column[SEQUENCE])
        sizes = select(column[SEQUENCE], func.length(column.sealed)).order_by(column[SEQUENCE])
        if but:
            wanted, sizes = (item.where(column.id.not_in(but)) for item in (wanted, sizes))
        if most_bytes:
            rows = self._connection.execute(sizes.limit(limit)).all()
            totals = accumulate(size for _, size in rows)
            limit = max(1, sum(total <= most_bytes for total in totals))
        return self._values(wanted.limit(limit))

    def take(self, items: Sequence[OutboxEvent]) -> list[OutboxEvent]:
        groups: dict[str, list[str]] = {}
        for item in items:
            groups.setdefault(item.project_id, []).append(item.id)
        taken: set[tuple[str, str]] = set()
        for project_id, ids in groups.items():
            rows = self._connection.execute(
                delete(_OUTBOX)
                .where(_OUTBOX.c.project_id == project_id, _OUTBOX.c.id.in_(ids))
                .returning(_OUTBOX.c.id)
            )
            taken |= {(project_id, row[0]) for row in rows}
        return [item for item in items if (item.project_id, item.id) in taken]

    def count(self, project_id: str | None = None) -> int:
        statement = select(func.count()).select_from(_OUTBOX)
        if project_id is not None:
            statement = statement.where(_OUTBOX.c.project_id == project_id)
        return int(self._connection.execute(statement).scalar_one())

    def epochs(self) -> frozenset[str]:
        return frozenset(self._connection.execute(select(_OUTBOX.c.epoch).distinct()).scalars())
