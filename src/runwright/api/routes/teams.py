"""Teams and memberships, for their members and for servers."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from runwright.api.cookies import signed_in
from runwright.api.lists import SearchListing, cursor_errors, listed
from runwright.api.locales import letter_locale
from runwright.api.params import (
    CustomId,
    Email,
    Id,
    ListOf,
    Object,
    OrEmpty,
    Phone,
    TeamRole,
    Text,
)
from runwright.api.queries import Attributes
from runwright.api.redirects import Redirects
from runwright.api.routes.account_parts import device
from runwright.api.routes.belongings import MEMBERSHIP_FILTERS
from runwright.api.routing import USUAL_STATUS, Answer, Call, Limit, Route, empty
from runwright.api.shapes import identity as shapes
from runwright.errors import BadArgument
from runwright.identity.invitations import Invitation, Invitations
from runwright.identity.memberships import Invitee, Member, Memberships
from runwright.identity.policies import MembershipPrivacy, policies_of
from runwright.identity.teams import OWNER, Teams, sees_all_teams
from runwright.model.identity import Team
from runwright.values import dataclass

FILTERS: Final = Attributes("name total billingPlan")

# Each invitation by itself: many people of one house may join on the same day.
_ACCEPT_LIMIT: Final = Limit(
    calls=10, keys=("url:{url},ip:{ip},membershipId:{param-membershipId}",), resets_on=200
)

_TeamId = Annotated[str, Id()]
_Roles = Annotated[tuple[str, ...], ListOf(TeamRole())]


@dataclass(frozen=True, kw_only=True)
class CreateTeam:
    team_id: Annotated[str, CustomId()]
    name: Annotated[str, Text(128)]
    roles: _Roles = (OWNER,)


@dataclass(frozen=True, kw_only=True)
class OneTeam:
    team_id: _TeamId


@dataclass(frozen=True, kw_only=True)
class SetName(OneTeam):
    name: Annotated[str, Text(128)]


@dataclass(frozen=True, kw_only=True)
class SetPrefs(OneTeam):
    prefs: Annotated[dict[str, Any], Object()]


@dataclass(frozen=True, kw_only=True)
class CreateMembership(OneTeam):
    roles: _Roles
    email: Annotated[str, OrEmpty(Email())] = ""
    user_id: Annotated[str, OrEmpty(Id())] = ""
    phone: Annotated[str, OrEmpty(Phone())] = ""
    url: Annotated[str, Text(2048, least=0)] = ""
    name: Annotated[str, Text(128)] = ""


@dataclass(frozen=True, kw_only=True)
class ListMemberships(SearchListing):
    team_id: _TeamId


@dataclass(frozen=True, kw_only=True)
class OneMembership(OneTeam):
    membership_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class SetRoles(OneMembership):
    roles: _Roles


@dataclass(frozen=True, kw_only=True)
class AcceptInvitation(OneMembership):
    user_id: Annotated[str, Id()]
    secret: Annotated[str, Text(256)]


class TeamHandlers:
    def __init__(self, teams: Teams) -> None:
        self._teams = teams

    async def create(self, call: Call, params: CreateTeam) -> Answer:
        made = await self._teams.create(
            call.principal, team_id=params.team_id, name=params.name, roles=params.roles
        )
        return _shown(made)

    async def list(self, call: Call, params: SearchListing) -> Answer:
        with cursor_errors("Team"):
            page = await self._teams.list(call.principal, params.query(FILTERS))
        return listed("teamList", "teams", page, shapes.team)

    async def get(self, call: Call, params: OneTeam) -> Answer:
        return _shown(await self._teams.get(call.principal, params.team_id))

    async def set_name(self, call: Call, params: SetName) -> Answer:
        return _shown(await self._teams.rename(call.principal, params.team_id, params.name))

    async def delete(self, call: Call, params: OneTeam) -> Answer:
        await self._teams.delete(call.principal, params.team_id)
        return empty()

    async def get_prefs(self, call: Call, params: OneTeam) -> Answer:
        found = await self._teams.get(call.principal, params.team_id)
        return Answer(content=dict(found.prefs))

    async def set_prefs(self, call: Call, params: SetPrefs) -> Answer:
        changed = await self._teams.set_prefs(call.principal, params.team_id, params.prefs)
        return Answer(content=dict(changed.prefs))


def _shown(team: Team) -> Answer:
    return Answer(content=shapes.team(team))


class MembershipHandlers:
    def __init__(
        self, memberships: Memberships, invitations: Invitations, redirects: Redirects
    ) -> None:
        self._memberships = memberships
        self._invitations = invitations
        self._redirects = redirects

    async def create(self, call: Call, params: CreateMembership) -> Answer:
        url = await self._redirects.check(call, params.url) if params.url else ""
        invitee = Invitee(
            user_id=params.user_id, email=params.email, phone=params.phone, name=params.name
        )
        principal, team_id, roles = call.principal, params.team_id, params.roles
        if sees_all_teams(principal):
            return _full(await self._memberships.create(principal, team_id, invitee, roles))
        if not url:
            raise BadArgument("URL is required")
        invitation = Invitation(invitee=invitee, roles=roles, url=url, locale=letter_locale(call))
        return _full(await self._invitations.invite(principal, call.project, team_id, invitation))

    async def accept(self, call: Call, params: AcceptInvitation) -> Answer:
        accepted = await self._invitations.accept(
            call.principal,
            call.project,
            params.team_id,
            params.membership_id,
            user_id=params.user_id,
            secret=params.secret,
            device=await device(call),
        )
        content = shapes.membership(accepted.member, shapes.EVERYTHING)
        headers = signed_in(call, accepted.opened) if accepted.opened else ()
        return Answer(content=content, headers=headers)

    async def list(self, call: Call, params: ListMemberships) -> Answer:
        with cursor_errors("Membership"):
            page = await self._memberships.list(
                call.principal, params.team_id, params.query(MEMBERSHIP_FILTERS)
            )
        visible = _visible(call)
        return listed(
            "membershipList",
            "memberships",
            page,
            lambda member: shapes.membership(member, visible),
        )

    async def get(self, call: Call, params: OneMembership) -> Answer:
        found = await self._memberships.get(call.principal, params.team_id, params.membership_id)
        return Answer(content=shapes.membership(found, _visible(call)))

    async def set_roles(self, call: Call, params: SetRoles) -> Answer:
        changed = await self._memberships.set_roles(
            call.principal, params.team_id, params.membership_id, params.roles
        )
        return _full(changed)

    async def delete(self, call: Call, params: OneMembership) -> Answer:
        await self._memberships.delete(call.principal, params.team_id, params.membership_id)
        return empty()


def _visible(call: Call) -> MembershipPrivacy:
    if sees_all_teams(call.principal):
        return shapes.EVERYTHING
    return policies_of(call.project).privacy


def _full(member: Member) -> Answer:
    """Who may change a membership sees whose it is."""
    return Answer(content=shapes.membership(member, shapes.EVERYTHING))


def team_routes(teams: Teams, members: MembershipHandlers) -> list[Route]:
    return [*_of_teams(TeamHandlers(teams)), *_of_memberships(members)]


def _of_teams(of: TeamHandlers) -> list[Route]:
    one = "/{teamId}"
    return [
        _route("create", "POST", "", of.create, CreateTeam),
        _route("list", "GET", "", of.list, SearchListing, "teamList"),
        _route("get", "GET", one, of.get, OneTeam),
        _route("updateName", "PUT", one, of.set_name, SetName),
        _route("delete", "DELETE", one, of.delete, OneTeam, ""),
        _route("getPrefs", "GET", f"{one}/prefs", of.get_prefs, OneTeam, "preferences"),
        _route("updatePrefs", "PUT", f"{one}/prefs", of.set_prefs, SetPrefs, "preferences"),
    ]


def _of_memberships(of: MembershipHandlers) -> list[Route]:
    path, one = "/{teamId}/memberships", "/{teamId}/memberships/{membershipId}"
    kind = "membership"
    return [
        _route(
            "createMembership",
            "POST",
            path,
            of.create,
            CreateMembership,
            kind,
            auth_method="invites",
            limit=Limit(calls=10),
        ),
        _route("listMemberships", "GET", path, of.list, ListMemberships, f"{kind}List"),
        _route("getMembership", "GET", one, of.get, OneMembership, kind),
        _route("updateMembership", "PATCH", one, of.set_roles, SetRoles, kind),
        _route(
            "updateMembershipStatus",
            "PATCH",
            f"{one}/status",
            of.accept,
            AcceptInvitation,
            kind,
            scope="public",
            limit=_ACCEPT_LIMIT,
        ),
        _route("deleteMembership", "DELETE", one, of.delete, OneMembership, ""),
    ]


def _route(
    name: str,
    method: str,
    path: str,
    handler: Callable[[Call, Any], Awaitable[Answer]],
    params: type[Any],
    model: str = "team",
    *,
    auth_method: str = "",
    limit: Limit | None = None,
    scope: str = "",
) -> Route:
    return Route(
        name=f"teams.{name}",
        method=method,
        paths=(f"/v1/teams{path}",),
        scopes=(scope or ("teams.read" if method == "GET" else "teams.write"),),
        handler=handler,
        params=params,
        status=USUAL_STATUS[method],
        model=model,
        service="teams",
        auth_method=auth_method,
        limit=limit,
    )
