"""What people did and what was done to their accounts, as a log that they can read."""

from datetime import datetime
from typing import Final

from runwright.model.event import Event
from runwright.values import dataclass

KEPT: Final = 100  # entries of each user, the newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    user_id: str  # whose account it is about
    name: str  # what happened, such as session.create
    done_by: str  # user, impersonator, admin, a kind of key, or platform
    ip: str = ""
    user_agent: str = ""


def activity_name(event: Event) -> str:
    """`users.U.sessions.S.create` -> `session.create`; an attribute that changed is left out."""
    if event.action == "sessions":  # all of them at once, see `is_pattern`
        return f"{event.action}.{event.attribute}"
    return f"{event.path[-2].removesuffix('s')}.{event.action}"
