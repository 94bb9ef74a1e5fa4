"""How many queued runs of one function may go on at once, on all servers together.

Leases are counted in the database, in the transaction that takes new ones. So the limit holds
whoever holds them; only a host that lost its leases without noticing runs beside it, until it
notices.
"""

from datetime import datetime, timedelta
from typing import Final

from runwright.model.job import JobKind
from runwright.ports.queue import RoomFor, unbounded
from runwright.ports.signals import Signals
from runwright.ports.storage import UnitOfWork

# A lost signal must not keep an old limit for ever.
_FRESH: Final = timedelta(seconds=2)


class Lanes:
    """Limits are remembered for a moment: most functions have none, and every claim asks."""

    def __init__(self, signals: Signals) -> None:
        self._limits: dict[tuple[str, str], int] = {}
        self._asked_at: datetime | None = None
        signals.on("function", self._forget)

    def room_for(self, uow: UnitOfWork, now: datetime) -> RoomFor:
        """For one claim, inside of its unit of work."""
        if self._asked_at is None or not timedelta() <= now - self._asked_at < _FRESH:
            self._limits.clear()
            self._asked_at = now
        rooms: dict[tuple[str, str], int] = {}

        def room(project_id: str, function_id: str) -> int:
            lane = (project_id, function_id)
            limit = self._limit(uow, lane)
            if limit == 0:
                return unbounded(project_id, function_id)
            if lane not in rooms:
                rooms[lane] = max(0, limit - uow.jobs.held(JobKind.RUN, *lane, now))
            return rooms[lane]

        return room

    def _limit(self, uow: UnitOfWork, lane: tuple[str, str]) -> int:
        limit = self._limits.get(lane)
        if limit is None:
            function = uow.functions.get(*lane)
            limit = function.concurrency if function is not None else 0
            self._limits[lane] = limit
        return limit

    def _forget(self, project_id: str, item_id: str) -> None:
        if item_id:
            self._limits.pop((project_id, item_id), None)
        else:
            self._limits.clear()
