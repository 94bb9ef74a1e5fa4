"""Headers of a run: what callers may send, what the function gets on top, what is kept. Pure.

Names beginning `x-appwrite-`, `x-open-runtimes-` and `x-runwright-` belong to the platform. A
reader of headers may fold case, underscores, dots or blanks into something else than we do, so
a name counts as the platform's in every spelling that could be folded into one.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from runwright.errors import BadArgument
from runwright.executions.logs import kept_value
from runwright.model.execution import Headers
from runwright.model.tick import DUE_HEADER

MAX_HEADERS: Final = 100
MAX_CHARS: Final = 16_384
_RESERVED: Final = ("x-appwrite-", "x-open-runtimes-", "x-runwright-")
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_FOLDED: Final = re.compile(r"[^a-z0-9]+")
_UNSENDABLE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_KEPT: Final = frozenset(
    {"content-type", "agent", "content-length", "host", "x-appwrite-client-ip", DUE_HEADER}
)


def is_reserved(name: str) -> bool:
    """Whether a header name is the platform's, in any spelling."""
    folded = _FOLDED.sub("-", name.lower()).lstrip("-") + "-"
    return folded.startswith(_RESERVED)


def is_sendable(value: str) -> bool:
    """Whether a value can stand in a header line: no line break, NUL or other control."""
    return _UNSENDABLE.search(value) is None


def checked(given: Mapping[str, Any]) -> Headers:
    """The headers of an API call, names lower-cased. Raises BadArgument."""
    if len(given) > MAX_HEADERS:
        raise _bad(f"at most {MAX_HEADERS} headers are allowed")
    pairs = []
    total = 0
    for name, value in given.items():
        text = _text(name, value)
        total += len(name) + len(text)
        if total >= MAX_CHARS:
            raise _bad(f"names and values together must be shorter than {MAX_CHARS} characters")
        if is_reserved(name):
            raise _bad(
                "names beginning `x-appwrite-`, `x-open-runtimes-` or `x-runwright-` are reserved"
            )
        if _NAME.fullmatch(name) is None:
            raise _bad(
                "a name holds letters, digits and hyphens, and starts and ends with a letter "
                "or digit"
            )
        if not is_sendable(text):
            raise _bad(f"the value of `{name}` holds a line break or another control character")
        pairs.append((name.lower(), text))
    return tuple(pairs)


def kept(headers: Iterable[tuple[str, str]]) -> Headers:
    """The few request headers that a record shows."""
    return tuple((name, kept_value(value)) for name, value in headers if name in _KEPT)


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise _bad(f"the value of `{name}` must be a string")


def _bad(why: str) -> BadArgument:
    return BadArgument(f"Invalid `headers` param: {why}.")
