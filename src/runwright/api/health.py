"""Probes of what the server stands on. Each does the thing once and says how long it took."""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import anyio.to_thread

from runwright.clock import Clock
from runwright.errors import RunwrightError
from runwright.ids import new_id
from runwright.model.identity import CONSOLE
from runwright.ports.signals import Signals
from runwright.ports.storage import Storage
from runwright.values import dataclass

PROBE_WITHIN_S: Final = 5.0
MOST_DRIFT: Final = timedelta(seconds=60)
SIGNAL: Final = "health"


class Unhealthy(RunwrightError):
    """The message is shown as `Server Error`: what is broken is for the log."""

    type, status = "general_server_error", 500


@dataclass(frozen=True, slots=True)
class Reading:
    name: str
    ping_ms: int


@dataclass(frozen=True, slots=True)
class Times:
    expected_at: datetime  # start of the process plus what its steady clock counted
    local_at: datetime

    @property
    def drift(self) -> timedelta:
        return self.expected_at - self.local_at


class Health:
    """`folder` is on the disk that holds the server's data."""

    def __init__(self, storage: Storage, signals: Signals, clock: Clock, folder: str) -> None:
        self._storage = storage
        self._signals = signals
        self._clock = clock
        self._folder = folder
        self._waiting: dict[str, asyncio.Event] = {}
        self._started_at = clock.now()
        self._started = clock.monotonic()
        signals.on(SIGNAL, self._heard)

    async def database(self) -> Reading:
        """Raises Unhealthy."""

        async def probe() -> None:
            await self._storage.read(lambda uow: uow.projects.get(CONSOLE, "probe"))

        return await self._timed("database", probe)

    async def signals(self) -> Reading:
        """Announce something and hear it. Caches live by these messages, so this is their
        health too. Raises Unhealthy."""

        async def probe() -> None:
            probe_id = new_id()
            heard = self._waiting[probe_id] = asyncio.Event()
            try:
                self._signals.announce(SIGNAL, CONSOLE, probe_id)
                await heard.wait()
            finally:
                del self._waiting[probe_id]

        return await self._timed("signals", probe)

    async def disk(self) -> Reading:
        """Write, flush, read back and remove a file. Raises Unhealthy."""

        async def probe() -> None:
            await anyio.to_thread.run_sync(_write_and_read, self._folder)

        return await self._timed("disk", probe)

    def times(self) -> Times:
        """Raises Unhealthy when the wall clock has moved away from the steady one.

        A server may have no way to a time server, so the clock is compared to itself: what
        schedules cannot stand is a clock that jumps.
        """
        passed = timedelta(seconds=self._clock.monotonic() - self._started)
        times = Times(self._started_at + passed, self._clock.now())
        if abs(times.drift) > MOST_DRIFT:
            raise Unhealthy("the wall clock has jumped since the server started")
        return times

    async def _timed(self, name: str, probe: Callable[[], Awaitable[None]]) -> Reading:
        begun = self._clock.monotonic()
        try:
            async with asyncio.timeout(PROBE_WITHIN_S):
                await probe()
        except Exception as exc:  # whatever is wrong with it, it is not healthy
            raise Unhealthy(f"{name} failed its probe") from exc
        return Reading(name, round((self._clock.monotonic() - begun) * 1000))

    def _heard(self, project_id: str, item_id: str) -> None:
        waiting = self._waiting.get(item_id)
        if waiting is not None:
            waiting.set()


def _write_and_read(folder: str) -> None:
    text = os.urandom(64)
    with tempfile.NamedTemporaryFile(prefix="probe-", dir=folder) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        if file.read() != text:
            raise OSError("the disk gave back something else")
