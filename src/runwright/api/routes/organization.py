"""The organization that a header names: itself, its members and the keys of its projects."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any

from runwright.api.lists import Listing, SearchListing, cursor_errors, listed
from runwright.api.organization import named_organization
from runwright.api.params import DateTime, Email, Id, ListOf, OrEmpty, Phone, Range, TeamRole, Text
from runwright.api.routes import keys as project_keys
from runwright.api.routes import teams as of_teams
from runwright.api.routes.teams import MembershipHandlers
from runwright.api.routing import USUAL_STATUS, Answer, Call, Limit, Nothing, Route, empty
from runwright.api.shapes import projects as shapes
from runwright.api.shapes.organization import organization
from runwright.identity.keys import Keys
from runwright.identity.projects import Projects
from runwright.identity.teams import Teams
from runwright.values import dataclass

_Roles = Annotated[tuple[str, ...], ListOf(TeamRole())]


@dataclass(frozen=True, kw_only=True)
class Rename:
    name: Annotated[str, Text(128)]


@dataclass(frozen=True, kw_only=True)
class AddMember:
    roles: _Roles
    email: Annotated[str, OrEmpty(Email())] = ""
    user_id: Annotated[str, OrEmpty(Id())] = ""
    phone: Annotated[str, OrEmpty(Phone())] = ""
    url: Annotated[str, Text(2048, least=0)] = ""
    name: Annotated[str, Text(128, least=0)] = ""


@dataclass(frozen=True, kw_only=True)
class OneMember:
    membership_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class SetRoles(OneMember):
    roles: _Roles


@dataclass(frozen=True, kw_only=True)
class OfProject:
    project_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class ListKeys(Listing, OfProject):
    pass


@dataclass(frozen=True, kw_only=True)
class OneKey(OfProject):
    key_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class UpdateKey(OneKey):
    name: Annotated[str, Text(128)]
    scopes: project_keys.Scopes
    expire: Annotated[datetime | None, DateTime()] = None
    description: project_keys.Description = None


@dataclass(frozen=True, kw_only=True)
class CreateEphemeralKey(OfProject):
    scopes: project_keys.Scopes
    duration: Annotated[int, Range(1, project_keys.MAX_EPHEMERAL_S)]


class OrganizationHandlers:
    def __init__(self, teams: Teams) -> None:
        self._teams = teams

    async def get(self, call: Call, params: Any) -> Answer:
        found = await self._teams.get(call.principal, named_organization(call))
        return Answer(content=organization(found))

    async def rename(self, call: Call, params: Rename) -> Answer:
        team_id = named_organization(call)
        changed = await self._teams.rename(call.principal, team_id, params.name)
        return Answer(content=organization(changed))

    async def delete(self, call: Call, params: Any) -> Answer:
        await self._teams.delete(call.principal, named_organization(call))
        return empty()


class MemberHandlers:
    """The same as for teams, of which an organization is one."""

    def __init__(self, of: MembershipHandlers) -> None:
        self._of = of

    async def create(self, call: Call, params: AddMember) -> Answer:
        wanted = of_teams.CreateMembership(team_id=named_organization(call), **vars(params))
        return await self._of.create(call, wanted)

    async def list(self, call: Call, params: SearchListing) -> Answer:
        wanted = of_teams.ListMemberships(team_id=named_organization(call), **vars(params))
        return await self._of.list(call, wanted)

    async def get(self, call: Call, params: OneMember) -> Answer:
        wanted = of_teams.OneMembership(team_id=named_organization(call), **vars(params))
        return await self._of.get(call, wanted)

    async def set_roles(self, call: Call, params: SetRoles) -> Answer:
        wanted = of_teams.SetRoles(team_id=named_organization(call), **vars(params))
        return await self._of.set_roles(call, wanted)

    async def delete(self, call: Call, params: OneMember) -> Answer:
        wanted = of_teams.OneMembership(team_id=named_organization(call), **vars(params))
        return await self._of.delete(call, wanted)


class ProjectKeyHandlers:
    """Keys of a project that belongs to the organization."""

    def __init__(self, projects: Projects, keys: Keys) -> None:
        self._projects = projects
        self._keys = keys

    async def list(self, call: Call, params: ListKeys) -> Answer:
        project_id = await self._checked(call, params)
        query = params.query(project_keys.FILTERS, default_limit=project_keys.DEFAULT_LIMIT)
        with cursor_errors("Key"):
            page = await self._keys.list(project_id, query)
        return listed("keyList", "keys", page, shapes.key)

    async def get(self, call: Call, params: OneKey) -> Answer:
        project_id = await self._checked(call, params)
        return Answer(content=shapes.key(await self._keys.get(project_id, params.key_id)))

    async def update(self, call: Call, params: UpdateKey) -> Answer:
        changed = await self._keys.update(
            await self._checked(call, params),
            params.key_id,
            name=params.name,
            scopes=params.scopes,
            expires_at=params.expire,
            description=params.description,
        )
        return Answer(content=shapes.key(changed))

    async def delete(self, call: Call, params: OneKey) -> Answer:
        await self._keys.delete(await self._checked(call, params), params.key_id)
        return empty()

    async def create_ephemeral(self, call: Call, params: CreateEphemeralKey) -> Answer:
        made = self._keys.create_ephemeral(
            call.principal,
            scopes=params.scopes,
            lifetime_s=params.duration,
            project_id=await self._checked(call, params),
        )
        return Answer(content=shapes.ephemeral_key(made))

    async def _checked(self, call: Call, params: OfProject) -> str:
        """Raises ProjectNotFound for projects of other organizations."""
        team_id = named_organization(call)
        return (await self._projects.of_team(call.principal, team_id, params.project_id)).id


def organization_routes(
    teams: Teams, members: MembershipHandlers, projects: Projects, keys: Keys
) -> list[Route]:
    return [
        *_own(OrganizationHandlers(teams)),
        *_members(MemberHandlers(members)),
        *_project_keys(ProjectKeyHandlers(projects, keys)),
    ]


def _own(of: OrganizationHandlers) -> list[Route]:
    scope, kind = "organization", "organization"
    return [
        _route("get", "GET", "", of.get, Nothing, kind, scope),
        _route("update", "PUT", "", of.rename, Rename, kind, scope),
        _route("delete", "DELETE", "", of.delete, Nothing, "", scope),
    ]


def _members(of: MemberHandlers) -> list[Route]:
    path, one = "/memberships", "/memberships/{membershipId}"
    scope, kind = "organization.memberships", "membership"
    limit = Limit(calls=10)
    return [
        _route("createMembership", "POST", path, of.create, AddMember, kind, scope, limit),
        _route("listMemberships", "GET", path, of.list, SearchListing, f"{kind}List", scope),
        _route("getMembership", "GET", one, of.get, OneMember, kind, scope),
        _route("updateMembership", "PATCH", one, of.set_roles, SetRoles, kind, scope),
        _route("deleteMembership", "DELETE", one, of.delete, OneMember, "", scope),
    ]


def _project_keys(of: ProjectKeyHandlers) -> list[Route]:
    path = "/projects/{projectId}/keys"
    one, scope = f"{path}/{{keyId}}", "keys"
    return [
        _route("listProjectKeys", "GET", path, of.list, ListKeys, "keyList", scope),
        _route(
            "createEphemeralProjectKey",
            "POST",
            f"{path}/ephemeral",
            of.create_ephemeral,
            CreateEphemeralKey,
            "ephemeralKey",
            scope,
        ),
        _route("getProjectKey", "GET", one, of.get, OneKey, "key", scope),
        _route("updateProjectKey", "PUT", one, of.update, UpdateKey, "key", scope),
        _route("deleteProjectKey", "DELETE", one, of.delete, OneKey, "", scope),
    ]


def _route(
    name: str,
    method: str,
    path: str,
    handler: Callable[[Call, Any], Awaitable[Answer]],
    params: type[Any],
    model: str,
    scope: str,
    limit: Limit | None = None,
) -> Route:
    return Route(
        name=f"organization.{name}",
        method=method,
        paths=(f"/v1/organization{path}",),
        scopes=(f"{scope}.{'read' if method == 'GET' else 'write'}",),
        handler=handler,
        params=params,
        status=USUAL_STATUS[method],
        model=model,
        group="projects",
        limit=limit,
    )
