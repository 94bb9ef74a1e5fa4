"""Which sandbox takes which call; how many there are, and when they end.

Three kinds of live sandbox: pre-started ones without code, per runtime; warm ones, which
hold one workload each; and those on their way out. A call takes, in this order: a warm
sandbox of its workload (newest first) that has room and is not held up; a pre-started one,
which then gets the code mounted; a fresh one. At the upper bound the longest idle warm
sandbox makes room. Calls that find nothing wait in their workload's queue; the sum of the
queues is bounded.

Everything here runs on the event loop, and lending is synchronous: between choosing a
sandbox and writing to it nothing else can happen to either.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Final

from runwright.executor import wire
from runwright.executor.call import NOT_BEGUN, Call
from runwright.executor.expecting import Expected
from runwright.executor.group import Group
from runwright.executor.keeping import Keeping
from runwright.executor.runtimes import Interpreter, calls_at_once
from runwright.executor.sandbox import Owner, Sandbox, State
from runwright.executor.spawn import Exit, Spawner, SpawnFailed, Uids
from runwright.executor.stock import PoolLimits, Stock
from runwright.executor.templates import Templates
from runwright.model.execution import ErrorClass, Workload
from runwright.model.network import Network
from runwright.ports.executor import NoSlot
from runwright.values import dataclass

log = logging.getLogger(__name__)

TICK_S: Final = 0.05
_SWEEP_S: Final = 1.0
_GONE_S: Final = 5.0
_COLD_TRIES: Final = 2
_COULD_NOT_START: Final = "The runtime could not be started. Try again."


@dataclass(frozen=True, slots=True)
class Taken:
    """A sandbox on its way to a workload."""

    sandbox: Sandbox
    assigned: Awaitable[None]
    began: float


class Pool(Owner):
    def __init__(
        self,
        limits: PoolLimits,
        spawner: Spawner,
        interpreters: Sequence[Interpreter],
        uids: Uids,
        now: Callable[[], float],
    ) -> None:
        self._limits = limits
        self._spawner = spawner
        self._now = now
        self._stock = Stock(limits, spawner, interpreters, uids, now, self)
        self._groups: dict[str, Group] = {}
        self._group_of: dict[int, Group] = {}
        self._templates = Templates(limits, spawner, self._stock, now, self._spawn_task)
        self._busy: set[Sandbox] = set()
        self._keeping = Keeping()
        self._expected = Expected(now)
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._tick_timer: asyncio.TimerHandle | None = None
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._loop = asyncio.get_running_loop()
        spawner.on_network_lost = self._network_lost

    # Life

    def start(self) -> None:
        self._spawn_task(self._stock.refill(), "sandbox-refill")
        self._sweep_timer = self._loop.call_later(_SWEEP_S, self._sweep)

    async def stop(self, drain_s: float) -> None:
        """Let running calls finish for at most `drain_s`, then end everything."""
        self._is_closed = True
        self._refuse_waiting()
        await self._until(lambda: not self._busy_callers(), drain_s)
        for timer in (self._tick_timer, self._sweep_timer):
            if timer is not None:
                timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_GONE_S)
        for sandbox in self._stock.all():
            sandbox.cut_off()
        await self._until(lambda: not self._stock.has_any(), _GONE_S)

    def _busy_callers(self) -> int:
        return sum(item.live_calls for item in self._stock.all())

    async def _until(self, condition: Callable[[], bool], wait_s: float) -> None:
        """Wait for a condition that sandboxes bring about, for at most `wait_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()

    def _refuse_waiting(self) -> None:
        for group in self._groups.values():
            while group.waiters:
                self._waiting -= 1
                call = group.waiters.popleft()
                if not call.done():
                    call.set_exception(NoSlot())

    def _spawn_task(self, work: Coroutine[object, object, None], name: str) -> None:
        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Calls

    def expect(self, workload: Workload) -> None:
        """A call will be submitted in a moment: if nothing of its workload is there, start.

        Only for who may call: it takes a sandbox, which is given up soon when no call comes.
        """
        is_known = workload.key in self._groups
        if is_known or self._is_closed or self._waiting >= self._limits.max_waiting:
            return
        group = self._new_group(workload)
        if self._has_room(group):
            self._start_one(group)
            self._expected.add(group)
        self._forget_if_empty(group)

    def submit(self, workload: Workload, call: Call) -> None:
        """Give a call to a sandbox now, or queue it. Raises NoSlot when the queues are full."""
        if self._is_closed:
            raise NoSlot
        group = self._groups.get(workload.key)
        if group is not None and not group.waiters:
            now = call.asked_at
            for sandbox in reversed(group.members):
                if sandbox.can_take(now):
                    if sandbox.calls:
                        sandbox.submit(call, now)
                    else:
                        self._lend(sandbox, call, now)
                    return
        if self._waiting >= self._limits.max_waiting:
            raise NoSlot
        if group is None:
            group = self._new_group(workload)
        group.most, group.is_over = workload.max_instances, False
        group.waiters.append(call)
        self._waiting += 1
        self._watch_time()
        self._grow(group)

    def _lend(self, sandbox: Sandbox, call: Call, now: float) -> None:
        if not sandbox.calls:
            self._busy.add(sandbox)
            if self._tick_timer is None:
                self._watch_time()
        sandbox.submit(call, now)

    def abandon(self, call: Call) -> None:
        """The caller was cancelled. A call that has not begun never will."""
        if call.sandbox is not None:
            call.sandbox.caller_left(call)

    def cancel(self, call: Call) -> None:
        """End a call that somebody waits for, whether or not it has begun."""
        if call.sandbox is not None:
            call.sandbox.cancel(call)
        else:
            call.fail(ErrorClass.CANCELLED, NOT_BEGUN, self._now())

    def _pump(self, group: Group) -> None:
        now = self._now()
        while group.waiters:
            sandbox = next((item for item in reversed(group.members) if item.can_take(now)), None)
            if sandbox is None:
                self._grow(group)
                return
            call = group.waiters.popleft()
            self._waiting -= 1
            if not call.done():
                self._lend(sandbox, call, now)
        if group.is_over:
            self._drain(group)

    def _grow(self, group: Group) -> None:
        """Calls wait: ask a silent member whether it is held up, else get another sandbox."""
        for sandbox in reversed(group.members):
            if sandbox.is_askable():
                sandbox.ask()
                return
        most = calls_at_once(group.workload.runtime, self._limits.max_calls)
        is_short = len(group.waiters) > group.starting * most
        if is_short and group.may_grow() and self._has_room(group):
            self._start_one(group)

    def _start_one(self, group: Group) -> None:
        group.starting += 1
        work = self._start_for(group, self._take_now(group))
        self._spawn_task(work, f"cold-{group.workload.deployment_id}")

    def _take_now(self, group: Group) -> Taken | None:
        """A ready sandbox that is getting the code already, while whoever wants it goes on.

        A task begins in a later turn of the loop, and what the launcher does takes longest.
        """
        if self._templates.has(group.workload) or not self._stock.has_ready(group.key):
            return None
        sandbox = self._stock.take_ready(group.key)
        try:
            return None if sandbox is None else self._give(group, sandbox, self._now())
        except SpawnFailed as exc:
            self._stock.log_failure(group.key, exc)
            return None

    def _give(self, group: Group, sandbox: Sandbox, began: float) -> Taken:
        workload = group.workload
        try:
            assigned = self._spawner.assign(
                sandbox.id, group.mounts, self._limits.of(workload), workload.network
            )
        except SpawnFailed:
            sandbox.kill()
            raise
        return Taken(sandbox, assigned, began)

    def _has_room(self, group: Group) -> bool:
        if self._stock.has_ready(group.key) or self._stock.is_below_bound():
            return True
        if self._templates.has_parked(group.workload):
            return True
        return self._make_room()

    def _make_room(self) -> bool:
        """End the longest idle sandbox, else a template, else one without code."""
        idle = [item for item in self._stock.all() if self._is_spare(item)]
        if idle:
            min(idle, key=lambda item: item.idle_since).end()
            return True
        return self._templates.give_up_one() or self._stock.give_up_one()

    def _is_spare(self, sandbox: Sandbox) -> bool:
        """Whether it is idle, and not one of those that are kept ready."""
        if sandbox.state is not State.ASSIGNED or sandbox.calls:
            return False
        group = self._group_of.get(sandbox.id)
        least = self._keeping.least(group.workload.key) if group is not None else 0
        return group is None or least == 0 or group.live() > least

    def _new_group(self, workload: Workload) -> Group:
        if workload.network is Network.HOST and not self._limits.allows_host_network:
            # The function was given it while the operator allowed that.
            workload = replace(workload, network=Network.EGRESS)
        key = self._stock.class_of(workload.runtime, workload.memory_mib, workload.network)
        group = Group(workload, key, self._spawner.code_dir(workload.artifact))
        # New settings of the same deployment: what runs on the old ones has had its day.
        deployment_id = workload.deployment_id
        groups = self._groups.values()
        for other in [item for item in groups if item.workload.deployment_id == deployment_id]:
            self._drain(other)
        self._keeping.drop(workload.deployment_id, but=workload.key)
        self._templates.retire(workload.deployment_id, but=workload.key)
        self._groups[workload.key] = group
        return group

    def _drain(self, group: Group) -> None:
        group.is_over = True
        for sandbox in list(group.members):
            sandbox.drain()

    def is_full(self) -> bool:
        """Whether every pre-started sandbox that should be there is there."""
        return self._stock.is_full()

    def retire(self, deployment_id: str) -> None:
        self._keeping.drop(deployment_id)
        self._templates.retire(deployment_id)
        for group in list(self._groups.values()):
            if group.workload.deployment_id == deployment_id:
                self._drain(group)

    def foresee(self, runtime: str, deployment_id: str) -> None:
        """A function of the runtime was built, so calls of it are to be expected."""
        if not self._is_closed:
            self._stock.foresee(runtime, deployment_id)

    # Numbers of instances

    def keep(self, wanted: Sequence[tuple[Workload, int]]) -> None:
        """Bound these workloads from now on, from below and above, and no others."""
        if self._is_closed:
            return
        for replaced in self._keeping.replace(wanted):
            self.retire(replaced.deployment_id)
        bounds = {workload.key: workload.max_instances for workload, _ in wanted}
        for key, group in self._groups.items():
            group.most = bounds.get(key, 0)
        self.keep_numbers()

    def keep_numbers(self) -> None:
        """Start what is missing of the kept ones and drain what is beyond a bound."""
        now = self._now()
        for kept in self._keeping.all():
            group = self._groups.get(kept.workload.key) or self._new_group(kept.workload)
            for _ in range(kept.to_start(group.live(), now)):
                if group.may_grow() and self._has_room(group):
                    group.is_over = False
                    self._start_one(group)
            self._forget_if_empty(group)
        for group in self._groups.values():
            self._trim(group)

    def _trim(self, group: Group) -> None:
        if group.most and group.live() > group.most:
            surplus = group.live() - group.most
            usable = [item for item in group.members if item.state is State.ASSIGNED]
            for sandbox in sorted(usable, key=lambda item: len(item.calls))[:surplus]:
                sandbox.drain()

    # Starting

    async def _start_for(self, group: Group, taken: Taken | None) -> None:
        """Add one sandbox to a group, from the pool or fresh."""
        try:
            for _ in range(_COLD_TRIES):
                try:
                    await self._assign_one(group, taken)
                    return
                except SpawnFailed as exc:
                    self._stock.log_failure(group.key, exc)
                    taken = None
            self._fail_waiters(group)
        finally:
            group.starting -= 1
            if not self._is_closed:
                self._pump(group)
                self._forget_if_empty(group)

    async def _assign_one(self, group: Group, taken: Taken | None) -> None:
        workload = group.workload
        if taken is None:
            began = self._now()
            forked = await self._templates.take(workload)
            if forked is not None:
                forked.be_assigned()
                self._add_member(group, forked, began)
                return
            taken = self._give(group, await self._stock.take(group.key), began)
        sandbox, load = taken.sandbox, group.load
        try:
            await taken.assigned
        except SpawnFailed:
            sandbox.kill()
            raise
        if sandbox.state is not State.READY:
            raise SpawnFailed("the sandbox ended while it was given its code")
        sandbox.memory_mib = workload.memory_mib
        sandbox.load(load)
        self._add_member(group, sandbox, taken.began)

    def _add_member(self, group: Group, sandbox: Sandbox, began: float) -> None:
        sandbox.start_s = self._now() - began
        sandbox.idle_since = self._now()
        sandbox.is_fresh = bool(group.waiters)  # else nobody waits for this start
        group.members.append(sandbox)
        self._group_of[sandbox.id] = group

    def _fail_waiters(self, group: Group) -> None:
        while group.waiters:
            call = group.waiters.popleft()
            self._waiting -= 1
            call.fail(ErrorClass.COLD_START, _COULD_NOT_START, self._now())

    # What sandboxes tell

    def sandbox_ready(self, sandbox: Sandbox) -> None:
        self._spawner.settle(sandbox.id)
        self._stock.heard(sandbox)

    def sandbox_rehearsed(self, sandbox: Sandbox) -> None:
        self._stock.heard(sandbox)

    def sandbox_freed(self, sandbox: Sandbox) -> None:
        if not sandbox.calls:
            self._busy.discard(sandbox)
        if self._is_closed:
            self._changed.set()
        group = self._group_of.get(sandbox.id)
        if group is not None and group.waiters:
            self._pump(group)

    def sandbox_stalled(self, sandbox: Sandbox) -> None:
        group = self._group_of.get(sandbox.id)
        if group is not None and group.waiters:
            self._pump(group)

    def sandbox_told(self, sandbox: Sandbox, kind: int, number: int, payload: bytes) -> None:
        if self._templates.heard(sandbox, kind, number, payload):
            return
        group = self._group_of.get(sandbox.id)
        if kind != wire.Kind.LOADED or group is None:
            raise wire.WireError("unexpected frame about forks")
        wire.decode_loaded(payload)
        if not self._is_closed and self._groups.get(group.workload.key) is group:
            self._templates.want(group.workload, group.key, group.load, group.mounts)

    def sandbox_gone(self, sandbox: Sandbox, end: Exit) -> None:
        self._stock.forget(sandbox, end)
        self._templates.gone(sandbox)
        self._busy.discard(sandbox)
        group = self._group_of.pop(sandbox.id, None)
        if group is not None:
            group.members.remove(sandbox)
            self._forget_if_empty(group)
        if self._is_closed:
            self._changed.set()
            return
        for waiting in [item for item in self._groups.values() if item.waiters]:
            self._pump(waiting)

    def _forget_if_empty(self, group: Group) -> None:
        if group.members or group.waiters or group.starting:
            return
        if self._groups.get(group.workload.key) is group:
            del self._groups[group.workload.key]

    def _network_lost(self) -> None:
        """The forwarder was replaced: sandboxes of the old one reach nothing any more."""
        self._templates.retire_all()
        for sandbox in self._stock.all():
            if sandbox.state < State.DRAINING and not self._templates.owns(sandbox):
                sandbox.drain()

    # Time

    def _watch_time(self) -> None:
        if self._tick_timer is None and (self._busy or self._waiting):
            self._tick_timer = self._loop.call_later(TICK_S, self._on_tick)

    def _on_tick(self) -> None:
        self._tick_timer = None
        self.tick()
        self._watch_time()

    def tick(self) -> None:
        """End what is overdue, among the calls that run and those that wait."""
        now = self._now()
        for sandbox in list(self._busy):
            sandbox.check_deadlines(now)
        self._changed.set()
        if self._waiting:
            for group in [item for item in self._groups.values() if item.waiters]:
                self._drop_overdue(group, now)
                if group.waiters and not group.is_provided():
                    self._pump(group)

    def _drop_overdue(self, group: Group, now: float) -> None:
        kept: deque[Call] = deque()
        for call in group.waiters:
            if call.done():
                self._waiting -= 1
            elif now - call.asked_at > self._limits.wait_s:
                self._waiting -= 1
                call.set_exception(NoSlot())
            else:
                kept.append(call)
        group.waiters = kept
        self._forget_if_empty(group)

    def _sweep(self) -> None:
        self._sweep_timer = self._loop.call_later(_SWEEP_S, self._sweep)
        self.evict_idle()
        self.keep_numbers()
        self._templates.sweep()
        self._stock.shrink()

    def evict_idle(self) -> None:
        limit = self._now() - self._limits.idle_s
        idle = [item for item in self._stock.all() if item.idle_since < limit]
        for sandbox in [*self._expected.in_vain(), *idle]:
            if self._is_spare(sandbox):
                sandbox.end()
