"""Schedules and when they come due, as JSON."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from runwright.clock import iso_millis
from runwright.functions.timers import Preview
from runwright.model.schedule import zone

Json = dict[str, Any]


def preview(item: Preview) -> Json:
    place = zone(item.time_zone)
    return {
        "schedule": item.schedule,
        "interval": item.interval_min,
        "timezone": item.time_zone,
        "active": item.is_active,
        "ticks": [tick(moment, place) for moment in item.ticks],
    }


def tick(moment: datetime, place: ZoneInfo) -> Json:
    """The moment, and what the clocks of the place show then."""
    return {
        "dueAt": iso_millis(moment),
        "localTime": moment.astimezone(place).isoformat(timespec="milliseconds"),
    }
