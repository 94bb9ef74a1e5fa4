"""Projects as the console manages them: its own list, and that of one organization."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from runwright.api.lists import SearchListing, cursor_errors, listed
from runwright.api.organization import named_organization
from runwright.api.params import Id, ProjectId, Text
from runwright.api.queries import Attributes
from runwright.api.routing import USUAL_STATUS, Answer, Call, Route, empty
from runwright.api.shapes import projects as shapes
from runwright.identity.projects import REGION, Projects
from runwright.model.identity import Project
from runwright.values import dataclass

FILTERS: Final = Attributes(
    "name teamId parentId labels search accessedAt",
    arrays=("labels",),
    dates=("accessedAt",),
    can_select=True,
)


@dataclass(frozen=True, kw_only=True)
class CreateProject:
    project_id: Annotated[str, ProjectId()]
    name: Annotated[str, Text(128)]
    team_id: Annotated[str, Id()]
    region: Annotated[str, Text(128)] = REGION


@dataclass(frozen=True, kw_only=True)
class MoveProject:
    project_id: Annotated[str, Id()]
    team_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class CreateOwnProject:
    project_id: Annotated[str, ProjectId()]
    name: Annotated[str, Text(128)]
    region: Annotated[str, Text(128)] = REGION


@dataclass(frozen=True, kw_only=True)
class OneProject:
    project_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class RenameProject(OneProject):
    name: Annotated[str, Text(128)]


class ProjectsHandlers:
    def __init__(self, projects: Projects) -> None:
        self._projects = projects

    async def create(self, call: Call, params: CreateProject) -> Answer:
        made = await self._projects.create(
            call.principal,
            project_id=params.project_id,
            name=params.name,
            team_id=params.team_id,
            region=params.region,
        )
        return _shown(made)

    async def list(self, call: Call, params: SearchListing) -> Answer:
        with cursor_errors("Project"):
            page = await self._projects.list(call.principal, params.query(FILTERS))
        return listed("projectList", "projects", page, shapes.project)

    async def move(self, call: Call, params: MoveProject) -> Answer:
        moved = await self._projects.move(call.principal, params.project_id, params.team_id)
        return _shown(moved)


class OrganizationHandlers:
    """The organization is named by a header; without it there is none."""

    def __init__(self, projects: Projects) -> None:
        self._projects = projects

    async def create(self, call: Call, params: CreateOwnProject) -> Answer:
        made = await self._projects.create(
            call.principal,
            project_id=params.project_id,
            name=params.name,
            team_id=named_organization(call),
            region=params.region,
        )
        return _shown(made)

    async def list(self, call: Call, params: SearchListing) -> Answer:
        with cursor_errors("Project"):
            page = await self._projects.list(
                call.principal, params.query(FILTERS), team_id=named_organization(call)
            )
        return listed("projectList", "projects", page, shapes.project)

    async def get(self, call: Call, params: OneProject) -> Answer:
        return _shown(await self._required(call, params.project_id))

    async def rename(self, call: Call, params: RenameProject) -> Answer:
        project = await self._required(call, params.project_id)
        return _shown(await self._projects.update(project.id, name=params.name))

    async def delete(self, call: Call, params: OneProject) -> Answer:
        project = await self._required(call, params.project_id)
        await self._projects.delete(project.id)
        return empty()

    async def _required(self, call: Call, project_id: str) -> Project:
        return await self._projects.of_team(call.principal, named_organization(call), project_id)


def _shown(project: Project) -> Answer:
    return Answer(content=shapes.project(project))


def projects_routes(projects: Projects) -> list[Route]:
    console, organization = ProjectsHandlers(projects), OrganizationHandlers(projects)
    path, one = "/organization/projects", "/organization/projects/{projectId}"
    return [
        _route("projects.create", "POST", "/projects", console.create, CreateProject),
        _route("projects.list", "GET", "/projects", console.list, SearchListing, "projectList"),
        _route(
            "projects.updateTeam", "PATCH", "/projects/{projectId}/team", console.move, MoveProject
        ),
        _route("organization.createProject", "POST", path, organization.create, CreateOwnProject),
        _route(
            "organization.listProjects",
            "GET",
            path,
            organization.list,
            SearchListing,
            "projectList",
        ),
        _route("organization.getProject", "GET", one, organization.get, OneProject),
        _route("organization.updateProject", "PATCH", one, organization.rename, RenameProject),
        _route("organization.deleteProject", "DELETE", one, organization.delete, OneProject, ""),
    ]


def _route(
    name: str,
    method: str,
    path: str,
    handler: Callable[[Call, Any], Awaitable[Answer]],
    params: type[Any],
    model: str = "project",
) -> Route:
    return Route(
        name=name,
        method=method,
        paths=(f"/v1{path}",),
        scopes=("projects.read" if method == "GET" else "projects.write",),
        handler=handler,
        params=params,
        status=USUAL_STATUS[method],
        model=model,
        headers=("X-Appwrite-Organization",) if name.startswith("organization.") else (),
        group="projects",
        service="project",
    )
