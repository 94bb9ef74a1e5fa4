"""Projects: rows of the console project, each owned by one organization (a console team)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from runwright.clock import Clock
from runwright.errors import Unauthorized
from runwright.identity.errors import (
    EnvironmentMoves,
    ProjectExists,
    ProjectNotFound,
    ReservedProject,
    TeamNotFound,
    UnknownRegion,
)
from runwright.identity.permissions import may_read_project
from runwright.identity.policies import Policies, policies_of, stored
from runwright.ids import resolve
from runwright.model.identity import CONSOLE, Principal, Project
from runwright.model.query import Filter, ListQuery, Page
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork
from runwright.values import dataclass

REGION: Final = "default"

AUTH_METHODS: Final = (
    "email-password",
    "magic-url",
    "email-otp",
    "anonymous",
    "invites",
    "jwt",
    "phone",
    "passkey",
)
PROTOCOLS: Final = ("rest", "graphql", "websocket")
SERVICES: Final = (
    "account",
    "avatars",
    "databases",
    "tablesdb",
    "locale",
    "health",
    "project",
    "storage",
    "teams",
    "users",
    "vcs",
    "sites",
    "functions",
    "proxy",
    "graphql",
    "migrations",
    "messaging",
    "advisor",
)


def touch_project(uow: UnitOfWork, project_id: str) -> None:
    uow.touch("project", project_id, project_id)


def required_project(uow: UnitOfWork, project_id: str) -> Project:
    project = uow.projects.get(CONSOLE, project_id)
    if project is None:
        raise ProjectNotFound(project_id)
    return project


def add_project(uow: UnitOfWork, project: Project) -> Project:
    """Raises ProjectExists."""
    try:
        uow.projects.add(project)
    except AlreadyStored as exc:
        raise ProjectExists() from exc
    touch_project(uow, project.id)
    return project


def remove_project(uow: UnitOfWork, project: Project) -> None:
    """Delete a project with its environments and everything in them. Artefacts on disk are the
    business of whoever hears that a project changed."""
    for environment in uow.projects.find(CONSOLE, parent_id=project.id):
        remove_project(uow, environment)
    functions = uow.functions.find(project.id)
    uow.remove_project_rows(project.id)
    uow.projects.remove(CONSOLE, project.id)
    touch_project(uow, project.id)
    for kind in ("key", "user", "rule", "function"):
        uow.touch(kind, project.id, "")
    for function in functions:
        uow.touch("function", project.id, function.id)


def new_project(
    project_id: str, name: str, team_id: str, now: datetime, *, region: str = REGION
) -> Project:
    """Raises ReservedProject, UnknownRegion."""
    if project_id == CONSOLE:
        raise ReservedProject()
    if region != REGION:
        raise UnknownRegion(region)
    return Project(
        id=resolve(project_id),
        created_at=now,
        updated_at=now,
        name=name,
        team_id=team_id,
        region=region,
        policies=stored(Policies()),
        accessed_at=now,
    )


@dataclass(frozen=True, slots=True)
class _Reach:
    """Which projects a console account can see."""

    team_ids: tuple[str, ...]  # through a role in their whole organization
    project_ids: tuple[str, ...]  # through a role on the project alone

    def filter(self) -> Filter:
        by_team = Filter("equal", "teamId", self.team_ids or ("",))
        by_id = Filter("equal", "$id", self.project_ids or ("",))
        return Filter("or", "", (by_team, by_id))

    def covers(self, project: Project) -> bool:
        return project.team_id in self.team_ids or project.id in self.project_ids


def _reach(principal: Principal) -> _Reach:
    team_ids, project_ids = set(), set()
    for role in principal.roles:
        if not role.startswith("team:"):
            continue
        team_id, _, inner = role[5:].partition("/")
        if may_read_project((inner,)):
            team_ids.add(team_id)
        elif inner.startswith("project-"):
            project_id, _, narrow = inner[len("project-") :].rpartition("-")
            if may_read_project((narrow,)):
                project_ids.add(project_id)
    return _Reach(tuple(sorted(team_ids)), tuple(sorted(project_ids)))


class Projects:
    """Methods that name a project raise ProjectNotFound when there is none."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def create(
        self, principal: Principal, *, project_id: str, name: str, team_id: str, region: str
    ) -> Project:
        """Raises TeamNotFound, Unauthorized (not a manager of the organization),
        ReservedProject, UnknownRegion, ProjectExists."""
        project = new_project(project_id, name, team_id, self._clock.now(), region=region)

        def work(uow: UnitOfWork) -> Project:
            if uow.teams.get(CONSOLE, team_id) is None:
                raise TeamNotFound(team_id)
            if not manages(principal, team_id):
                raise Unauthorized("Only an owner or developer of the organization may do this.")
            return add_project(uow, project)

        return await self._storage.write(work)

    async def get(self, project_id: str) -> Project:
        return await self._storage.read(lambda uow: required_project(uow, project_id))

    async def list(
        self, principal: Principal, query: ListQuery, *, team_id: str = ""
    ) -> Page[Project]:
        """Projects that the caller can see; of one organization when `team_id` is given."""
        seen = replace(query, filters=(*query.filters, _reach(principal).filter()))
        only = {"team_id": team_id} if team_id else {}
        return await self._storage.read(lambda uow: uow.projects.page(CONSOLE, seen, **only))

    async def of_team(self, principal: Principal, team_id: str, project_id: str) -> Project:
        """A project of one organization. Raises ProjectNotFound for those of others, and for
        those that the caller cannot see."""
        project = await self.get(project_id)
        if project.team_id != team_id or not _reach(principal).covers(project):
            raise ProjectNotFound(project_id)
        return project

    async def update(self, project_id: str, **changes: str) -> Project:
        """Set descriptive fields."""
        return await self._change(project_id, changes)

    async def set_labels(self, project_id: str, labels: tuple[str, ...]) -> Project:
        return await self._change(project_id, {"labels": tuple(dict.fromkeys(labels))})

    async def move(self, principal: Principal, project_id: str, team_id: str) -> Project:
        """Give a project to another organization, its environments with it. The caller has to
        manage both: a role on one project is no right to take it away.

        Raises TeamNotFound, Unauthorized, EnvironmentMoves.
        """

        def work(uow: UnitOfWork) -> Project:
            project = required_project(uow, project_id)
            if not _reach(principal).covers(project):
                raise ProjectNotFound(project_id)
            if uow.teams.get(CONSOLE, team_id) is None:
                raise TeamNotFound(team_id)
            if not (manages(principal, project.team_id) and manages(principal, team_id)):
                raise Unauthorized("Only an owner or developer of both organizations may do this.")
            if project.parent_id:
                raise EnvironmentMoves()
            for environment in uow.projects.find(CONSOLE, parent_id=project.id):
                self._put(uow, environment, team_id=team_id)
            return self._put(uow, project, team_id=team_id)

        return await self._storage.write(work)

    async def switch(self, project_id: str, field: str, name: str, *, is_on: bool) -> Project:
        """Switch one service, protocol or sign-in method; `field` names the list of those off:
        disabled_services, disabled_protocols or disabled_auth_methods."""

        def work(uow: UnitOfWork) -> Project:
            project = required_project(uow, project_id)
            off = set(getattr(project, field)) - {name}
            if not is_on:
                off.add(name)
            return self._put(uow, project, **{field: tuple(sorted(off))})

        return await self._storage.write(work)

    async def set_policies(
        self, project_id: str, change: Callable[[Policies], Policies]
    ) -> Project:
        """Store what `change` makes of the rules in force."""

        def work(uow: UnitOfWork) -> Project:
            project = required_project(uow, project_id)
            return self._put(uow, project, policies=stored(change(policies_of(project))))

        return await self._storage.write(work)

    async def delete(self, project_id: str) -> None:
        await self._storage.write(
            lambda uow: remove_project(uow, required_project(uow, project_id))
        )

    async def _change(self, project_id: str, changes: dict[str, Any]) -> Project:
        return await self._storage.write(
            lambda uow: self._put(uow, required_project(uow, project_id), **changes)
        )

    def _put(self, uow: UnitOfWork, project: Project, **changes: Any) -> Project:
        changed = replace(project, updated_at=self._clock.now(), **changes)
        uow.projects.put(changed)
        touch_project(uow, project.id)
        return changed


def manages(principal: Principal, team_id: str) -> bool:
    """Whether the caller may make projects in an organization."""
    roles = {f"team:{team_id}/{role}" for role in ("owner", "developer", "admin")}
    return not principal.roles.isdisjoint(roles)
