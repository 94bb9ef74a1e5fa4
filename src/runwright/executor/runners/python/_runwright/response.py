"""`context.res` and the rules that turn what user code returned into status, head and body."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from _runwright.call import Call

    Answer = dict[str, object]

DEFAULT_TYPE = "text/plain; charset=utf-8"
HIDDEN = "x-open-runtimes-"
HEAD_DEFAULT = b"content-type:text/plain; charset=utf-8"
HEAD_JSON = b"content-type:application/json; charset=utf-8"
MAX_HEAD_BYTES = 64 * 1024
MISSING_RETURN = "Return statement missing. return context.res.empty() if no response is expected."

_NAME_CHARACTERS = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
_BAD_IN_VALUE = dict.fromkeys([*range(9), *range(10, 32), 127])
_encode: Callable[[object], str] | None = None


class BadResponse(Exception):
    """User code returned something that is no response; the message goes to its errors."""


def _to_json(value: object) -> str:
    global _encode
    if _encode is None:
        import json

        _encode = json.JSONEncoder(separators=(",", ":")).encode
    return _encode(value)


class Response:
    """`context.res`. The status may be given by either spelling of its name."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def text(
        self,
        body: str,
        status_code: int = 200,
        headers: object = None,
        *,
        statusCode: int | None = None,
    ) -> Answer:
        if not isinstance(body, str):
            raise TypeError(f"context.res.text() needs a str, not {type(body).__name__}.")
        return {
            "body": body.encode(),
            "statusCode": statusCode or status_code,
            "headers": headers or {},
        }

    def json(
        self,
        obj: object,
        status_code: int = 200,
        headers: object = None,
        *,
        statusCode: int | None = None,
    ) -> Answer:
        body = _to_json(obj).encode()
        if not headers:
            headers = {"content-type": "application/json"}
        else:
            headers = _with_header(headers, "content-type", "application/json")
        return {"body": body, "statusCode": statusCode or status_code, "headers": headers}

    def binary(
        self,
        data: Any,
        status_code: int = 200,
        headers: object = None,
        *,
        statusCode: int | None = None,
    ) -> Answer:
        if isinstance(data, str):
            data = data.encode()
        elif isinstance(data, int):
            raise TypeError(f"context.res.binary() needs bytes, not {type(data).__name__}.")
        return {
            "body": bytes(data),
            "statusCode": statusCode or status_code,
            "headers": headers or {},
        }

    def redirect(
        self,
        url: object,
        status_code: int = 301,
        headers: object = None,
        *,
        statusCode: int | None = None,
    ) -> Answer:
        headers = _with_header(headers or {}, "location", url)
        return {"body": b"", "statusCode": statusCode or status_code, "headers": headers}

    def empty(self) -> Answer:
        return {"body": b"", "statusCode": 204, "headers": {}}

    def send(
        self,
        body: object,
        status_code: int = 200,
        headers: object = None,
        *,
        statusCode: int | None = None,
    ) -> Answer:
        return {"body": body, "statusCode": statusCode or status_code, "headers": headers or {}}

    # Streaming: head first, then parts, then the end. What the function returns is then ignored.
    # Each may be awaited; in a plain `def main` they block instead and awaiting is not needed.

    def start(self, status_code: int = 200, headers: object = None) -> Awaitable[None]:
        return self._call.stream_start(status_code, headers or {})

    def write(self, chunk: object) -> Awaitable[None]:
        if isinstance(chunk, str):
            chunk = chunk.encode()
        elif not isinstance(chunk, (bytes, bytearray, memoryview)):
            raise TypeError(f"context.res.write() needs str or bytes, not {type(chunk).__name__}.")
        return self._call.stream_write(bytes(chunk))

    @property
    def is_open(self) -> bool:
        """Whether somebody still waits for the response."""
        return not (self._call.is_gone or self._call.is_cancelled or self._call.is_ended)

    def end(self, chunk: object = None) -> Awaitable[None]:
        done = self.write(chunk) if chunk is not None else None
        return self._call.stream_end(done)


def _with_header(headers: Any, name: str, value: object) -> dict[str, object]:
    """A copy: the caller's own dict must not change. One name in any spelling is one header."""
    copy = {own: text for own, text in headers.items() if str(own).lower() != name}
    copy[name] = value
    return copy


def content_type(value: str) -> str:
    lower = value.lower()
    if lower.startswith("multipart/") or "charset=" in lower:
        return value
    return lower + "; charset=utf-8"


def _header_text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (bytes, bytearray)):
        value = bytes(value).decode("latin-1")
    elif isinstance(value, (int, float)):
        return str(value)
    elif not isinstance(value, str):
        raise BadResponse(
            f'Response header "{name}" has no value that can be sent ({type(value).__name__}).'
        )
    if not value.isprintable() and value.translate(_BAD_IN_VALUE) != value:
        raise BadResponse(
            f'Response header "{name}" contains a character that headers cannot carry.'
        )
    return value


def build_head(headers: Any) -> bytes:
    if not headers:
        return HEAD_DEFAULT
    if not hasattr(headers, "items"):
        raise BadResponse(f"Response headers must be a dict, not {type(headers).__name__}.")
    if len(headers) == 1 and headers.get("content-type") == "application/json":
        return HEAD_JSON
    fields: dict[str, list[str]] = {}
    for name, value in headers.items():
        lower = name.lower() if isinstance(name, str) else str(name).lower()
        if lower.startswith(HIDDEN):
            continue
        if not lower or not _NAME_CHARACTERS.issuperset(lower):
            raise BadResponse(f"Response header name {name!r} is not valid.")
        values = value if isinstance(value, (list, tuple)) else (value,)
        fields[lower] = [_header_text(lower, one) for one in values]
    types = fields.pop("content-type", None)
    lines = ["content-type:" + (content_type(types[-1]) if types else DEFAULT_TYPE)]
    for name, texts in fields.items():
        for text in texts:
            lines.append(f"{name}:{text}")
    head = "\n".join(lines).encode("utf-8", "surrogateescape")
    if len(head) > MAX_HEAD_BYTES:
        raise BadResponse(f"Response headers are larger than {MAX_HEAD_BYTES} bytes.")
    return head


def build_status(value: object) -> int:
    if value is None:
        return 200
    status: object = value
    is_text = isinstance(value, str) and value.isascii() and value.strip().isdigit()
    if is_text or (isinstance(value, float) and value.is_integer()):
        status = int(value)  # type: ignore[call-overload]  # text of digits or a float
    if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599:
        raise BadResponse(
            f"Response status code must be an integer from 100 to 599, not {value!r}."
        )
    return status


def build_body(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if value is None:
        return b""
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, (int, float)):
        return str(value).encode()
    if isinstance(value, (dict, list)):
        try:
            return _to_json(value).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise BadResponse(f"Response body cannot be turned into JSON: {error}.") from None
    raise BadResponse(f"Response body must be text or bytes, not {type(value).__name__}.")


def has_no_body(status: int) -> bool:
    return status == 204 or status == 304 or status < 200


def build(value: object) -> tuple[int, bytes, bytes]:
    """(status, head, body) of what user code returned. Raises BadResponse."""
    if value is None:
        raise BadResponse(MISSING_RETURN)
    if not isinstance(value, dict):
        raise BadResponse(
            f"The function returned a value of type {type(value).__name__} instead of a response. "
            "Return the result of a helper, for example context.res.text(...) or "
            "context.res.json(...)."
        )
    status = build_status(value.get("statusCode"))
    head = build_head(value.get("headers"))
    body = build_body(value.get("body"))
    return status, head, b"" if has_no_body(status) else body
