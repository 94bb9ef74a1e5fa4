"""Teams and memberships: what an owner, a member and a stranger may do."""

import pytest

from tests.fakes.identity import Person, World, open_world

pytestmark = pytest.mark.anyio


async def join(world: World, person: Person, *roles: str, team: str = "crew") -> str:
    """The id of the membership."""
    made = await world.server.post(
        f"/teams/{team}/memberships", {"userId": person.id, "roles": list(roles)}
    )
    assert made.status == 201, made.body
    return str(made.body["$id"])


async def people(world: World) -> tuple[Person, Person, Person]:
    """An owner of the team `crew`, a member of it, a stranger."""
    owner, member, stranger = [await world.user(name) for name in ("owner", "member", "stranger")]
    made = await owner.post("/teams", {"teamId": "crew", "name": "Crew"})
    assert made.status == 201
    await join(world, member, "dev")
    return owner, member, stranger


async def test_who_makes_a_team_owns_it(world: World) -> None:
    ann = await world.user("ann")
    made = await ann.post("/teams", {"teamId": "crew", "name": "Crew", "roles": ["chef"]})
    assert (made.status, made.body["total"], made.body["prefs"]) == (201, 1, {})
    (member,) = (await world.server.get("/teams/crew/memberships")).body["memberships"]
    assert (member["userId"], member["roles"]) == ("ann", ["chef", "owner"])
    assert member["confirm"] is True


async def test_a_team_made_by_a_server_is_empty(world: World) -> None:
    made = await world.server.post("/teams", {"teamId": "crew", "name": "Crew"})
    assert (made.status, made.body["total"]) == (201, 0)
    again = await world.server.post("/teams", {"teamId": "crew", "name": "Crew"})
    assert (again.status, again.type) == (409, "team_already_exists")


async def test_guests_know_no_teams(world: World) -> None:
    for reply in (await world.guest.get("/teams"), await world.guest.post("/teams")):
        assert (reply.status, reply.type) == (401, "general_unauthorized_scope")


async def test_members_see_the_team_and_strangers_do_not(world: World) -> None:
    owner, member, stranger = await people(world)
    admin = await world.admin()
    for person in (owner, member, world.server, admin):
        assert (await person.get("/teams/crew")).body["name"] == "Crew"
        assert (await person.get("/teams")).body["total"] == 1
        assert (await person.get("/teams/crew/memberships")).body["total"] == 2
        assert (await person.get("/teams/crew/prefs")).body == {}
    assert (await stranger.get("/teams")).body == {"total": 0, "teams": []}
    for path in ("/teams/crew", "/teams/crew/memberships", "/teams/crew/prefs"):
        refused = await stranger.get(path)
        assert (refused.status, refused.type) == (404, "team_not_found")


async def test_owners_change_the_team_members_may_not_strangers_see_none(world: World) -> None:
    owner, member, stranger = await people(world)
    for person, status, kind in (
        (owner, 200, ""),
        (member, 401, "user_unauthorized"),
        (stranger, 404, "team_not_found"),
        (world.server, 200, ""),
    ):
        renamed = await person.put("/teams/crew", {"name": "New"})
        assert (renamed.status, renamed.type) == (status, kind)
        prefs = await person.put("/teams/crew/prefs", {"prefs": {"a": 1}})
        assert (prefs.status, prefs.type) == (status, kind)
    assert (await owner.get("/teams/crew/prefs")).body == {"a": 1}


async def test_owners_delete_the_team_members_may_not(world: World) -> None:
    owner, member, stranger = await people(world)
    assert (await member.delete("/teams/crew")).type == "user_unauthorized"
    assert (await stranger.delete("/teams/crew")).type == "team_not_found"
    assert (await owner.delete("/teams/crew")).status == 204
    assert (await owner.get("/teams")).body["total"] == 0
    assert (await world.server.get("/users/member/memberships")).body["total"] == 0


async def test_a_server_adds_a_member_at_once(world: World) -> None:
    await world.server.post("/teams", {"teamId": "crew", "name": "Crew"})
    ann = await world.user("ann")
    made = await world.server.post(
        "/teams/crew/memberships", {"email": "Ann@example.com", "roles": ["dev", "qa"]}
    )
    assert made.status == 201
    assert made.body["confirm"] is True
    assert made.body["joined"] == "2026-08-21T13:42:57.000+00:00"
    assert (made.body["teamName"], made.body["userName"]) == ("Crew", "ann")
    assert (await world.server.get("/teams/crew")).body["total"] == 1
    assert (await ann.get("/teams")).body["total"] == 1
    again = await world.server.post("/teams/crew/memberships", {"userId": "ann", "roles": ["dev"]})
    assert (again.status, again.type) == (409, "membership_already_confirmed")


async def test_an_unknown_address_becomes_a_user_who_cannot_sign_in_yet(world: World) -> None:
    await world.server.post("/teams", {"teamId": "crew", "name": "Crew"})
    made = await world.server.post(
        "/teams/crew/memberships", {"email": "new@example.com", "roles": ["dev"], "name": "New"}
    )
    user = (await world.server.get(f"/users/{made.body['userId']}")).body
    assert (user["email"], user["name"], user["passwordUpdate"]) == ("new@example.com", "New", "")
    refused = await world.guest.post(
        "/account/sessions/email", {"email": "new@example.com", "password": "password"}
    )
    assert refused.type == "user_invalid_credentials"


@pytest.mark.parametrize(
    ("whom", "status", "kind"),
    [
        ({}, 400, "general_argument_invalid"),
        ({"userId": "nobody"}, 404, "user_not_found"),
        ({"userId": "ann", "email": "bob@example.com"}, 409, "user_already_exists"),
        ({"email": "ann@example.com", "phone": "+14155552671"}, 409, "user_already_exists"),
        ({"email": "ann@example.com", "roles": ["bad role"]}, 400, "general_argument_invalid"),
    ],
)
async def test_members_that_cannot_be_added(
    world: World, whom: dict[str, object], status: int, kind: str
) -> None:
    await world.server.post("/teams", {"teamId": "crew", "name": "Crew"})
    await world.user("ann")
    await world.user("bob")
    refused = await world.server.post("/teams/crew/memberships", {"roles": ["dev"], **whom})
    assert (refused.status, refused.type) == (status, kind)


async def test_roles_are_changed_by_owners_and_hold_at_once(world: World) -> None:
    owner, member, stranger = await people(world)
    members = (await world.server.get("/teams/crew/memberships")).body["memberships"]
    (membership,) = [item["$id"] for item in members if item["userId"] == "member"]
    path, promotion = f"/teams/crew/memberships/{membership}", {"roles": ["owner"]}
    assert (await member.patch(path, promotion)).type == "user_unauthorized"
    assert (await stranger.patch(path, promotion)).type == "team_not_found"
    assert (await member.put("/teams/crew", {"name": "Mine"})).type == "user_unauthorized"
    promoted = await owner.patch(path, promotion)
    assert (promoted.status, promoted.body["roles"]) == (200, ["owner"])
    assert (await member.put("/teams/crew", {"name": "Mine"})).status == 200


async def test_members_leave_and_owners_send_away(world: World) -> None:
    owner, member, stranger = await people(world)
    other = await world.user("other")
    of_other = await join(world, other, "dev")
    path = f"/teams/crew/memberships/{of_other}"
    assert (await member.delete(path)).type == "user_unauthorized"
    assert (await stranger.delete(path)).type == "team_not_found"
    assert (await other.delete(path)).status == 204
    of_other = await join(world, other, "dev")
    assert (await owner.delete(f"/teams/crew/memberships/{of_other}")).status == 204
    assert (await other.get("/teams/crew")).type == "team_not_found"
    assert (await owner.get("/teams/crew")).body["total"] == 2


async def test_memberships_are_looked_for_in_their_own_team(world: World) -> None:
    owner, _, _ = await people(world)
    await owner.post("/teams", {"teamId": "other", "name": "Other"})
    members = (await world.server.get("/teams/crew/memberships")).body["memberships"]
    elsewhere = f"/teams/other/memberships/{members[0]['$id']}"
    for reply in (
        await owner.get(elsewhere),
        await owner.patch(elsewhere, {"roles": ["dev"]}),
        await owner.delete(elsewhere),
    ):
        assert (reply.status, reply.type) == (404, "team_membership_mismatch")
    nowhere = "/teams/crew/memberships/nothing"
    assert (await owner.get(nowhere)).type == "membership_not_found"
    assert (await owner.patch(nowhere, {"roles": ["dev"]})).type == "membership_not_found"
    assert (await owner.delete(nowhere)).type == "team_invite_not_found"


async def test_members_see_of_each_other_what_the_project_allows(world: World) -> None:
    owner, _, _ = await people(world)
    private = (await owner.get("/teams/crew/memberships")).body["memberships"][1]
    assert (private["userId"], private["userName"], private["userEmail"]) == ("", "", "")
    assert (private["teamName"], private["roles"]) == ("Crew", ["dev"])

    admin = await world.admin()
    changed = await admin.patch(
        "/project/policies/membership-privacy", {"userName": True, "userId": True}
    )
    assert changed.status == 200
    shown = (await owner.get("/teams/crew/memberships")).body["memberships"][1]
    assert (shown["userId"], shown["userName"], shown["userEmail"]) == ("member", "member", "")

    full = (await world.server.get("/teams/crew/memberships")).body["memberships"][1]
    assert full["userEmail"] == "member@example.com"


async def test_privacy_of_one_field_leaves_the_others(world: World) -> None:
    admin = await world.admin()
    await admin.patch("/project/policies/membership-privacy", {"userName": True})
    await admin.patch("/project/policies/membership-privacy", {"userPhone": True})
    policy = (await admin.get("/project/policies/membership-privacy")).body
    assert (policy["userName"], policy["userPhone"], policy["userEmail"]) == (True, True, False)


async def test_organizations_of_others_are_invisible_even_to_owners_of_one() -> None:
    async with open_world(console_signup="open") as world:
        signup = {"userId": "eve", "email": "eve@example.com", "password": "password"}
        await world.console_guest.post("/account", signup)
        eve = await world.signed_in(world.console_guest, "eve@example.com", "password")
        await eve.post("/teams", {"teamId": "evil", "name": "Evil"})
        first = await world.owner()
        theirs = (await first.get("/teams")).body["teams"][0]["$id"]
        acting = eve.also(x_appwrite_organization="evil")
        for person in (eve, acting):
            assert [item["$id"] for item in (await person.get("/teams")).body["teams"]] == ["evil"]
            refused = await person.get(f"/teams/{theirs}")
            assert (refused.status, refused.type) == (404, "team_not_found")
            refused = await person.post(
                f"/teams/{theirs}/memberships",
                {"userId": "eve", "roles": ["owner"], "url": "http://localhost"},
            )
            assert refused.status in (404, 503)
        assert (await first.get(f"/teams/{theirs}")).body["total"] == 1


async def test_an_organization_keeps_an_owner(world: World) -> None:
    owner = await world.owner()
    team = (await owner.get("/teams")).body["teams"][0]["$id"]
    path = f"/teams/{team}/memberships"
    (membership,) = (await owner.get(path)).body["memberships"]
    assert membership["userEmail"] == world.bench.login.email
    stepping = await owner.patch(f"{path}/{membership['$id']}", {"roles": ["developer"]})
    assert (stepping.status, stepping.type) == (400, "membership_downgrade_prohibited")
    leaving = await owner.delete(f"{path}/{membership['$id']}")
    assert (leaving.status, leaving.type) == (400, "membership_deletion_prohibited")


async def test_invitations_can_be_switched_off(world: World) -> None:
    owner, _, _ = await people(world)
    admin = await world.admin()
    await admin.patch("/project/auth-methods/invites", {"enabled": False})
    refused = await owner.post(
        "/teams/crew/memberships",
        {"email": "new@example.com", "roles": ["dev"], "url": "http://localhost"},
    )
    assert (refused.status, refused.type) == (501, "user_auth_method_unsupported")


async def test_people_find_their_own_memberships(world: World) -> None:
    owner, member, stranger = await people(world)
    for person, count in ((owner, 1), (member, 1), (stranger, 0)):
        found = (await person.get("/account/memberships")).body
        assert found["total"] == count
        assert {item["userId"] for item in found["memberships"]} <= {person.id}
    assert (await world.guest.get("/account/memberships")).type == "general_unauthorized_scope"
