"""How a letter leaves: by a mail server, or into the mail folder of this machine."""

from typing import Literal, Protocol

from runwright.values import dataclass

# How a connection is encrypted: from its first byte, after a greeting, or as the server likes.
Security = Literal["tls", "starttls", "any"]


class NotCarried(Exception):
    """The letter was not taken. The text says why, without naming addresses of ours.

    `is_final`: trying again would end in the same way.
    """

    def __init__(self, why: str, *, is_final: bool = False) -> None:
        super().__init__(why)
        self.is_final = is_final


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """A mail server that takes letters for everybody."""

    host: str
    port: int
    username: str = ""
    password: str = ""
    security: Security = "any"
    is_trusted: bool = False  # named by the operator: it may be at a private address


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A letter as it is sent."""

    id: str
    sender: str  # address that failures are reported to
    recipient: str
    message: bytes  # RFC 5322


class Carrier(Protocol):
    async def carry(self, relay: Relay, parcel: Parcel) -> None:
        """Give a letter to a mail server; ends within a time of the adapter's own.

        Raises NotCarried.
        """

    async def greet(self, relay: Relay) -> None:
        """Connect, encrypt and sign in as `carry` would, and leave. Raises NotCarried."""


class Shelf(Protocol):
    async def put(self, parcel: Parcel) -> None:
        """Keep a letter; putting it again changes nothing. Raises OSError."""
