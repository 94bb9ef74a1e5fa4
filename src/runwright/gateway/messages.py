"""Requests and answers of the hot path; no server interface is known here."""

from collections.abc import Callable
from typing import Final, Protocol

RawHeaders = list[tuple[bytes, bytes]]  # lower-case name, value
MAX_BODY_BYTES: Final = 12 * 1024 * 1024
MESSAGE_BYTES: Final = 1024 * 1024  # of one message of a web socket, in either direction
MESSAGE_LIMIT: Final = "runwright.message_limit"  # ASGI extension: sets it for this socket
SWITCHING: Final = 101


class RawRequest:
    """One parsed HTTP request without its body."""

    __slots__ = ("headers", "host", "method", "peer", "scheme", "target")

    def __init__(
        self, method: str, target: str, headers: RawHeaders, *, host: str, scheme: str, peer: str
    ) -> None:
        self.method = method
        self.target = target  # as sent: path and query, nothing decoded
        self.headers = headers
        self.host = host  # normal form, see router.normal_host
        self.scheme = scheme
        self.peer = peer  # address of the other end of the socket


class GatewayAnswer:
    """A whole answer. `headers` hold content-length; hop-by-hop ones are the server's."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: RawHeaders, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class BodyTooLarge(Exception):
    """The request body is longer than was asked for."""


class BodyTooSlow(Exception):
    """The request body did not arrive in time."""


class Channel(Protocol):
    """The connection behind a request."""

    is_socket: bool  # it asks for a web socket
    on_gone: Callable[[], None] | None  # called when the caller of a streamed answer leaves

    async def read_body(self, most: int) -> bytes:
        """All of the request body. Raises BodyTooLarge, BodyTooSlow, ConnectionError."""

    async def read_part(self) -> bytes:
        """The next part of the request body, instead of all of it; empty at the end.

        Raises BodyTooSlow, ConnectionError.
        """

    def start(self, status: int, headers: RawHeaders) -> None:
        """Begin a streamed answer."""

    async def write(self, chunk: bytes) -> None:
        """Send a part of it; returns when more may be sent. Raises ConnectionError."""


class Regular(Protocol):
    """Somebody who makes the same call of the API again."""

    async def answer(self, body: bytes) -> tuple[int, bytes, bytes] | None:
        """Status, header lines and body; None when the API itself has to take the call."""


class Regulars(Protocol):
    def find(
        self, method: str, target: str, headers: RawHeaders, scheme: str, peer: str
    ) -> Regular | None:
        """Who sends this, if known; `peer` is the other end of the socket and no proxy."""
