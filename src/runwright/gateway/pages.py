"""What a domain answers when its function does not: a page, or JSON for those who ask for it."""

from html import escape
from http import HTTPStatus
from typing import Final

import msgspec

from runwright import API_VERSION
from runwright.errors import RunwrightError
from runwright.gateway.messages import GatewayAnswer, RawHeaders

_TEXTS: Final = {
    401: ("Not allowed", "You may not see this page."),
    403: ("Not allowed", "You may not see this page."),
    404: ("Nothing is here yet", "This page does not exist. Check the address."),
    408: ("This takes too long", "The function did not answer in time. It goes on running."),
    413: ("Too large", "The request is larger than this server takes."),
    429: ("Too many requests", "Wait a moment, then try again."),
    501: ("Not supported", "The function does not do that."),
    503: ("Not available now", "The function cannot answer at the moment. Try again later."),
    504: ("This takes too long", "The function did not answer in time."),
}
_CLIENT_FAULT: Final = ("This did not work", "The request could not be answered.")
_SERVER_FAULT: Final = ("Something went wrong", "The function could not answer this request.")
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{code} {title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center;
  font: 16px/1.5 system-ui, sans-serif; background: #f7f7f5; color: #1c1c1a }}
main {{ max-width: 34rem; padding: 2rem }}
p.code {{ margin: 0; font-size: .875rem; color: #6b6b66; font-variant-numeric: tabular-nums }}
h1 {{ margin: .25rem 0 .75rem; font-size: 1.75rem; line-height: 1.2 }}
footer {{ margin-top: 2rem; font-size: .875rem; color: #6b6b66 }}
@media (prefers-color-scheme: dark) {{
  body {{ background: #161615; color: #ecece8 }} p.code, footer {{ color: #9a9a94 }} }}
</style>
</head>
<body>
<main>
<p class="code">{code}{kind}</p>
<h1>{title}</h1>
<p>{text}</p>
<footer>Runwright</footer>
</main>
</body>
</html>
"""
_NO_CACHE: Final[RawHeaders] = [
    (b"cache-control", b"no-cache, no-store, must-revalidate"),
    (b"expires", b"0"),
    (b"pragma", b"no-cache"),
]
_HTML: Final = b"text/html; charset=utf-8"
_JSON: Final = b"application/json; charset=UTF-8"


def error_answer(
    error: RunwrightError, accept: str, *, extra: RawHeaders | None = None
) -> GatewayAnswer:
    """The answer to a request that got no further than a check of ours."""
    content_type, body = error_body(error.status, error.type, str(error), accept)
    headers: RawHeaders = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        *_NO_CACHE,
        *((name.encode("latin-1"), value.encode("latin-1")) for name, value in error.headers),
        *(extra or ()),
    ]
    return GatewayAnswer(error.status, headers, body)


def error_body(status: int, kind: str, message: str, accept: str) -> tuple[bytes, bytes]:
    """Content type and body."""
    if wants_json(accept):
        content = {"message": message, "code": status, "type": kind, "version": API_VERSION}
        return _JSON, msgspec.json.encode(content)
    return _HTML, page(status, kind, message)


def page(status: int, kind: str, message: str) -> bytes:
    """`kind` and `message` may be empty: then the status speaks."""
    title, text = _TEXTS.get(status) or (_CLIENT_FAULT if status < 500 else _SERVER_FAULT)
    shown = _PAGE.format(
        code=status,
        kind=f" &middot; {escape(kind)}" if kind else "",
        title=escape(title),
        text=escape(message or text),
    )
    return shown.encode()


def phrase(status: int) -> str:
    """A sentence for a status that a function gave without a body."""
    try:
        return f"{HTTPStatus(status).phrase}."
    except ValueError:
        return "The function gave no details."


def wants_json(accept: str) -> bool:
    """Whether JSON is asked for, rather than a page; a page when nothing is preferred."""
    best, is_json = 0.0, False
    for part in accept.lower().split(","):
        media, _, parameters = part.partition(";")
        media = media.strip()
        weight = _weight(parameters)
        named_json = media == "application/json" or media.endswith("+json")
        named_html = media in ("text/html", "application/xhtml+xml")
        if (named_json or named_html) and weight > best:
            best, is_json = weight, named_json
    return is_json


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
