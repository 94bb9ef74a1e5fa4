"""Headers of a domain request: what reaches the function, and what the gateway itself reads.

The function gets every header of the caller in order, names in lower case, values untouched,
except the hop-by-hop ones and those that only the platform may send.
"""

from typing import Final

from runwright.errors import BadRequest
from runwright.executions.headers import is_reserved
from runwright.gateway.errors import HeadersTooLarge
from runwright.gateway.messages import RawHeaders
from runwright.model.execution import Headers

HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_TOKEN: Final = frozenset(
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)
_READ: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "access-control-request-headers",
        "access-control-request-method",
        "connection",
        "content-length",
        "origin",
        "transfer-encoding",
        "x-appwrite-key",
        "x-appwrite-user-jwt",
        "x-forwarded-for",
    }
)
_NAMES: Final = 4096
_NAME_CHARS: Final = 64  # longer names are sorted each time; callers choose what is kept here
MAX_HEADERS: Final = 256
MAX_HEADER_BYTES: Final = 64 * 1024


class Incoming:
    """The headers of one request, sorted out."""

    __slots__ = ("_read", "passed")

    def __init__(self, raw: RawHeaders) -> None:
        """Raises BadRequest for headers by which two readers would see two requests, and
        HeadersTooLarge."""
        passed: list[tuple[str, str]] = []
        read: dict[str, list[str]] = {}
        size = 0
        for raw_name, raw_value in raw:
            name, is_passed, is_read = _NAMES_KNOWN.get(raw_name) or _sort(raw_name)
            # Bytes that are not UTF-8 survive the way to the function and back.
            value = raw_value.decode("utf-8", "surrogateescape")
            size += len(raw_name) + len(raw_value)
            if is_passed:
                passed.append((name, value))
            if is_read:
                read.setdefault(name, []).append(value)
        if size > MAX_HEADER_BYTES or len(raw) > MAX_HEADERS:
            raise HeadersTooLarge(MAX_HEADERS, MAX_HEADER_BYTES)
        self._read = read
        if "connection" in read:
            passed = _without_listed(passed, read["connection"])
        self.passed: Headers = tuple(passed)
        lengths = read.get("content-length")
        if lengths is not None and (
            len(set(lengths)) > 1 or "transfer-encoding" in read or not _is_number(lengths[0])
        ):
            raise BadRequest("The length of the request body is stated in more than one way.")

    def first(self, name: str) -> str:
        """The value of one of the headers that the gateway reads; "" when absent."""
        found = self._read.get(name)
        return found[0] if found else ""

    def every(self, name: str) -> list[str]:
        return self._read.get(name, [])

    @property
    def has_body(self) -> bool:
        return "transfer-encoding" in self._read or self.body_bytes > 0

    @property
    def body_bytes(self) -> int:
        """What content-length states; 0 when absent."""
        return int(self.first("content-length") or 0)


_NAMES_KNOWN: Final[dict[bytes, tuple[str, bool, bool]]] = {}


def _sort(raw_name: bytes) -> tuple[str, bool, bool]:
    """(name, does it reach the function, does the gateway read it)."""
    name = raw_name.decode("latin-1").lower()
    is_token = name != "" and _TOKEN.issuperset(name)
    is_passed = is_token and name not in HOP_BY_HOP and not is_reserved(name)
    found = (name, is_passed, name in _READ)
    if len(_NAMES_KNOWN) < _NAMES and len(raw_name) <= _NAME_CHARS:
        _NAMES_KNOWN[raw_name] = found
    return found


def _without_listed(headers: list[tuple[str, str]], connection: list[str]) -> list[tuple[str, str]]:
    """Without the headers that `connection` says are for this hop only."""
    listed = {word.strip().lower() for value in connection for word in value.split(",")}
    listed -= {"close", "keep-alive", ""}
    return [pair for pair in headers if pair[0] not in listed] if listed else headers


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16
