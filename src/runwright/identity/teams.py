"""Teams. Members see their team, owners change it, keys and admins of the project do both."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from runwright.clock import Clock
from runwright.errors import Unauthorized
from runwright.identity.errors import TeamExists, TeamNotFound
from runwright.identity.owner_keys import remove_keys, team_owner
from runwright.identity.people import touch_user
from runwright.identity.projects import remove_project
from runwright.ids import new_id, resolve
from runwright.model.event import Event
from runwright.model.identity import CONSOLE, Membership, Principal, Team
from runwright.model.query import ListQuery, Page
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork

OWNER: Final = "owner"


def sees_all_teams(principal: Principal) -> bool:
    """Keys and admins of a project do. On the console nobody does: its teams are the
    organizations of different people."""
    return principal.is_trusted and principal.project_id != CONSOLE


def team_ids(principal: Principal) -> list[str]:
    """Teams of which the caller is a confirmed member, from the caller's roles."""
    names = {role[5:] for role in principal.roles if role.startswith("team:")}
    return sorted(name for name in names if "/" not in name)


def visible_team(uow: UnitOfWork, principal: Principal, team_id: str) -> Team:
    """Raises TeamNotFound, also when the caller may not know that the team exists."""
    team = uow.teams.get(principal.project_id, team_id)
    is_visible = sees_all_teams(principal) or f"team:{team_id}" in principal.roles
    if team is None or not is_visible:
        raise TeamNotFound(team_id)
    return team


def owned_team(uow: UnitOfWork, principal: Principal, team_id: str) -> Team:
    """Raises TeamNotFound, Unauthorized."""
    team = visible_team(uow, principal, team_id)
    if not sees_all_teams(principal) and f"team:{team_id}/{OWNER}" not in principal.roles:
        raise Unauthorized("Only an owner of the team may do this.")
    return team


class Teams:
    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def create(
        self, principal: Principal, *, team_id: str, name: str, roles: tuple[str, ...]
    ) -> Team:
        """A user who makes a team becomes its first member and owner. Raises TeamExists."""
        now = self._clock.now()
        founder = None if sees_all_teams(principal) else principal.user
        team = Team(
            id=resolve(team_id),
            project_id=principal.project_id,
            created_at=now,
            updated_at=now,
            name=name,
            total=1 if founder else 0,
        )

        def work(uow: UnitOfWork) -> Team:
            try:
                uow.teams.add(team)
            except AlreadyStored as exc:
                raise TeamExists() from exc
            if founder:
                uow.memberships.add(
                    Membership(
                        id=new_id(),
                        project_id=team.project_id,
                        created_at=now,
                        updated_at=now,
                        team_id=team.id,
                        user_id=founder.id,
                        roles=roles if OWNER in roles else (*roles, OWNER),
                        invited_at=now,
                        joined_at=now,
                        is_confirmed=True,
                    )
                )
                touch_user(uow, team.project_id, founder.id)
            uow.emit(team.project_id, Event.of("create", "teams", team.id), team)
            return team

        return await self._storage.write(work)

    async def list(self, principal: Principal, query: ListQuery) -> Page[Team]:
        def work(uow: UnitOfWork) -> Page[Team]:
            if sees_all_teams(principal):
                return uow.teams.page(principal.project_id, query)
            return uow.teams.page(principal.project_id, query, id=team_ids(principal))

        return await self._storage.read(work)

    async def get(self, principal: Principal, team_id: str) -> Team:
        """Raises TeamNotFound."""
        return await self._storage.read(lambda uow: visible_team(uow, principal, team_id))

    async def rename(self, principal: Principal, team_id: str, name: str) -> Team:
        """Raises TeamNotFound, Unauthorized."""

        def work(uow: UnitOfWork) -> Team:
            changed = self._changed(uow, principal, team_id, name=name)
            uow.emit(changed.project_id, Event.of("update", "teams", team_id), changed)
            return changed

        return await self._storage.write(work)

    async def set_prefs(self, principal: Principal, team_id: str, prefs: Mapping[str, Any]) -> Team:
        """Raises TeamNotFound, Unauthorized. Its event tells the preferences alone."""

        def work(uow: UnitOfWork) -> Team:
            changed = self._changed(uow, principal, team_id, prefs=prefs)
            event = Event.of("update.prefs", "teams", team_id)
            uow.emit(changed.project_id, event, dict(changed.prefs))
            return changed

        return await self._storage.write(work)

    def _changed(self, uow: UnitOfWork, principal: Principal, team_id: str, **changes: Any) -> Team:
        team = owned_team(uow, principal, team_id)
        changed = replace(team, updated_at=self._clock.now(), **changes)
        uow.teams.put(changed)
        return changed

    async def delete(self, principal: Principal, team_id: str) -> Team:
        """Delete a team with its memberships; an organization takes its projects along.

        Raises TeamNotFound, Unauthorized.
        """

        def work(uow: UnitOfWork) -> Team:
            team = owned_team(uow, principal, team_id)
            for membership in uow.memberships.find(team.project_id, team_id=team.id):
                uow.memberships.remove(team.project_id, membership.id)
                touch_user(uow, team.project_id, membership.user_id)
            if team.project_id == CONSOLE:
                remove_keys(uow, team_owner(team.id))
                for project in uow.projects.find(CONSOLE, team_id=team.id):
                    remove_project(uow, project)
            uow.teams.remove(team.project_id, team.id)
            uow.emit(team.project_id, Event.of("delete", "teams", team.id), team)
            return team

        return await self._storage.write(work)
