"""Time behind a protocol, so tests own it."""

import asyncio
import time
from datetime import UTC, datetime
from functools import partial
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The present instant, aware, UTC."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    now = staticmethod(partial(datetime.now, UTC))  # without a call between; every run asks twice
    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def iso_millis(moment: datetime) -> str:
    """`2026-08-21T13:42:57.000+00:00`: the only datetime form the API prints."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")


def millis_or_empty(moment: datetime | None) -> str:
    """The same; "" where there is no moment, as most fields of the API have it."""
    return "" if moment is None else iso_millis(moment)
