"""Invitations to a team: who may write them, what the letter leads to, who may accept."""

from typing import Any, Final

import pytest

from tests.fakes.identity import PASSWORD, PROJECT_ID, Person, Reply, World, open_world, query

pytestmark = pytest.mark.anyio

URL: Final = "http://localhost/join?from=mail#top"
INVITED: Final[dict[str, Any]] = {
    "email": "new@example.com",
    "roles": ["dev"],
    "url": URL,
    "name": "New One",
}
PATH: Final = "/teams/crew/memberships"


async def an_owner(world: World) -> Person:
    owner = await world.user("owner")
    assert (await owner.post("/teams", {"teamId": "crew", "name": "The Crew"})).status == 201
    return owner


async def invite(person: Person, **changes: Any) -> Reply:
    return await person.post(PATH, INVITED | changes)


async def accept(person: Person, link: dict[str, str], **changes: str) -> Reply:
    path = f"/teams/{link['teamId']}/memberships/{link['membershipId']}/status"
    return await person.patch(path, {"userId": link["userId"], "secret": link["secret"]} | changes)


async def total(world: World) -> int:
    return int((await world.server.get("/teams/crew")).body["total"])


async def user_of(world: World, user_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await world.server.get(f"/users/{user_id}")).body
    return found


async def test_an_owner_invites_somebody_new_by_mail(world: World) -> None:
    owner = await an_owner(world)
    made = await invite(owner)
    assert made.status == 201
    body = made.body
    assert (body["userName"], body["userEmail"], body["teamName"]) == (
        "New One",
        "new@example.com",
        "The Crew",
    )
    assert (body["confirm"], body["joined"], body["roles"]) == (False, "", ["dev"])
    assert await total(world) == 1
    letter = world.bench.letters.last
    assert (letter.occasion, letter.to, letter.name) == ("invitation", "new@example.com", "New One")
    facts = world.bench.letters.facts()
    assert (facts["team"], facts["owner"]) == ("The Crew", "owner")
    assert facts["url"].startswith("http://localhost/join?from=mail&membershipId=")
    assert facts["url"].endswith("&teamName=The+Crew#top")
    link = world.bench.letters.link()
    assert link["membershipId"] == body["$id"]
    assert link["userId"] == body["userId"]
    user = await user_of(world, body["userId"])
    assert (user["passwordUpdate"], user["emailVerification"]) == ("", False)
    stored = await world.bench.storage.read(
        lambda uow: uow.memberships.get(PROJECT_ID, body["$id"])
    )
    assert stored is not None
    assert link["secret"] not in repr(stored)


async def test_who_accepts_is_a_member_signed_in_and_has_proved_the_address(world: World) -> None:
    owner = await an_owner(world)
    await invite(owner)
    link = world.bench.letters.link()
    accepted = await accept(world.guest, link)
    assert accepted.status == 200
    assert (accepted.body["confirm"], accepted.body["userEmail"]) == (True, "new@example.com")
    assert accepted.body["joined"]
    assert await total(world) == 2
    name = f"a_session_{PROJECT_ID}"
    member = world.guest.also(cookie=f"{name}={accepted.cookies[name]}")
    account = (await member.get("/account")).body
    assert (account["$id"], account["emailVerification"]) == (link["userId"], True)
    session = (await member.get("/account/sessions/current")).body
    assert (session["provider"], session["factors"]) == ("email", ["email"])
    assert (await member.get("/teams/crew")).status == 200
    again = await accept(member, link)
    assert (again.status, again.type) == (409, "membership_already_confirmed")


async def test_who_is_signed_in_already_gets_no_second_session(world: World) -> None:
    owner, ann = await an_owner(world), await world.user("ann")
    await invite(owner, email="ann@example.com")
    accepted = await accept(ann, world.bench.letters.link())
    assert (accepted.status, accepted.cookies) == (200, {})
    assert len((await ann.get("/account/sessions")).body["sessions"]) == 1
    assert (await ann.get("/teams/crew")).status == 200  # at once


async def test_an_invitation_gives_no_rights_before_it_is_accepted(world: World) -> None:
    owner, ann = await an_owner(world), await world.user("ann")
    await invite(owner, email="ann@example.com", roles=["owner"])
    assert (await ann.get("/teams/crew")).type == "team_not_found"


async def test_a_second_invitation_makes_the_first_one_void(world: World) -> None:
    owner = await an_owner(world)
    first = await invite(owner)
    old = world.bench.letters.link()
    world.clock.move(60)
    second = await invite(owner, roles=["chef"])
    assert second.status == 201
    assert second.body["$id"] == first.body["$id"]
    assert second.body["roles"] == ["chef"]
    assert second.body["invited"] > first.body["invited"]
    refused = await accept(world.guest, old)
    assert (refused.status, refused.type) == (401, "team_invalid_secret")
    assert (await accept(world.guest, world.bench.letters.link())).status == 200
    third = await invite(owner)
    assert (third.status, third.type) == (409, "membership_already_confirmed")


async def test_what_may_be_wrong_with_an_acceptance_has_an_order(world: World) -> None:
    owner, ann = await an_owner(world), await world.user("ann")
    await owner.post("/teams", {"teamId": "other", "name": "Other"})
    await invite(owner)
    link = world.bench.letters.link()
    wrong = {"secret": "x" * 256}
    for person, named, changes, status, kind in (
        (
            world.guest,
            {"membershipId": "none", "teamId": "none"},
            wrong,
            404,
            "membership_not_found",
        ),
        (world.guest, {"teamId": "none"}, wrong, 404, "team_not_found"),
        (world.guest, {"teamId": "other"}, wrong, 404, "team_membership_mismatch"),
        (ann, {}, wrong, 401, "team_invalid_secret"),
        (world.guest, {}, {"userId": "ann"}, 401, "team_invite_mismatch"),
        (ann, {}, {}, 401, "team_invite_mismatch"),
        (ann, {}, {"userId": "ann"}, 401, "team_invite_mismatch"),
        (world.guest, {}, {"secret": ""}, 400, "general_argument_invalid"),
    ):
        refused = await accept(person, link | named, **changes)
        assert (refused.status, refused.type) == (status, kind), (named, changes)
    assert await total(world) == 1


async def test_a_member_that_a_server_added_has_no_secret_to_guess(world: World) -> None:
    await an_owner(world)
    made = await world.server.post(PATH, {"email": "new@example.com", "roles": ["dev"]})
    link = {
        "teamId": "crew",
        "membershipId": made.body["$id"],
        "userId": made.body["userId"],
        "secret": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }
    assert (await accept(world.guest, link)).type == "team_invalid_secret"


async def test_a_server_accepts_an_open_invitation_for_somebody(world: World) -> None:
    owner = await an_owner(world)
    await invite(owner)
    added = await world.server.post(PATH, {"email": "new@example.com", "roles": ["dev"]})
    assert (added.status, added.body["confirm"], await total(world)) == (201, True, 2)
    late = await accept(world.guest, world.bench.letters.link())
    assert (late.status, late.type) == (409, "membership_already_confirmed")


async def test_an_address_that_was_left_since_is_not_proved(world: World) -> None:
    owner, ann = await an_owner(world), await world.user("ann")
    await invite(owner, email="ann@example.com")
    moved = await ann.patch(
        "/account/email", {"email": "president@example.com", "password": PASSWORD}
    )
    assert moved.status == 200, moved.body
    assert (await accept(ann, world.bench.letters.link())).status == 200
    assert (await user_of(world, ann.id))["emailVerification"] is False


async def test_a_blocked_user_does_not_join(world: World) -> None:
    owner = await an_owner(world)
    made = await invite(owner)
    await world.server.patch(f"/users/{made.body['userId']}/status", {"status": False})
    refused = await accept(world.guest, world.bench.letters.link())
    assert (refused.status, refused.type) == (403, "user_blocked")
    assert await total(world) == 1


async def test_a_phone_is_invited_by_text_where_texts_can_be_sent(world: World) -> None:
    owner = await an_owner(world)
    changed = {"email": "", "phone": "+14155552671"}
    made = await invite(owner, **changed)
    letter = world.bench.letters.last
    assert (made.status, letter.kind, letter.to) == (201, "sms", "+14155552671")
    assert (await accept(world.guest, world.bench.letters.link())).status == 200
    user = await user_of(world, made.body["userId"])
    assert (user["phoneVerification"], user["emailVerification"]) == (True, False)
    world.bench.letters.off = {"sms"}
    refused = await invite(owner, **changed | {"phone": "+14155552672"})
    assert (refused.status, refused.type) == (503, "general_phone_disabled")
    found = await world.server.get("/users", {"queries": [query("equal", "phone", "+14155552672")]})
    assert found.body["total"] == 0


async def test_without_mail_nothing_else_is_looked_at(world: World) -> None:
    owner = await an_owner(world)
    world.bench.letters.off = {"email"}
    for changes in ({}, {"userId": "unknown"}):
        refused = await invite(owner, **changes)
        assert (refused.status, refused.type) == (503, "general_smtp_disabled")
    invited = query("equal", "email", "new@example.com")
    assert (await world.server.get("/users", {"queries": [invited]})).body["total"] == 0
    added = await world.server.post(PATH, {"email": "new@example.com", "roles": ["dev"]})
    assert added.status == 201


@pytest.mark.parametrize(
    ("changes", "status", "kind"),
    [
        ({"url": ""}, 400, "general_argument_invalid"),
        ({"url": "https://evil.example/join"}, 400, "general_argument_invalid"),
        ({"url": "http://evil.example\\@localhost/"}, 400, "general_argument_invalid"),
        ({"email": ""}, 400, "general_argument_invalid"),
        ({"userId": "unknown"}, 404, "user_not_found"),
        ({"userId": "ann", "email": "bob@example.com"}, 409, "user_already_exists"),
    ],
)
async def test_invitations_that_cannot_be_written(
    world: World, changes: dict[str, Any], status: int, kind: str
) -> None:
    owner = await an_owner(world)
    await world.user("ann")
    refused = await invite(owner, **changes)
    assert (refused.status, refused.type) == (status, kind)
    assert world.bench.letters.letters == []


async def test_a_place_that_is_no_client_s_is_named_in_the_refusal(world: World) -> None:
    owner = await an_owner(world)
    refused = await invite(owner, url="https://evil.example/join")
    assert refused.body["message"] == (
        "Invalid `url` param: Invalid URI. Register your new client (evil.example) as a new Web "
        "platform on your project console dashboard"
    )


async def test_only_owners_invite_and_strangers_see_no_team(world: World) -> None:
    await an_owner(world)
    member, stranger = await world.user("member"), await world.user("stranger")
    await world.server.post(PATH, {"userId": "member", "roles": ["dev"]})
    for person, status, kind in (
        (member, 401, "user_unauthorized"),
        (stranger, 404, "team_not_found"),
    ):
        for changes in ({}, {"userId": "unknown"}):  # who has an account is not told
            refused = await invite(person, **changes)
            assert (refused.status, refused.type) == (status, kind)
    assert world.bench.letters.letters == []


async def test_invited_people_count_as_users(world: World) -> None:
    owner = await an_owner(world)
    await world.server.patch("/project/policies/user-limit", {"total": 1})
    refused = await invite(owner)
    assert (refused.status, refused.type) == (400, "user_count_exceeded")


async def test_an_owner_of_an_organization_invites_people_to_it() -> None:
    async with open_world() as world:
        owner = await world.owner()
        (team,) = (await owner.get("/teams")).body["teams"]
        made = await owner.post(f"/teams/{team['$id']}/memberships", INVITED)
        assert (made.status, made.body["confirm"]) == (201, False)
        accepted = await accept(
            Person(world.client, {"x-appwrite-project": "console"}), world.bench.letters.link()
        )
        assert accepted.status == 200
        assert "a_session_console" in accepted.cookies


async def test_one_invitation_can_be_tried_ten_times_an_hour() -> None:
    async with open_world(limits=True) as world:
        owner = await an_owner(world)
        await invite(owner)
        link = world.bench.letters.link()
        for _ in range(10):
            assert (await accept(world.guest, link, secret="x")).status == 401
        assert (await accept(world.guest, link)).status == 429
        other = await accept(world.guest, link | {"membershipId": "other"})
        assert other.status == 404
