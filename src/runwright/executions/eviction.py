"""A deleted project takes its runs along: they are ended, and nothing of them is recorded."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Protocol

from runwright.model.identity import Project
from runwright.ports.signals import Signals

log = logging.getLogger(__name__)

_RETRY_S: Final = 1.0


class Carrier(Protocol):
    def carries(self, project_id: str) -> bool:
        """Whether runs of the project are in flight here."""

    def evict(self, project_id: str) -> None:
        """End them at once. Whoever waits for an answer is told that the project is gone."""


class Eviction:
    """`stop` ends what is being found out."""

    def __init__(
        self,
        signals: Signals,
        projects: Callable[[str], Awaitable[Project | None]],
        carriers: Sequence[Carrier],
    ) -> None:
        self._projects = projects
        self._carriers = carriers
        self._looks: dict[str, asyncio.Task[None]] = {}
        self._is_stopping = False
        signals.on("project", self._project_changed)

    async def stop(self) -> None:
        self._is_stopping = True
        for task in self._looks.values():
            task.cancel()
        if self._looks:
            await asyncio.wait(self._looks.values())

    def _project_changed(self, project_id: str, item_id: str) -> None:
        for name in {project_id, item_id}:
            has_runs = any(carrier.carries(name) for carrier in self._carriers)
            if not has_runs or self._is_stopping:
                continue
            if before := self._looks.get(name):
                before.cancel()  # what it found may be older than this change
            task = asyncio.create_task(self._look(name), name="eviction")
            self._looks[name] = task
            task.add_done_callback(partial(self._done, name))

    def _done(self, name: str, task: asyncio.Task[None]) -> None:
        if self._looks.get(name) is task:
            del self._looks[name]

    async def _look(self, project_id: str) -> None:
        while True:
            try:
                is_gone = await self._projects(project_id) is None
            except Exception as exc:  # the database may be well again at the next turn
                log.warning("project not looked up", extra={"reason": type(exc).__name__})
                await asyncio.sleep(_RETRY_S)
                continue
            if is_gone:
                for carrier in self._carriers:
                    carrier.evict(project_id)
            return
