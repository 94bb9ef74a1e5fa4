"""Cron schedules: five fields, read in a time zone, down to one minute.

The parser and the calendar are cronsim's (names, ranges, steps, lists, `L`, `LW`, `5L`,
`MON#2`). On top come the usual nicknames, `?` for "any" in the two day fields, and in the day of
month `15W` (the weekday nearest to the 15th, in the same month) and `L-3` (three days before the
last).

What a change of the clocks means is Debian cron's rule, which cronsim follows as well:

- An expression whose minute and hour both do not begin with `*` names times of day. One that
  the clocks leave out is due at the moment when they have jumped; one that they show twice is
  due the first time only.
- Any other expression counts real minutes: what the clocks leave out does not come, what they
  show twice comes twice.

The clocks are ours and not cronsim's, because its steps of an hour go wrong where clocks change
by half an hour.
"""

import calendar
import copy
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

MAX_CHARS: Final = 128
MINUTE: Final = timedelta(minutes=1)

_SECOND: Final = timedelta(seconds=1)
_WEEK: Final = timedelta(days=7)
_HORIZON: Final = timedelta(days=50 * 366)  # what has not come by then never will; as cronsim
_NICKNAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_DAY_OF_MONTH: Final = 2
_DAY_FIELDS: Final = (_DAY_OF_MONTH, 4)
_MOVING: Final = re.compile(r"(?P<near>[0-9]{1,2})W|L-(?P<back>[0-9]{1,2})", re.IGNORECASE)
_SATURDAY: Final = 5
_SUNDAY: Final = 6


class BadSchedule(ValueError):
    """The text is no schedule, or one that never comes due. The message says which."""


class UnknownZone(BadSchedule):
    """The text is no name of the time zone database."""


def next_run(expression: str, after: datetime, time_zone: str = "") -> datetime:
    """The first minute strictly after `after` at which the schedule is due, in UTC.

    `time_zone` is a name of the IANA database, "" = UTC. Raises BadSchedule.
    """
    # Due moments are whole minutes, so all of one minute have the same answer.
    minute = after.astimezone(UTC).replace(second=0, microsecond=0)
    return _next_run(expression, minute, time_zone)


def whole_minute(moment: datetime) -> datetime:
    """The minute that has begun, in UTC."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def zone(name: str) -> ZoneInfo:
    """The zone of an IANA name, "" = UTC. Raises UnknownZone."""
    if name and name not in zone_names():
        raise UnknownZone(
            f"{name!r} is no time zone. Use a name of the IANA time zone database, such as "
            "Europe/Berlin or America/New_York, or leave it empty for UTC"
        )
    return ZoneInfo(name or "UTC")


@cache
def zone_names() -> frozenset[str]:
    """Those of the database that is installed with the server, so every host knows the same."""
    return frozenset(files("tzdata").joinpath("zones").read_text().split())


@lru_cache(maxsize=8192)  # many functions share few expressions, and come due together
def _next_run(expression: str, minute: datetime, time_zone: str) -> datetime:
    place = zone(time_zone)
    cron = _parsed(expression)
    try:
        if cron.is_by_clock:
            return _by_clock(cron, minute, place)
        return _by_minutes(cron, minute, place)
    except (StopIteration, OverflowError) as exc:  # OverflowError: after the year 9999
        raise BadSchedule(f"The cron expression {expression!r} never comes due") from exc


def _by_clock(cron: "_Cron", after: datetime, place: ZoneInfo) -> datetime:
    """Times of day: those left out come as soon as the clocks have jumped, none comes twice."""
    for wall in cron.beyond(_wall(after, place)):
        due = wall.replace(tzinfo=place, fold=0)
        while due.astimezone(UTC).astimezone(place) != due:  # the clocks never show it
            wall += MINUTE
            due = wall.replace(tzinfo=place, fold=0)
        if due.astimezone(UTC) > after:
            return due.astimezone(UTC)
    raise StopIteration


def _by_minutes(cron: "_Cron", after: datetime, place: ZoneInfo) -> datetime:
    """Real minutes: each stretch without a change of the clocks is looked at on its own.

    The hour that the clocks leave out on the last Sunday of March may be all that was asked for.
    """
    wall = _wall(after, place)
    end = after + _HORIZON
    while after < end:
        due = (next(cron.beyond(wall)) - _offset(after, place)).replace(tzinfo=UTC)
        change = _first_change(after, due, place)
        if change is None:
            return due
        after = change
        wall = _wall(change, place) - _SECOND  # the first minute of the stretch counts
    raise StopIteration


def _wall(moment: datetime, place: ZoneInfo) -> datetime:
    return moment.astimezone(place).replace(tzinfo=None)


def _offset(moment: datetime, place: ZoneInfo) -> timedelta:
    return moment.astimezone(place).utcoffset() or timedelta()


def _first_change(start: datetime, end: datetime, place: ZoneInfo) -> datetime | None:
    """The first minute after `start`, up to `end`, that has another offset. No place
    changes its clocks and changes them back in the same week."""
    if place.key == "UTC":
        return None
    offset = _offset(start, place)
    low = start
    while low < end:
        high = min(low + _WEEK, end)
        if _offset(high, place) != offset:
            while high - low > MINUTE:
                middle = low + (high - low) // MINUTE // 2 * MINUTE
                if _offset(middle, place) == offset:
                    low = middle
                else:
                    high = middle
            return high
        low = high
    return None


class _Cron(CronSim):
    """cronsim over the wall clock of no place, with the moving days of month that it lacks."""

    def __init__(self, fields: list[str]) -> None:
        terms = fields[_DAY_OF_MONTH].split(",")
        moving = [found for term in terms if (found := _MOVING.fullmatch(term)) is not None]
        fixed = [term for term in terms if _MOVING.fullmatch(term) is None]
        self._near = frozenset(_number(item["near"], 1, 31) for item in moving if item["near"])
        self._back = frozenset(_number(item["back"], 1, 30) for item in moving if item["back"])
        own = [*fields]
        own[_DAY_OF_MONTH] = ",".join(fixed) or "1"
        super().__init__(" ".join(own), datetime(2000, 1, 1))
        if not fixed:
            self.days = set()
        self.is_by_clock = not any(field.startswith("*") for field in fields[:_DAY_OF_MONTH])

    def beyond(self, wall: datetime) -> Iterator[datetime]:
        """Matches after a moment, without a zone; ends when 50 years have none."""
        cron = copy.copy(self)
        cron.dt = wall
        return cron

    def match_dom(self, d: date) -> bool:
        if super().match_dom(d):
            return True
        if not (self._near or self._back):
            return False
        first, last = calendar.monthrange(d.year, d.month)
        if any(d.day == last - back for back in self._back):
            return True
        return any(d.day == _nearest_weekday(day, first, last) for day in self._near)


def _nearest_weekday(day: int, first: int, last: int) -> int:
    """The working day nearest to a day of a month, without leaving the month; 0 when the
    month has no such day. `first` is the weekday of the 1st."""
    if day > last:
        return 0
    weekday = (first + day - 1) % 7
    if weekday == _SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == _SUNDAY:
        return day + 1 if day < last else day - 2
    return day


def _number(text: str, low: int, high: int) -> int:
    if not low <= int(text) <= high:
        raise CronSimError("Bad day-of-month")
    return int(text)


@lru_cache(maxsize=1024)
def _parsed(expression: str) -> _Cron:
    fields = _fields(expression)
    try:
        return _Cron(fields)
    except CronSimError as exc:
        raise BadSchedule(f"{exc} in the cron expression {expression!r}") from exc


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
