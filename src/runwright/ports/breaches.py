"""Port: passwords that are known from breaches of other systems."""

from typing import Protocol


class BreachList(Protocol):
    async def holds(self, password: str) -> bool | None:
        """Whether the password is in the list; None when that could not be found out in time.

        The password itself never leaves the server. Does not raise, and waits seconds at most.
        """
