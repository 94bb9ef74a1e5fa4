"""Sending letters: open, write, carry; try again later what a mail server did not take.

Rules:

- A letter may be sent twice after a crash, never lost by one. Its Message-ID is the same.
- What a mail server refuses for good is not tried again. What it could not be asked is, with
  longer and longer waits, for as long as the secrets in letters are any use.
- Words, sender and way are those of the moment of sending.
- Logs name project, occasion and reason, never a recipient.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from runwright.clock import Clock
from runwright.errors import ServiceUnavailable
from runwright.letters.sealed import seal, unseal
from runwright.letters.templates import template_for
from runwright.letters.ways import Ways
from runwright.letters.writing import CannotWrite, write
from runwright.model.identity import CONSOLE, Project
from runwright.model.job import Job
from runwright.model.mail import MailTemplate
from runwright.model.retry import Retry
from runwright.ports.carrier import Carrier, NotCarried, Shelf
from runwright.ports.mailer import Letter
from runwright.ports.queue import Queue
from runwright.ports.signals import Signals
from runwright.ports.storage import Storage, UnitOfWork
from runwright.rounds import POLL_S, RoundLimits, Rounds
from runwright.sealing import CannotOpen
from runwright.values import dataclass
from runwright.vault import Vault

log = logging.getLogger(__name__)

FACTOR: Final = 3.0  # between one wait and the next
BACKOFF_MAX_S: Final = 1800.0
LEASE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PostmanLimits:
    workers: int  # letters under way at once
    per_project: int
    tries: int
    backoff_s: float


class Postman:
    """`start`, then `stop`."""

    def __init__(
        self,
        *,
        storage: Storage,
        signals: Signals,
        clock: Clock,
        queue: Queue,
        vault: Vault,
        ways: Ways,
        carrier: Carrier,
        shelf: Shelf | None,
        limits: PostmanLimits,
        is_alone: bool,
        lease_s: float = LEASE_S,
        poll_s: float = POLL_S,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`queue` is that of letters; `shelf` is the folder; `chance` draws from 0 to 1."""
        self._storage = storage
        self._clock = clock
        self._vault = vault
        self._ways = ways
        self._carrier = carrier
        self._shelf = shelf
        self._chance = chance
        self._retry = Retry(
            attempts=limits.tries,
            backoff_s=limits.backoff_s,
            factor=FACTOR,
            backoff_max_s=BACKOFF_MAX_S,
        )
        self.rounds = Rounds(
            name="letter",
            storage=storage,
            clock=clock,
            queue=queue,
            limits=RoundLimits(workers=limits.workers, per_project=limits.per_project),
            pick=lambda uow, jobs: [(job, partial(self._deliver, job)) for job in jobs],
            is_alone=is_alone,
            lease_s=lease_s,
            poll_s=poll_s,
        )
        signals.on("letter", lambda project_id, item_id: self.rounds.bell.ring())

    async def start(self) -> None:
        await self.rounds.start()

    async def stop(self, drain_s: float) -> None:
        await self.rounds.stop(drain_s)

    async def _deliver(self, job: Job) -> None:
        letter: Letter | None = None
        try:
            letter = unseal(job, await self._vault.sealer(job.epoch))
            await self._send(job, letter)
        except CannotOpen:
            failed = NotCarried("its key is gone", is_final=True)
        except NotCarried as exc:
            failed = exc
        except Exception:  # a fault of ours may pass; the tries are counted all the same
            log.exception("sending a letter failed", extra={"project_id": job.project_id})
            failed = NotCarried("the server failed to send it")
        else:
            await self.rounds.end(job)
            return
        await self._failed(job, letter, failed)

    async def _failed(self, job: Job, letter: Letter | None, failed: NotCarried) -> None:
        failures = job.failures + 1
        is_over = failed.is_final or failures >= self._retry.attempts
        log.log(
            logging.ERROR if is_over else logging.WARNING,
            "letter given up" if is_over else "letter not sent yet",
            extra={
                "project_id": job.project_id,
                "occasion": letter.occasion if letter else "",
                "attempt": failures,
                "reason": str(failed),
            },
        )
        if is_over:
            await self.rounds.end(job)
            return
        wait = timedelta(seconds=self._retry.wait_s(failures, self._chance()))
        ready_at = self._clock.now() + wait
        later = replace(job, owner="", attempt=0, failures=failures, ready_at=ready_at)
        if letter is None:
            await self.rounds.end(job, [later])
        else:
            await self._put_off(job, letter, later)

    async def _put_off(self, job: Job, letter: Letter, later: Job) -> None:
        """Under a key of the line that is for hours: those of letters end within minutes."""
        try:
            async with self._vault.deliveries.lend() as (epoch, sealer):
                resealed = replace(later, epoch=epoch, sealed=seal(letter, sealer, job))
                await self.rounds.end(job, [resealed])
        except ServiceUnavailable:  # no key can be stored now, so the present one stays
            await self.rounds.end(job, [later])

    async def _send(self, job: Job, letter: Letter) -> None:
        """Raises NotCarried, CannotOpen."""

        def find(uow: UnitOfWork) -> tuple[Project | None, MailTemplate | None]:
            template = template_for(uow, job.project_id, letter.occasion, letter.locale)
            return uow.projects.get(CONSOLE, job.project_id), template

        project, template = await self._storage.read(find)
        if project is None and job.project_id != CONSOLE:
            return  # deleted since
        way = self._ways.of(project, letter.kind)
        if way is None:
            raise NotCarried("there is no mail server and the mail folder is switched off")
        chosen = template if way.relay is None or way.is_own else None
        try:
            parcel = await asyncio.to_thread(write, letter, way, job, project, chosen)
        except CannotWrite as exc:
            raise NotCarried(str(exc), is_final=True) from exc
        if way.relay is not None:
            await self._carrier.carry(way.relay, parcel)
        elif self._shelf is not None:
            try:
                await self._shelf.put(parcel)
            except OSError as exc:
                raise NotCarried("the mail folder cannot be written") from exc
