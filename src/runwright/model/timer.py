"""When a function is due next: one row per function that has a schedule."""

from datetime import datetime
from enum import StrEnum

from runwright.model.schedule import MINUTE, next_run, whole_minute
from runwright.values import dataclass


class CatchUp(StrEnum):
    """What becomes of ticks that came due while nothing was there to fire them."""

    LAST = "last"  # the newest one runs
    ALL = "all"  # each of them runs
    SKIP = "skip"  # none runs


class Overlap(StrEnum):
    """What becomes of a tick while an earlier one's run has not ended."""

    ALLOW = "allow"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """The next tick of a function. `id` is the function's.

    Whoever moves `due_at` on, by an update that expects the old value, fires the tick; so
    any number of schedulers fire it once. The other fields are the function's, copied.
    """

    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    due_at: datetime
    schedule: str  # cron, or "" when there is an interval
    interval_min: int  # 0 = none
    time_zone: str
    catch_up: CatchUp
    overlap: Overlap
    deployment_id: str

    def after(self, moment: datetime) -> datetime:
        """The first tick that is later than `moment` and not before the stored one.

        Raises BadSchedule when there is none.
        """
        if moment < self.due_at:
            return self.due_at
        if not self.interval_min:
            return next_run(self.schedule, moment, self.time_zone)
        step = self.interval_min * MINUTE
        return self.due_at + ((moment - self.due_at) // step + 1) * step


def first_tick(schedule: str, interval_min: int, time_zone: str, now: datetime) -> datetime:
    """When a schedule that begins now comes due for the first time. An interval counts from
    the minute that has begun. Raises BadSchedule."""
    if interval_min:
        return whole_minute(now) + interval_min * MINUTE
    return next_run(schedule, now, time_zone)
