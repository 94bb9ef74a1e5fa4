"""How many sandboxes of a kind were asked for at about the same time, lately.

A pool that starts empty once is likely to be asked for as many again: a deployment of many
functions, a cron minute, a page that calls several. So its size follows the highest number of
cold starts, or of builds, in any ten seconds of the last quarter of an hour.
"""

from collections.abc import Hashable
from pathlib import Path
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

WINDOW_S: Final = 10.0
REMEMBERED_S: Final = 900.0
_SPARE_SHARE: Final = 0.25  # of the machine's memory stays free of sandboxes kept on suspicion


class Demand(Generic[K]):
    def __init__(self) -> None:
        self._counts: dict[K, dict[int, int]] = {}  # kind -> number of the window -> cold starts

    def note(self, kind: K, now: float) -> None:
        counts = self._counts.setdefault(kind, {})
        window = int(now // WINDOW_S)
        if window not in counts:
            oldest = int((now - REMEMBERED_S) // WINDOW_S)
            for number in [number for number in counts if number < oldest]:
                del counts[number]
        counts[window] = counts.get(window, 0) + 1

    def peak(self, kind: K, now: float) -> int:
        oldest = (now - REMEMBERED_S) // WINDOW_S
        counts = self._counts.get(kind, {})
        return max((count for number, count in counts.items() if number >= oldest), default=0)


def has_spare_memory(meminfo: Path = Path("/proc/meminfo")) -> bool:
    """Whether the machine has memory for what is only likely to be of use."""
    try:
        words = [line.split() for line in meminfo.read_text().splitlines()]
    except OSError:
        return False
    sizes = {line[0]: int(line[1]) for line in words if len(line) > 1}
    total, free = sizes.get("MemTotal:", 0), sizes.get("MemAvailable:", 0)
    return free > total * _SPARE_SHARE
