"""The real server with two of its values taken from the rig: the clock, and where the API
endpoint of a sandbox leads to.

`python -m tests.chaos.server serve`. The clock is the system's plus what the rig has written to
a file. Functions reach the rig's witness at the one address of the host that they may always
reach; so what they tell does not pass through the server under test.
"""

import mmap
import os
import struct
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from runwright.cli.main import main
from runwright.clock import SystemClock
from runwright.wiring import core, process

SHIFT_FILE: Final = "CHAOS_SHIFT_FILE"
WITNESS_PORT: Final = "CHAOS_WITNESS_PORT"
SHIFT: Final = struct.Struct("d")  # seconds


class ShiftedClock(SystemClock):
    def __init__(self) -> None:
        with Path(os.environ[SHIFT_FILE]).open("rb") as file:
            self._shift = mmap.mmap(file.fileno(), SHIFT.size, prot=mmap.PROT_READ)

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=SHIFT.unpack_from(self._shift)[0])


def inject() -> None:
    real = vars(process)["executor_config"]

    def with_witness(*args: Any, **kwargs: Any) -> Any:
        return replace(real(*args, **kwargs), api_port=int(os.environ[WITNESS_PORT]))

    vars(core)["SystemClock"] = ShiftedClock
    vars(process)["executor_config"] = with_witness


if __name__ == "__main__":
    inject()
    main()
