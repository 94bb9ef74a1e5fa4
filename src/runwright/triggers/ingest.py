"""Events that other systems send in.

They go through the outbox like those of the server itself, so what is promised of these is
promised of them. An event whose sender names it (an `Idempotency-Key`, or the source and id of
a CloudEvent) is announced once, however often it comes within a day.
"""

import hmac
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import msgspec

from runwright.clock import Clock
from runwright.executions.repeats import KEPT, claim
from runwright.identity.errors import UserNotFound
from runwright.ids import new_id
from runwright.model.actor import acting, acts
from runwright.model.event import CUSTOM, BadEventName, Event, is_function_event
from runwright.model.repeat import RepeatKey
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork
from runwright.triggers.errors import BadEvent, OutboxFull
from runwright.triggers.outbox import Custom
from runwright.values import dataclass

PAYLOAD_BYTES: Final = 1024 * 1024
AT_ONCE: Final = 100  # events of one call
NO_PAYLOAD: Final = b"{}"
_COUNT_EVERY_S: Final = 1.0
KEY: Final = "key"  # the holder of an API key

# Names travel in header lines, some of them joined by commas.
_NAME: Final = re.compile(r"[!-)+\--~]+")
_UNFIT: Final = re.compile(r"[^!-)+\--~]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An event as it came in."""

    event: Event
    payload: bytes = NO_PAYLOAD  # JSON, passed on byte for byte
    origin: str = KEY  # whom to believe that it happened, as functions are told
    name: tuple[str, ...] = ()  # by which it is known again; () = every call is another event
    is_name_of_call: bool = False  # the name was made for one call, not for the event itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """An event that is on disk."""

    id: str
    at: datetime
    event: Event
    is_repeated: bool = False  # it was there already, and is announced once


class Ingest:
    def __init__(self, storage: Storage, clock: Clock, secret: bytes, *, most_waiting: int) -> None:
        """`secret` keys the digests of names and payloads, so that these tell nothing."""
        self._storage = storage
        self._clock = clock
        self._secret = secret
        self._most_waiting = most_waiting
        self._count = 0  # of the outbox, as it was counted last, and what was stored since
        self._counted_at = -math.inf

    async def take(
        self, project_id: str, sent: Sequence[Sent], *, user_id: str = ""
    ) -> list[Receipt]:
        """Store all of the events or none; return when they are on disk.

        `user_id` names who acted; otherwise it is whoever acts now. Raises BadEvent,
        UserNotFound, OutboxFull, KeyReused.
        """
        for item in sent:
            if len(item.payload) > PAYLOAD_BYTES:
                raise BadEvent(
                    f"The payload has {len(item.payload)} bytes; {PAYLOAD_BYTES} are allowed. "
                    "Send a reference to what is larger."
                )
        await self._require_room(len(sent))
        actor = replace(acting(), user_id=user_id, session_id="") if user_id else acting()
        waiting = [self._waiting(project_id, item) for item in sent]

        def work(uow: UnitOfWork) -> list[Receipt]:
            if user_id and uow.users.get(project_id, user_id) is None:
                raise UserNotFound(user_id)
            return [_announce(uow, item) for item in waiting]

        with acts(actor):
            try:
                stored = await self._storage.write(work)
            except AlreadyStored:  # the same event, stored by another server at this moment
                stored = await self._storage.write(work)
        self._count += sum(not item.is_repeated for item in stored)
        return stored

    async def _require_room(self, events: int) -> None:
        """Counting takes the longer the more there is, so it is not part of every call."""
        now = self._clock.monotonic()
        is_old = now - self._counted_at >= _COUNT_EVERY_S
        if is_old or self._count + events > self._most_waiting:
            self._count = await self._storage.read(lambda uow: uow.outbox.count())
            self._counted_at = now
        if self._count + events > self._most_waiting:
            raise OutboxFull(self._most_waiting)

    def _waiting(self, project_id: str, sent: Sent) -> "_Waiting":
        receipt = Receipt(id=new_id(), at=self._clock.now(), event=sent.event)
        key = self._key(project_id, sent, receipt) if sent.name else None
        return _Waiting(project_id, sent, receipt, key)

    def _key(self, project_id: str, sent: Sent, receipt: Receipt) -> RepeatKey:
        name = sent.event.full_name.encode()
        return RepeatKey(
            id=self._digest(b"event", *(part.encode() for part in sent.name)),
            project_id=project_id,
            created_at=receipt.at,
            updated_at=receipt.at,
            function_id="",
            result_id=receipt.id,
            fingerprint=self._digest(name, sent.payload) if sent.is_name_of_call else "",
            expires_at=receipt.at + KEPT,
        )

    def _digest(self, *parts: bytes) -> str:
        digest = hmac.new(self._secret, digestmod="sha256")
        for part in parts:
            digest.update(len(part).to_bytes(8))
            digest.update(part)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An event about to be stored, with all that can be worked out beforehand."""

    project_id: str
    sent: Sent
    receipt: Receipt
    key: RepeatKey | None


def _announce(uow: UnitOfWork, waiting: _Waiting) -> Receipt:
    receipt, key = waiting.receipt, waiting.key
    if key is not None:
        known = claim(uow, key)
        if known != receipt.id:
            first = uow.repeat_keys.get(key.project_id, key.id)
            at = first.created_at if first is not None else receipt.at
            return replace(receipt, id=known, at=at, is_repeated=True)
    custom = Custom(receipt.id, msgspec.Raw(waiting.sent.payload), waiting.sent.origin)
    uow.emit(waiting.project_id, waiting.sent.event, custom)
    return receipt


def named(text: str) -> Event:
    """An event that somebody may send in under this name. Raises BadEvent."""
    if is_function_event(text):
        raise BadEvent(
            "Invalid `event` param: events of functions come from this server only. Send it as "
            f"`{CUSTOM}.{text[:200]}`."
        )
    if text and not _NAME.fullmatch(text):
        raise BadEvent(
            "Invalid `event` param: a name has no blanks, commas, `*` or letters outside ASCII."
        )
    try:
        return Event.parse(text)
    except BadEventName as exc:
        raise BadEvent(f"Invalid `event` param: {exc}.") from exc


def named_elsewhere(text: str) -> Event:
    """An event that was named by a system with names of its own: those of the catalogue stay,
    the others go below `custom`. Raises BadEvent when the name is too long for that."""
    if not is_function_event(text):
        try:
            return named(text)
        except BadEvent:
            pass
    parts = [_UNFIT.sub("_", part) for part in text.split(".") if part]
    return named(".".join((*(() if parts[:1] == [CUSTOM] else (CUSTOM,)), *parts)))
