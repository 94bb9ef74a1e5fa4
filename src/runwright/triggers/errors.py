"""What can go wrong with events that are sent in."""

from typing import Final

from runwright.errors import (
    BadArgument,
    Conflict,
    NotFound,
    RateLimited,
    UnauthorizedScope,
)

_RETRY_AFTER_S: Final = 5


class BadEvent(BadArgument):
    """An event that was sent in is incomplete or cannot be named as it asks."""


class OutboxFull(RateLimited):
    def __init__(self, most: int) -> None:
        super().__init__(
            f"More than {most} events wait for their subscribers. Try again in a few seconds.",
            headers=(("retry-after", str(_RETRY_AFTER_S)),),
        )


class EventSourceNotFound(NotFound):
    type, noun = "event_source_not_found", "Event source"


class EventSourceAlreadyExists(Conflict):
    type, noun = "event_source_already_exists", "Event source"


class SignatureInvalid(UnauthorizedScope):
    """A webhook delivery that its source did not sign, or a source that does not exist."""

    def __init__(self) -> None:
        super().__init__(
            "The signature of this delivery does not fit its event source. Compare the secret "
            "and the address in the source with those of the webhook, character by character."
        )
