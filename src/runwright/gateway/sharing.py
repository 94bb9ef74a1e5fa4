"""What web pages of a project's platforms may do on its domains. Pure.

Who may read a function's answers is the function's to say, and OPTIONS reaches it like any other
method. But no function can answer for a header of the platform: a page that calls as a signed-in
user sends `x-appwrite-user-jwt`, which a browser asks leave for first, without it, so as a guest
who may not even call the function. That question is answered here, and so is the other half of it:
the answer to such a user may be read by the page, unless the function says who may.
"""

import re
from typing import Final

from runwright.gateway.incoming import Incoming
from runwright.gateway.messages import GatewayAnswer, RawHeaders

USER_JWT: Final = "x-appwrite-user-jwt"
# Short: a platform that is taken away must not be remembered for long.
MAX_AGE_S: Final = 600
_ASKED: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+(\s*,\s*[!#$%&'*+\-.^_`|~0-9A-Za-z]+)*")
_MOST_CHARS: Final = 4096
_ALLOW_ORIGIN: Final = b"access-control-allow-origin"
_OWN: Final = b"x-appwrite-execution-id"


def asks_for_user(method: str, incoming: Incoming) -> bool:
    """Whether a browser asks if a page may send the JWT of a user."""
    if method != "OPTIONS" or not incoming.first("access-control-request-method"):
        return False
    asked = incoming.first("access-control-request-headers")
    return USER_JWT in {name.strip().lower() for name in asked.split(",")}


def leave(origin: str, incoming: Incoming) -> GatewayAnswer | None:
    """The answer to that question for a page that may; None when it is malformed."""
    method = incoming.first("access-control-request-method")
    headers = incoming.first("access-control-request-headers")
    if len(headers) > _MOST_CHARS or "," in method:
        return None
    if not _ASKED.fullmatch(headers) or not _ASKED.fullmatch(method):
        return None
    lines: RawHeaders = [
        (_ALLOW_ORIGIN, origin.lower().encode("ascii")),
        (b"access-control-allow-methods", method.encode("ascii")),
        (b"access-control-allow-headers", headers.encode("ascii")),
        (b"access-control-max-age", str(MAX_AGE_S).encode()),
        (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        (b"content-type", b"text/plain; charset=utf-8"),
    ]
    return GatewayAnswer(204, lines, b"")


def readable(lines: RawHeaders, origin: str) -> RawHeaders:
    """Headers of an answer that a page of that origin may read. Cookies are no part of it: they
    are the function's own, so it alone can allow that a page sends them."""
    if not origin or any(name == _ALLOW_ORIGIN for name, _ in lines):
        return lines
    return [
        *lines,
        (_ALLOW_ORIGIN, origin.lower().encode("ascii")),
        (b"access-control-expose-headers", _OWN),
        (b"vary", b"Origin"),
    ]
