"""What belongs to one user: sessions, memberships, targets."""

from typing import Annotated, Final

from runwright.api.lists import Listing, SearchListing, cursor_errors, listed, listed_all
from runwright.api.params import Bool, CustomId, Id, OneOf, OrEmpty, Text
from runwright.api.queries import Attributes
from runwright.api.routes.account_parts import device, user_of
from runwright.api.routes.users import OneUser, user_route
from runwright.api.routing import Answer, Call, Route, empty
from runwright.api.shapes import identity as shapes
from runwright.identity.memberships import Memberships
from runwright.identity.oauth.grants import GrantSeal
from runwright.identity.policies import policies_of
from runwright.identity.sessions import Sessions
from runwright.identity.targets import Targets
from runwright.model.query import Page
from runwright.user_agents import learn_user_agents
from runwright.values import dataclass

MEMBERSHIP_FILTERS: Final = Attributes(
    "userId teamId invited joined confirm roles", arrays=("roles",), dates=("invited", "joined")
)
TARGET_FILTERS: Final = Attributes("userId providerId identifier providerType")
_UserId = Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class ListSessions(OneUser):
    total: Annotated[bool, Bool(is_loose=True)] = True


@dataclass(frozen=True, kw_only=True)
class OneSession(OneUser):
    session_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class ListMemberships(SearchListing):
    user_id: _UserId


@dataclass(frozen=True, kw_only=True)
class ListTargets(Listing):
    user_id: _UserId


@dataclass(frozen=True, kw_only=True)
class CreateTarget(OneUser):
    target_id: Annotated[str, CustomId()]
    provider_type: Annotated[str, OneOf(("email", "sms", "push"))]
    identifier: Annotated[str, Text(255)]
    provider_id: Annotated[str, OrEmpty(Id())] = ""
    name: Annotated[str, Text(128, least=0)] = ""


@dataclass(frozen=True, kw_only=True)
class OneTarget(OneUser):
    target_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class UpdateTarget(OneTarget):
    identifier: Annotated[str | None, Text(255)] = None
    provider_id: Annotated[str, OrEmpty(Id())] = ""
    name: Annotated[str | None, Text(128, least=0)] = None


class UserSessionHandlers:
    def __init__(self, sessions: Sessions, grants: GrantSeal) -> None:
        self._sessions = sessions
        self._grants = grants

    async def create(self, call: Call, params: OneUser) -> Answer:
        opened = await self._sessions.open(
            call.project_id, params.user_id, policies_of(call.project), await device(call)
        )
        return Answer(content=shapes.session(opened.session, secret=opened.value))

    async def list(self, call: Call, params: ListSessions) -> Answer:
        """A server recognises a session by the hash of its secret; the secret is not kept."""
        found = await self._sessions.list(call.project_id, params.user_id)
        await learn_user_agents(item.user_agent for item in found)
        return listed_all(
            "sessionList",
            "sessions",
            found,
            lambda item: shapes.session(item, secret=item.secret_hash, grant=self._grants.of(item)),
            with_total=params.total,
        )

    async def delete(self, call: Call, params: OneSession) -> Answer:
        await self._sessions.end(call.project_id, params.user_id, params.session_id)
        return empty()

    async def delete_all(self, call: Call, params: OneUser) -> Answer:
        await self._sessions.end_all(call.project_id, params.user_id)
        return empty()


class UserMembershipHandlers:
    def __init__(self, memberships: Memberships) -> None:
        self._memberships = memberships

    async def list(self, call: Call, params: ListMemberships) -> Answer:
        with cursor_errors("Membership"):
            page = await self._memberships.of_user(
                call.project_id, params.user_id, params.query(MEMBERSHIP_FILTERS)
            )
        # Unlike everywhere else the total is that of this page.
        page = Page(page.items, len(page.items) if params.total else 0)
        return listed(
            "membershipList",
            "memberships",
            page,
            lambda member: shapes.membership(member, shapes.EVERYTHING),
        )


class OwnMembershipHandlers:
    """Whoever is a member of a team may know it, whatever is hidden of the other members."""

    def __init__(self, memberships: Memberships) -> None:
        self._memberships = memberships

    async def list(self, call: Call, params: Listing) -> Answer:
        own = user_of(call)
        with cursor_errors("Membership"):
            page = await self._memberships.of_user(
                own.project_id, own.id, params.query(MEMBERSHIP_FILTERS)
            )
        return listed(
            "membershipList",
            "memberships",
            page,
            lambda member: shapes.membership(member, shapes.EVERYTHING),
        )


class TargetHandlers:
    def __init__(self, targets: Targets) -> None:
        self._targets = targets

    async def create(self, call: Call, params: CreateTarget) -> Answer:
        made = await self._targets.create(
            call.project_id,
            params.user_id,
            target_id=params.target_id,
            provider_type=params.provider_type,
            identifier=params.identifier,
            provider_id=params.provider_id,
            name=params.name,
        )
        return Answer(content=shapes.target(made))

    async def list(self, call: Call, params: ListTargets) -> Answer:
        with cursor_errors("Target"):
            page = await self._targets.list(
                call.project_id, params.user_id, params.query(TARGET_FILTERS)
            )
        return listed("targetList", "targets", page, shapes.target)

    async def get(self, call: Call, params: OneTarget) -> Answer:
        found = await self._targets.get(call.project_id, params.user_id, params.target_id)
        return Answer(content=shapes.target(found))

    async def update(self, call: Call, params: UpdateTarget) -> Answer:
        changed = await self._targets.update(
            call.project_id,
            params.user_id,
            params.target_id,
            identifier=params.identifier,
            provider_id=params.provider_id,
            name=params.name,
        )
        return Answer(content=shapes.target(changed))

    async def delete(self, call: Call, params: OneTarget) -> Answer:
        await self._targets.delete(call.project_id, params.user_id, params.target_id)
        return empty()


def belonging_routes(
    sessions: Sessions, memberships: Memberships, targets: Targets, grants: GrantSeal
) -> list[Route]:
    return [
        *_of_sessions(UserSessionHandlers(sessions, grants)),
        user_route(
            "listMemberships",
            "GET",
            "/{userId}/memberships",
            UserMembershipHandlers(memberships).list,
            ListMemberships,
            "membershipList",
        ),
        Route(
            name="account.listMemberships",
            method="GET",
            paths=("/v1/account/memberships",),
            scopes=("account",),
            handler=OwnMembershipHandlers(memberships).list,
            params=Listing,
            model="membershipList",
            service="account",
        ),
        *_of_targets(TargetHandlers(targets)),
    ]


def _of_sessions(of: UserSessionHandlers) -> list[Route]:
    path, one = "/{userId}/sessions", "/{userId}/sessions/{sessionId}"
    return [
        user_route("createSession", "POST", path, of.create, OneUser, "session", more="sessions"),
        user_route(
            "listSessions", "GET", path, of.list, ListSessions, "sessionList", more="sessions"
        ),
        user_route("deleteSession", "DELETE", one, of.delete, OneSession, "", more="sessions"),
        user_route("deleteSessions", "DELETE", path, of.delete_all, OneUser, "", more="sessions"),
    ]


def _of_targets(of: TargetHandlers) -> list[Route]:
    path, one = "/{userId}/targets", "/{userId}/targets/{targetId}"
    return [
        user_route("createTarget", "POST", path, of.create, CreateTarget, "target"),
        user_route("listTargets", "GET", path, of.list, ListTargets, "targetList"),
        user_route("getTarget", "GET", one, of.get, OneTarget, "target"),
        user_route("updateTarget", "PATCH", one, of.update, UpdateTarget, "target"),
        user_route("deleteTarget", "DELETE", one, of.delete, OneTarget, ""),
    ]
