"""Cron schedules: five fields, UTC, down to one minute.

The parser is cronsim's (Debian cron: names, ranges, steps, lists, `L`, `LW`, `5L`, `MON#2`).
On top come the usual nicknames and `?` for "any" in the two day fields.
"""

from datetime import UTC, datetime
from typing import Final

from cronsim import CronSim, CronSimError

MAX_CHARS: Final = 128

_NICKNAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_DAY_FIELDS: Final = (2, 4)


class BadSchedule(ValueError):
    """The text is no schedule, or one that never comes due. The message says which."""


def next_run(expression: str, after: datetime) -> datetime:
    """The first minute strictly after `after` at which the schedule is due, in UTC.

    Raises BadSchedule.
    """
    fields = _fields(expression)
    try:
        due: datetime = next(CronSim(" ".join(fields), after.astimezone(UTC)))
    except CronSimError as exc:
        raise BadSchedule(f"{exc} in the cron expression {expression!r}") from exc
    except StopIteration as exc:
        raise BadSchedule(f"The cron expression {expression!r} never comes due") from exc
    return due


def _fields(expression: str) -> list[str]:
    if len(expression) > MAX_CHARS:
        raise BadSchedule(f"A cron expression has at most {MAX_CHARS} chars")
    text = _NICKNAMES.get(expression.strip().lower(), expression)
    fields = text.split()
    if len(fields) != 5:
        raise BadSchedule(
            "A cron expression has five fields: minute, hour, day of month, month, weekday"
        )
    for index in _DAY_FIELDS:
        if fields[index] == "?":
            fields[index] = "*"
    return fields
