"""`make bench`, or some of it: `python -m bench warm cold memory scale`.

`soak` takes long and is run by its name alone: `python -m bench soak --minutes 30`.
"""

import argparse
import sys
from collections.abc import Callable
from typing import Final

from bench import (
    burst,
    cold,
    crons,
    every,
    fairness,
    fanout,
    flat,
    heavy,
    livelogs,
    memory,
    queue,
    scale,
    soak,
    warm,
)

PARTS: Final[dict[str, Callable[[], None]]] = {
    "warm": warm.run,
    "cold": cold.run,
    "every": every.run,
    "burst": burst.run,
    "heavy": heavy.run,
    "memory": memory.run,
    "queue": queue.run,
    "crons": crons.run,
    "fanout": fanout.run,
    "livelogs": livelogs.run,
    "fairness": fairness.run,
    "scale": scale.run,
    "flat": flat.run,
}


def main() -> int:
    names = ", ".join((*PARTS, "soak"))
    parser = argparse.ArgumentParser(prog="bench", description=f"benchmarks: {names}")
    parser.add_argument("names", nargs="*", metavar="name")
    parser.add_argument("--minutes", type=float, default=soak.MINUTES, help="of the soak")
    asked = parser.parse_args()
    wanted = asked.names or list(PARTS)
    unknown = [name for name in wanted if name not in PARTS and name != "soak"]
    if unknown:
        print(f"there is no benchmark {unknown[0]!r}; choose from {names}")
        return 2
    for name in wanted:
        if name == "soak":
            soak.run(asked.minutes)
        else:
            PARTS[name]()
    return 0


sys.exit(main())
