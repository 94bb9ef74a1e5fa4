"""Events on their way to webhooks: what is queued of them, and what is sent.

A delivery is a job of its own kind, sealed like a request that waits. It holds the event and
its payload; address and secrets are those of the webhook at the moment of sending.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Final

import msgspec

from runwright.clock import Clock, iso_millis
from runwright.model.execution import Trigger
from runwright.model.job import Job, JobKind
from runwright.model.lineage import Lineage
from runwright.model.outbox import Announcement
from runwright.model.webhook import Webhook
from runwright.ports.storage import Storage, UnitOfWork
from runwright.sealing import CannotOpen, Sealer
from runwright.triggers.bodies import encoded
from runwright.values import dataclass
from runwright.vault import Vault

log = logging.getLogger(__name__)

_LENGTH: Final = 4
_LARGE_BYTES: Final = 256 * 1024  # work on more than this on the event loop would be felt
_NOT_QUEUED: Final = "Not queued since"

_Place = tuple[str, str]  # project, webhook


class _Head(msgspec.Struct, frozen=True):
    event_id: str
    names: str  # of the event, as their header lists them
    user_id: str
    functions: tuple[str, ...]  # lineage
    chain_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    event_id: str
    names: str
    user_id: str
    lineage: Lineage
    body: bytes  # the payload, as JSON of any form

    @classmethod
    def of(cls, announcement: Announcement) -> "Delivery":
        return cls(
            event_id=announcement.id,
            names=",".join(_told(announcement)),
            user_id=announcement.user_id,
            lineage=announcement.lineage,
            body=announcement.body,
        )

    async def sent_body(self) -> bytes:
        """The very bytes that are signed and sent."""
        if len(self.body) > _LARGE_BYTES:
            return await asyncio.to_thread(_encoded_again, self.body)
        return _encoded_again(self.body)


def _encoded_again(body: bytes) -> bytes:
    return encoded(msgspec.json.decode(body))


def _told(announcement: Announcement) -> Sequence[str]:
    """The names that webhooks are told: without the second prefix that tables have, unless it
    is the event's own."""
    event = announcement.event
    if event.path[0] == "tablesdb":
        return event.names
    return [name for name in event.names if not name.startswith("tablesdb.")]


class WebhookJobs:
    """Answers the `Deliveries` protocol of the relay."""

    def __init__(self, storage: Storage, clock: Clock, vault: Vault, *, queue_jobs: int) -> None:
        """`queue_jobs`: how many deliveries to one webhook may wait."""
        self._storage = storage
        self._clock = clock
        self._vault = vault
        self._queue_jobs = queue_jobs

    @asynccontextmanager
    async def jobs(
        self, due: Sequence[tuple[Webhook, Announcement]]
    ) -> AsyncIterator[list[tuple[str, Job]]]:
        if not due:
            yield []
            return
        room = await self._room({_place(webhook) for webhook, _ in due})
        now = self._clock.now()
        dropped: Counter[_Place] = Counter()
        async with self._vault.runs.lend() as (epoch, sealer):
            jobs = []
            for webhook, announcement in due:
                if room[_place(webhook)] <= 0:
                    dropped[_place(webhook)] += 1
                    continue
                room[_place(webhook)] -= 1
                job = _job(webhook, announcement.id, now)
                sealed = await resealed(job, Delivery.of(announcement), epoch, sealer)
                jobs.append((announcement.id, sealed))
            yield jobs
        if dropped:
            await self._tell_owners(dropped, now)

    async def _tell_owners(self, dropped: Counter[_Place], now: datetime) -> None:
        for (project_id, webhook_id), events in dropped.items():
            log.warning(
                "events not queued: too many wait for this webhook",
                extra={"project_id": project_id, "webhook_id": webhook_id, "events": events},
            )
        notice = (
            f"{_NOT_QUEUED} {iso_millis(now)}: {self._queue_jobs} deliveries wait already, which "
            "is the limit. Events are not told until the receiver has taken some."
        )

        def tell(uow: UnitOfWork) -> None:
            for place in dropped:
                webhook = uow.webhooks.get(*place)
                if webhook is not None and not webhook.logs.startswith(_NOT_QUEUED):
                    uow.webhooks.put(replace(webhook, updated_at=now, logs=notice))

        await self._storage.write(tell)

    async def _room(self, places: set[_Place]) -> dict[_Place, int]:
        """How many more deliveries each webhook may have."""
        most = self._queue_jobs

        def count(uow: UnitOfWork) -> dict[_Place, int]:
            return {
                place: most - uow.jobs.count_of(JobKind.DELIVERY, *place, most=most)
                for place in places
            }

        return await self._storage.read(count)


def _place(webhook: Webhook) -> _Place:
    return webhook.project_id, webhook.id


def _job(webhook: Webhook, event_id: str, now: datetime) -> Job:
    return Job(
        id=delivery_id_of(event_id, webhook.id),
        project_id=webhook.project_id,
        created_at=now,
        updated_at=now,
        function_id=webhook.id,
        kind=JobKind.DELIVERY,
        trigger=Trigger.EVENT,
        due_at=now,
        ready_at=now,
        epoch="",
        sealed=b"",
    )


def delivery_id_of(event_id: str, webhook_id: str) -> str:
    """The same for the same event and webhook, so that storing it twice is refused."""
    return hashlib.blake2b(f"webhook:{event_id}:{webhook_id}".encode(), digest_size=10).hexdigest()


async def resealed(job: Job, delivery: Delivery, epoch: str, sealer: Sealer) -> Job:
    if len(delivery.body) > _LARGE_BYTES:
        sealed = await asyncio.to_thread(seal, delivery, sealer, job)
    else:
        sealed = seal(delivery, sealer, job)
    return replace(job, epoch=epoch, sealed=sealed)


def seal(delivery: Delivery, sealer: Sealer, job: Job) -> bytes:
    """`length of the head (4) | head | payload`, encrypted for one job."""
    head = msgspec.json.encode(
        _Head(
            event_id=delivery.event_id,
            names=delivery.names,
            user_id=delivery.user_id,
            functions=delivery.lineage.functions,
            chain_id=delivery.lineage.chain_id,
        )
    )
    plain = b"".join((len(head).to_bytes(_LENGTH), head, delivery.body))
    return sealer.seal(plain, _context(job))


def unseal(job: Job, sealer: Sealer) -> Delivery:
    """Raises CannotOpen."""
    plain = sealer.open(job.sealed, _context(job))
    end = _LENGTH + int.from_bytes(plain[:_LENGTH])
    try:
        head = msgspec.json.decode(plain[_LENGTH:end], type=_Head)
    except (msgspec.DecodeError, msgspec.ValidationError) as exc:
        raise CannotOpen("the sealed delivery is of another version") from exc
    return Delivery(
        event_id=head.event_id,
        names=head.names,
        user_id=head.user_id,
        lineage=Lineage(head.functions, head.chain_id),
        body=plain[end:],
    )


def _context(job: Job) -> str:
    return f"delivery:{job.project_id}:{job.id}"


def signature(secret: str, url: str, body: bytes) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), url.encode() + body, "sha1")).decode()


def headers_of(
    webhook: Webhook, job: Job, delivery: Delivery, *, signed: str, password: str, user_agent: str
) -> tuple[tuple[str, str], ...]:
    """Those of the request, but for what HTTP itself needs."""
    headers = [
        ("Content-Type", "application/json"),
        ("User-Agent", user_agent),
        ("X-Appwrite-Webhook-Id", webhook.id),
        ("X-Appwrite-Webhook-Name", webhook.name),
        ("X-Appwrite-Webhook-Project-Id", webhook.project_id),
        ("X-Appwrite-Webhook-User-Id", delivery.user_id),
        ("X-Appwrite-Webhook-Events", delivery.names),
        ("X-Appwrite-Webhook-Signature", signed),
        # The same whenever this delivery is tried again, so that receivers can tell.
        ("X-Runwright-Delivery-Id", job.id),
        ("X-Runwright-Delivery-Attempt", str(job.failures + 1)),
    ]
    if webhook.auth_username and password:
        pair = base64.b64encode(f"{webhook.auth_username}:{password}".encode()).decode()
        headers.append(("Authorization", f"Basic {pair}"))
    return tuple(headers)
