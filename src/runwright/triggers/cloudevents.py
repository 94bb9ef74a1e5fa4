"""CloudEvents 1.0 over HTTP -> events. Pure.

A type that is a name of the catalogue or starts with `custom.` names the event as it is; any
other goes below `custom`. `data` becomes the payload: JSON as it came, text as a JSON string,
bytes as a JSON string in base64. The source and the id together are the event's name, so one
that is delivered twice is announced once.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from runwright.triggers.errors import BadEvent
from runwright.triggers.ingest import AT_ONCE, NO_PAYLOAD, Sent, named_elsewhere

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
HEADER: Final = "ce-specversion"  # by which the binary mode is known

_REQUIRED: Final[tuple[str, ...]] = ("specversion", "id", "source", "type")
_MAX_CHARS: Final = 2048  # of one attribute

_Members = dict[str, msgspec.Raw]


def structured(body: bytes) -> Sent:
    """Raises BadEvent."""
    return _event(_members(body))


def batch(body: bytes) -> list[Sent]:
    """Raises BadEvent."""
    checked_json(body)
    try:
        items = msgspec.json.decode(body, type=list[_Members])
    except msgspec.DecodeError as exc:
        raise BadEvent("A batch of CloudEvents is a JSON array of objects.") from exc
    if not 1 <= len(items) <= AT_ONCE:
        raise BadEvent(f"A batch has 1 to {AT_ONCE} CloudEvents; this one has {len(items)}.")
    return [_event(item) for item in items]


def binary(headers: Mapping[str, str], content_type: str, body: bytes) -> Sent:
    """Attributes in `ce-` headers, data in the body. Raises BadEvent."""
    found = {
        name.removeprefix("ce-"): unquote(value.strip(), errors="replace")
        for name, value in headers.items()
        if name.startswith("ce-")
    }
    if not body:
        return _sent(found, NO_PAYLOAD)
    if not content_type or content_type == "application/json" or content_type.endswith("+json"):
        checked_json(body)
        return _sent(found, body)
    if content_type.startswith("text/"):
        return _sent(found, msgspec.json.encode(body.decode(errors="replace")))
    return _sent(found, msgspec.json.encode(base64.b64encode(body).decode()))


def checked_json(body: bytes) -> Any:
    """The decoded value; so what is passed on unchanged is known to be JSON. Raises BadEvent."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadEvent("The body is not valid JSON.") from exc


def _members(body: bytes) -> _Members:
    if not isinstance(checked_json(body), dict):
        raise BadEvent("A CloudEvent is a JSON object.")
    return msgspec.json.decode(body, type=_Members)


def _event(members: _Members) -> Sent:
    found = {name: _text(members, name) for name in _REQUIRED if name in members}
    if "data_base64" in members:
        if "data" in members:
            raise BadEvent("A CloudEvent has `data` or `data_base64`, not both.")
        text = _text(members, "data_base64", most=None)
        try:
            base64.b64decode(text, validate=True)
        except ValueError as exc:
            raise BadEvent("The CloudEvent's `data_base64` is not base64.") from exc
        return _sent(found, bytes(members["data_base64"]))
    data = bytes(members.get("data", b"null"))
    return _sent(found, NO_PAYLOAD if data == b"null" else data)


def _text(members: _Members, name: str, most: int | None = _MAX_CHARS) -> str:
    value = msgspec.json.decode(members[name])
    if not isinstance(value, str) or (most is not None and len(value) > most):
        raise BadEvent(f"The CloudEvent's `{name}` must be a text of at most {_MAX_CHARS} chars.")
    return value


def _sent(attributes: Mapping[str, str], payload: bytes) -> Sent:
    for name in _REQUIRED:
        value = attributes.get(name, "")
        if not value or len(value) > _MAX_CHARS:
            raise BadEvent(
                f"A CloudEvent needs the attribute `{name}`, a text of 1 to {_MAX_CHARS} chars."
            )
    if attributes["specversion"] != "1.0":
        raise BadEvent("Only CloudEvents of specversion 1.0 are understood.")
    return Sent(
        event=named_elsewhere(attributes["type"]),
        payload=payload,
        name=("cloudevent", attributes["source"], attributes["id"]),
    )
