"""One tick of a timer: when it is due, and the execution that it becomes. Pure."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from runwright.model.execution import ErrorClass, Execution, Headers, Status, Trigger
from runwright.model.schedule import BadSchedule
from runwright.model.timer import Timer

DUE_HEADER: Final = "x-runwright-due"  # when a scheduled run was meant to start

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def due_ticks(timer: Timer, now: datetime, *, most: int) -> tuple[list[datetime], datetime | None]:
    """Up to `most` ticks that are due, oldest first, and the one after them; None when there
    is none."""
    ticks: list[datetime] = []
    tick: datetime | None = timer.due_at
    while tick is not None and tick <= now and len(ticks) < most:
        ticks.append(tick)
        tick = next_tick(timer, tick)
    return ticks, tick


def next_tick(timer: Timer, moment: datetime) -> datetime | None:
    try:
        return timer.after(moment)
    except BadSchedule:  # it has come due for the last time
        return None


def tick_id(tick: datetime, project_id: str, function_id: str) -> str:
    """Of the execution of a tick. The same whoever makes it, so that storing it twice is
    refused; another in each project, as functions of two projects may share their id and their
    schedule, and what runs is known by its execution's id alone."""
    owner = f"{project_id}:{function_id}".encode()
    return _told(tick)[0] + hashlib.blake2b(owner, digest_size=8).hexdigest()


def run_of(timer: Timer, tick: datetime, now: datetime) -> Execution:
    """The execution of a tick."""
    return Execution(
        id=tick_id(tick, timer.project_id, timer.id),
        project_id=timer.project_id,
        created_at=now,
        updated_at=now,
        function_id=timer.id,
        deployment_id=timer.deployment_id,
        trigger=Trigger.SCHEDULE,
        status=Status.WAITING,
        request_method="POST",
        request_path="/",
        request_headers=_told(tick)[1],
    )


def missed(timer: Timer, tick: datetime, now: datetime, why: str) -> Execution:
    """The record of a tick that does not run."""
    return replace(
        run_of(timer, tick, now),
        status=Status.FAILED,
        errors=f"The tick of {due_text(tick)} was not run: {why}.",
        error_class=ErrorClass.EXPIRED,
    )


def due_text(tick: datetime) -> str:
    """As the API writes every moment."""
    return tick.astimezone(UTC).isoformat(timespec="milliseconds")


@lru_cache(maxsize=1024)  # thousands of functions have the same tick
def _told(tick: datetime) -> tuple[str, Headers]:
    """What the ids of a tick's executions begin with, and the headers that tell of it.

    As in every id, the clock goes first: ids of one time are then neighbours in every index.
    """
    micros = (tick - _EPOCH) // timedelta(microseconds=1)
    return f"{micros:013x}"[-13:], ((DUE_HEADER, due_text(tick)),)
