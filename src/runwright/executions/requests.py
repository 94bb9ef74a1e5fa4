"""The request as the function gets it: target and headers of the platform. Pure."""

import re
from typing import Final

from runwright.executions.envelope import Request
from runwright.model.execution import Headers, Trigger
from runwright.model.job import Job
from runwright.model.tick import DUE_HEADER, due_text

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
    # Nobody called when an event or a schedule starts a run, so there is no address.
    caller: Headers = (("x-appwrite-client-ip", client_ip),)
    return (
        ("x-appwrite-execution-id", execution_id),
        ("x-appwrite-key", key),
        ("x-appwrite-user-id", user_id),
        ("x-appwrite-user-jwt", user_jwt),
        *(caller if client_ip or trigger is Trigger.HTTP else ()),
        ("x-appwrite-trigger", trigger),
        *_NOWHERE,
    )


def sendable_target(path: str) -> str:
    """The path with blanks and control characters percent-encoded; all else is untouched."""
    if _BEFORE_SPACE.search(path) is None:
        return path
    return _BEFORE_SPACE.sub(lambda found: f"%{ord(found.group()):02X}", path)


def due(job: Job) -> Headers:
    """When a scheduled run was meant to start, which is not always when it did."""
    return ((DUE_HEADER, due_text(job.due_at)),) if job.trigger is Trigger.SCHEDULE else ()


def queued(attempt: int, request: Request) -> Headers:
    """What a run from the queue gets on top."""
    found: Headers = (
        ("x-appwrite-event", request.event),
        ("x-runwright-attempt", str(attempt)),
    )
    if request.event:
        depth = str(len(request.lineage.functions) + 1)
        found += (
            ("x-appwrite-event-name", request.event_name),
            ("x-appwrite-event-depth", depth),
            ("x-appwrite-chain-id", request.lineage.chain_id),
        )
    if request.event_origin:
        found += (("x-runwright-event-origin", request.event_origin),)
    return found
