"""Answers and errors -> HTTP responses."""

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from starlette.responses import Response, StreamingResponse

from runwright import API_VERSION
from runwright.api.routing import EMPTY_TYPE, JSON_TYPE, Answer
from runwright.compression import LEAST_BYTES, gzipped, takes_gzip
from runwright.errors import RunwrightError
from runwright.model.execution import Headers

PUBLIC_STATUSES: Final = frozenset(
    {400, 401, 402, 403, 404, 405, 408, 409, 410, 412, 416, 422, 429, 451, 501, 503}
)
NO_CACHE: Final[Headers] = (
    ("cache-control", "no-cache, no-store, must-revalidate"),
    ("expires", "0"),
    ("pragma", "no-cache"),
)
STRICT_TRANSPORT: Final[Headers] = (("strict-transport-security", "max-age=10886400"),)
_REPEATED: Final = frozenset({"set-cookie"})
_WITHOUT_BODY: Final = frozenset({204, 304})

RawHeaders = list[tuple[bytes, bytes]]


def refusal(error: RunwrightError) -> Answer:
    """Statuses that are not public become 500 and lose their message, never their type."""
    is_public = error.status in PUBLIC_STATUSES
    status = error.status if is_public else 500
    message = str(error) if is_public else "Server Error"
    return _problem(status, message, error.type, error.headers)


def crash() -> Answer:
    """For what nobody foresaw."""
    return _problem(500, "Server Error", "general_unknown", ())


def _problem(status: int, message: str, kind: str, headers: Headers) -> Answer:
    content = {"message": message, "code": status, "type": kind, "version": API_VERSION}
    return Answer(content=content, status=status, headers=(*NO_CACHE, *headers))


async def response(
    answer: Answer, fixed: RawHeaders, headers: Headers, *, is_head: bool, accepts: str
) -> Response:
    """`fixed` headers stand on every answer; of `headers` the answer's own win.

    `accepts` is the Accept-Encoding of the request; only JSON is compressed.
    """
    named = dict(headers)
    if answer.parts is not None and not is_head:
        named["content-type"] = answer.media_type
        streamed = StreamingResponse(_watched(answer.parts), answer.status)
        streamed.raw_headers = _raw(fixed, named, answer.headers)
        return streamed
    body = _body(answer)
    if answer.media_type == JSON_TYPE and len(body) >= LEAST_BYTES:
        named["vary"] = "Origin, Accept-Encoding"
        if takes_gzip(accepts):
            body = await gzipped(body)
            named["content-encoding"] = "gzip"
    is_empty = answer.status in _WITHOUT_BODY
    named["content-type"] = EMPTY_TYPE if is_empty else answer.media_type
    if not is_empty and answer.parts is None:  # a stream's length is its handler's to name
        named["content-length"] = str(len(body))
    plain = Response(b"" if is_head or is_empty else body, answer.status)
    plain.raw_headers = _raw(fixed, named, answer.headers)
    return plain


class BrokenStream(Exception):
    """The handler could not finish what it streams."""


async def _watched(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Faults of the source get a name of their own: Starlette takes every OSError of a
    stream, a broken disk too, for a caller that went away."""
    try:
        async for part in parts:
            yield part
    except Exception as exc:
        raise BrokenStream from exc


def _raw(fixed: RawHeaders, named: dict[str, str], own: Headers) -> RawHeaders:
    raw = list(fixed)
    for name, value in own:
        if name in _REPEATED:
            raw.append((name.encode("latin-1"), value.encode("latin-1")))
        else:
            named[name] = value
    raw += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
    return raw


def _body(answer: Answer) -> bytes:
    content: Any = answer.content
    if isinstance(content, bytes):
        return content
    if content is None and answer.media_type != JSON_TYPE:
        return b""
    if isinstance(content, str) and answer.media_type != JSON_TYPE:
        return content.encode()
    return msgspec.json.encode(content)
