"""Who wants to hear of executions: without anybody, their events need not be written.

Every other event is written whenever it happens. Executions are too many for that, and only
two can listen to them: webhooks with a pattern of `functions` and open realtime connections
(functions may not). Both are known in memory, so asking costs a look into a dictionary.

An answer may be `True` too often, never `False` too often: what is not known counts as wanted,
a change of a webhook makes its project unknown before whoever made the change is answered, and
what was read before that change is not kept.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from runwright.cache import Cache
from runwright.model.event import is_function_event
from runwright.ports.signals import Signals
from runwright.ports.storage import Storage, UnitOfWork

log = logging.getLogger(__name__)

_PROJECTS: Final = 4096
_LOADS: Final = 64  # at the same time; a project beyond that stays unknown for the moment


class Interest:
    """`stop` ends what it reads in the background."""

    def __init__(self, storage: Storage, signals: Signals) -> None:
        self._storage = storage
        self._has_webhooks: Cache[str, bool] = Cache(_PROJECTS)
        self._listeners: Counter[str] = Counter()
        self._loads: dict[str, asyncio.Task[None]] = {}
        signals.on("webhook", self._forget)

    def wants(self, project_id: str) -> bool:
        """Whether an event of an execution of the project may have a listener.

        May be asked inside of a unit of work too; then what is not known stays so.
        """
        if self._listeners and project_id in self._listeners:
            return True
        known = self._has_webhooks.peek(project_id)
        if known is None:
            self._find_out(project_id)
            return True
        return known

    def wants_inside(self, uow: UnitOfWork, project_id: str) -> bool:
        """The same inside of a unit of work, which need not go by memory."""
        return project_id in self._listeners or _has_webhooks(uow, project_id)

    def add_listener(self, project_id: str) -> None:
        """A realtime connection of the project opened."""
        self._listeners[project_id] += 1

    def drop_listener(self, project_id: str) -> None:
        self._listeners[project_id] -= 1
        if self._listeners[project_id] <= 0:
            del self._listeners[project_id]

    @contextmanager
    def listening(self, project_id: str) -> Iterator[None]:
        self.add_listener(project_id)
        try:
            yield
        finally:
            self.drop_listener(project_id)

    async def stop(self) -> None:
        loads = list(self._loads.values())
        for load in loads:
            load.cancel()
        if loads:
            await asyncio.wait(loads)

    def _forget(self, project_id: str, item_id: str) -> None:
        self._has_webhooks.forget(project_id)

    def _find_out(self, project_id: str) -> None:
        if project_id in self._loads or len(self._loads) >= _LOADS:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # the storage's thread; whoever asks next on the loop finds out
            return
        task = loop.create_task(self._load(project_id), name=f"interest-{project_id}")
        self._loads[project_id] = task
        task.add_done_callback(lambda done: self._loads.pop(project_id, None))

    async def _load(self, project_id: str) -> None:
        async def build() -> bool | None:
            return await self._storage.read(lambda uow: _has_webhooks(uow, project_id))

        try:
            await self._has_webhooks.get(project_id, build)
        except Exception as exc:  # unknown means wanted, and the next run asks again
            log.warning("webhooks not read", extra={"reason": type(exc).__name__})


def _has_webhooks(uow: UnitOfWork, project_id: str) -> bool:
    webhooks = uow.webhooks.find(project_id, is_enabled=True)
    return any(is_function_event(name) for item in webhooks for name in item.events)
