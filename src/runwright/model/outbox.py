"""What has happened, on its way to those who want to know: events and their waiting form."""

from datetime import datetime
from functools import cached_property
from typing import Any, Final

import msgspec

from runwright.model.event import Event
from runwright.model.lineage import NO_LINEAGE, Lineage
from runwright.values import dataclass

SOURCE: Final = "source:"  # begins the origin of an event that a webhook of a server delivered


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEvent:
    """An event that was committed and not yet handed to its subscribers.

    Rows are taken in the order in which they were written. The payload is sealed like every
    request that waits.
    """

    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    path: tuple[str, ...]  # resource, id, resource, id, ...
    action: str
    attribute: str
    user_id: str  # who acted; "" = a key, a guest or the platform
    session_id: str  # of that user, for a token that acts in it
    chain_id: str
    lineage: tuple[str, ...]  # function ids that led to the event
    origin: str  # who sent it in; "" = it happened here
    epoch: str
    sealed: bytes

    @property
    def event(self) -> Event:
        return Event(self.path, self.action, self.attribute)


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """An event with its payload in the clear, as subscribers get it."""

    id: str
    project_id: str
    at: datetime
    event: Event
    body: bytes  # the payload, as JSON
    user_id: str = ""
    session_id: str = ""
    lineage: Lineage = NO_LINEAGE
    origin: str = ""  # who sent it in; "" = it happened here

    @property
    def is_delivered(self) -> bool:
        """Whether it came by a webhook. What did so goes to none, or it might go round."""
        return self.origin.startswith(SOURCE)

    @cached_property
    def payload(self) -> Any:
        return msgspec.json.decode(self.body)
