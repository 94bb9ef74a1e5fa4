"""What the DNS says about a name."""

from typing import Protocol


class LookupFailed(Exception):
    """No answer could be had. The text says which resolver failed and how, for the owner of
    the domain; it is not the same as an answer that the name does not exist."""


class Resolver(Protocol):
    async def records(self, name: str, kind: str) -> list[str]:
        """Values of the records of `kind` (A, AAAA, CNAME): those that every resolver in use
        gives. Names are lower case without a final dot. Empty when there are none.

        Raises LookupFailed.
        """
