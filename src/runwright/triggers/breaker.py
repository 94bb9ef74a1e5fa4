"""Stops runs that come too often while nobody knows where from.

A function may write with a key of its own and so drop the lineage that would show a loop. What
is left to see is that the same thing changes again and again.

Events of other systems with names of their own (`custom.`) are not watched: such a name stands
for a kind of thing and not for one thing, so many of them in a minute mean nothing.
"""

from collections import OrderedDict, deque
from typing import Final

from runwright.clock import Clock
from runwright.model.function import Function
from runwright.model.outbox import Announcement

WINDOW_S: Final = 60.0
OPEN_S: Final = 60.0
_WATCHED: Final = 10_000

_Place = tuple[str, str, str]  # project, function, name of the event with its ids


class RateBreaker:
    """More than `most` runs of one function for one thing within a minute open it for another
    minute. `most` 0 = never. What it knows is in memory and as old as the process."""

    def __init__(self, clock: Clock, *, most: int) -> None:
        self._clock = clock
        self._most = most
        self._runs: OrderedDict[_Place, deque[tuple[float, str]]] = OrderedDict()
        self._open_until: dict[_Place, float] = {}

    def refusal(self, function: Function, announcement: Announcement) -> str:
        """Why the run must not start; "" when it may. Asking again about one event, because it
        could not be stored the first time, counts once."""
        is_known = bool(announcement.lineage.functions) or announcement.event.is_custom
        if self._most == 0 or function.loop_limit == 0 or is_known:
            return ""
        now = self._clock.monotonic()
        place = (function.project_id, function.id, announcement.event.full_name)
        if place in self._open_until:
            if now < self._open_until[place]:
                return self._told(place)
            del self._open_until[place]
        runs = self._runs.setdefault(place, deque())
        self._runs.move_to_end(place)
        while runs and now - runs[0][0] > WINDOW_S:
            runs.popleft()
        if all(event_id != announcement.id for _, event_id in runs):
            runs.append((now, announcement.id))
        if len(self._runs) > _WATCHED:
            gone, _ = self._runs.popitem(last=False)
            self._open_until.pop(gone, None)
        if len(runs) <= self._most:
            return ""
        runs.clear()
        self._open_until[place] = now + OPEN_S
        return self._told(place)

    def _told(self, place: _Place) -> str:
        _, function_id, event = place
        return (
            f"Stopped: '{event}' started '{function_id}' more than {self._most} times within "
            f"{WINDOW_S:.0f} seconds, which looks like a loop whose origin was dropped. It may "
            f"start again after {OPEN_S:.0f} seconds."
        )
