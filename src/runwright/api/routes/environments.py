"""Environments of a project."""

from functools import partial
from typing import Annotated

from runwright.api.lists import Listing, cursor_errors, listed
from runwright.api.params import Id, ProjectId, Text
from runwright.api.routes.project_parts import project_route
from runwright.api.routes.projects import FILTERS
from runwright.api.routing import Answer, Call, Route, empty
from runwright.api.shapes import projects as shapes
from runwright.identity.environments import Environments
from runwright.values import dataclass


@dataclass(frozen=True, kw_only=True)
class CreateEnvironment:
    environment_id: Annotated[str, ProjectId()]
    name: Annotated[str, Text(128)]


@dataclass(frozen=True, kw_only=True)
class OneEnvironment:
    environment_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class Rename(OneEnvironment):
    name: Annotated[str, Text(128)]


class EnvironmentHandlers:
    def __init__(self, environments: Environments) -> None:
        self._environments = environments

    async def create(self, call: Call, params: CreateEnvironment) -> Answer:
        made = await self._environments.create(
            call.project_id, environment_id=params.environment_id, name=params.name
        )
        return Answer(content=shapes.project(made))

    async def list(self, call: Call, params: Listing) -> Answer:
        with cursor_errors("Project"):
            page = await self._environments.list(call.project_id, params.query(FILTERS))
        return listed("projectList", "projects", page, shapes.project)

    async def get(self, call: Call, params: OneEnvironment) -> Answer:
        found = await self._environments.get(call.project_id, params.environment_id)
        return Answer(content=shapes.project(found))

    async def rename(self, call: Call, params: Rename) -> Answer:
        changed = await self._environments.rename(
            call.project_id, params.environment_id, params.name
        )
        return Answer(content=shapes.project(changed))

    async def delete(self, call: Call, params: OneEnvironment) -> Answer:
        await self._environments.delete(call.project_id, params.environment_id)
        return empty()


_route = partial(project_route, scope="project", model="project")


def environment_routes(environments: Environments) -> list[Route]:
    of = EnvironmentHandlers(environments)
    every, one = ("/project/environments",), ("/project/environments/{environmentId}",)
    return [
        _route("createEnvironment", "POST", every, of.create, CreateEnvironment),
        _route("listEnvironments", "GET", every, of.list, Listing, model="projectList"),
        _route("getEnvironment", "GET", one, of.get, OneEnvironment),
        _route("updateEnvironment", "PATCH", one, of.rename, Rename),
        _route("deleteEnvironment", "DELETE", one, of.delete, OneEnvironment, model=""),
    ]
