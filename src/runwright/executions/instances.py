"""Numbers of instances that functions ask for, told to the executor.

The executor is given the whole list whenever a function changes: at the start, after a new
deployment went live, after an update. It is also given anew from time to time, so that a signal
that got lost costs no more than that.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Final

from runwright.errors import RunwrightError
from runwright.executions.service import Executions
from runwright.model.execution import Workload
from runwright.model.function import Function
from runwright.ports.executor import Executor
from runwright.ports.signals import Signals
from runwright.ports.storage import Storage

log = logging.getLogger(__name__)

_PAUSE_S: Final = 0.1  # between two looks; changes come in bursts
_AGAIN_S: Final = 30.0


class Instances:
    def __init__(
        self,
        *,
        storage: Storage,
        signals: Signals,
        executions: Executions,
        executor: Executor,
        most: int,
    ) -> None:
        self._storage = storage
        self._executions = executions
        self._executor = executor
        self._most = most  # instances kept at once over all functions
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        for kind in ("function", "project"):
            signals.on(kind, self._hear)

    def start(self) -> None:
        self._task = asyncio.create_task(self._work(), name="instances")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _hear(self, project_id: str, item_id: str) -> None:
        self._changed.set()

    async def _work(self) -> None:
        while True:
            self._changed.clear()
            try:
                self._executor.keep(await self.wanted())
            except Exception:  # the database may be well again at the next look
                log.exception("numbers of instances not read", extra={"action": "instances_failed"})
            await asyncio.sleep(_PAUSE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_S):
                    await self._changed.wait()

    async def wanted(self) -> Sequence[tuple[Workload, int]]:
        """Every workload with a bound, and how many of it are kept; oldest functions first."""
        functions = await self._storage.read(lambda uow: uow.functions.with_instances())
        found, left = [], self._most
        for function in functions:
            workload = await self._workload(function)
            if workload is None:
                continue
            least = min(function.min_instances, left)
            if least < function.min_instances:
                log.warning(
                    "fewer instances are kept than a function asks for",
                    extra={
                        "action": "instances_bounded",
                        "function_id": function.id,
                        "wanted": function.min_instances,
                        "kept": least,
                    },
                )
            left -= least
            found.append((workload, least))
        return found

    async def _workload(self, function: Function) -> Workload | None:
        """What a call of now would run; None when it would be refused."""
        try:
            live = await self._executions.runnables.live(function.project_id, function.id)
            if live is None:
                return None
            project = await self._executions.runnables.project(function.project_id)
            return self._executions.runnables.prepared(live, project).workload
        except RunwrightError:
            return None
