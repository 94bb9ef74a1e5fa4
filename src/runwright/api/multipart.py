"""An answer as multipart/form-data, for clients that ask for it: bodies stay bytes."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

import msgspec

_DASHES: Final = "-----------------------------"


def is_wanted(accept: str) -> bool:
    """Whether multipart comes before JSON; JSON when neither is named."""
    for entry in accept.split(", "):
        if entry.startswith(("application/json", "application/*")):
            return False
        if entry.startswith(("multipart/form-data", "multipart/*")):
            return True
    return False


def encode(fields: Mapping[str, Any]) -> tuple[str, bytes]:
    """(content type, body): one part per field, objects and lists as JSON.

    The boundary is random and does not occur in any value.
    """
    values = [(name, *_value(value)) for name, value in fields.items()]
    boundary = _DASHES + secrets.token_hex(7)[:13]
    while any(boundary.encode() in raw for _, _, raw in values):
        boundary = _DASHES + secrets.token_hex(7)[:13]
    parts: list[bytes] = []
    for name, kind, raw in values:
        parts.append(f"--{boundary}\r\n".encode())
        parts.append(f'Content-Disposition: form-data; name="{name}"\r\n'.encode())
        if kind:
            parts.append(f"Content-Type: {kind}\r\n".encode())
        parts += [b"\r\n", raw, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)


def _value(value: Any) -> tuple[str, bytes]:
    """(content type or "", bytes) of one field."""
    if isinstance(value, bytes):
        return "", value
    if value is None:
        return "", b""
    if isinstance(value, bool):
        return "", b"1" if value else b"0"
    if isinstance(value, (list, dict)):
        return "application/json", msgspec.json.encode(value)
    return "", str(value).encode()
