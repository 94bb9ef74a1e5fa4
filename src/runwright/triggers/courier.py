"""Delivering events to webhooks: claim with a lease, send, store how it went and remove the job
in one transaction.

Rules:

- The claim is committed before anything is sent, the outcome before the job is gone. So a crash
  in between sends a delivery again, and none is lost. Its id tells receivers that it is the same.
- A receiver that does not answer, or with a status of 400 and above, has failed. The delivery is
  tried again later, under a key that is kept for that long; the webhook counts failures in a
  row, and at its limit it is switched off.
- An address that must not be called is nobody's failure and is not tried again.
- What waits for a webhook that was switched off or deleted is dropped.
- The owners of the project are written to when a webhook is switched off.
- One webhook has a bounded share of the workers, and so has one project: a slow receiver holds
  up its own deliveries only.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from runwright.bell import Bell
from runwright.clock import Clock, iso_millis
from runwright.ids import new_id
from runwright.model.address import WebAddress
from runwright.model.job import Job
from runwright.model.lineage import Lineage
from runwright.model.retry import Retry
from runwright.model.webhook import Webhook
from runwright.ports.mailer import Mailer
from runwright.ports.poster import AddressRefused, NotPosted, Post, Poster
from runwright.ports.queue import Queue
from runwright.ports.signals import Signals
from runwright.ports.storage import Storage, UnitOfWork
from runwright.sealing import CannotOpen
from runwright.triggers.complaints import tell_owners
from runwright.triggers.delivery import Delivery, headers_of, resealed, signature, unseal
from runwright.triggers.webhooks import WebhookSeal
from runwright.vault import Vault

log = logging.getLogger(__name__)

LEASE_S: Final = 30.0
POLL_S: Final = 1.0
FACTOR: Final = 5.0  # between one wait and the next
BACKOFF_MAX_S: Final = 2700.0
_STORE_AGAIN_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0)

# (host, project id, lineage) -> headers that tell a function of ours which runs led to it
Trace = Callable[[str, str, Lineage], Awaitable[tuple[tuple[str, str], ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CourierLimits:
    workers: int  # deliveries under way at once
    per_webhook: int
    tries: int
    backoff_s: float
    failed_attempts: int  # in a row, after which a webhook is switched off

    @property
    def retry(self) -> Retry:
        return Retry(
            attempts=self.tries,
            backoff_s=self.backoff_s,
            factor=FACTOR,
            backoff_max_s=BACKOFF_MAX_S,
        )


@dataclass(frozen=True, slots=True)
class Result:
    """How one delivery went."""

    is_delivered: bool
    is_refused: bool = False  # nothing was sent, and nobody is to blame
    told: str = ""  # what the owner is shown


_LOST: Final = Result(is_delivered=False, is_refused=True)
Claim = tuple[str, str, int]


class Courier:
    """`start`, then `stop`. Several may work on the same queue."""

    def __init__(
        self,
        *,
        storage: Storage,
        signals: Signals,
        clock: Clock,
        queue: Queue,
        vault: Vault,
        seal: WebhookSeal,
        poster: Poster,
        trace: Trace,
        mailer: Mailer,
        limits: CourierLimits,
        user_agent: str,
        is_alone: bool,
        lease_s: float = LEASE_S,
        poll_s: float = POLL_S,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`queue` is that of deliveries; `chance` draws from 0 to 1."""
        self._storage = storage
        self._clock = clock
        self._queue = queue
        self._vault = vault
        self._seal = seal
        self._poster = poster
        self._trace = trace
        self._mailer = mailer
        self._limits = limits
        self._retry = limits.retry
        self._project_slots = max(1, limits.workers - limits.workers // 4)
        self._user_agent = user_agent
        self._is_alone = is_alone
        self._lease = timedelta(seconds=lease_s)
        self._poll_s = poll_s
        self._chance = chance
        self._owner = new_id()
        self._held: dict[Claim, Job] = {}
        self._runs: dict[asyncio.Task[None], Job] = {}
        self._bell = Bell()
        self._is_draining = False
        self._tasks: list[asyncio.Task[None]] = []
        signals.on("delivery", lambda project_id, item_id: self._bell.ring())

    async def start(self) -> None:
        """What an earlier server held is ready at once when there can be no other."""
        if self._is_alone:
            now = self._clock.now()
            await self._storage.write(lambda uow: self._queue.release_all(uow, now=now))
        self._bell.ring()
        self._tasks = [
            asyncio.create_task(self._claim_for_ever(), name="delivery-claims"),
            asyncio.create_task(self._beat_for_ever(), name="delivery-leases"),
        ]

    async def stop(self, drain_s: float) -> None:
        """Claim nothing more, wait for what is under way, give the rest back."""
        self._is_draining = True
        self._bell.ring()
        if self._tasks:
            await asyncio.wait(self._tasks[:1])  # a claim in flight may still start some
        if self._runs:
            await asyncio.wait(set(self._runs), timeout=drain_s)
        left = list(self._runs)
        for task in [*left, *self._tasks]:
            task.cancel()
        if left or self._tasks:
            await asyncio.wait([*left, *self._tasks])
        self._tasks = []
        held = list(self._held.values())
        self._held.clear()
        if held:
            now = self._clock.now()
            await self._storage.write(
                lambda uow: self._queue.release(uow, held, now=now, has_started=True)
            )

    @property
    def under_way(self) -> list[Job]:
        return list(self._runs.values())

    # Claiming

    async def _claim_for_ever(self) -> None:
        while not self._is_draining:
            try:
                while not self._is_draining and await self.turn():
                    pass
            except Exception as exc:  # the database may be well again at the next turn
                log.warning("deliveries not claimed", extra={"reason": type(exc).__name__})
            await self._bell.wait(self._poll_s)

    async def turn(self) -> bool:
        """Fill free workers; whether anything was claimed."""
        room = self._limits.workers - len(self._runs)
        if room <= 0:
            return False
        jobs = self.under_way
        busy = Counter((job.project_id, job.function_id) for job in jobs)
        projects = Counter(job.project_id for job in jobs)
        claimed, dropped = await self._storage.write(
            lambda uow: self._claim(uow, room, projects, busy)
        )
        for job, webhook in claimed:
            self._begin(job, webhook)
        if dropped:
            log.info("deliveries dropped: their webhook is off", extra={"deliveries": dropped})
        return bool(claimed or dropped)

    def _claim(
        self,
        uow: UnitOfWork,
        limit: int,
        projects: Mapping[str, int],
        busy: Mapping[tuple[str, str], int],
    ) -> tuple[list[tuple[Job, Webhook]], int]:
        now = self._clock.now()
        jobs = self._queue.claim(
            uow,
            owner=self._owner,
            limit=limit,
            now=now,
            until=now + self._lease,
            project_limit=self._project_slots,
            held=projects,
            room_for=lambda *place: self._limits.per_webhook - busy.get(place, 0),
        )
        claimed, dropped = [], []
        webhooks: dict[tuple[str, str], Webhook | None] = {}
        for job in jobs:
            place = (job.project_id, job.function_id)
            if place not in webhooks:
                webhooks[place] = uow.webhooks.get(*place)
            webhook = webhooks[place]
            if webhook is not None and webhook.is_enabled:
                claimed.append((job, webhook))
            else:
                dropped.append(job)
        self._queue.ack(uow, dropped)
        return claimed, len(dropped)

    def _begin(self, job: Job, webhook: Webhook) -> None:
        self._held[_claim_of(job)] = replace(job, sealed=b"")
        task = asyncio.create_task(self._carry(job, webhook), name=f"delivery-{job.id}")
        self._runs[task] = job
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._runs.pop(task)
        self._bell.ring()
        if not task.cancelled() and task.exception() is not None:
            log.error("a delivery's task failed", exc_info=task.exception())

    # Leases

    async def _beat_for_ever(self) -> None:
        while True:
            await self._clock.sleep(self._lease.total_seconds() / 3)
            try:
                await self.extend()
            except Exception as exc:  # tried again in a third of a lease; the lease bears that
                log.warning("leases not extended", extra={"reason": type(exc).__name__})

    async def extend(self) -> None:
        """Extend every lease; forget those that somebody else has taken over."""
        held = list(self._held.values())
        if not held:
            return
        until = self._clock.now() + self._lease
        kept = await self._storage.write(lambda uow: self._queue.extend(uow, held, until=until))
        for claim in {_claim_of(job) for job in held} - {_claim_of(job) for job in kept}:
            self._held.pop(claim, None)

    # Sending

    async def _carry(self, job: Job, webhook: Webhook) -> None:
        try:
            delivery = unseal(job, await self._vault.sealer(job.epoch))
        except CannotOpen:
            log.error("delivery lost: its key is gone", extra={"webhook_id": webhook.id})
            await self._store(job, None, _LOST)
            return
        result = await self._send(job, webhook, delivery)
        await self._store(job, delivery, result)

    async def _send(self, job: Job, webhook: Webhook, delivery: Delivery) -> Result:
        try:
            posted = await self._poster.post(await self._post(job, webhook, delivery))
        except AddressRefused as exc:
            told = _told(webhook, delivery, f"Error: {exc}")
            return Result(is_delivered=False, is_refused=True, told=told)
        except NotPosted as exc:
            return Result(is_delivered=False, told=_told(webhook, delivery, f"Error: {exc}"))
        except Exception:  # a fault of ours must not keep the delivery from ending
            log.exception("delivery failed", extra={"webhook_id": webhook.id})
            why = "Error: The server failed to send this event."
            return Result(is_delivered=False, told=_told(webhook, delivery, why))
        if posted.status < 400:
            return Result(is_delivered=True)
        body = posted.body.decode(errors="replace").replace("\0", "\ufffd")
        why = f"Status code: {posted.status}\nBody:\n{body}"
        return Result(is_delivered=False, told=_told(webhook, delivery, why))

    async def _post(self, job: Job, webhook: Webhook, delivery: Delivery) -> Post:
        body = await delivery.sent_body()
        headers = headers_of(
            webhook,
            job,
            delivery,
            signed=signature(self._seal.secret(webhook), webhook.url, body),
            password=self._seal.password(webhook),
            user_agent=self._user_agent,
        )
        host = WebAddress.parse(webhook.url).host
        traced = await self._trace(host, webhook.project_id, delivery.lineage)
        return Post(
            url=webhook.url,
            headers=(*headers, *traced),
            body=body,
            is_tls_verified=webhook.is_tls_verified,
        )

    # Ending

    async def _store(self, job: Job, delivery: Delivery | None, result: Result) -> None:
        """Store how it went, however long the database takes; a lost lease ends this too."""
        waits_s = _forever(_STORE_AGAIN_S)
        while _claim_of(job) in self._held:
            try:
                await self._store_once(job, delivery, result)
            except Exception as exc:  # whatever the database says, the outcome must survive it
                log.warning(
                    "delivery outcome not stored",
                    extra={"webhook_id": job.function_id, "reason": type(exc).__name__},
                )
                await asyncio.sleep(next(waits_s))
            else:
                self._held.pop(_claim_of(job), None)
                return

    async def _store_once(self, job: Job, delivery: Delivery | None, result: Result) -> None:
        failures = job.failures + 1
        is_final = result.is_delivered or result.is_refused or failures >= self._retry.attempts
        if is_final or delivery is None:
            await self._storage.write(lambda uow: self._end(uow, job, result, None))
            return
        wait = timedelta(seconds=self._retry.wait_s(failures, self._chance()))
        async with self._vault.deliveries.lend() as (epoch, sealer):
            later = replace(
                job, owner="", attempt=0, failures=failures, ready_at=self._clock.now() + wait
            )
            later = await resealed(later, delivery, epoch, sealer)
            await self._storage.write(lambda uow: self._end(uow, job, result, later))

    def _end(self, uow: UnitOfWork, job: Job, result: Result, later: Job | None) -> None:
        if not self._queue.ack(uow, [job]):
            log.warning("late delivery outcome refused", extra={"webhook_id": job.function_id})
            return
        webhook = uow.webhooks.get(job.project_id, job.function_id)
        if webhook is None:
            return
        if result.is_delivered:
            if webhook.attempts:
                uow.webhooks.put(replace(webhook, attempts=0))
            return
        if not result.told:
            return
        changed = self._failed(webhook, job, result, later)
        uow.webhooks.put(changed)
        if webhook.is_enabled and not changed.is_enabled:
            uow.touch("webhook", webhook.project_id, webhook.id)
            log.warning("webhook switched off", extra={"webhook_id": webhook.id})
            tell_owners(uow, self._mailer, changed)
        elif later is not None and changed.is_enabled:
            self._queue.put(uow, [later])

    def _failed(self, webhook: Webhook, job: Job, result: Result, later: Job | None) -> Webhook:
        attempts = webhook.attempts if result.is_refused else webhook.attempts + 1
        is_over = not result.is_refused and attempts >= self._limits.failed_attempts
        if is_over:
            next_step = f"Switched off after {attempts} failures in a row."
        elif later is not None and webhook.is_enabled:
            next_step = f"Tried again at {iso_millis(later.ready_at)}."
        else:
            next_step = "Not tried again."
        tried = f"Attempt {job.failures + 1} of {self._retry.attempts}. {next_step}"
        return replace(
            webhook,
            updated_at=self._clock.now(),
            attempts=attempts,
            is_enabled=webhook.is_enabled and not is_over,
            logs=f"{tried}\n{result.told}",
        )


def _told(webhook: Webhook, delivery: Delivery, why: str) -> str:
    events = delivery.names.replace(",", ", ")
    return f"URL: {webhook.url}\nMethod: POST\nEvents: {events}\n{why}"


def _claim_of(job: Job) -> Claim:
    return (job.project_id, job.id, job.attempt)


def _forever(waits_s: Sequence[float]) -> Iterator[float]:
    yield from waits_s
    while True:
        yield waits_s[-1]
