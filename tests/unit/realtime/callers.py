"""Who may listen, as the authenticator would tell it."""

from datetime import UTC, datetime

from runwright.identity.permissions import guest_roles, key_roles, user_roles
from runwright.model.identity import CallerKind, Membership, Principal, User

AT = datetime(2026, 10, 5, 8, 0, tzinfo=UTC)
PROJECT = "shop"


def guest(project_id: str = PROJECT) -> Principal:
    return Principal(
        kind=CallerKind.GUEST, project_id=project_id, scopes=frozenset(), roles=guest_roles()
    )


def user(user_id: str, *teams: tuple[str, str], project_id: str = PROJECT) -> Principal:
    """A signed-in user with teams and its role in each."""
    person = User(id=user_id, project_id=project_id, created_at=AT, updated_at=AT, registration=AT)
    memberships = [
        Membership(
            id=f"m-{team}",
            project_id=project_id,
            created_at=AT,
            updated_at=AT,
            team_id=team,
            user_id=user_id,
            roles=(role,),
            invited_at=AT,
            is_confirmed=True,
        )
        for team, role in teams
    ]
    return Principal(
        kind=CallerKind.USER,
        project_id=project_id,
        scopes=frozenset(),
        roles=user_roles(person, memberships),
        user=person,
    )


def key(*scopes: str) -> Principal:
    return Principal(
        kind=CallerKind.KEY, project_id=PROJECT, scopes=frozenset(scopes), roles=key_roles()
    )
