"""What a sandbox's process writes to its own stdout and stderr, and what its end means.

It belongs to no call. The last of it is kept, for the message of a process that ended by itself.
"""

import asyncio
import contextlib
import os
import re
import signal
from typing import Final

from runwright.executor.spawn import Exit
from runwright.model.execution import ErrorClass

TAIL_BYTES: Final = 8 * 1024
_READ_BYTES: Final = 65536
_READS_PER_TURN: Final = 8  # a chatty sandbox must not hold the loop
_MIB: Final = 1024 * 1024
STOPPED: Final = (
    "The part of the server that ran this execution ended in the middle. It is not the function's "
    "fault. Try again."
)
UNLIMITED: Final = (
    "The server could not set a limit of the function's specification and ended the run. Try again."
)
_HEAP_EXHAUSTED: Final = re.compile(
    rb"JavaScript (?:heap )?out of memory|invalid table size Allocation failed"
)


class Output:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.tail = bytearray()
        self._loop = loop
        self._fd = -1

    def watch(self, fd: int) -> None:
        """Take over the read end of the pipe behind stdout and stderr."""
        os.set_blocking(fd, False)
        self._fd = fd
        self._loop.add_reader(fd, self._read)

    def text(self) -> str:
        return self.tail.decode("utf-8", "replace")

    def end(self) -> None:
        """Read what is there, and no more."""
        self._read()
        self._close()

    def _read(self) -> None:
        for _ in range(_READS_PER_TURN):
            if self._fd < 0:
                return
            try:
                data = os.read(self._fd, _READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._close()
                return
            self.tail += data
            if len(self.tail) > TAIL_BYTES:
                del self.tail[:-TAIL_BYTES]

    def _close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


def verdict(end: Exit, tail: bytes, memory_mib: int) -> tuple[ErrorClass, str]:
    """What calls are told whose process ended by itself or for its memory."""
    if end.oom_kills or _HEAP_EXHAUSTED.search(tail):
        peak = max(end.peak_bytes // _MIB, 1)
        return ErrorClass.OUT_OF_MEMORY, (
            f"The function needed more memory than its {memory_mib} MiB and was stopped "
            f"(peak {peak} MiB). Choose a larger specification or use less memory."
        )
    message = f"process exited ({describe_code(end.code)})"
    text = tail.decode("utf-8", "replace").strip()
    return ErrorClass.EXIT, f"{message}\n{text}" if text else message


def describe_code(code: int) -> str:
    """`code 3`, or the signal's name for what a shell reports as 128 + n."""
    number = -code if code < 0 else code - 128
    if number > 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(number).name}"
    return f"code {code}"
