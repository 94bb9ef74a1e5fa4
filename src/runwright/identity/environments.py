"""Environments of a project: projects beside it, such as one for staging.

Each holds data, keys and users of its own; it shares the organization with its project, and goes
with it.
"""

from dataclasses import replace

from runwright.clock import Clock
from runwright.identity.errors import EnvironmentNested, ProjectNotFound
from runwright.identity.projects import (
    add_project,
    new_project,
    remove_project,
    required_project,
    touch_project,
)
from runwright.model.identity import CONSOLE, Project
from runwright.model.query import ListQuery, Page
from runwright.ports.storage import Storage, UnitOfWork


class Environments:
    """Methods that name an environment raise ProjectNotFound when the project has none of
    that id."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def create(self, project_id: str, *, environment_id: str, name: str) -> Project:
        """Raises EnvironmentNested, ReservedProject, ProjectExists."""

        def work(uow: UnitOfWork) -> Project:
            parent = required_project(uow, project_id)
            if parent.parent_id:
                raise EnvironmentNested()
            made = new_project(
                environment_id, name, parent.team_id, self._clock.now(), region=parent.region
            )
            return add_project(uow, replace(made, parent_id=parent.id))

        return await self._storage.write(work)

    async def list(self, project_id: str, query: ListQuery) -> Page[Project]:
        return await self._storage.read(
            lambda uow: uow.projects.page(CONSOLE, query, parent_id=project_id)
        )

    async def get(self, project_id: str, environment_id: str) -> Project:
        return await self._storage.read(lambda uow: _required(uow, project_id, environment_id))

    async def rename(self, project_id: str, environment_id: str, name: str) -> Project:
        def work(uow: UnitOfWork) -> Project:
            found = _required(uow, project_id, environment_id)
            changed = replace(found, name=name, updated_at=self._clock.now())
            uow.projects.put(changed)
            touch_project(uow, changed.id)
            return changed

        return await self._storage.write(work)

    async def delete(self, project_id: str, environment_id: str) -> None:
        await self._storage.write(
            lambda uow: remove_project(uow, _required(uow, project_id, environment_id))
        )


def _required(uow: UnitOfWork, project_id: str, environment_id: str) -> Project:
    found = uow.projects.get(CONSOLE, environment_id)
    if found is None or found.parent_id != project_id:
        raise ProjectNotFound(environment_id)
    return found
