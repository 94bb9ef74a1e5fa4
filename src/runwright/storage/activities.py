"""Rows of the activity log."""

from typing import Final

from sqlalchemy import delete, select

from runwright.model.activity import Activity
from runwright.storage.repository import SqlRepository
from runwright.storage.tables import ACTIVITIES, SEQUENCE

_TABLE: Final = ACTIVITIES.table


class SqlActivities(SqlRepository[Activity]):
    def keep_newest(self, project_id: str, user_id: str, keep: int) -> None:
        column = _TABLE.c
        own = (column.project_id == project_id, column.user_id == user_id)
        newest_of_old = (
            select(column[SEQUENCE])
            .where(*own)
            .order_by(column[SEQUENCE].desc())
            .limit(1)
            .offset(keep)
            .scalar_subquery()
        )
        self._connection.execute(delete(_TABLE).where(*own, column[SEQUENCE] <= newest_of_old))
