"""Events on their way out, first half: stored in the transaction of the change they tell of.

`emit` runs on the storage's thread, inside that transaction, where nothing can be awaited. So
the key for sealing is at hand all the time. It is changed for a new one soon after its first
use, and given back when everybody who may have sealed with it has committed; from then on it
lives only as long as a row needs it.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
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

# Subject of an event -> what subscribers are told of it, for somebody who sees what the actor
# may show.
Payload = Callable[[object, Actor], Mapping[str, Any]]

_Lent = AbstractAsyncContextManager[tuple[str, Sealer]]


class Outbox:
    """`start` before the first change, `rotate` every few seconds, `stop` after the last."""

    def __init__(self, storage: Storage, clock: Clock, epochs: Epochs, payload: Payload) -> None:
        self._storage = storage
        self._clock = clock
        self._epochs = epochs
        self._payload = payload
        self._lent: _Lent | None = None
        self._retiring: list[_Lent] = []  # works that are not committed may hold these
        self._sealing: tuple[str, Sealer] | None = None
        self._is_used = False

    async def start(self) -> None:
        self._lent = self._epochs.lend()
        self._sealing = await self._lent.__aenter__()

    async def stop(self) -> None:
        lent, self._lent, self._sealing = self._lent, None, None
        if lent is not None:
            self._retiring.append(lent)
        await self._give_back()

    async def rotate(self) -> None:
        """Take a new key if the present one was used.

        What this raises leaves a key in use that can seal, and the next turn makes up for it.
        """
        if self._is_used and self._lent is not None:
            await self._epochs.turn()
            new = self._epochs.lend()
            sealing = await new.__aenter__()
            self._retiring.append(self._lent)
            self._lent, self._sealing, self._is_used = new, sealing, False
        if self._retiring:
            # Works run one after the other, so when this one has, none holds an old key.
            await self._storage.write(lambda uow: None)
            await self._give_back()

    async def _give_back(self) -> None:
        while self._retiring:
            await self._retiring.pop().__aexit__(None, None, None)

    def emit(self, uow: UnitOfWork, project_id: str, event: Event, subject: object) -> None:
        """Store an event; part of a unit of work. The console's own changes are nobody's news."""
        if project_id == CONSOLE:
            return
        assert self._sealing is not None, "the outbox has not been started"
        actor, now = acting(), self._clock.now()
        sent = subject if isinstance(subject, Custom) else None
        event_id = sent.id if sent is not None else new_id()
        epoch, sealer = self._sealing
        self._is_used = True
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
