"""A helper process of the server: its channel, its pulse, its end."""

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from runwright.executor.channel import Channel, a_pair
from runwright.executor.spawn import SpawnFailed
from runwright.executor.starting import close_all

log = logging.getLogger(__name__)

PULSE_S: Final = 10.0
# Several short waits instead of a long one: after a pause of the whole machine only one of
# them is over at once.
SILENT_PULSES: Final = 3

_SOURCES: Final = str(Path(__file__).resolve().parents[2])
_PROGRAM: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from runwright.executor.{module} import main; main()"
)
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 10.0
_STEADY_S: Final = 60.0  # a helper that lived so long starts over with the first pause


class Helper:
    """One helper process and its channel. It answers `ping` with `pong`."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.process: subprocess.Popen[bytes] | None = None
        self.channel: Channel | None = None
        self._on_message: Callable[[dict[str, Any]], None] = lambda message: None
        self._started_at = 0.0
        self._pause_s = _FIRST_PAUSE_S
        self._heard = asyncio.Event()

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    def spawn(
        self, on_message: Callable[[dict[str, Any]], None], on_close: Callable[[], None]
    ) -> None:
        """Start it anew. Raises SpawnFailed, without a channel, when there is no process."""
        self.channel = None
        ours, theirs = a_pair()
        try:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    "-c",
                    _PROGRAM.format(module=self.module),
                    _SOURCES,
                    str(theirs.fileno()),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # a terminal's Ctrl-C is the server's to act on
                cwd="/",
                env={"PATH": os.defpath},
            )
        except OSError as exc:
            ours.close()
            raise SpawnFailed(f"{self.module}: {exc}") from exc
        finally:
            theirs.close()
        self._on_message = on_message
        self.channel = Channel(ours, self._receive, on_close)
        self._started_at = time.monotonic()

    def _receive(self, message: dict[str, Any]) -> None:
        self._heard.set()
        if message["ev"] != "pong":
            self._on_message(message)

    def send(self, message: Mapping[str, Any], fds: Sequence[int] = ()) -> None:
        """As Channel.send; without a channel it raises SpawnFailed too."""
        if self.channel is None:
            close_all(fds)
            raise SpawnFailed(f"the {self.module} is not up")
        self.channel.send(message, fds)

    async def keep_pulse(self, every_s: float = PULSE_S) -> None:
        """Kill it whenever it has said nothing for long, so that another takes its place."""
        while True:
            await asyncio.sleep(every_s)
            process = self.process
            if process is not None and not await self.is_heard(every_s):
                log.error(
                    f"the {self.module} does not answer and is ended",
                    extra={"action": f"{self.module}_silent"},
                )
                process.kill()

    async def is_heard(self, pulse_s: float) -> bool:
        """Whether it says anything within some pulses, when asked to. True without a channel:
        one that has ended is not silent."""
        channel = self.channel
        if channel is None:
            return True
        self._heard.clear()
        for _ in range(SILENT_PULSES):
            with contextlib.suppress(SpawnFailed):  # so much waits for it that no more fits in
                channel.send({"op": "ping", "id": 0})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pulse_s):
                    await self._heard.wait()
            if self._heard.is_set() or not channel.is_open:
                return True
        return False

    def next_pause(self) -> float:
        if time.monotonic() - self._started_at > _STEADY_S:
            self._pause_s = _FIRST_PAUSE_S
        pause, self._pause_s = self._pause_s, min(self._pause_s * 2, _LONGEST_PAUSE_S)
        return pause

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()

    async def gone(self, wait_s: float) -> None:
        """Wait for the end of the process; kill it when that takes too long."""
        process = self.process
        if process is None:
            return
        try:
            await asyncio.to_thread(process.wait, wait_s)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
