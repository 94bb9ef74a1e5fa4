"""The request of a queued execution, as it waits: sealed. Pure.

`length of the head (4) | head | body`, then encrypted for one job, so it can be moved to no
other. The head is JSON; text that is no valid Unicode is kept in it by escapes, which only the
standard library writes and reads.
"""

import json
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

import msgspec

from runwright.model.execution import Headers
from runwright.model.lineage import NO_LINEAGE, Lineage
from runwright.model.values import value
from runwright.sealing import CannotOpen, Sealer

_LENGTH: Final = 4


@value(frozen=True, slots=True, kw_only=True)
class Request:
    """What must be known of a call to run it later."""

    method: str
    path: str
    headers: Headers  # the caller's own
    client_ip: str
    user_id: str
    session_id: str  # of a signed-in caller; a token is made when the run starts
    user_jwt: str  # the very token of a caller who came with one
    lineage: Lineage
    runs_disabled: bool = False  # accepted for a function that was off, from someone who may
    event: str = ""  # name of the event that started it, as its header gives it
    event_name: str = ""  # the same with its attribute
    event_origin: str = ""  # who sent the event in; "" = it happened here
    body: bytes = b""


# Of a run that has no content, such as a tick: there is nothing to seal.
PLAIN: Final = Request(
    method="POST",
    path="/",
    headers=(),
    client_ip="",
    user_id="",
    session_id="",
    user_jwt="",
    lineage=NO_LINEAGE,
)


_HEAD: Final = tuple(item.name for item in fields(Request) if item.name not in ("body", "lineage"))
_values: Final = attrgetter(*_HEAD)


def seal(request: Request, sealer: Sealer, *, project_id: str, job_id: str) -> bytes:
    head = dict(zip(_HEAD, _values(request), strict=True))
    head["lineage"] = (request.lineage.functions, request.lineage.chain_id)
    text = _encoded(head)
    plain = b"".join((len(text).to_bytes(_LENGTH), text, request.body))
    return sealer.seal(plain, _context(project_id, job_id))


def unseal(sealed: bytes, sealer: Sealer, *, project_id: str, job_id: str) -> Request:
    """Raises CannotOpen."""
    plain = sealer.open(sealed, _context(project_id, job_id))
    end = _LENGTH + int.from_bytes(plain[:_LENGTH])
    try:
        head = _decoded(plain[_LENGTH:end])
        headers = tuple([(name, text) for name, text in head.pop("headers")])
        functions, chain_id = head.pop("lineage")
        lineage = Lineage(tuple(functions), chain_id)
        return Request(headers=headers, lineage=lineage, body=plain[end:], **head)
    except (ValueError, TypeError, KeyError) as exc:
        raise CannotOpen("the sealed request is of another version") from exc


def _encoded(head: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(head)
    except UnicodeEncodeError:
        return json.dumps(head).encode("ascii")


def _decoded(text: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = msgspec.json.decode(text)
    except msgspec.DecodeError:
        found = json.loads(text)
    return found


def _context(project_id: str, job_id: str) -> str:
    return f"job:{project_id}:{job_id}"
