"""Statements sent to the driver as they are.

Core's own way for such a text makes a context, a result and the description of its rows each
time. That is several times the work of the statement, and done while the event loop waits for
the interpreter. Failures are still told as Core tells them.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

Params = Sequence[Any]


class Driver:
    """The driver's side of a connection; for use in a transaction that Core has begun."""

    __slots__ = ("_connection", "_errors")

    def __init__(self, connection: Connection) -> None:
        self._connection: Any = connection.connection.driver_connection
        self._errors: Any = connection.dialect.loaded_dbapi.Error

    def rows(self, sql: str, params: Params) -> list[Any]:
        """All of them: a statement that is not read to its end stays open."""
        try:
            found: list[Any] = self._connection.execute(sql, params).fetchall()
        except self._errors as error:
            raise self._told(sql, error) from error
        return found

    def change(self, sql: str, params: Params) -> int:
        """How many rows were changed, by a statement that returns none."""
        try:
            changed: int = self._connection.execute(sql, params).rowcount
        except self._errors as error:
            raise self._told(sql, error) from error
        return changed

    def _told(self, sql: str, error: Exception) -> BaseException:
        # Without the parameters, which may be anybody's texts.
        return DBAPIError.instance(sql, None, error, self._errors, hide_parameters=True)
