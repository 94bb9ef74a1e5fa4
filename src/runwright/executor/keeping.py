"""Which workloads are kept ready whether or not anybody calls them, and when to add to them.

A function that dies as soon as it is loaded would be started again without end, so each round of
starts is followed by a pause that doubles until a full set has lived for a while.
"""

from collections.abc import Sequence
from typing import Final

from runwright.model.execution import Workload
from runwright.values import dataclass

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_STEADY_S: Final = 10.0


@dataclass(slots=True)
class Kept:
    workload: Workload
    least: int  # instances
    pause_s: float = _FIRST_PAUSE_S
    next_at: float = 0.0
    tried_at: float = 0.0

    def to_start(self, live: int, now: float) -> int:
        """How many to start now, when so many live or are on their way."""
        lacking = self.least - live
        if lacking <= 0:
            if now - self.tried_at > _STEADY_S:
                self.pause_s, self.next_at = _FIRST_PAUSE_S, 0.0
            return 0
        if now < self.next_at:
            return 0
        self.tried_at = now
        self.next_at = now + self.pause_s
        self.pause_s = min(self.pause_s * 2, _LONGEST_PAUSE_S)
        return lacking


class Keeping:
    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}

    def replace(self, wanted: Sequence[tuple[Workload, int]]) -> list[Workload]:
        """These from now on and no others; those that stay go on with their pauses.

        Gives what was kept of another deployment of the same functions.
        """
        before = self._kept
        self._kept = {}
        for workload, least in wanted:
            if least <= 0:
                continue
            kept = before.get(workload.key) or Kept(workload, least)
            kept.workload, kept.least = workload, least
            self._kept[workload.key] = kept
        now = {
            (workload.project_id, workload.function_id): workload.deployment_id
            for workload, _ in wanted
        }
        gone = [kept.workload for key, kept in before.items() if key not in self._kept]
        return [
            item
            for item in gone
            if now.get((item.project_id, item.function_id), item.deployment_id)
            != item.deployment_id
        ]

    def all(self) -> list[Kept]:
        return list(self._kept.values())

    def least(self, key: str) -> int:
        kept = self._kept.get(key)
        return kept.least if kept is not None else 0

    def drop(self, deployment_id: str, *, but: str = "") -> None:
        """Forget a deployment; `but` is the key of its settings that stay."""
        for key, kept in list(self._kept.items()):
            if kept.workload.deployment_id == deployment_id and key != but:
                del self._kept[key]
