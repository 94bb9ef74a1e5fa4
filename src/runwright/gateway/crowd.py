"""How many connections there are, and which of them end early when these are too many.

Whoever made one request may keep its connection for minutes, and each is an open file of a process
that opens files for its sandboxes too. So while there are more than a quarter of the files it may
have, those that have been idle for longest end once a second, down to that number; only what was
used a moment ago stays.
"""

import asyncio
import heapq
import logging
import resource
import sys
from typing import Final, Protocol

log = logging.getLogger(__name__)

SHORT_IDLE_S: Final = 5.0  # which everybody may be idle for
_LOOK_S: Final = 1.0


def _quarter() -> int:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if files == resource.RLIM_INFINITY else max(1, files // 4)


class Line(Protocol):
    """A connection."""

    idle_since: float  # loop time; 0 while there is something to do

    def end_if_idle(self) -> None: ...


class Crowd:
    """The connections of one event loop."""

    __slots__ = ("_lines", "_look", "_most")

    def __init__(self, most: int | None = None) -> None:
        self._most = most or _quarter()
        self._lines: set[Line] = set()
        self._look: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._lines)

    def join(self, line: Line) -> None:
        self._lines.add(line)
        if len(self._lines) > self._most and self._look is None:
            log.warning("idle connections end early", extra={"connections": len(self._lines)})
            self._look = asyncio.get_running_loop().call_later(_LOOK_S, self._thin)

    def leave(self, line: Line) -> None:
        self._lines.discard(line)

    def _thin(self) -> None:
        self._look = None
        too_many = len(self._lines) - self._most
        if too_many <= 0:
            return
        loop = asyncio.get_running_loop()
        self._look = loop.call_later(_LOOK_S, self._thin)
        before = loop.time() - SHORT_IDLE_S
        idle = (line for line in self._lines if 0 < line.idle_since < before)
        for line in heapq.nsmallest(too_many, idle, key=lambda line: line.idle_since):
            line.end_if_idle()
