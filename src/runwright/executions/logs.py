"""What of a run's text is kept: the tail, in a form that every database takes."""

from typing import Final

LOG_BYTES: Final = 1_000_000
PATH_CHARS: Final = 2048
_HEADER_CHARS: Final = 1024

_LOGS_CUT: Final = "[WARNING] Logs truncated. Only the last part, up to 1 MB, is kept.\n"
_ERRORS_CUT: Final = "[WARNING] Errors truncated. Only the last part, up to 1 MB, is kept.\n"


def kept_logs(text: str) -> str:
    return _tail(storable(text), _LOGS_CUT) if text else ""


def kept_errors(text: str) -> str:
    return _tail(storable(text), _ERRORS_CUT) if text else ""


def kept_path(text: str) -> str:
    """The path as recorded; the function itself always sees all of it."""
    return storable(text[:PATH_CHARS])


def kept_value(text: str) -> str:
    return storable(text[:_HEADER_CHARS])


def storable(text: str) -> str:
    """Without what some database refuses: NUL, and surrogates that stand for raw bytes."""
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        raw = text.encode("utf-8", "replace")
    return raw.decode("utf-8", "replace").replace("\0", "\ufffd")


def _tail(text: str, notice: str) -> str:
    if len(text) * 4 <= LOG_BYTES:  # no character takes more than four bytes
        return text
    raw = text.encode()
    if len(raw) <= LOG_BYTES:
        return text
    # A character cut in two at the front is left out.
    return notice + raw[len(raw) - LOG_BYTES + len(notice) :].decode("utf-8", "ignore")
