"""Requests to addresses that users of this server chose."""

from typing import Protocol

from runwright.values import dataclass


class NotPosted(Exception):
    """No answer. The text says why, for the owner of the address; it names no host of ours."""


class AddressRefused(Exception):
    """The address leads somewhere that users of this server must not reach; nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    url: str  # as model/address.py takes it
    headers: tuple[tuple[str, str], ...]
    body: bytes
    is_tls_verified: bool
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Posted:
    status: int
    body: bytes  # the beginning of it


class Poster(Protocol):
    async def post(self, post: Post) -> Posted:
        """Send once, follow nothing; ends within a time of the adapter's own.

        Raises NotPosted, AddressRefused, ValueError (the url is none).
        """
