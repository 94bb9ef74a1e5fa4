"""What the console's listeners are told every few seconds."""

import asyncio
import logging
from typing import Any, Final

from runwright.clock import Clock, iso_millis
from runwright.identity.permissions import ANY
from runwright.model.identity import CONSOLE
from runwright.realtime.channels import Audience, project_readers
from runwright.realtime.hub import Hub, TeamOf

log = logging.getLogger(__name__)

EVERY_S: Final = 5.0
PROJECT: Final = "project"  # how many connections a project has
TESTS: Final = "tests"  # by which clients see that the connection works


class Ticks:
    """`start`, then `stop`."""

    def __init__(self, hub: Hub, clock: Clock, team_of: TeamOf) -> None:
        self._hub = hub
        self._clock = clock
        self._team_of = team_of
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="realtime-ticks")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(EVERY_S)
            try:
                await self.tick()
            except Exception as exc:  # the next tick tells the same
                log.warning("counts not told", extra={"reason": type(exc).__name__})

    async def tick(self) -> None:
        if self._hub.is_heard(CONSOLE, TESTS):
            everybody = Audience((TESTS,), frozenset({ANY}))
            payload = {"response": "WS:/v1/realtime:passed"}
            self._hub.say(CONSOLE, everybody, self._data("test.event", TESTS, payload))
        if not self._hub.is_heard(CONSOLE, PROJECT):
            return
        for project_id, count in self._hub.counts().items():
            team_id = await self._team_of(project_id)
            readers = Audience((PROJECT,), project_readers(project_id, team_id))
            data = self._data("stats.connections", PROJECT, {project_id: count})
            self._hub.say(CONSOLE, readers, data)

    def _data(self, event: str, channel: str, payload: dict[str, Any]) -> dict[str, Any]:
        return {
            "events": [event],
            "channels": [channel],
            "timestamp": iso_millis(self._clock.now()),
            "payload": payload,
        }
