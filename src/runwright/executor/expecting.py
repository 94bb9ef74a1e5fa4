"""Sandboxes that were started because a call was about to come.

A call that has not come soon after its sandbox was ready will not: then that sandbox is given up,
long before others that nobody calls.
"""

from collections.abc import Callable
from typing import Final

from runwright.executor.group import Group
from runwright.executor.sandbox import Sandbox

EXPECTED_S: Final = 5.0


class Expected:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._groups: list[Group] = []

    def add(self, group: Group) -> None:
        """A sandbox is being started for the first call of this group."""
        self._groups.append(group)

    def in_vain(self) -> list[Sandbox]:
        """Those that have been ready for so long, and no call came; each is told once."""
        latest = self._now() - EXPECTED_S
        waiting = [group for group in self._groups if not _has_come(group)]
        members = {group: group.members for group in waiting}
        self._groups = [
            group
            for group in waiting
            if group.starting or any(item.idle_since > latest for item in members[group])
        ]
        return [item for each in members.values() for item in each if item.idle_since <= latest]


def _has_come(group: Group) -> bool:
    return bool(group.waiters) or any(item.was_called for item in group.members)
