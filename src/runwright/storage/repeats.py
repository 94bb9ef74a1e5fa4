"""Rows of idempotency keys."""

from datetime import datetime
from typing import Final

from sqlalchemy import delete, select

from runwright.model.repeat import RepeatKey
from runwright.storage.repository import SqlRepository
from runwright.storage.tables import REPEAT_KEYS, SEQUENCE

_TABLE: Final = REPEAT_KEYS.table


class SqlRepeatKeys(SqlRepository[RepeatKey]):
    def remove_expired(self, moment: datetime, *, limit: int) -> int:
        column = _TABLE.c
        over = (
            select(column[SEQUENCE])
            .where(column.expires_at <= moment)
            .order_by(column.expires_at)
            .limit(limit)
        )
        return self._connection.execute(delete(_TABLE).where(column[SEQUENCE].in_(over))).rowcount
