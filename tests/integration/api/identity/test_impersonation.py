"""Users who may act as others: support staff, mostly."""

import logging
from typing import Final

import pytest

from tests.fakes.identity import PROJECT_ID, Person, World

pytestmark = pytest.mark.anyio

PHONE: Final = "+14155552671"


@pytest.fixture
async def staff(world: World) -> Person:
    """Ann may act as others; Bob has an address and a phone, and no special right."""
    ann, _ = await world.user("ann"), await world.user("bob")
    await world.server.patch("/users/bob/phone", {"number": PHONE})
    changed = await world.server.patch("/users/ann/impersonator", {"impersonator": True})
    assert (changed.status, changed.body["impersonator"]) == (200, True)
    return ann


@pytest.mark.parametrize(
    "header",
    [
        {"x_appwrite_impersonate_user_id": "bob"},
        {"x_appwrite_impersonate_user_email": "BOB@example.com"},
        {"x_appwrite_impersonate_user_phone": PHONE},
    ],
)
async def test_the_header_makes_the_request_that_users(
    world: World, staff: Person, header: dict[str, str]
) -> None:
    seen = await staff.also(**header).get("/account")
    assert (seen.body["$id"], seen.body["impersonatorUserId"]) == ("bob", "ann")
    changed = await staff.also(**header).patch("/account/name", {"name": "Bobby"})
    assert (changed.body["name"], changed.body["impersonatorUserId"]) == ("Bobby", "ann")
    assert (await world.server.get("/users/bob")).body["name"] == "Bobby"
    own = await staff.get("/account")
    assert (own.body["$id"], own.body["impersonatorUserId"]) == ("ann", None)


@pytest.mark.parametrize(
    "query",
    [
        {"impersonateUserId": "bob"},
        {"impersonateuserid": "bob"},
        {"impersonateEmail": "bob@example.com"},
        {"impersonateemail": "bob@example.com"},
        {"impersonatePhone": PHONE},
        {"impersonatephone": PHONE},
    ],
)
async def test_a_parameter_of_the_query_does_the_same(
    world: World, staff: Person, query: dict[str, str]
) -> None:
    assert (await staff.get("/account", query)).body["$id"] == "bob"


async def test_the_id_counts_before_the_address_and_the_header_before_the_query(
    world: World, staff: Person
) -> None:
    await world.user("cid")
    both = await staff.get(
        "/account",
        x_appwrite_impersonate_user_id="cid",
        x_appwrite_impersonate_user_email="bob@example.com",
    )
    assert both.body["$id"] == "cid"
    named = await staff.get(
        "/account", {"impersonateUserId": "bob"}, x_appwrite_impersonate_user_id="cid"
    )
    assert named.body["$id"] == "cid"


async def test_nobody_else_is_listened_to(world: World, staff: Person) -> None:
    bob = await world.signed_in(world.guest, "bob@example.com", "correct horse")
    seen = await bob.get("/account", x_appwrite_impersonate_user_id="ann")
    assert (seen.body["$id"], seen.body["impersonatorUserId"]) == ("bob", None)
    refused = await world.guest.get("/account", x_appwrite_impersonate_user_id="ann")
    assert (refused.status, refused.type) == (401, "general_unauthorized_scope")
    owner = await world.owner()
    assert (await owner.get("/account", x_appwrite_impersonate_user_id="ann")).body["$id"] != "ann"


async def test_an_unknown_user_is_nobody_to_be(world: World, staff: Person) -> None:
    for header in (
        {"x_appwrite_impersonate_user_id": "nobody"},
        {"x_appwrite_impersonate_user_id": "!?"},
        {"x_appwrite_impersonate_user_email": "nobody@example.com"},
        {"x_appwrite_impersonate_user_phone": "+4930123456"},
    ):
        assert (await staff.also(**header).get("/account")).body["$id"] == "ann"


async def test_the_right_ends_with_the_next_request(world: World, staff: Person) -> None:
    await world.server.patch("/users/ann/impersonator", {"impersonator": False})
    seen = await staff.get("/account", x_appwrite_impersonate_user_id="bob")
    assert seen.body["$id"] == "ann"


async def test_a_blocked_impersonator_and_a_blocked_user_are_both_refused(
    world: World, staff: Person
) -> None:
    await world.server.patch("/users/bob/status", {"status": False})
    refused = await staff.get("/account", x_appwrite_impersonate_user_id="bob")
    assert (refused.status, refused.type) == (403, "user_blocked")
    await world.server.patch("/users/bob/status", {"status": True})
    await world.server.patch("/users/ann/status", {"status": False})
    refused = await staff.get("/account", x_appwrite_impersonate_user_id="bob")
    assert (refused.status, refused.type) == (403, "user_blocked")


async def test_the_other_user_has_no_session_to_end_or_to_bind_a_jwt_to(
    world: World, staff: Person
) -> None:
    as_bob = staff.also(x_appwrite_impersonate_user_id="bob")
    for refused in (
        await as_bob.post("/account/jwts"),
        await as_bob.get("/account/sessions/current"),
        await as_bob.delete("/account/sessions/current"),
    ):
        assert (refused.status, refused.type) == (404, "user_session_not_found")
    assert (await staff.get("/account")).status == 200


async def test_a_jwt_of_the_impersonator_will_do(world: World, staff: Person) -> None:
    jwt = (await staff.post("/account/jwts")).body["jwt"]
    by_jwt = world.guest.also(x_appwrite_jwt=jwt, x_appwrite_impersonate_user_id="bob")
    assert (await by_jwt.get("/account")).body["$id"] == "bob"


async def test_who_acted_as_whom_is_in_the_log(
    world: World, staff: Person, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "runwright.identity.authentication"):
        await staff.get("/account", x_appwrite_impersonate_user_id="bob")
    (line,) = [vars(item) for item in caplog.records if item.message == "user impersonated"]
    told = (line["impersonator_user_id"], line["user_id"], line["project_id"])
    assert told == ("ann", "bob", PROJECT_ID)


async def test_the_right_is_given_by_keys_and_admins_with_a_real_boolean(world: World) -> None:
    ann = await world.user("ann")
    refused = await ann.patch("/users/ann/impersonator", {"impersonator": True})
    assert (refused.status, refused.type) == (401, "general_unauthorized_scope")
    refused = await world.server.patch("/users/ann/impersonator", {"impersonator": "true"})
    assert (refused.status, refused.type) == (400, "general_argument_invalid")
    refused = await world.server.patch("/users/nobody/impersonator", {"impersonator": True})
    assert (refused.status, refused.type) == (404, "user_not_found")
