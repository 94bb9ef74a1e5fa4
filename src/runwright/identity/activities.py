"""The log of each user's account: written with the change that it tells of.

Every event about a user becomes an entry, in the same transaction. The newest entries of a user
are kept, and go with the user.
"""

from dataclasses import replace
from typing import Final

from runwright.clock import Clock
from runwright.identity.people import required_user
from runwright.ids import new_id
from runwright.model.activity import KEPT, Activity, activity_name
from runwright.model.actor import acting
from runwright.model.event import Event
from runwright.model.identity import User
from runwright.model.query import ListQuery, Order, Page
from runwright.ports.storage import Storage, UnitOfWork
from runwright.values import dataclass

USERS: Final = "users"
MAX_AGENT_CHARS: Final = 512
NEWEST_FIRST: Final = (Order("$sequence", is_descending=True),)


class ActivityLog:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def note(self, uow: UnitOfWork, project_id: str, event: Event, subject: object) -> None:
        """Part of the unit of work that emits the event."""
        if event.path[0] != USERS:
            return
        actor, now, user_id = acting(), self._clock.now(), event.path[1]
        uow.activities.add(
            Activity(
                id=new_id(),
                project_id=project_id,
                created_at=now,
                updated_at=now,
                user_id=user_id,
                name=activity_name(event),
                done_by=actor.kind,
                ip=actor.ip,
                user_agent=actor.user_agent[:MAX_AGENT_CHARS],
            )
        )
        uow.activities.keep_newest(project_id, user_id, KEPT)


@dataclass(frozen=True, slots=True)
class Entry:
    activity: Activity
    user: User


class Activities:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def of_user(self, project_id: str, user_id: str, query: ListQuery) -> Page[Entry]:
        """The newest first, unless the query has an order. Raises UserNotFound."""
        ordered = query if query.orders else replace(query, orders=NEWEST_FIRST)

        def work(uow: UnitOfWork) -> Page[Entry]:
            user = required_user(uow, project_id, user_id)
            page = uow.activities.page(project_id, ordered, user_id=user_id)
            return Page(tuple(Entry(item, user) for item in page.items), page.total)

        return await self._storage.read(work)
