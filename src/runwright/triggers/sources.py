"""Event sources: other Appwrite servers whose webhook deliveries are taken as events here.

The sender signs the address it calls and the body, with a secret that both sides know. The
name of the event stands in a header, which the signature does not cover: somebody who sees a
delivery can send it again, and under another name. So deliveries belong on https.
"""

import base64
import hmac
from collections.abc import Mapping
from typing import Final

from runwright import ids
from runwright.clock import Clock
from runwright.model.event import CUSTOM, Event
from runwright.model.outbox import SOURCE
from runwright.model.query import ListQuery, Page
from runwright.model.webhook import EventSource
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork
from runwright.sealing import Sealer
from runwright.triggers.cloudevents import checked_json
from runwright.triggers.errors import (
    BadEvent,
    EventSourceAlreadyExists,
    EventSourceNotFound,
    SignatureInvalid,
)
from runwright.triggers.ingest import NO_PAYLOAD, Sent, named_elsewhere
from runwright.values import dataclass

SIGNATURE: Final = "x-appwrite-webhook-signature"
NAMES: Final = "x-appwrite-webhook-events"
DELIVERY_ID: Final = "x-runwright-delivery-id"  # sent by a server of our kind, with every attempt
_ID_CHARS: Final = 255
_SECRET_CHARS: Final = 64
_NOBODYS: Final = b"0" * _SECRET_CHARS


@dataclass(frozen=True, slots=True)
class NewSource:
    """A source with its secret in the clear, which is shown this once."""

    source: EventSource
    secret: str


class EventSources:
    def __init__(self, storage: Storage, clock: Clock, sealer: Sealer) -> None:
        self._storage = storage
        self._clock = clock
        self._sealer = sealer

    async def create(
        self, project_id: str, *, source_id: str, name: str, url: str, secret: str = ""
    ) -> NewSource:
        """`url` is where the sender calls us, as it is written there; `secret` "" makes one.

        Raises EventSourceAlreadyExists.
        """
        now = self._clock.now()
        secret = secret or ids.new_secret(_SECRET_CHARS)
        source = EventSource(
            id=source_id,
            project_id=project_id,
            created_at=now,
            updated_at=now,
            name=name,
            url=url,
            sealed_secret=self._sealer.seal(secret.encode(), _context(project_id, source_id)),
        )
        try:
            await self._storage.write(lambda uow: uow.event_sources.add(source))
        except AlreadyStored as exc:
            raise EventSourceAlreadyExists from exc
        return NewSource(source, secret)

    async def list(self, project_id: str, query: ListQuery) -> Page[EventSource]:
        return await self._storage.read(lambda uow: uow.event_sources.page(project_id, query))

    async def get(self, project_id: str, source_id: str) -> EventSource:
        """Raises EventSourceNotFound."""
        found = await self._found(project_id, source_id)
        if found is None:
            raise EventSourceNotFound(source_id)
        return found

    async def delete(self, project_id: str, source_id: str) -> None:
        """Raises EventSourceNotFound."""

        def work(uow: UnitOfWork) -> bool:
            return uow.event_sources.remove(project_id, source_id)

        if not await self._storage.write(work):
            raise EventSourceNotFound(source_id)

    async def delivered(
        self, project_id: str, source_id: str, headers: Mapping[str, str], body: bytes
    ) -> Sent:
        """The event that a delivery tells of. Raises SignatureInvalid, BadEvent.

        Its user is one of the other server, so nobody here is named as the one who acted.
        """
        source = await self._found(project_id, source_id)
        given = headers.get(SIGNATURE, "").strip().encode("latin-1", errors="replace")
        if not hmac.compare_digest(self._signature(source, body), given) or source is None:
            raise SignatureInvalid
        if body:
            checked_json(body)
        delivery_id = headers.get(DELIVERY_ID, "")[:_ID_CHARS]
        return Sent(
            event=_most_specific(headers.get(NAMES, "")),
            payload=body or NO_PAYLOAD,
            origin=f"{SOURCE}{source.id}",
            name=("delivery", source.id, delivery_id) if delivery_id else (),
        )

    async def _found(self, project_id: str, source_id: str) -> EventSource | None:
        return await self._storage.read(lambda uow: uow.event_sources.get(project_id, source_id))

    def _signature(self, source: EventSource | None, body: bytes) -> bytes:
        """Without a source the same work is done, so that time does not tell which exist."""
        url, secret = "", _NOBODYS
        if source is not None:
            context = _context(source.project_id, source.id)
            url, secret = source.url, self._sealer.open(source.sealed_secret, context)
        return signature(secret, url, body)


def signature(secret: bytes, url: str, body: bytes) -> bytes:
    """As Appwrite signs its deliveries."""
    return base64.b64encode(hmac.digest(secret, url.encode() + body, "sha1"))


def _most_specific(header: str) -> Event:
    """The event behind all the names under which a sender announces it.

    The first one lacks the attribute at times, so the longest name of the catalogue counts.
    Raises BadEvent.
    """
    names = [name for name in map(str.strip, header.split(",")) if name]
    if not names:
        raise BadEvent("The delivery names no event: X-Appwrite-Webhook-Events is missing.")
    known = []
    for name in names:
        if "*" in name.split("."):
            continue
        try:
            known.append(named_elsewhere(name))
        except BadEvent:
            continue
    if not known:
        raise BadEvent("The delivery names no event that can be announced here.")
    foreign = [event for event in known if event.is_custom]
    found = [event for event in known if not event.is_custom]
    if not found or names[0].startswith(f"{CUSTOM}."):
        return foreign[0]
    return max(found, key=lambda event: event.full_name.count("."))


def _context(project_id: str, source_id: str) -> str:
    return f"event-source:{project_id}:{source_id}"
