from dataclasses import replace

import pytest

from runwright.identity import scopes
from runwright.identity.permissions import (
    admin_roles,
    guest_roles,
    key_roles,
    may_execute,
    may_read_project,
    user_roles,
)
from runwright.model.identity import CallerKind, Principal, User
from tests.unit.api.world import PROJECT, a_membership, a_user


def _caller(kind: CallerKind, roles: frozenset[str]) -> Principal:
    return Principal(kind=kind, project_id=PROJECT, scopes=frozenset(), roles=roles)


@pytest.mark.parametrize(
    ("execute", "guest", "ann", "key"),
    [
        ((), False, False, True),
        (("any",), True, True, True),
        (("guests",), True, False, True),
        (("users",), False, True, True),
        (("users/verified",), False, False, True),
        (("users/unverified",), False, True, True),
        (("user:ann",), False, True, True),
        (("user:bob",), False, False, True),
        (("team:bakers",), False, True, True),
        (("team:bakers/oven",), False, True, True),
        (("team:bakers/till",), False, False, True),
        (("member:member-ann",), False, True, True),
        (("label:vip",), False, True, True),
        (("user:bob", "label:vip"), False, True, True),
    ],
)
def test_who_may_execute(execute: tuple[str, ...], guest: bool, ann: bool, key: bool) -> None:
    roles = user_roles(
        a_user("ann", labels=("vip",)), [a_membership("ann", PROJECT, "bakers", "oven")]
    )
    assert may_execute(_caller(CallerKind.GUEST, guest_roles()), execute) is guest
    assert may_execute(_caller(CallerKind.USER, roles), execute) is ann
    assert may_execute(_caller(CallerKind.KEY, key_roles()), execute) is key
    assert may_execute(_caller(CallerKind.ADMIN, roles), execute) is key


@pytest.mark.parametrize(
    "user",
    [a_user("ann", is_email_verified=True), a_user("ann", is_phone_verified=True)],
    ids=["email", "phone"],
)
def test_one_verified_address_makes_a_user_verified(user: User) -> None:
    roles = user_roles(user, [])
    assert {"users/verified", "user:ann/verified"} <= roles
    assert "users/unverified" not in roles


def test_an_invitation_gives_no_role_before_it_is_accepted() -> None:
    invited = replace(a_membership("ann", PROJECT, "bakers", "oven"), is_confirmed=False)
    roles = user_roles(a_user("ann"), [invited])
    assert not any(role.startswith(("team:", "member:")) for role in roles)


def test_a_role_on_one_project_does_not_leak_to_one_with_a_longer_name() -> None:
    member = a_membership("ann", "console", "org", "project-a-b-owner")
    assert admin_roles([member], "org", "a") == ()
    assert admin_roles([member], "org", "a-b") == ("owner",)
    assert admin_roles([member], "other", "a-b") is None


@pytest.mark.parametrize(
    ("roles", "may"),
    [(("owner",), True), (("developer",), True), (("admin",), False), ((), False)],
)
def test_owners_and_developers_see_a_project(roles: tuple[str, ...], may: bool) -> None:
    assert may_read_project(roles) is may


def test_the_catalogue_of_project_scopes_is_complete_and_free_of_doubles() -> None:
    ids = [scope.id for scope in scopes.PROJECT_SCOPES]
    assert len(ids) == len(set(ids)) == 89
    assert all(scope.description and scope.category for scope in scopes.PROJECT_SCOPES)
    deprecated = {scope.id for scope in scopes.PROJECT_SCOPES if scope.is_deprecated}
    old = ("policies", "collections", "attributes", "documents", "execution")
    assert deprecated == {f"{name}.{action}" for name in old for action in ("read", "write")}


def test_owners_hold_everything_that_users_and_admins_hold() -> None:
    own = {scope.id for scope in scopes.ORGANIZATION_SCOPES}
    both = scopes.USER_SCOPES | scopes.ADMIN_SCOPES
    assert scopes.admin_scopes(["owner"]) == both | own
    assert not scopes.admin_scopes(["developer"]) & {"organization.write", "organization.keys.read"}
    assert scopes.admin_scopes(["nobody"]) == {
        "teams.read",
        "projects.read",
        "organization.read",
        "organization.memberships.read",
    }


def test_guests_may_start_executions_and_not_read_them() -> None:
    assert "executions.write" in scopes.GUEST_SCOPES
    assert "executions.read" not in scopes.GUEST_SCOPES
    assert "executions.read" in scopes.USER_SCOPES
    assert "health.read" not in scopes.USER_SCOPES


def test_a_key_may_what_anybody_may() -> None:
    assert scopes.key_scopes(["users.read"]) == {
        "users.read",
        "public",
        "global",
        "graphql",
        "health.read",
    }
