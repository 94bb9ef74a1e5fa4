"""Who counts as what: the roles of a caller, and whether roles allow a run. Pure."""

from collections.abc import Collection, Iterable
from typing import Final

from runwright.model.identity import Membership, Principal, User

ANY: Final = "any"
GUESTS: Final = "guests"
USERS: Final = "users"
KEYS: Final = "keys"

_GUEST_ROLES: Final = frozenset({ANY, GUESTS})
_KEY_ROLES: Final = frozenset({ANY, KEYS})


def guest_roles() -> frozenset[str]:
    return _GUEST_ROLES


def key_roles(owner: str = "") -> frozenset[str]:
    """A key of an organization, `team:ID`, stands for one of its owners."""
    return _KEY_ROLES | {owner, f"{owner}/owner"} if owner else _KEY_ROLES


def user_roles(user: User, memberships: Iterable[Membership]) -> frozenset[str]:
    """Every role of a signed-in user; only confirmed memberships count."""
    verified = "verified" if user.is_email_verified or user.is_phone_verified else "unverified"
    roles = {ANY, USERS, f"{USERS}/{verified}", f"user:{user.id}", f"user:{user.id}/{verified}"}
    for membership in memberships:
        if membership.is_confirmed:
            team = f"team:{membership.team_id}"
            roles |= {team, f"member:{membership.id}"}
            roles |= {f"{team}/{role}" for role in membership.roles}
    roles |= {f"label:{label}" for label in user.labels}
    return frozenset(roles)


def may_execute(principal: Principal, execute_roles: Collection[str]) -> bool:
    """Keys and admins always may; others need one of the function's roles."""
    return principal.is_trusted or not principal.roles.isdisjoint(execute_roles)


def has_lost(before: Principal, after: Principal) -> bool:
    """Whether a caller is somebody else now, or may do less than before."""
    if (before.kind, before.user_id, before.key_id) != (after.kind, after.user_id, after.key_id):
        return True
    return not (before.scopes <= after.scopes and before.roles <= after.roles)


def admin_roles(
    memberships: Iterable[Membership], team_id: str, project_id: str
) -> tuple[str, ...] | None:
    """The console roles (`owner`, `developer`, ...) that a team's member has on a project.

    Roles named `project-<id>-<role>` count on that project only. None = not a member.
    """
    member = next(
        (item for item in memberships if item.is_confirmed and item.team_id == team_id), None
    )
    if member is None:
        return None
    narrow = f"project-{project_id}-"
    found: list[str] = []
    for role in member.roles:
        if not role.startswith("project-"):
            found.append(role)
        elif project_id and role.startswith(narrow) and "-" not in role[len(narrow) :]:
            found.append(role[len(narrow) :])
    return tuple(dict.fromkeys(found))


def may_read_project(roles: Collection[str]) -> bool:
    """Whether console roles on a project let their holder see that it exists."""
    return "owner" in roles or "developer" in roles
