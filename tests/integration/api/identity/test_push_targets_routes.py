"""Devices that people register for themselves."""

import pytest

from tests.fakes.identity import PROJECT_ID, Person, World

pytestmark = pytest.mark.anyio

PHONE = "Mozilla/5.0 (Linux; Android 14; SM-S911B) AppleWebKit/537.36 Chrome/124.0 Mobile"


def device(target_id: str = "phone", identifier: str = "token-1") -> dict[str, object]:
    return {"targetId": target_id, "identifier": identifier}


async def targets(world: World, user_id: str = "ann") -> list[str]:
    found = (await world.server.get(f"/users/{user_id}/targets")).body["targets"]
    return [item["identifier"] for item in found if item["providerType"] == "push"]


async def second(world: World) -> Person:
    return await world.signed_in(world.guest, "ann@example.com", "correct horse")


async def test_a_device_is_registered_renewed_and_removed(world: World) -> None:
    ann = await world.user("ann")
    made = await ann.post("/account/targets/push", device(), user_agent=PHONE)
    assert (made.status, made.body["$id"], made.body["userId"]) == (201, "phone", "ann")
    assert (made.body["providerType"], made.body["providerId"]) == ("push", None)
    assert (made.body["identifier"], made.body["expired"]) == ("token-1", False)
    assert made.body["name"] == "Samsung SM-S911B"
    changed = await ann.put("/account/targets/phone/push", {"identifier": "token-2"})
    assert (changed.status, changed.body["identifier"]) == (200, "token-2")
    account = (await ann.get("/account")).body
    assert [item["identifier"] for item in account["targets"]] == ["ann@example.com", "token-2"]
    gone = await ann.delete("/account/targets/phone/push")
    assert (gone.status, await targets(world)) == (204, [])


async def test_a_session_has_one_device(world: World) -> None:
    ann = await world.user("ann")
    await ann.post("/account/targets/push", device())
    again = await ann.post("/account/targets/push", device("other", "token-2"))
    assert (again.status, again.body["$id"], again.body["identifier"]) == (201, "phone", "token-2")
    assert await targets(world) == ["token-2"]
    await (await second(world)).post("/account/targets/push", device("tablet", "token-3"))
    assert await targets(world) == ["token-2", "token-3"]


async def test_an_id_is_taken_by_the_device_of_the_same_session_as_well(world: World) -> None:
    ann = await world.user("ann")
    await ann.post("/account/targets/push", device())
    refused = await ann.post("/account/targets/push", device(identifier="token-2"))
    assert (refused.status, refused.type) == (409, "user_target_already_exists")
    assert await targets(world) == ["token-1"]


async def test_a_device_goes_with_its_session(world: World) -> None:
    ann = await world.user("ann")
    other = await second(world)
    await ann.post("/account/targets/push", device())
    await other.post("/account/targets/push", device("tablet", "token-2"))
    await other.delete("/account/sessions/current")
    assert await targets(world) == ["token-1"]
    await ann.delete("/account/sessions")
    assert await targets(world) == []
    assert (await world.server.get("/users/ann/targets")).body["total"] == 1  # the address


@pytest.mark.parametrize(("target_id", "identifier"), [("phone", "new"), ("new", "token-1")])
async def test_ids_and_tokens_are_taken_once(world: World, target_id: str, identifier: str) -> None:
    ann, bob = await world.user("ann"), await world.user("bob")
    await ann.post("/account/targets/push", device())
    refused = await bob.post("/account/targets/push", device(target_id, identifier))
    assert (refused.status, refused.type) == (409, "user_target_already_exists")
    await bob.post("/account/targets/push", device("tablet", "token-2"))
    taken = await bob.put("/account/targets/tablet/push", {"identifier": "token-1"})
    assert (taken.status, taken.type) == (409, "user_target_already_exists")


async def test_other_peoples_devices_and_ones_own_addresses_are_out_of_reach(
    world: World,
) -> None:
    ann, bob = await world.user("ann"), await world.user("bob")
    await ann.post("/account/targets/push", device())
    address = (await bob.get("/account")).body["targets"][0]["$id"]
    for target_id in ("phone", address, "none"):
        path = f"/account/targets/{target_id}/push"
        for refused in (await bob.put(path, {"identifier": "x"}), await bob.delete(path)):
            assert (refused.status, refused.type) == (404, "user_target_not_found")
    assert await targets(world) == ["token-1"]


@pytest.mark.parametrize("address", ["bob@example.com", "Bob@Example.com", "+14155552671"])
async def test_a_device_does_not_take_the_address_of_somebody_else(
    world: World, address: str
) -> None:
    """An address is a target once in a project: whoever had it first would keep its owner out."""
    ann = await world.user("ann")
    refused = await ann.post("/account/targets/push", device(identifier=address))
    assert (refused.status, refused.type) == (400, "general_argument_invalid")
    await ann.post("/account/targets/push", device())
    refused = await ann.put("/account/targets/phone/push", {"identifier": address})
    assert (refused.status, refused.type) == (400, "general_argument_invalid")


async def test_no_provider_can_be_named_while_there_is_none(world: World) -> None:
    ann = await world.user("ann")
    refused = await ann.post("/account/targets/push", device() | {"providerId": "fcm"})
    assert (refused.status, refused.type) == (404, "provider_not_found")


async def test_devices_are_for_signed_in_users(world: World) -> None:
    for caller in (world.guest, world.server):
        refused = await caller.post("/account/targets/push", device())
        assert (refused.status, refused.type) == (401, "general_unauthorized_scope")


async def test_a_jwt_registers_for_the_session_it_came_from(world: World) -> None:
    ann = await world.user("ann")
    jwt = (await ann.post("/account/jwts")).body["jwt"]
    by_jwt = Person(world.client, {"x-appwrite-project": PROJECT_ID, "x-appwrite-jwt": jwt})
    assert (await by_jwt.post("/account/targets/push", device())).status == 201
    await ann.delete("/account/sessions/current")
    assert await targets(world) == []
