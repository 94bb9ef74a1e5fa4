"""Events on their way out, second half: from the outbox to everybody who subscribes.

Rules:

- One turn takes some rows, works out what each of them starts, and stores all of it together
  with the removal of the rows in one transaction. A crash before the commit leaves the rows,
  a crash after it leaves the jobs; so each event starts each subscribed function once. Two
  relays on one database are told apart by the removal: only who removed a row stores its jobs.
- Subscribers are told apart from there on: each has a job of its own.
- A run that would go on with a loop is stored as a failed execution that says so, and is not
  queued. The change that caused the event stands.
- When the queue is full, events wait in the outbox.
- An event that cannot be handed on, whatever the reason, does not hold back those behind it:
  after some tries it is set aside until the next start.
"""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import field, replace
from typing import Final, Protocol

from runwright.bell import IDLE_S, Bell
from runwright.clock import Clock
from runwright.errors import ServiceUnavailable
from runwright.executions.acceptance import Acceptance, Accepted
from runwright.executions.announcing import announce_ended
from runwright.executions.envelope import Request
from runwright.executions.service import keeps
from runwright.model.execution import ErrorClass, Execution, Headers, Status, Trigger
from runwright.model.function import Function
from runwright.model.job import Job
from runwright.model.lineage import Lineage
from runwright.model.outbox import Announcement, OutboxEvent
from runwright.model.webhook import Webhook
from runwright.ports.queue import Queue
from runwright.ports.signals import Signals
from runwright.ports.storage import Storage, UnitOfWork
from runwright.sealing import CannotOpen
from runwright.triggers.outbox import opened
from runwright.triggers.subscriptions import Subscriptions
from runwright.values import dataclass
from runwright.vault import Vault

log = logging.getLogger(__name__)

POLL_S: Final = 0.5
AT_ONCE: Final = 100  # events of one transaction
# Bounds what one transaction holds in memory, and how long sealing keeps the event loop busy.
# One event starts all of its subscribers together, however many these are.
_BYTES_AT_ONCE: Final = 16 * 1024 * 1024
_RUNS_AT_ONCE: Final = 500
_TRIES: Final = 3
_MOST_ASIDE: Final = 1000
_IDS_AT_ONCE: Final = 500  # in one statement
_HEADERS: Final[Headers] = (
    ("content-type", "application/json"),
    ("user-agent", "Appwrite/1.9.6"),  # by which functions recognize such calls
)
_KEPT_HEADERS: Final[Headers] = (("content-type", "application/json"),)

Hear = Callable[[Announcement], None]


Due = Sequence[tuple[Webhook, Announcement]]


class Deliveries(Protocol):
    """Makes the jobs that tell webhooks."""

    def jobs(self, due: Due) -> AbstractAsyncContextManager[list[tuple[str, Job]]]:
        """The id of an event and the sealed job that tells a webhook of it, for those that may
        be queued. Stay inside until they are committed."""


class Breaker(Protocol):
    """Stops runs that come too often while nobody knows where from."""

    def refusal(self, function: Function, announcement: Announcement) -> str:
        """Why the run must not start; "" when it may."""


@dataclass(slots=True)
class _Plan:
    """What some events start."""

    accepted: list[tuple[str, Accepted]] = field(default_factory=list)  # by event id
    stopped: list[tuple[str, Execution]] = field(default_factory=list)
    lineages: dict[str, Lineage] = field(default_factory=dict)  # of what is stopped, by its id
    deliveries: list[tuple[Webhook, Announcement]] = field(default_factory=list)
    body_bytes: int = 0  # as often as they are stored

    @property
    def is_large(self) -> bool:
        runs = len(self.accepted) + len(self.stopped) + len(self.deliveries)
        return runs >= _RUNS_AT_ONCE or self.body_bytes >= _BYTES_AT_ONCE


class Relay:
    """`start`, then `stop`. `hear` is called for each event of this server after it has been
    handed on. Who may read what was sent in is not known: its users are not those of this server,
    even where their ids are the same."""

    def __init__(
        self,
        *,
        storage: Storage,
        signals: Signals,
        clock: Clock,
        queue: Queue,
        vault: Vault,
        acceptance: Acceptance,
        subscriptions: Subscriptions,
        breaker: Breaker,
        deliveries: Deliveries,
        hear: Hear,
        is_alone: bool,
        poll_s: float = POLL_S,
        idle_s: float = IDLE_S,
    ) -> None:
        """`is_alone`: no other server writes events."""
        self._storage = storage
        self._clock = clock
        self._queue = queue
        self._vault = vault
        self._acceptance = acceptance
        self._subscriptions = subscriptions
        self._breaker = breaker
        self._deliveries = deliveries
        self._hear = hear
        self._poll_s = poll_s
        self._idle_s = idle_s if is_alone else poll_s
        self._is_idle = False  # no event is there
        self._failures: Counter[str] = Counter()  # by event id; those that failed alone
        self._aside: set[str] = set()
        self._bell = Bell()
        self._task: asyncio.Task[None] | None = None
        signals.on("event", lambda project_id, item_id: self._bell.ring())

    def start(self) -> None:
        self._bell.ring()
        self._task = asyncio.create_task(self._run(), name="event-relay")

    async def stop(self) -> None:
        """What is left in the outbox is the first thing that the next start hands on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def turn(self) -> bool:
        """Hand on some events; whether there may be more."""
        self._is_idle = False
        if self._acceptance.is_full:
            return False
        rows = await self._storage.read(
            lambda uow: uow.outbox.oldest(limit=AT_ONCE, most_bytes=_BYTES_AT_ONCE, but=self._aside)
        )
        if not rows:
            self._is_idle = True
            return False
        try:
            await self._hand_on(rows)
        except ServiceUnavailable:  # of the storage: no row is to blame
            raise
        except Exception:
            log.exception("events not handed on together", extra={"events": len(rows)})
            await self._hand_on_each(rows)
            return False
        return True

    async def _hand_on_each(self, rows: Sequence[OutboxEvent]) -> None:
        """One of them cannot be handed on; the others can."""
        for row in rows:
            try:
                await self._hand_on([row], may_exist=True)
            except ServiceUnavailable:
                raise
            except Exception:
                self._failures[row.id] += 1
                is_last = self._failures[row.id] >= _TRIES and len(self._aside) < _MOST_ASIDE
                log.exception(
                    "event set aside until the next start" if is_last else "event not handed on",
                    extra={"event_id": row.id, "project_id": row.project_id},
                )
                if is_last:
                    self._aside.add(row.id)
                    del self._failures[row.id]

    async def _hand_on(self, rows: Sequence[OutboxEvent], *, may_exist: bool = False) -> None:
        """The first of the rows: as many as make a transaction of a fair size.

        An execution that exists says that this event has started its function before, as after
        a backup of another moment was put back. It is not looked for unless something failed.
        """
        plan, announcements, planned = _Plan(), [], 0
        for row in rows:
            planned += 1
            announcement = await self._open(row)
            if announcement is not None:
                announcements.append(announcement)
                await self._plan(announcement, plan)
            if plan.is_large:
                break
        taken = await self._store(rows[:planned], plan, may_exist=may_exist)
        for announcement in announcements:
            if announcement.id in taken:
                self._tell(announcement)

    async def _run(self) -> None:
        while True:
            try:
                while await self.turn():
                    pass
            except Exception as exc:  # the rows are still there for the next turn
                log.warning("events not handed on", extra={"reason": type(exc).__name__})
            await self._bell.wait(self._idle_s if self._is_idle else self._poll_s)

    async def _open(self, row: OutboxEvent) -> Announcement | None:
        try:
            return opened(row, await self._vault.sealer(row.epoch))
        except CannotOpen:
            log.error("event lost: its key is gone", extra={"event_id": row.id})
            return None

    async def _plan(self, announcement: Announcement, plan: _Plan) -> None:
        subscribers = await self._subscriptions.of(announcement.project_id)
        for function in subscribers.functions_for(announcement.event):
            why = self._why_stopped(function, announcement)
            if why:
                stopped = self._execution(function, announcement, Status.FAILED)
                stopped = replace(stopped, errors=why, error_class=ErrorClass.LOOP)
                plan.stopped.append((announcement.id, stopped))
                plan.lineages[stopped.id] = announcement.lineage
                log.warning(
                    "loop stopped",
                    extra={"function_id": function.id, "chain_id": announcement.lineage.chain_id},
                )
            else:
                accepted = Accepted(
                    self._execution(function, announcement, Status.WAITING),
                    _request(announcement),
                    is_kept=keeps(function),
                )
                plan.accepted.append((announcement.id, accepted))
                plan.body_bytes += len(announcement.body)
        is_told = not announcement.is_delivered
        webhooks = subscribers.webhooks_for(announcement.event) if is_told else []
        plan.deliveries += [(webhook, announcement) for webhook in webhooks]
        plan.body_bytes += len(announcement.body) * len(webhooks)

    def _why_stopped(self, function: Function, announcement: Announcement) -> str:
        lineage = announcement.lineage
        if lineage.is_loop(function.id, function.loop_limit):
            return lineage.told(function.id)
        return self._breaker.refusal(function, announcement)

    def _execution(
        self, function: Function, announcement: Announcement, status: Status
    ) -> Execution:
        now = self._clock.now()
        return Execution(
            id=execution_id_of(announcement.id, function.id),
            project_id=announcement.project_id,
            created_at=now,
            updated_at=now,
            function_id=function.id,
            deployment_id=function.deployment_id,
            user_id=announcement.user_id,
            trigger=Trigger.EVENT,
            status=status,
            request_method="POST",
            request_path="/",
            request_headers=_KEPT_HEADERS,
            event=announcement.event.full_name,
            chain_id=announcement.lineage.chain_id,
        )

    async def _store(
        self, rows: Sequence[OutboxEvent], plan: _Plan, *, may_exist: bool
    ) -> frozenset[str]:
        """Store what was planned for rows that nobody else has taken; the ids of these."""
        async with (
            self._acceptance.jobs([item for _, item in plan.accepted]) as runs,
            self._deliveries.jobs(plan.deliveries) as deliveries,
        ):

            def work(uow: UnitOfWork) -> tuple[frozenset[str], int]:
                taken = frozenset(row.id for row in uow.outbox.take(rows))
                there = _still_there(uow, plan)

                def is_new(event_id: str, item: Execution) -> bool:
                    if event_id not in taken or _place(item) not in there:
                        return False
                    return not may_exist or uow.executions.get(item.project_id, item.id) is None

                begun = [
                    (item.execution, job)
                    for (event_id, item), job in zip(plan.accepted, runs, strict=True)
                    if is_new(event_id, item.execution)
                ]
                stopped = [item for event_id, item in plan.stopped if is_new(event_id, item)]
                told = [job for event_id, job in deliveries if event_id in taken]
                uow.executions.add_all([*(execution for execution, _ in begun), *stopped])
                self._queue.put(uow, [*(job for _, job in begun), *told])
                for item in stopped:
                    announce_ended(uow, item, plan.lineages[item.id])
                return taken, len(begun)

            taken, jobs = await self._storage.write(work)
        self._acceptance.began(jobs)
        return taken

    def _tell(self, announcement: Announcement) -> None:
        if announcement.origin:
            return
        try:
            self._hear(announcement)
        except Exception:  # a listener's fault must not hold back the next event
            log.exception("event listener failed", extra={"event_id": announcement.id})


def _place(execution: Execution) -> tuple[str, str]:
    return execution.project_id, execution.function_id


def _still_there(uow: UnitOfWork, plan: _Plan) -> frozenset[tuple[str, str]]:
    """Functions of the plan that were not deleted since: nobody would clean up after those."""
    wanted: dict[str, set[str]] = {}
    for execution in (
        *(item.execution for _, item in plan.accepted),
        *(item for _, item in plan.stopped),
    ):
        wanted.setdefault(execution.project_id, set()).add(execution.function_id)
    return frozenset(
        (project_id, function.id)
        for project_id, ids in wanted.items()
        for some in _parts(sorted(ids))
        for function in uow.functions.find(project_id, id=some)
    )


def _parts(ids: list[str]) -> Iterator[list[str]]:
    return (ids[at : at + _IDS_AT_ONCE] for at in range(0, len(ids), _IDS_AT_ONCE))


def execution_id_of(cause: str, function_id: str) -> str:
    """The same for the same cause and function, so that storing it twice is refused."""
    return hashlib.blake2b(f"{cause}:{function_id}".encode(), digest_size=10).hexdigest()


def _request(announcement: Announcement) -> Request:
    return Request(
        method="POST",
        path="/",
        headers=_HEADERS,
        client_ip="",
        user_id=announcement.user_id,
        session_id=announcement.session_id,
        user_jwt="",
        lineage=announcement.lineage,
        event=announcement.event.names[0],
        event_name=announcement.event.full_name,
        event_origin=announcement.origin,
        body=announcement.body,
    )
