"""What a function answered, as the answer of its domain."""

import re
from typing import Final

from runwright.compression import LEAST_BYTES
from runwright.executions.headers import is_sendable
from runwright.gateway.incoming import HOP_BY_HOP
from runwright.gateway.messages import GatewayAnswer, RawHeaders
from runwright.gateway.pages import error_body, phrase
from runwright.model.execution import ErrorClass, Headers, Outcome

# Ours to say: the length follows from the body, the id from the run.
_DROPPED: Final = HOP_BY_HOP | {"content-length", "x-appwrite-execution-id"}
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")
_NAMES: Final = 4096
_NAME_CHARS: Final = 64  # longer names are judged each time; functions choose what is kept here
BODYLESS: Final = frozenset({204, 304})
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
_OF_THE_BODY: Final = frozenset(
    {b"content-type", b"content-encoding", b"content-range", b"etag", b"last-modified"}
)
_SENTENCES: Final[dict[ErrorClass | None, str]] = {
    ErrorClass.TIMEOUT: "The function did not end within its timeout.",
    ErrorClass.OUT_OF_MEMORY: "The function needed more memory than it may have.",
    ErrorClass.EXIT: "The function ended before it gave an answer.",
    ErrorClass.COLD_START: "The function could not be started.",
    ErrorClass.ENTRYPOINT: "The function's code could not be loaded.",
    ErrorClass.PAYLOAD: "The function gave an answer that cannot be sent.",
    ErrorClass.LOOP: "Functions called each other without end, so this call was stopped.",
    ErrorClass.PLATFORM: "The platform failed to run the function. Try again.",
}
_names_known: dict[str, bytes | None] = {}
_HEADS: Final = 1024  # functions choose them, so they are few and short
_HEAD_BYTES: Final = 512
_heads_known: dict[Headers, tuple[bytes, bytes]] = {}


def head(headers: Headers, execution_id: str) -> RawHeaders:
    """Response headers as bytes, names in lower case, values untouched, repeats kept.

    Names that are not tokens and values with a line break or another control character are
    left out: nothing that a function returns can end a header line early.
    """
    lines: RawHeaders = []
    for name, value in headers:
        raw_name = _names_known[name] if name in _names_known else _raw_name(name)
        if raw_name is not None and is_sendable(value):
            lines.append((raw_name, value.encode("utf-8", "surrogateescape")))
    lines.append((b"x-appwrite-execution-id", execution_id.encode()))
    return lines


def whole(outcome: Outcome, execution_id: str, *, accept: str, is_head: bool) -> GatewayAnswer:
    """The answer for a run that did not stream."""
    status, body = outcome.status_code, outcome.body
    lines = head(outcome.headers, execution_id)
    if status in BODYLESS:
        return GatewayAnswer(status, lines, b"")
    # A client that reads a status below 200 takes what follows for another answer.
    if status < 200 or (not body and status >= 400):
        return _page(outcome, lines, accept)
    if not any(name == b"content-type" for name, _ in lines):
        lines.append(_TEXT)
    length = _stated_length(outcome.headers) if is_head and not body else str(len(body))
    if length:
        lines.append((b"content-length", length.encode("ascii")))
    return GatewayAnswer(status, lines, body)


def plain(outcome: Outcome, execution_id: str, first: bytes) -> bytes | None:
    """What `whole` makes of an outcome, as bytes behind the `first` lines; None where there is
    more to do about it than to send it, or where it need not be quick."""
    status, headers, body = outcome.status_code, outcome.headers, outcome.body
    if status < 200 or len(body) >= LEAST_BYTES or (not body and status >= 400):
        return None
    if outcome.error_class is not None and not headers:
        return None
    lines, content_type = _heads_known.get(headers) or _joined(headers)
    own = execution_id.encode()
    if status in BODYLESS:
        return b"%b%bx-appwrite-execution-id: %b\r\n\r\n" % (first, lines, own)
    return b"%b%bx-appwrite-execution-id: %b\r\n%bcontent-length: %d\r\n\r\n%b" % (
        first,
        lines,
        own,
        content_type,
        len(body),
        body,
    )


def _joined(headers: Headers) -> tuple[bytes, bytes]:
    """The lines of a head, and the content type where they have none."""
    found = head(headers, "")[:-1]
    has_type = any(name == b"content-type" for name, _ in found)
    joined = (_text(found), b"" if has_type else _text([_TEXT]))
    if len(joined[0]) <= _HEAD_BYTES:
        if len(_heads_known) >= _HEADS:
            _heads_known.clear()
        _heads_known[headers] = joined
    return joined


def _text(lines: RawHeaders) -> bytes:
    return b"".join([b"%b: %b\r\n" % line for line in lines])


def _page(outcome: Outcome, lines: RawHeaders, accept: str) -> GatewayAnswer:
    status = outcome.status_code if outcome.status_code >= 400 else 500
    sentence = _SENTENCES.get(outcome.error_class) or phrase(status)
    kind = "general_server_error" if status >= 500 else "general_unknown"
    content_type, body = error_body(status, kind, sentence, accept)
    kept = [line for line in lines if line[0] not in _OF_THE_BODY]
    kept += [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    return GatewayAnswer(status, kept, body)


def _stated_length(headers: Headers) -> str:
    """What the function says that a GET would give; the answer to HEAD has no body to count."""
    stated = [value for name, value in headers if name.lower() == "content-length"]
    is_sound = len(stated) == 1 and stated[0].isascii() and stated[0].isdigit()
    return stated[0] if is_sound else ""


def _raw_name(name: str) -> bytes | None:
    lower = name.lower()
    is_ours = lower in _DROPPED or lower.startswith("x-open-runtimes-")
    raw = None if is_ours or _NAME.fullmatch(lower) is None else lower.encode("ascii")
    if len(_names_known) < _NAMES and len(name) <= _NAME_CHARS:
        _names_known[name] = raw
    return raw
