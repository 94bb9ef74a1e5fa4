"""`context.req`. Everything is worked out when it is first read; assigning replaces it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from _runwright.call import Call

HIDDEN = "x-open-runtimes-"
enforced: dict[str, str] = {}


def enforce_headers(text: str | None) -> None:
    """Take the value of OPEN_RUNTIMES_HEADERS: headers that win over those of the caller."""
    enforced.clear()
    if not text:
        return
    import json

    try:
        for name, value in json.loads(text).items():
            enforced[name.lower()] = value if isinstance(value, str) else json.dumps(value)
    except (ValueError, AttributeError):
        pass  # by contract a broken value counts as none


def parse_headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name = name.lower()
        if name.startswith(HIDDEN):
            continue
        if name in headers:
            value = headers[name] + ("; " if name == "cookie" else ", ") + value
        headers[name] = value
    headers.update(enforced)
    return headers


def parse_query(text: str) -> dict[str, str]:
    query: dict[str, str] = {}
    if text:
        for pair in text.split("&"):
            name, _, value = pair.partition("=")
            if name:
                query[name] = value
    return query


def split_host(value: str) -> tuple[str, int | None]:
    """(host, port or None); an IPv6 literal keeps its brackets."""
    start = value.find("]") + 1 if value.startswith("[") else 0
    colon = value.find(":", start)
    if colon < 0:
        return value, None
    digits = value[colon + 1 :]
    is_port = digits.isascii() and digits.isdigit() and len(digits) <= 5
    return value[:colon], int(digits) if is_port else None


def _head_lines(req: Request) -> list[str]:
    try:
        return req._head.decode().split("\n")
    except UnicodeDecodeError:
        return req._head.decode("latin-1").split("\n")


def _target(req: Request) -> str:
    line: str = req._lines[0]
    return line.partition(" ")[2].partition("#")[0]


def _default_port(req: Request) -> int:
    return 443 if req.scheme == "https" else 80


def _port(req: Request) -> int:
    port = split_host(req.headers.get("host", ""))[1]
    return _default_port(req) if port is None else port


def _url(req: Request) -> str:
    port = "" if req.port == _default_port(req) else f":{req.port}"
    query = "?" + req.query_string if req.query_string else ""
    return f"{req.scheme}://{req.host}{port}{req.path}{query}"


def _body_json(req: Request) -> object:
    import json

    return json.loads(req.body_text)


def _body(req: Request) -> object:
    kind = req.headers.get("content-type", "text/plain").lower()
    if not kind.startswith("application/json"):
        return req.body_text
    return req.body_json if req.body_binary else {}


def _no_body(req: Request) -> object:
    raise RuntimeError(
        "The body of this request comes in parts: read them from context.req.stream."
    )


def _stream(req: Request) -> object:
    from _runwright.inlet import BodyStream, Inlet

    inlet = req._call.inlet if req._call is not None else None
    return BodyStream(inlet or Inlet.of(req.body_binary))


_LAZY: dict[str, Callable[[Request], object]] = {
    "_lines": _head_lines,
    "method": lambda req: req._lines[0].partition(" ")[0].upper(),
    "headers": lambda req: parse_headers(req._lines[1:]),
    "scheme": lambda req: req.headers.get("x-forwarded-proto") or "http",
    "host": lambda req: split_host(req.headers.get("host", ""))[0],
    "port": _port,
    "path": lambda req: _target(req).partition("?")[0],
    "query_string": lambda req: _target(req).partition("?")[2],
    "query": lambda req: parse_query(req.query_string),
    "url": _url,
    "body": _body,
    "body_text": lambda req: req.body_binary.decode(),
    "body_raw": lambda req: req.body_text,
    "body_json": _body_json,
    "body_binary": _no_body,
    "stream": _stream,
}


class Request:
    _head: bytes
    _call: Call | None
    body_binary: bytes

    def __init__(self, head: bytes, body: bytes, call: Call | None = None) -> None:
        self._head = head
        self._call = call
        if call is None or call.inlet is None:
            self.body_binary = body

    def __getattr__(self, name: str) -> Any:
        # Only names without a value come here, so each is worked out once.
        compute = _LAZY.get(name)
        if compute is None:
            raise AttributeError(f"context.req has no attribute {name!r}")
        value = compute(self)
        self.__dict__[name] = value
        return value
