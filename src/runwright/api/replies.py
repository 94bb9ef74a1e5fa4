"""Answers and errors -> HTTP responses."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from starlette.responses import Response, StreamingResponse

from runwright.api.routing import EMPTY_TYPE, JSON_TYPE, Answer
from runwright.compression import LEAST_BYTES, gzipped, takes_gzip
from runwright.errors import RunwrightError
from runwright.model.execution import Headers

VERSION: Final = "1.9.6"  # of the API that is spoken

PUBLIC_STATUSES: Final = frozenset(
    {400, 401, 402, 403, 404, 405, 408, 409, 410, 412, 416, 422, 429, 451, 501, 503}
)
NO_CACHE: Final[Headers] = (
    ("cache-control", "no-cache, no-store, must-revalidate"),
    ("expires", "0"),
    ("pragma", "no-cache"),
)
ALWAYS: Final[Headers] = (("server", "Runwright"), ("x-content-type-options", "nosniff"))


def refusal(error: RunwrightError) -> Answer:
    """Statuses that are not public become 500 and lose their message, never their type."""
    is_public = error.status in PUBLIC_STATUSES
    status = error.status if is_public else 500
    content = {
        "message": str(error) if is_public else "Server Error",
        "code": status,
        "type": error.type,
        "version": VERSION,
    }
    return Answer(content=content, status=status, headers=(*NO_CACHE, *error.headers))


def crash() -> Answer:
    """For what nobody foresaw."""
    content = {
        "message": "Server Error",
        "code": 500,
        "type": "general_unknown",
        "version": VERSION,
    }
    return Answer(content=content, status=500, headers=NO_CACHE)


async def response(answer: Answer, headers: Headers, *, is_head: bool, accepts: str) -> Response:
    """`accepts` is the Accept-Encoding of the request; only JSON is compressed."""
    if answer.parts is not None and not is_head:
        streamed = StreamingResponse(answer.parts, answer.status)
        _set(streamed, (*headers, *answer.headers, ("content-type", answer.media_type)))
        return streamed
    body = _body(answer)
    extra: list[tuple[str, str]] = []
    if answer.media_type == JSON_TYPE and len(body) >= LEAST_BYTES:
        extra.append(("vary", "Accept-Encoding"))
        if takes_gzip(accepts):
            body = await gzipped(body)
            extra.append(("content-encoding", "gzip"))
    is_bare = answer.status in (204, 304)
    plain = Response(b"" if is_head or is_bare else body, answer.status)
    if is_bare:
        del plain.headers["content-length"]
    elif is_head and answer.parts is not None:
        del plain.headers["content-length"]  # unknown here; the handler may name it
    else:
        plain.headers["content-length"] = str(len(body))
    media_type = EMPTY_TYPE if is_bare else answer.media_type
    _set(plain, (*headers, *extra, *answer.headers, ("content-type", media_type)))
    return plain


def _body(answer: Answer) -> bytes:
    content: Any = answer.content
    if isinstance(content, bytes):
        return content
    if content is None and answer.media_type != JSON_TYPE:
        return b""
    if isinstance(content, str) and answer.media_type != JSON_TYPE:
        return content.encode()
    return msgspec.json.encode(content)


def _set(made: Response, headers: Iterable[tuple[str, str]]) -> None:
    """`set-cookie` and `vary` may repeat; of others the last one counts."""
    for name, value in headers:
        if name.lower() in ("set-cookie", "vary"):
            made.headers.append(name, value)
        else:
            made.headers[name] = value
