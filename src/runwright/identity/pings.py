"""The first sign of life of a project's client, which a console waits for."""

from dataclasses import replace

from runwright.clock import Clock
from runwright.model.identity import CONSOLE, Project
from runwright.ports.storage import Storage, UnitOfWork


class Pings:
    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def ping(self, project: Project) -> None:
        """Store the first ping; anybody may send them, so later ones cost no write."""
        if project.ping_count == 0:
            await self._storage.write(lambda uow: self._count(uow, project.id))

    def _count(self, uow: UnitOfWork, project_id: str) -> None:
        project = uow.projects.get(CONSOLE, project_id)
        if project is not None and project.ping_count == 0:
            uow.projects.put(replace(project, ping_count=1, pinged_at=self._clock.now()))
            uow.touch("project", CONSOLE, project_id)
