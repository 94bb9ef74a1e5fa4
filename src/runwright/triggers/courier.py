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

import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from runwright.clock import Clock, iso_millis
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
from runwright.rounds import POLL_S, RoundLimits, Rounds, Task
from runwright.sealing import CannotOpen
from runwright.triggers.complaints import tell_owners
from runwright.triggers.delivery import Delivery, headers_of, resealed, signature, unseal
from runwright.triggers.webhooks import WebhookSeal
from runwright.values import dataclass
from runwright.vault import Vault

log = logging.getLogger(__name__)

LEASE_S: Final = 30.0
FACTOR: Final = 5.0  # between one wait and the next
BACKOFF_MAX_S: Final = 2700.0

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
    def rounds(self) -> RoundLimits:
        return RoundLimits(
            workers=self.workers,
            per_project=max(1, self.workers - self.workers // 4),
            per_subject=self.per_webhook,
        )

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
        self._user_agent = user_agent
        self._chance = chance
        self.rounds = Rounds(
            name="delivery",
            storage=storage,
            clock=clock,
            queue=queue,
            limits=limits.rounds,
            pick=self._pick,
            is_alone=is_alone,
            lease_s=lease_s,
            poll_s=poll_s,
        )
        signals.on("delivery", lambda project_id, item_id: self.rounds.bell.ring())

    async def start(self) -> None:
        await self.rounds.start()

    async def stop(self, drain_s: float) -> None:
        await self.rounds.stop(drain_s)

    def _pick(self, uow: UnitOfWork, jobs: Sequence[Job]) -> list[Task]:
        """Those for webhooks that are switched on."""
        tasks: list[Task] = []
        webhooks: dict[tuple[str, str], Webhook | None] = {}
        for job in jobs:
            place = (job.project_id, job.function_id)
            if place not in webhooks:
                webhooks[place] = uow.webhooks.get(*place)
            webhook = webhooks[place]
            if webhook is not None and webhook.is_enabled:
                tasks.append((job, partial(self._carry, job, webhook)))
        return tasks

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
        await self.rounds.store(job, lambda: self._store_once(job, delivery, result))

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
