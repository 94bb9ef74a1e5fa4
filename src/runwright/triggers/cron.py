"""Ticks: what schedules start, each once.

Rules:

- A turn takes timers that are due, moves each on and stores what its ticks become, all in one
  transaction; moving on is an update that expects the tick which was read. So a tick is fired
  by one scheduler, however many there are, and a crash leaves it either due or fired.
- A tick becomes a run that waits, or, when the function's policy says so, a failed execution of
  class `expired` that says why. None goes without a record, as long as records are kept at all.
- Each tick has an execution id of its own that follows from function and due time, so that
  storing it twice is refused even if a timer went back.
- After a long stop a timer has many ticks. A turn stores a bounded number of rows, oldest first,
  and leaves the timer at the next one; ticks of the present go first, so that nobody waits for
  another's past.
- When the queue is full, timers stay due. What becomes of their ticks is decided when there is
  room again.
- Only the clock decides what is due. When it goes back, nothing is due until it has come
  again to the next tick; when it jumps ahead, what it left out was missed.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta
from math import inf
from typing import Final

from runwright.bell import IDLE_S, Bell
from runwright.clock import Clock
from runwright.executions.acceptance import Acceptance
from runwright.executions.announcing import announce_ended
from runwright.model.execution import Execution
from runwright.model.job import Job, JobKind
from runwright.model.schedule import MINUTE
from runwright.model.tick import due_ticks, missed, next_tick, run_of, tick_id
from runwright.model.timer import CatchUp, Overlap, Timer
from runwright.ports.queue import Queue
from runwright.ports.signals import Signals
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork
from runwright.values import dataclass

log = logging.getLogger(__name__)

POLL_S: Final = 0.5
AT_ONCE: Final = 512  # rows that one transaction stores: two full statements of each kind
GRACE: Final = MINUTE  # a tick that comes at most this late is no missed one
_IN_FLIGHT: Final = 2  # transactions of a scheduler that has much to fire
_MANY: Final = 16  # runs of one tick that are stored as copies of the first

_LATER_ONE: Final = "a later tick was due as well, and `scheduleCatchUp` is `last`"
_TOO_LATE: Final = "it was more than a minute late, and `scheduleCatchUp` is `skip`"
_STILL_RUNS: Final = "an earlier tick's run had not ended, and `scheduleOverlap` is `skip`"


@dataclass(slots=True)
class _Due:
    """A timer with those of its ticks that a turn deals with."""

    timer: Timer
    ticks: list[datetime]
    next_due: datetime | None  # None = it never comes due again


@dataclass(slots=True)
class _Stored:
    """What one turn has done."""

    timers: int = 0
    rows: int = 0
    runs: int = 0
    latest_s: float = 0.0


@dataclass(slots=True)
class _Plan:
    """What ticks become."""

    missed: list[Execution] = field(default_factory=list)
    runs: dict[datetime, list[Timer]] = field(default_factory=dict)  # by tick


class Scheduler:
    """`start`, then `stop`. Any number of them may work on one database."""

    def __init__(
        self,
        *,
        storage: Storage,
        signals: Signals,
        clock: Clock,
        queue: Queue,
        acceptance: Acceptance,
        keep_s: float,
        is_alone: bool,
        wants: Callable[[UnitOfWork, str], bool] = lambda uow, project_id: True,
        poll_s: float = POLL_S,
        idle_s: float = IDLE_S,
        at_once: int = AT_ONCE,
    ) -> None:
        """`keep_s` is the age at which records are deleted: older ticks get none. `wants` says
        whether anybody may listen to executions of a project; `is_alone`: no other server moves
        timers."""
        self._storage = storage
        self._wants = wants
        self._clock = clock
        self._queue = queue
        self._acceptance = acceptance
        self._keep = timedelta(seconds=keep_s)
        self._poll_s = poll_s
        self._idle_s = idle_s if is_alone else poll_s
        self._at_once = at_once
        self._bell = Bell()
        self._task: asyncio.Task[None] | None = None
        signals.on("timer", lambda project_id, item_id: self._bell.ring())

    def start(self) -> None:
        self._bell.ring()
        self._task = asyncio.create_task(self._run(), name="scheduler")

    async def stop(self) -> None:
        """Ticks that are due stay due."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def turn(self) -> bool:
        """Fire some ticks; whether more may be due now."""
        if self._acceptance.is_full:
            return False
        now = self._clock.now()
        first = await self._storage.read(lambda uow: uow.timers.first_due())
        if first is None or first > now:
            return False
        stored = await self._fire(since=now - GRACE)
        if stored.timers == 0:
            stored = await self._fire(since=None)
        return stored.timers > 0

    async def _run(self) -> None:
        while True:
            try:
                if await self.turn():
                    await self._drain()
                first = await self._storage.read(lambda uow: uow.timers.first_due())
            except Exception as exc:  # the timers are still due at the next turn
                log.warning("ticks not fired", extra={"reason": _reason(exc)})
                await asyncio.sleep(self._poll_s)  # whoever wakes us
            else:
                await self._wait_for(first)

    async def _drain(self) -> None:
        """Fire what is due. While one transaction is stored the next one is on its way."""

        async def turns() -> None:
            while await self.turn():
                pass

        async with asyncio.TaskGroup() as group:
            for number in range(_IN_FLIGHT):
                group.create_task(turns(), name=f"scheduler-turns-{number}")

    async def _wait_for(self, first: datetime | None) -> None:
        """Return when that tick is due, when somebody rings, and when it is time to look anyway,
        as timers of other servers move. The clock may move, too, so it is always asked often."""
        waited_s = 0.0
        while waited_s < self._idle_s:
            ahead = (first - self._clock.now()).total_seconds() if first is not None else inf
            if waited_s and ahead <= 0:
                return
            wait_s = min(self._poll_s, ahead) if ahead > 0 else self._poll_s
            if await self._bell.wait(wait_s):
                return
            waited_s += wait_s

    async def _fire(self, *, since: datetime | None) -> _Stored:
        try:
            stored = await self._storage.write(lambda uow: self._fired(uow, since, is_sure=True))
        except AlreadyStored:  # a timer went back, by a restored backup or a clock
            log.warning("a tick was due that has been fired before")
            stored = await self._storage.write(lambda uow: self._fired(uow, since, is_sure=False))
        self._acceptance.began(stored.runs)
        if stored.timers:
            log.debug(
                "ticks fired",
                extra={"timers": stored.timers, "rows": stored.rows, "late_s": stored.latest_s},
            )
        return stored

    # From here on: inside the transaction

    def _fired(self, uow: UnitOfWork, since: datetime | None, *, is_sure: bool) -> _Stored:
        now = self._clock.now()
        due = self._due(uow.timers.due(now, limit=self._at_once, since=since), now)
        going = [(item.timer, item.next_due) for item in due if item.next_due is not None]
        moved = iter(uow.timers.move_on(going))
        mine = [
            item
            for item in due
            if (self._end(uow, item.timer) if item.next_due is None else next(moved))
        ]
        plan = self._plan(uow, mine, now)
        if not is_sure:
            plan = _unknown(uow, plan)
        uow.executions.add_all(plan.missed)
        self._announce_missed(uow, plan.missed)
        self._put_runs(uow, plan, now)
        runs = sum(map(len, plan.runs.values()))
        return _Stored(
            timers=len(mine),
            rows=len(plan.missed) + runs,
            runs=runs,
            latest_s=max(((now - item.timer.due_at).total_seconds() for item in mine), default=0.0),
        )

    def _announce_missed(self, uow: UnitOfWork, missed: Sequence[Execution]) -> None:
        """A tick that was missed has ended with its record; others are announced at their end."""
        heard = {name for name in {item.project_id for item in missed} if self._wants(uow, name)}
        for execution in missed:
            if execution.project_id in heard:
                announce_ended(uow, execution)

    def _put_runs(self, uow: UnitOfWork, plan: _Plan, now: datetime) -> None:
        """In the order of their ticks. Thousands of one moment differ in a few texts only, and
        making each of them by itself would be most of the work."""
        few: list[tuple[Timer, datetime]] = []
        for tick in sorted(plan.runs):
            timers = plan.runs[tick]
            if len(timers) < _MANY:
                few += [(timer, tick) for timer in timers]
                continue
            self._put_few(uow, few, now)
            few = []
            self._put_many(uow, timers, tick, now)
        self._put_few(uow, few, now)

    def _put_few(
        self, uow: UnitOfWork, due: Sequence[tuple[Timer, datetime]], now: datetime
    ) -> None:
        if not due:
            return
        runs = [run_of(timer, tick, now) for timer, tick in due]
        uow.executions.add_all(runs)
        self._queue.put(uow, [_job(run, tick) for run, (_, tick) in zip(runs, due, strict=True)])

    def _put_many(
        self, uow: UnitOfWork, timers: Sequence[Timer], tick: datetime, now: datetime
    ) -> None:
        first = run_of(timers[0], tick, now)
        keys = [
            (item.project_id, tick_id(tick, item.project_id, item.id), item.id) for item in timers
        ]
        deployments = [item.deployment_id for item in timers]
        copies = [(*key, last) for key, last in zip(keys, deployments, strict=True)]
        uow.executions.add_copies(first, copies)
        self._queue.put_copies(uow, _job(first, tick), keys)

    def _due(self, timers: Sequence[Timer], now: datetime) -> list[_Due]:
        """As many timers, with as many ticks, as one transaction may store."""
        found = []
        room = self._at_once
        for timer in timers:
            if room <= 0:
                break
            item = self._with_ticks(timer, now, room)
            room -= max(1, len(item.ticks))
            found.append(item)
        return found

    def _with_ticks(self, timer: Timer, now: datetime, most: int) -> _Due:
        oldest = now - self._keep
        if timer.due_at < oldest:
            log.warning("ticks older than any record are dropped", extra={"function_id": timer.id})
            kept = next_tick(timer, oldest)
            if kept is None:
                return _Due(timer, [], None)
            ticks, following = due_ticks(replace(timer, due_at=kept), now, most=most)
            return _Due(timer, ticks, following)
        return _Due(timer, *due_ticks(timer, now, most=most))

    def _end(self, uow: UnitOfWork, timer: Timer) -> bool:
        log.warning("schedule came due for the last time", extra={"function_id": timer.id})
        return uow.timers.remove(timer.project_id, timer.id)

    def _plan(self, uow: UnitOfWork, due: Sequence[_Due], now: datetime) -> _Plan:
        plan = _Plan()
        busy = _busy(uow, due)
        for item in due:
            timer = item.timer
            is_busy = (timer.project_id, timer.id) in busy
            is_caught_up = item.next_due is None or item.next_due > now
            for tick in item.ticks:
                is_last = is_caught_up and tick is item.ticks[-1]
                why = _why_not(timer, tick, now, is_last=is_last, is_busy=is_busy)
                if why:
                    plan.missed.append(missed(timer, tick, now, why))
                    continue
                plan.runs.setdefault(tick, []).append(timer)
                is_busy = timer.overlap is Overlap.SKIP
        return plan


def _reason(exc: Exception) -> str:
    while isinstance(exc, ExceptionGroup):  # of the turns in flight, which fail alike
        exc = exc.exceptions[0]
    return type(exc).__name__


def _busy(uow: UnitOfWork, due: Sequence[_Due]) -> frozenset[tuple[str, str]]:
    """Functions that must not overlap and have a scheduled run that has not ended."""
    asked: dict[str, list[str]] = {}
    for item in due:
        if item.timer.overlap is Overlap.SKIP:
            asked.setdefault(item.timer.project_id, []).append(item.timer.id)
    return frozenset(
        (project_id, function_id)
        for project_id, function_ids in asked.items()
        for function_id in uow.executions.with_open_tick(project_id, function_ids)
    )


def _why_not(timer: Timer, tick: datetime, now: datetime, *, is_last: bool, is_busy: bool) -> str:
    """Why a tick does not run; "" when it does."""
    if timer.catch_up is CatchUp.LAST and not is_last:
        return _LATER_ONE
    if timer.catch_up is CatchUp.SKIP and now - tick > GRACE:
        return _TOO_LATE
    return _STILL_RUNS if is_busy else ""


def _job(execution: Execution, tick: datetime) -> Job:
    """It has no content, so there is nothing to seal."""
    return Job(
        id=execution.id,
        project_id=execution.project_id,
        created_at=execution.created_at,
        updated_at=execution.updated_at,
        function_id=execution.function_id,
        kind=JobKind.RUN,
        trigger=execution.trigger,
        due_at=tick,
        ready_at=execution.created_at,
        epoch="",
        sealed=b"",
    )


def _unknown(uow: UnitOfWork, plan: _Plan) -> _Plan:
    """What of the plan is not stored yet."""

    def is_known(project_id: str, item_id: str) -> bool:
        # A job may outlive the record, when it is kept for a replay.
        return (
            uow.executions.get(project_id, item_id) is not None
            or uow.jobs.get(project_id, item_id) is not None
        )

    return _Plan(
        [item for item in plan.missed if not is_known(item.project_id, item.id)],
        {
            tick: new
            for tick, timers in plan.runs.items()
            if (
                new := [
                    timer
                    for timer in timers
                    if not is_known(timer.project_id, tick_id(tick, timer.project_id, timer.id))
                ]
            )
        },
    )
