"""The log of an account: for its owner, and for servers."""

from typing import Annotated, Final

from runwright.api.lists import Listing, cursor_errors, listed
from runwright.api.params import Id
from runwright.api.queries import Attributes
from runwright.api.routes.account_parts import user_of
from runwright.api.routing import Answer, Call, Route
from runwright.api.shapes.activities import activity
from runwright.identity.activities import Activities
from runwright.user_agents import learn_user_agents
from runwright.values import dataclass

FILTERS: Final = Attributes("event")


@dataclass(frozen=True, kw_only=True)
class OfUser(Listing):
    user_id: Annotated[str, Id()]


class ActivityHandlers:
    def __init__(self, activities: Activities) -> None:
        self._activities = activities

    async def own(self, call: Call, params: Listing) -> Answer:
        user = user_of(call)
        return await self._listed(user.project_id, user.id, params)

    async def of_user(self, call: Call, params: OfUser) -> Answer:
        return await self._listed(call.project_id, params.user_id, params)

    async def _listed(self, project_id: str, user_id: str, params: Listing) -> Answer:
        with cursor_errors("Log"):
            page = await self._activities.of_user(project_id, user_id, params.query(FILTERS))
        await learn_user_agents(entry.activity.user_agent for entry in page.items)
        return listed("logList", "logs", page, activity)


def activity_routes(activities: Activities) -> list[Route]:
    of = ActivityHandlers(activities)
    return [
        Route(
            name="account.listLogs",
            method="GET",
            paths=("/v1/account/logs",),
            scopes=("account",),
            handler=of.own,
            params=Listing,
            model="logList",
            service="account",
        ),
        Route(
            name="users.listLogs",
            method="GET",
            paths=("/v1/users/{userId}/logs",),
            scopes=("users.read",),
            handler=of.of_user,
            params=OfUser,
            model="logList",
            service="users",
        ),
    ]
