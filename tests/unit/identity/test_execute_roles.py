"""The table of execute roles: who may start a function that lets which role in."""

from dataclasses import replace

import pytest

from runwright.identity.permissions import guest_roles, key_roles, may_execute, user_roles
from runwright.identity.scopes import GUEST_SCOPES, USER_SCOPES
from runwright.model.identity import CallerKind, Membership, Principal, User
from tests.fakes.identity import START


def member_of(team: str, *roles: str, is_confirmed: bool = True) -> Membership:
    return Membership(
        id=f"m-{team}",
        project_id="p",
        created_at=START,
        updated_at=START,
        team_id=team,
        user_id="ann",
        roles=roles,
        invited_at=START,
        is_confirmed=is_confirmed,
    )


ANN = User(id="ann", project_id="p", created_at=START, updated_at=START, labels=("vip",))


def principal(user: User, *memberships: Membership) -> Principal:
    return Principal(
        kind=CallerKind.USER,
        project_id="p",
        scopes=USER_SCOPES,
        roles=user_roles(user, memberships),
        user=user,
    )


CALLERS = {
    "guest": Principal(
        kind=CallerKind.GUEST, project_id="p", scopes=GUEST_SCOPES, roles=guest_roles()
    ),
    "user": principal(replace(ANN, id="bob", labels=())),
    "unverified": principal(ANN),
    "by mail": principal(replace(ANN, is_email_verified=True)),
    "by phone": principal(replace(ANN, is_phone_verified=True)),
    "owner": principal(ANN, member_of("crew", "owner", "dev")),
    "member": principal(ANN, member_of("crew", "dev")),
    "invited": principal(ANN, member_of("crew", "owner", is_confirmed=False)),
    "key": Principal(
        kind=CallerKind.KEY, project_id="p", scopes=frozenset(), roles=key_roles(), key_id="k"
    ),
    "admin": replace(principal(replace(ANN, id="console")), kind=CallerKind.ADMIN),
}
TRUSTED = {"key", "admin"}
ANNS = {"unverified", "by mail", "by phone", "owner", "member", "invited"}
SIGNED_IN = ANNS | {"user"}

# Execute role -> everyone whom it lets in, besides keys and admins.
TABLE = {
    "any": SIGNED_IN | {"guest"},
    "guests": {"guest"},
    "users": SIGNED_IN,
    "users/verified": {"by mail", "by phone"},
    "users/unverified": SIGNED_IN - {"by mail", "by phone"},
    "user:ann": ANNS,
    "user:ann/verified": {"by mail", "by phone"},
    "user:ann/unverified": ANNS - {"by mail", "by phone"},
    "user:bob": {"user"},
    "team:crew": {"owner", "member"},
    "team:crew/owner": {"owner"},
    "team:crew/dev": {"owner", "member"},
    "team:other": set(),
    "team:crew/chef": set(),
    "member:m-crew": {"owner", "member"},
    "label:vip": ANNS,
    "label:other": set(),
    "keys": set(),
    "owner": set(),
}


@pytest.mark.parametrize("role", TABLE)
def test_a_role_lets_in_exactly_those_who_have_it(role: str) -> None:
    admitted = {name for name, caller in CALLERS.items() if may_execute(caller, (role,))}
    assert admitted == TABLE[role] | TRUSTED


def test_no_role_lets_in_keys_and_admins_alone() -> None:
    assert {name for name, caller in CALLERS.items() if may_execute(caller, ())} == TRUSTED


def test_one_role_of_several_is_enough() -> None:
    assert may_execute(CALLERS["member"], ("users/verified", "team:crew"))
    assert not may_execute(CALLERS["user"], ("users/verified", "team:crew"))
