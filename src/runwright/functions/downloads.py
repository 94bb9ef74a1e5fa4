"""Handing out a deployment's files: byte ranges and presigned tokens."""

import re
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Any, Final

import jwt

from runwright.clock import Clock
from runwright.functions.deployment_errors import InvalidRange
from runwright.sealing import derive
from runwright.values import dataclass

OPEN_RANGE_BYTES: Final = 10 * 1024 * 1024  # what a range without an end is given
_RANGE: Final = re.compile(r"bytes=([0-9]{1,15})-([0-9]{0,15})")
_ALGORITHM: Final = "HS256"
_LEEWAY_S: Final = 300


class FileKind(StrEnum):
    SOURCE = "source"  # the archive as it was uploaded
    OUTPUT = "output"  # the built tree, packed when it is first asked for


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` (inclusive) to `end` (exclusive)."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    name: str  # for the client to save it under
    kind: FileKind
    total_bytes: int
    span: Span
    is_partial: bool
    parts: AsyncIterator[bytes]


def parse_range(header: str, size: int) -> Span:
    """One `bytes=FIRST-LAST` or `bytes=FIRST-`. Raises InvalidRange."""
    match = _RANGE.fullmatch(header.strip())
    if match is None:
        raise InvalidRange
    first = int(match[1])
    last = int(match[2]) if match[2] else min(first + OPEN_RANGE_BYTES, size) - 1
    if first > last or last >= size:
        raise InvalidRange
    return Span(first, last + 1)


class DownloadTokens:
    """Tokens that open one file of one deployment to whoever holds them, for a while."""

    def __init__(self, key: bytes, clock: Clock, *, build_timeout_s: int) -> None:
        self._key = derive(key, "download tokens")
        self._clock = clock
        self._lifetime_s = build_timeout_s + _LEEWAY_S

    def mint(self, project_id: str, deployment_id: str, kind: FileKind) -> str:
        claims = _claims(project_id, deployment_id, kind)
        claims["exp"] = int(self._clock.now().timestamp()) + self._lifetime_s
        return jwt.encode(claims, self._key, _ALGORITHM)

    def opens(self, token: str, project_id: str, deployment_id: str, kind: FileKind) -> bool:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                options={"verify_exp": False, "verify_iat": False},  # our clock judges, below
            )
        except (jwt.InvalidTokenError, UnicodeError):
            return False
        end = claims.pop("exp", None)
        if not isinstance(end, int) or self._clock.now().timestamp() >= end:
            return False
        return claims == _claims(project_id, deployment_id, kind)


def _claims(project_id: str, deployment_id: str, kind: FileKind) -> dict[str, Any]:
    return {"projectId": project_id, "deploymentId": deployment_id, "type": kind.value}
