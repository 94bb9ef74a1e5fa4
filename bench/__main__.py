"""`make bench`, or some of it: `python -m bench warm cold memory scale`."""

import sys
from collections.abc import Callable
from typing import Final

from bench import cold, crons, fairness, fanout, livelogs, memory, queue, scale, warm

PARTS: Final[dict[str, Callable[[], None]]] = {
    "warm": warm.run,
    "cold": cold.run,
    "memory": memory.run,
    "queue": queue.run,
    "crons": crons.run,
    "fanout": fanout.run,
    "livelogs": livelogs.run,
    "fairness": fairness.run,
    "scale": scale.run,
}


def main() -> int:
    wanted = sys.argv[1:] or list(PARTS)
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        print(f"there is no benchmark {unknown[0]!r}; choose from {', '.join(PARTS)}")
        return 2
    for name in wanted:
        PARTS[name]()
    return 0


sys.exit(main())
