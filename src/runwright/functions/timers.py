"""Whether and when a function comes due by itself: its row of timers.

There is a row exactly while the function is enabled, has an active deployment, and has a
schedule or an interval. It changes in the transaction that changes one of these, so what is
stored about a function and when it runs can never disagree.
"""

import logging
from dataclasses import replace
from datetime import datetime
from typing import Final

from runwright.clock import Clock
from runwright.functions.lookup import load_function
from runwright.model.function import Function
from runwright.model.schedule import BadSchedule, zone
from runwright.model.tick import due_ticks, missed
from runwright.model.timer import Timer, first_tick
from runwright.ports.storage import Storage, UnitOfWork
from runwright.values import dataclass

log = logging.getLogger(__name__)

_TIMING: Final = ("schedule", "interval_min", "time_zone")
_MISSED_AT_ONCE: Final = 512  # in the transaction of a change, which others wait for
_CHANGED: Final = "its schedule ended or was changed before it was fired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """When a schedule comes due next, in UTC."""

    schedule: str
    interval_min: int
    time_zone: str
    is_active: bool
    ticks: tuple[datetime, ...]


def keep_timer(uow: UnitOfWork, function: Function, now: datetime) -> None:
    """Make the function's timer what its present settings want; part of a unit of work.

    A tick that is stored stays due when the schedule is not what has changed; else, if nobody
    has fired it yet, it is recorded as missed.
    """
    stored = uow.timers.get(function.project_id, function.id)
    wanted = _wanted(function, now)
    if stored is not None:
        if wanted is not None and _has_timing_of(stored, wanted):
            wanted = replace(wanted, due_at=stored.due_at)
        else:
            _record_missed(uow, stored, now)
    if wanted is None:
        drop_timer(uow, function.project_id, function.id)
        return
    if stored is None:
        uow.timers.add(wanted)
    else:
        uow.timers.put(replace(wanted, created_at=stored.created_at))
    uow.touch("timer", function.project_id, function.id)


def drop_timer(uow: UnitOfWork, project_id: str, function_id: str) -> None:
    if uow.timers.remove(project_id, function_id):
        uow.touch("timer", project_id, function_id)


def preview(
    schedule: str, interval_min: int, time_zone: str, *, now: datetime, count: int
) -> Preview:
    """The next `count` ticks of a schedule that would begin now. Raises BadSchedule."""
    zone(time_zone)
    ticks: tuple[datetime, ...] = ()
    if schedule or interval_min:
        timer = _as_of(now, schedule, interval_min, time_zone)
        ticks = _next_ticks(timer, now, count)
    return Preview(
        schedule=schedule,
        interval_min=interval_min,
        time_zone=time_zone,
        is_active=False,
        ticks=ticks,
    )


class Schedules:
    """Answers when functions come due."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    def preview(self, schedule: str, interval_min: int, time_zone: str, count: int) -> Preview:
        """Raises BadSchedule."""
        return preview(schedule, interval_min, time_zone, now=self._clock.now(), count=count)

    async def of_function(self, project_id: str, function_id: str, count: int) -> Preview:
        """The next ticks of a function; when it is not active, those it would have if it became
        active now. Raises FunctionNotFound."""

        def load(uow: UnitOfWork) -> tuple[Function, Timer | None]:
            function = load_function(uow, project_id, function_id)
            return function, uow.timers.get(project_id, function_id)

        function, timer = await self._storage.read(load)
        now = self._clock.now()
        if timer is None:
            shown = function.schedule, function.interval_min or 0, function.time_zone
            try:
                return preview(*shown, now=now, count=count)
            except BadSchedule:  # it was fine when it was stored
                return Preview(
                    schedule=shown[0],
                    interval_min=shown[1],
                    time_zone=shown[2],
                    is_active=False,
                    ticks=(),
                )
        return Preview(
            schedule=timer.schedule,
            interval_min=timer.interval_min,
            time_zone=timer.time_zone,
            is_active=True,
            ticks=_next_ticks(timer, now, count),
        )


def _wanted(function: Function, now: datetime) -> Timer | None:
    has_schedule = bool(function.schedule or function.interval_min)
    if not (has_schedule and function.is_enabled and function.deployment_id):
        return None
    try:
        return _timer(function, now)
    except BadSchedule:  # it has come due for the last time, or the zones have changed
        log.warning("schedule never comes due", extra={"function_id": function.id})
        return None


def _has_timing_of(one: Timer, other: Timer) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in _TIMING)


def _record_missed(uow: UnitOfWork, timer: Timer, now: datetime) -> None:
    """The scheduler is a moment away from these, or the queue has been full."""
    ticks, following = due_ticks(timer, now, most=_MISSED_AT_ONCE)
    if following is not None and following <= now:
        log.warning("ticks dropped with their schedule", extra={"function_id": timer.id})
    records = [missed(timer, tick, now, _CHANGED) for tick in ticks]
    uow.executions.add_all(
        [item for item in records if uow.executions.get(item.project_id, item.id) is None]
    )


def _timer(function: Function, now: datetime) -> Timer:
    interval_min = 0 if function.schedule else function.interval_min or 0
    return Timer(
        id=function.id,
        project_id=function.project_id,
        created_at=now,
        updated_at=now,
        due_at=first_tick(function.schedule, interval_min, function.time_zone, now),
        schedule=function.schedule,
        interval_min=interval_min,
        time_zone=function.time_zone,
        catch_up=function.catch_up,
        overlap=function.overlap,
        deployment_id=function.deployment_id,
    )


def _as_of(now: datetime, schedule: str, interval_min: int, time_zone: str) -> Timer:
    function = Function(
        id="",
        project_id="",
        created_at=now,
        updated_at=now,
        name="",
        runtime="",
        schedule=schedule,
        interval_min=interval_min,
        time_zone=time_zone,
    )
    return _timer(function, now)


def _next_ticks(timer: Timer, now: datetime, count: int) -> tuple[datetime, ...]:
    """As many as there are, at most `count`."""
    ticks: list[datetime] = []
    moment = now
    try:
        while len(ticks) < count:
            moment = timer.after(moment)
            ticks.append(moment)
    except BadSchedule:
        pass  # the last one that can come due is in the list
    return tuple(ticks)
