"""When a delayed execution may be due. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from runwright.executions.errors import ScheduleRefused

AHEAD: Final = timedelta(seconds=60)


def scheduled_moment(text: str, *, is_async: bool, now: datetime) -> datetime:
    """The moment that `scheduledAt` names. Raises ScheduleRefused."""
    if not is_async:
        raise ScheduleRefused("a delayed execution needs `async` set to true.")
    if re.search(r"\d{4}", text) is None:
        raise ScheduleRefused("the date needs a four-digit year.")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise ScheduleRefused("use an ISO 8601 date and time.") from exc
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if moment.second or moment.microsecond:
        raise ScheduleRefused("seconds and milliseconds must be zero.")
    if moment - now <= AHEAD:
        raise ScheduleRefused("the moment must be more than a minute ahead.")
    return moment
