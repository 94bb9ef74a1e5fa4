"""The request of a queued execution, as it waits: sealed. Pure.

`length of the head (4) | head | body`, then encrypted for one job, so it can be moved to no
other. The head is JSON; text that is no valid Unicode is kept in it by escapes, which only the
standard library writes and reads.
"""

import json
from typing import Final

import msgspec

from runwright.model.execution import Headers
from runwright.model.lineage import NO_LINEAGE, Lineage
from runwright.sealing import CannotOpen, Sealer
from runwright.values import dataclass

_LENGTH: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
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


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    """All of a request but its body, as it is written."""

    method: str
    path: str
    headers: Headers
    client_ip: str
    user_id: str
    session_id: str
    user_jwt: str
    runs_disabled: bool
    event: str
    event_name: str
    event_origin: str
    lineage: tuple[tuple[str, ...], str]


_decode: Final = msgspec.json.Decoder(_Head).decode


def seal(request: Request, sealer: Sealer, *, project_id: str, job_id: str) -> bytes:
    lineage = request.lineage
    head = _Head(
        request.method,
        request.path,
        request.headers,
        request.client_ip,
        request.user_id,
        request.session_id,
        request.user_jwt,
        request.runs_disabled,
        request.event,
        request.event_name,
        request.event_origin,
        (lineage.functions, lineage.chain_id),
    )
    text = _encoded(head)
    plain = b"".join((len(text).to_bytes(_LENGTH), text, request.body))
    return sealer.seal(plain, _context(project_id, job_id))


def unseal(sealed: bytes, sealer: Sealer, *, project_id: str, job_id: str) -> Request:
    """Raises CannotOpen."""
    plain = sealer.open(sealed, _context(project_id, job_id))
    end = _LENGTH + int.from_bytes(plain[:_LENGTH])
    try:
        head = _decoded(plain[_LENGTH:end])
    except (ValueError, msgspec.ValidationError) as exc:
        raise CannotOpen("the sealed request is of another version") from exc
    functions, chain_id = head.lineage
    return Request(
        method=head.method,
        path=head.path,
        headers=head.headers,
        client_ip=head.client_ip,
        user_id=head.user_id,
        session_id=head.session_id,
        user_jwt=head.user_jwt,
        # The very one, by which most runs find what they need.
        lineage=Lineage(functions, chain_id) if functions or chain_id else NO_LINEAGE,
        runs_disabled=head.runs_disabled,
        event=head.event,
        event_name=head.event_name,
        event_origin=head.event_origin,
        body=plain[end:],
    )


def _encoded(head: _Head) -> bytes:
    try:
        return msgspec.json.encode(head)
    except UnicodeEncodeError:
        return json.dumps(msgspec.structs.asdict(head)).encode("ascii")


def _decoded(text: bytes) -> _Head:
    try:
        return _decode(text)
    except msgspec.DecodeError:
        return msgspec.convert(json.loads(text), _Head)


def _context(project_id: str, job_id: str) -> str:
    return f"job:{project_id}:{job_id}"
