"""Functions that were prepared for a run, kept until something in them changes.

Each is a `Runnable` (runnable.py) that many runs share. What is kept is judged by identity: the
catalogue and the projects hand out the same value until a change, and a new one after it.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from runwright.executions.runnable import Preparer, Runnable
from runwright.functions.catalog import FunctionCatalog
from runwright.identity.errors import ProjectNotFound
from runwright.model.function import LiveFunction
from runwright.model.identity import Project
from runwright.ports.signals import Signals

_MOST: Final = 10_000


class Runnables:
    def __init__(
        self,
        *,
        signals: Signals,
        projects: Callable[[str], Awaitable[Project | None]],
        known_project: Callable[[str], Project | None],  # without a wait; None = not at hand
        catalog: FunctionCatalog,
        preparer: Preparer,
    ) -> None:
        self._projects = projects
        self._known_project = known_project
        self._catalog = catalog
        self._preparer = preparer
        self._held: dict[tuple[str, str], Runnable] = {}
        self.changes = 0  # goes up whenever something changes that `known` depends on
        signals.on("function", self._forget_function)
        signals.on("project", self._count_change)

    def known(self, project_id: str, function_id: str) -> Runnable | None:
        """A function that was prepared for an earlier run and has not changed since."""
        held = self._held.get((project_id, function_id))
        if held is None or self._known_project(project_id) is not held.project:
            return None
        return held if self._catalog.known(project_id, function_id) is held.live else None

    async def live(self, project_id: str, function_id: str) -> LiveFunction | None:
        return await self._catalog.live(project_id, function_id)

    async def project(self, project_id: str) -> Project:
        """Raises ProjectNotFound when it was deleted meanwhile."""
        found = await self._projects(project_id)
        if found is None:
            raise ProjectNotFound(project_id)
        return found

    def prepared(self, live: LiveFunction, project: Project) -> Runnable:
        """Raises, in this order, RuntimeUnsupported, NoActiveDeployment, NotBuilt."""
        key = (live.function.project_id, live.function.id)
        held = self._held.get(key)
        if held is not None and held.live is live and held.project is project:
            return held
        made = self._preparer.prepare(live, project)
        if len(self._held) >= _MOST:
            del self._held[next(iter(self._held))]
        self._held[key] = made
        return made

    def _count_change(self, project_id: str, item_id: str) -> None:
        self.changes += 1

    def _forget_function(self, project_id: str, item_id: str) -> None:
        self.changes += 1
        if item_id:
            self._held.pop((project_id, item_id), None)
