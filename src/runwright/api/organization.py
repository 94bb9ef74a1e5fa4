"""The organization that a request of the console is about."""

from runwright.api.routing import Call
from runwright.identity.errors import TeamNotFound

HEADER = "x-appwrite-organization"


def named_organization(call: Call) -> str:
    """The header names it; authentication has checked that its sender belongs to it.

    Raises TeamNotFound, where nobody checked because nothing was named.
    """
    team_id = call.headers.get(HEADER, "")
    if not call.principal.is_trusted or not team_id:
        raise TeamNotFound(team_id)
    return team_id
