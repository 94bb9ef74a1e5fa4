"""Events on their way out, first half: stored in the transaction of the change they tell of.

`emit` runs on the storage's thread, inside that transaction; a standing key seals there.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from runwright.clock import Clock
from runwright.epochs import Epochs
from runwright.ids import new_id
from runwright.model.actor import Actor, acting
from runwright.model.event import Event
from runwright.model.identity import CONSOLE
from runwright.model.lineage import Lineage
from runwright.model.outbox import Announcement, OutboxEvent
from runwright.ports.storage import Storage, UnitOfWork
from runwright.sealing import Sealer
from runwright.standing import StandingKey
from runwright.values import dataclass

# Subject of an event -> what subscribers are told of it, for somebody who sees what the actor
# may show.
Payload = Callable[[object, Actor], Mapping[str, Any]]


class Outbox:
    """`start` before the first change, `rotate` every few seconds, `stop` after the last."""

    def __init__(self, storage: Storage, clock: Clock, epochs: Epochs, payload: Payload) -> None:
        self._clock = clock
        self._payload = payload
        # Works run one after the other, so when this one has, none holds an old key.
        self._key = StandingKey(epochs, lambda: storage.write(lambda uow: None))

    async def start(self) -> None:
        await self._key.start()

    async def stop(self) -> None:
        await self._key.stop()

    async def rotate(self) -> None:
        """Take a new key if the present one was used."""
        await self._key.rotate()

    def emit(self, uow: UnitOfWork, project_id: str, event: Event, subject: object) -> None:
        """Store an event; part of a unit of work. The console's own changes are nobody's news."""
        if project_id == CONSOLE:
            return
        actor, now = acting(), self._clock.now()
        sent = subject if isinstance(subject, Custom) else None
        event_id = sent.id if sent is not None else new_id()
        epoch, sealer = self._key.use()
        payload = msgspec.json.encode(self._payload(subject, actor))
        uow.outbox.add(
            OutboxEvent(
                id=event_id,
                project_id=project_id,
                created_at=now,
                updated_at=now,
                path=event.path,
                action=event.action,
                attribute=event.attribute,
                user_id=actor.user_id,
                session_id=actor.session_id,
                chain_id=actor.lineage.chain_id,
                lineage=actor.lineage.functions,
                origin=sent.origin if sent is not None else "",
                epoch=epoch,
                sealed=sealer.seal(payload, _context(project_id, event_id)),
            )
        )
        uow.touch("event", project_id, "")


def opened(row: OutboxEvent, sealer: Sealer) -> Announcement:
    """Raises CannotOpen."""
    body = sealer.open(row.sealed, _context(row.project_id, row.id))
    return Announcement(
        id=row.id,
        project_id=row.project_id,
        at=row.created_at,
        event=row.event,
        body=body,
        user_id=row.user_id,
        session_id=row.session_id,
        lineage=Lineage(row.lineage, row.chain_id).begun(row.id),
        origin=row.origin,
    )


def _context(project_id: str, event_id: str) -> str:
    return f"event:{project_id}:{event_id}"


@dataclass(frozen=True, slots=True)
class Custom:
    """An event that was sent in: its payload is passed on as it came."""

    id: str
    payload: Any
    origin: str  # who sent it in
