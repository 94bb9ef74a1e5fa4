"""What the calls about users do in detail: clearing, targets, order of checks, events."""

import pytest

from tests.fakes.identity import PASSWORD, World

pytestmark = pytest.mark.anyio

PHONE, OTHER_PHONE = "+14155552671", "+14155552672"


async def a_user(world: World, user_id: str = "ann", **fields: object) -> dict[str, object]:
    made = await world.server.post("/users", {"userId": user_id, **fields})
    assert made.status == 201, made.body
    body: dict[str, object] = made.body
    return body


async def test_null_is_not_sent(world: World) -> None:
    made = await a_user(world, email=None, phone=None, password=None, name=None)
    assert (made["email"], made["phone"], made["name"], made["password"]) == ("", "", "", None)


async def test_empty_clears_an_address_and_its_target(world: World) -> None:
    await a_user(world, email="ann@example.com", phone=PHONE)
    await world.server.patch("/users/ann/verification", {"emailVerification": True})
    cleared = (await world.server.patch("/users/ann/email", {"email": ""})).body
    assert (cleared["email"], cleared["emailVerification"]) == ("", False)
    assert [item["identifier"] for item in cleared["targets"]] == [PHONE]
    cleared = (await world.server.patch("/users/ann/phone", {"number": ""})).body
    assert (cleared["phone"], cleared["targets"]) == ("", [])
    again = (await world.server.patch("/users/ann/email", {"email": "ANN@example.com"})).body
    assert [item["identifier"] for item in again["targets"]] == ["ann@example.com"]


async def test_a_target_follows_its_address_and_keeps_its_id(world: World) -> None:
    before = await a_user(world, email="ann@example.com")
    targets = before["targets"]
    assert isinstance(targets, list)
    after = (await world.server.patch("/users/ann/email", {"email": "new@example.com"})).body
    assert [item["$id"] for item in after["targets"]] == [targets[0]["$id"]]
    assert after["targets"][0]["identifier"] == "new@example.com"


async def test_an_address_of_another_user_or_of_a_target_is_taken(world: World) -> None:
    await a_user(world, email="ann@example.com", phone=PHONE)
    await a_user(world, "bob", email="bob@example.com")
    await world.server.post(
        "/users/ann/targets",
        {"targetId": "work", "providerType": "email", "identifier": "work@example.com"},
    )
    await world.server.post(
        "/users/ann/targets",
        {"targetId": "cell", "providerType": "sms", "identifier": OTHER_PHONE},
    )
    server = world.server
    replies = [
        await server.patch("/users/bob/email", {"email": "ann@example.com"}),
        await server.patch("/users/bob/email", {"email": "work@example.com"}),
        await server.patch("/users/bob/phone", {"number": PHONE}),
        await server.patch("/users/bob/phone", {"number": OTHER_PHONE}),
    ]
    assert [(reply.status, reply.type) for reply in replies] == [
        (409, "user_target_already_exists")
    ] * 4
    assert (await server.get("/users/bob")).body["email"] == "bob@example.com"


async def test_an_empty_password_leaves_none_and_ends_the_sessions(world: World) -> None:
    ann = await world.user("ann")
    cleared = (await world.server.patch("/users/ann/password", {"password": ""})).body
    assert (cleared["password"], cleared["hash"], cleared["hashOptions"]) == (None, None, None)
    assert (await ann.get("/account")).type == "general_unauthorized_scope"
    refused = await world.guest.post(
        "/account/sessions/email", {"email": "ann@example.com", "password": PASSWORD}
    )
    assert (refused.status, refused.type) == (401, "user_invalid_credentials")


async def test_sessions_stay_when_the_policy_says_so(world: World) -> None:
    ann = await world.user("ann")
    admin = await world.admin()
    await admin.patch("/project/policies/session-invalidation", {"enabled": False})
    await world.server.patch("/users/ann/password", {"password": "another horse"})
    assert (await ann.get("/account")).status == 200


@pytest.mark.parametrize(
    ("sent", "kept"), [(True, True), (False, False), ("true", True), ("0", False), (1, True)]
)
async def test_the_status_is_a_loose_boolean(world: World, sent: object, kept: bool) -> None:
    await a_user(world)
    changed = await world.server.patch("/users/ann/status", {"status": sent})
    assert (changed.status, changed.body["status"]) == (200, kept)


@pytest.mark.parametrize("path", ["verification", "verification/phone", "impersonator"])
async def test_other_booleans_are_strict(world: World, path: str) -> None:
    await a_user(world)
    name = {
        "verification": "emailVerification",
        "verification/phone": "phoneVerification",
        "impersonator": "impersonator",
    }[path]
    refused = await world.server.patch(f"/users/ann/{path}", {name: "true"})
    assert (refused.status, refused.type) == (400, "general_argument_invalid")
    missing = await world.server.patch(f"/users/ann/{path}", {})
    assert missing.body["message"] == f'Param "{name}" is not optional.'


async def test_labels_replace_each_other_and_lose_duplicates(world: World) -> None:
    await a_user(world)
    set_ = await world.server.put("/users/ann/labels", {"labels": ["a", "b", "a"]})
    assert set_.body["labels"] == ["a", "b"]
    for bad in (["with space"], ["x" * 37], [""], ["a"] * 1001, "a"):
        refused = await world.server.put("/users/ann/labels", {"labels": bad})
        assert (refused.status, refused.type) == (400, "general_argument_invalid")
    assert (await world.server.put("/users/ann/labels", {"labels": []})).body["labels"] == []


async def test_a_name_may_be_empty_and_has_at_most_128_characters(world: World) -> None:
    await a_user(world, name="Ann")
    assert (await world.server.patch("/users/ann/name", {"name": ""})).body["name"] == ""
    assert (await world.server.patch("/users/ann/name", {"name": "x" * 129})).status == 400
    assert (await world.server.patch("/users/ann/name", {})).status == 400


async def test_preferences_are_an_object_and_answered_alone(world: World) -> None:
    await a_user(world)
    set_ = await world.server.patch("/users/ann/prefs", {"prefs": {"theme": "dark"}})
    assert set_.body == {"theme": "dark"}
    assert (await world.server.patch("/users/ann/prefs", {"prefs": []})).body == {}
    for bad in ("{}", ["a"], {"blob": "x" * 65536}):
        assert (await world.server.patch("/users/ann/prefs", {"prefs": bad})).status == 400


@pytest.mark.parametrize(
    ("length", "status"), [(3, 400), (4, 201), (7, 201), (128, 201), (129, 400)]
)
async def test_tokens_have_the_length_that_was_asked_for(
    world: World, length: int, status: int
) -> None:
    await a_user(world)
    made = await world.server.post("/users/ann/tokens", {"length": length})
    assert made.status == status
    if status == 201:
        assert len(made.body["secret"]) == length
        assert set(made.body["secret"]) <= set("0123456789abcdef")


async def test_a_jwt_is_bound_to_the_newest_session_or_to_none(world: World) -> None:
    await a_user(world)
    unbound = (await world.server.post("/users/ann/jwts")).body["jwt"]
    session = (await world.server.post("/users/ann/sessions")).body["$id"]
    bound = (await world.server.post("/users/ann/jwts")).body["jwt"]
    odd = (await world.server.post("/users/ann/jwts", {"sessionId": "nothing"})).body["jwt"]
    await world.server.delete(f"/users/ann/sessions/{session}")
    statuses = [
        (await world.guest.get("/account", x_appwrite_jwt=jwt)).status
        for jwt in (unbound, bound, odd)
    ]
    assert statuses == [200, 401, 200]


async def test_sessions_of_a_server_are_not_trimmed_and_show_their_stored_hash(
    world: World,
) -> None:
    await a_user(world)
    admin = await world.admin()
    await admin.patch("/project/policies/session-limit", {"total": 1})
    made = [(await world.server.post("/users/ann/sessions")).body for _ in range(3)]
    assert all(item["secret"] and item["provider"] == "server" for item in made)
    listed = (await world.server.get("/users/ann/sessions")).body
    assert listed["total"] == 3
    assert all(len(item["secret"]) == 64 and not item["current"] for item in listed["sessions"])


async def test_a_scope_for_sessions_alone_is_enough_for_them(world: World) -> None:
    await a_user(world)
    key = await world.key("sessions.write", "sessions.read")
    made = await key.post("/users/ann/sessions")
    assert made.status == 201
    assert (await key.get("/users/ann/sessions")).status == 200
    assert (await key.delete(f"/users/ann/sessions/{made.body['$id']}")).status == 204
    assert (await key.delete("/users/ann/sessions")).status == 204
    assert (await key.get("/users/ann")).type == "general_unauthorized_scope"


async def test_targets_are_checked_by_their_type(world: World) -> None:
    await a_user(world, email="ann@example.com")

    async def make(kind: str, identifier: str, **more: object) -> tuple[int, str]:
        params = {"targetId": "unique()", "providerType": kind, "identifier": identifier, **more}
        reply = await world.server.post("/users/ann/targets", params)
        return reply.status, reply.type

    assert await make("email", "no address") == (400, "general_invalid_email")
    assert await make("sms", "0800 1234") == (400, "general_invalid_phone")
    assert await make("push", "any device token") == (201, "")
    assert await make("email", "ann@example.com") == (409, "user_target_already_exists")
    assert await make("email", "b@example.com", providerId="none") == (404, "provider_not_found")
    assert await make("fax", "1") == (400, "general_argument_invalid")
