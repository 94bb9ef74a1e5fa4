"""The request as the function gets it: target and headers of the platform. Pure."""

import re
from typing import Final

from runwright.model.execution import Headers, Trigger

_BEFORE_SPACE: Final = re.compile(r"[\x00-\x20\x7f]")

# There is no table of addresses and countries here, so these are empty, as they are upstream
# for an address that its table does not know.
_NOWHERE: Final[Headers] = (
    ("x-appwrite-country-code", ""),
    ("x-appwrite-continent-code", ""),
    ("x-appwrite-continent-eu", "false"),
)


def injected(
    execution_id: str,
    key: str,
    user_id: str,
    user_jwt: str,
    client_ip: str,
    trigger: Trigger = Trigger.HTTP,
) -> Headers:
    """The platform's own headers of a run; empty ones are sent as empty."""
    return (
        ("x-appwrite-execution-id", execution_id),
        ("x-appwrite-key", key),
        ("x-appwrite-user-id", user_id),
        ("x-appwrite-user-jwt", user_jwt),
        ("x-appwrite-client-ip", client_ip),
        ("x-appwrite-trigger", trigger),
        *_NOWHERE,
    )


def sendable_target(path: str) -> str:
    """The path with blanks and control characters percent-encoded; all else is untouched."""
    if _BEFORE_SPACE.search(path) is None:
        return path
    return _BEFORE_SPACE.sub(lambda found: f"%{ord(found.group()):02X}", path)


def queued(attempt: int) -> Headers:
    """What a run from the queue gets on top."""
    return (("x-appwrite-event", ""), ("x-runwright-attempt", str(attempt)))
