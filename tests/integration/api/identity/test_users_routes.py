"""Users as servers manage them."""

import pytest

from tests.fakes.identity import PASSWORD, World, query

pytestmark = pytest.mark.anyio


async def a_user(world: World, user_id: str = "ann", **fields: object) -> dict[str, object]:
    made = await world.server.post("/users", {"userId": user_id, **fields})
    assert made.status == 201, made.body
    body: dict[str, object] = made.body
    return body


async def test_a_user_may_consist_of_an_id_alone(world: World) -> None:
    bare = await a_user(world)
    assert (bare["$id"], bare["email"], bare["phone"], bare["name"]) == ("ann", "", "", "")
    assert (bare["password"], bare["hash"], bare["hashOptions"]) == (None, None, None)
    assert (bare["status"], bare["targets"]) == (True, [])


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/users", {"userId": "ann"}),
        ("/users/md5", {"userId": "ann", "email": "a@example.com", "password": "0" * 32}),
        ("/teams/team/memberships", {"userId": "bob", "roles": []}),
    ],
)
async def test_a_name_that_is_sent_is_not_empty(
    world: World, path: str, params: dict[str, object]
) -> None:
    await a_user(world, "bob")
    await world.server.post("/teams", {"teamId": "team", "name": "Team"})
    refused = await world.server.post(path, params | {"name": ""})
    assert (refused.status, refused.type) == (400, "general_argument_invalid")
    assert (await world.server.post(path, params)).status == 201


async def test_a_full_user_shows_hash_and_targets(world: World) -> None:
    full = await a_user(
        world, email="Ann@Example.com", phone="+14155552671", password=PASSWORD, name="Ann"
    )
    assert (full["email"], full["hash"]) == ("ann@example.com", "argon2")
    assert str(full["password"]).startswith("$argon2id$")
    options = full["hashOptions"]
    assert isinstance(options, dict)
    assert options["memoryCost"] == options["memory_cost"] == 8
    targets = full["targets"]
    assert isinstance(targets, list)
    assert [item["providerType"] for item in targets] == ["email", "sms"]
    await world.signed_in(world.guest, "ann@example.com", PASSWORD)


@pytest.mark.parametrize("field", ["userId", "email", "phone"])
async def test_id_email_and_phone_are_unique(world: World, field: str) -> None:
    ann: dict[str, object] = {"userId": "ann", "email": "a@example.com", "phone": "+14155552671"}
    await world.server.post("/users", ann)
    bob = {"userId": "bob", "email": "b@example.com", "phone": "+14155552672"}
    refused = await world.server.post("/users", bob | {field: ann[field]})
    assert (refused.status, refused.type) == (409, "user_already_exists")


async def test_only_keys_and_admins_manage_users(world: World) -> None:
    ann = await world.user("ann")
    reader = await world.key("users.read")
    admin = await world.admin()
    for stranger in (world.guest, ann, reader):
        refused = await stranger.post("/users", {"userId": "new"})
        assert (refused.status, refused.type) == (401, "general_unauthorized_scope")
    assert (await admin.post("/users", {"userId": "new"})).status == 201
    assert (await reader.get("/users/new")).status == 200


async def test_console_accounts_are_nobodys_users(world: World) -> None:
    """An owner of one organization must not reach the accounts of others."""
    owner = await world.owner()
    team_id = (await owner.get("/teams")).body["teams"][0]["$id"]
    refused = await owner.get("/users", x_appwrite_organization=team_id)
    assert (refused.status, refused.type) == (401, "general_unauthorized_scope")


async def test_an_unknown_user_is_404_everywhere(world: World) -> None:
    server = world.server
    replies = [
        await server.get("/users/nobody"),
        await server.delete("/users/nobody"),
        await server.patch("/users/nobody/name", {"name": "x"}),
        await server.patch("/users/nobody/email", {"email": "x@example.com"}),
        await server.patch("/users/nobody/phone", {"number": "+14155552671"}),
        await server.patch("/users/nobody/password", {"password": PASSWORD}),
        await server.patch("/users/nobody/status", {"status": False}),
        await server.put("/users/nobody/labels", {"labels": []}),
        await server.get("/users/nobody/prefs"),
        await server.patch("/users/nobody/prefs", {"prefs": {}}),
        await server.patch("/users/nobody/verification", {"emailVerification": True}),
        await server.patch("/users/nobody/verification/phone", {"phoneVerification": True}),
        await server.post("/users/nobody/sessions"),
        await server.get("/users/nobody/sessions"),
        await server.delete("/users/nobody/sessions"),
        await server.delete("/users/nobody/sessions/s"),
        await server.post("/users/nobody/tokens"),
        await server.post("/users/nobody/jwts"),
        await server.get("/users/nobody/memberships"),
        await server.get("/users/nobody/targets"),
        await server.get("/users/nobody/targets/t"),
    ]
    assert {(reply.status, reply.type) for reply in replies} == {(404, "user_not_found")}


async def test_lists_filter_search_order_and_page(world: World) -> None:
    for name in ("ann", "bob", "cid"):
        await a_user(world, name, name=name.capitalize(), email=f"{name}@example.com")
    await world.server.put("/users/bob/labels", {"labels": ["vip"]})

    async def ids(*queries: str, **params: object) -> list[str]:
        reply = await world.server.get("/users", {"queries": list(queries), **params})
        assert reply.status == 200, reply.body
        return [item["$id"] for item in reply.body["users"]]

    assert await ids() == ["ann", "bob", "cid"]
    assert await ids(query("orderDesc", "name")) == ["cid", "bob", "ann"]
    assert await ids(query("equal", "email", "bob@example.com")) == ["bob"]
    assert await ids(query("contains", "labels", "vip")) == ["bob"]
    assert await ids(query("limit", "", 1), query("offset", "", 1)) == ["bob"]
    assert await ids(query("cursorAfter", "", "bob")) == ["cid"]
    assert await ids(search="label:vip") == ["bob"]
    assert await ids(search="cid") == ["cid"]


@pytest.mark.parametrize(
    ("queries", "kind"),
    [
        ([query("equal", "password", "x")], "general_argument_invalid"),
        (["{"], "general_argument_invalid"),
        ([query("cursorAfter", "", "nobody")], "general_cursor_not_found"),
    ],
)
async def test_bad_queries_are_refused(world: World, queries: list[str], kind: str) -> None:
    refused = await world.server.get("/users", {"queries": queries})
    assert (refused.status, refused.type) == (400, kind)


async def test_the_total_can_be_left_out(world: World) -> None:
    await a_user(world)
    assert (await world.server.get("/users")).body["total"] == 1
    assert (await world.server.get("/users", {"total": False})).body["total"] == 0


async def test_a_deleted_user_leaves_nothing_behind(world: World) -> None:
    ann = await world.user("ann")
    await world.server.post("/teams", {"teamId": "crew", "name": "Crew"})
    await world.server.post("/teams/crew/memberships", {"userId": "ann", "roles": ["dev"]})
    jwt = (await ann.post("/account/jwts")).body["jwt"]

    assert (await world.server.delete("/users/ann")).status == 204

    assert (await ann.get("/account")).type == "general_unauthorized_scope"
    by_jwt = await world.guest.get("/account", x_appwrite_jwt=jwt)
    assert by_jwt.type == "general_unauthorized_scope"
    assert (await world.server.get("/teams/crew")).body["total"] == 0
    members = await world.server.get("/teams/crew/memberships")
    assert members.body == {"total": 0, "memberships": []}
    again = await a_user(world, email="ann@example.com")
    assert (await world.server.get("/users/ann/sessions")).body["total"] == 0
    targets = again["targets"]
    assert isinstance(targets, list)
    assert len(targets) == 1


async def test_an_address_can_be_changed_and_cleared(world: World) -> None:
    await a_user(world, email="ann@example.com")
    await a_user(world, "bob", email="bob@example.com")
    await world.server.patch("/users/ann/verification", {"emailVerification": True})
    changed = await world.server.patch("/users/ann/email", {"email": "New@example.com"})
    assert (changed.body["email"], changed.body["emailVerification"]) == ("new@example.com", False)
    assert [item["identifier"] for item in changed.body["targets"]] == ["new@example.com"]
    taken = await world.server.patch("/users/ann/email", {"email": "bob@example.com"})
    assert (taken.status, taken.type) == (409, "user_target_already_exists")
    cleared = await world.server.patch("/users/ann/email", {"email": ""})
    assert (cleared.body["email"], cleared.body["targets"]) == ("", [])


async def test_a_phone_number_can_be_changed_and_cleared(world: World) -> None:
    await a_user(world, phone="+14155552671")
    await a_user(world, "bob", phone="+14155552672")
    taken = await world.server.patch("/users/ann/phone", {"number": "+14155552672"})
    assert (taken.status, taken.type) == (409, "user_target_already_exists")
    cleared = await world.server.patch("/users/ann/phone", {"number": ""})
    assert (cleared.body["phone"], cleared.body["targets"]) == ("", [])
    again = await world.server.patch("/users/bob/phone", {"number": "+14155552671"})
    assert again.body["phone"] == "+14155552671"


async def test_a_password_set_by_the_server_ends_all_sessions(world: World) -> None:
    ann = await world.user("ann")
    changed = await world.server.patch("/users/ann/password", {"password": "another horse"})
    assert changed.status == 200
    assert (await ann.get("/account")).type == "general_unauthorized_scope"
    await world.signed_in(world.guest, "ann@example.com", "another horse")
    await world.server.patch("/users/ann/password", {"password": ""})
    refused = await world.guest.post(
        "/account/sessions/email", {"email": "ann@example.com", "password": "another horse"}
    )
    assert refused.type == "user_invalid_credentials"


async def test_blocking_holds_at_once_and_ends_when_undone(world: World) -> None:
    ann = await world.user("ann")
    jwt = (await ann.post("/account/jwts")).body["jwt"]
    by_jwt = world.guest.also(x_appwrite_jwt=jwt)
    await world.server.patch("/users/ann/status", {"status": False})
    for person in (ann, by_jwt):
        refused = await person.get("/account")
        assert (refused.status, refused.type) == (403, "user_blocked")
    await world.server.patch("/users/ann/status", {"status": True})
    for person in (ann, by_jwt):
        assert (await person.get("/account")).status == 200


async def test_labels_are_replaced_and_kept_once(world: World) -> None:
    await a_user(world)
    await world.server.put("/users/ann/labels", {"labels": ["a", "b"]})
    changed = await world.server.put("/users/ann/labels", {"labels": ["vip", "vip", "x"]})
    assert changed.body["labels"] == ["vip", "x"]
    refused = await world.server.put("/users/ann/labels", {"labels": ["not valid"]})
    assert (refused.status, refused.type) == (400, "general_argument_invalid")


async def test_preferences_answer_with_themselves(world: World) -> None:
    await a_user(world)
    changed = await world.server.patch("/users/ann/prefs", {"prefs": {"a": 1}})
    assert (changed.status, changed.body) == (200, {"a": 1})
    assert (await world.server.get("/users/ann/prefs")).body == {"a": 1}


async def test_verification_wants_true_booleans(world: World) -> None:
    await a_user(world)
    verified = await world.server.patch("/users/ann/verification", {"emailVerification": True})
    assert verified.body["emailVerification"] is True
    phone = await world.server.patch("/users/ann/verification/phone", {"phoneVerification": True})
    assert phone.body["phoneVerification"] is True
    refused = await world.server.patch("/users/ann/verification", {"emailVerification": "true"})
    assert (refused.status, refused.type) == (400, "general_argument_invalid")


async def test_a_server_opens_reads_and_ends_sessions(world: World) -> None:
    await a_user(world)
    opened = await world.server.post("/users/ann/sessions")
    assert (opened.status, opened.body["factors"]) == (201, ["server"])
    value = opened.body["secret"]
    ann = world.guest.also(x_appwrite_session=value)
    assert (await ann.get("/account")).body["$id"] == "ann"
    listed = await world.server.get("/users/ann/sessions")
    (shown,) = listed.body["sessions"]
    assert shown["current"] is False
    assert shown["secret"] != value
    ended = await world.server.delete(f"/users/ann/sessions/{opened.body['$id']}")
    assert ended.status == 204
    assert (await ann.get("/account")).type == "general_unauthorized_scope"
    missing = await world.server.delete(f"/users/ann/sessions/{opened.body['$id']}")
    assert (missing.status, missing.type) == (404, "user_session_not_found")


async def test_sessions_scopes_are_enough_for_sessions(world: World) -> None:
    await a_user(world)
    narrow = await world.key("sessions.read", "sessions.write")
    assert (await narrow.post("/users/ann/sessions")).status == 201
    assert (await narrow.get("/users/ann/sessions")).body["total"] == 1
    assert (await narrow.get("/users/ann")).type == "general_unauthorized_scope"


async def test_server_sessions_are_not_counted_against_the_limit(world: World) -> None:
    admin = await world.admin()
    await admin.patch("/project/policies/session-limit", {"total": 1})
    await a_user(world)
    for _ in range(3):
        await world.server.post("/users/ann/sessions")
    assert (await world.server.get("/users/ann/sessions")).body["total"] == 3


async def test_a_jwt_is_bound_to_the_newest_session_unless_told_otherwise(world: World) -> None:
    await world.user("ann")
    ann = await world.signed_in(world.guest, "ann@example.com", PASSWORD)

    async def jwt(**params: object) -> str:
        made = await world.server.post("/users/ann/jwts", params)
        assert made.status == 201
        return str(made.body["jwt"])

    bound, free, stray = await jwt(), await jwt(sessionId=""), await jwt(sessionId="unknown")
    await ann.delete("/account/sessions/current")
    assert (await world.guest.get("/account", x_appwrite_jwt=bound)).status == 401
    for text in (free, stray):
        assert (await world.guest.get("/account", x_appwrite_jwt=text)).body["$id"] == "ann"


async def test_a_jwt_of_a_user_without_sessions_is_free(world: World) -> None:
    await a_user(world)
    made = await world.server.post("/users/ann/jwts", {"duration": 60})
    by_jwt = world.guest.also(x_appwrite_jwt=made.body["jwt"])
    assert (await by_jwt.get("/account")).status == 200
    world.clock.move(60)
    assert (await by_jwt.get("/account")).type == "user_jwt_invalid"


async def test_memberships_of_a_user_name_their_teams(world: World) -> None:
    await a_user(world, name="Ann", email="ann@example.com")
    for team in ("red", "blue"):
        await world.server.post("/teams", {"teamId": team, "name": team.capitalize()})
        await world.server.post(f"/teams/{team}/memberships", {"userId": "ann", "roles": ["dev"]})
    listed = await world.server.get("/users/ann/memberships")
    assert listed.body["total"] == 2
    assert [item["teamName"] for item in listed.body["memberships"]] == ["Red", "Blue"]
    assert {item["userEmail"] for item in listed.body["memberships"]} == {"ann@example.com"}
    one = await world.server.get("/users/ann/memberships", {"queries": [query("limit", "", 1)]})
    assert one.body["total"] == 1


async def test_targets_live_and_are_checked(world: World) -> None:
    await a_user(world, email="ann@example.com")
    path = "/users/ann/targets"
    made = await world.server.post(
        path, {"targetId": "t1", "providerType": "email", "identifier": "two@example.com"}
    )
    assert (made.status, made.body["expired"]) == (201, False)
    listed = await world.server.get(path)
    assert listed.body["total"] == 2
    changed = await world.server.patch(f"{path}/t1", {"name": "Work"})
    assert (changed.body["name"], changed.body["identifier"]) == ("Work", "two@example.com")
    assert (await world.server.get(f"{path}/t1")).body["name"] == "Work"
    assert (await world.server.delete(f"{path}/t1")).status == 204
    missing = await world.server.get(f"{path}/t1")
    assert (missing.status, missing.type) == (404, "user_target_not_found")


@pytest.mark.parametrize(
    ("fields", "status", "kind"),
    [
        ({"providerType": "email", "identifier": "nobody"}, 400, "general_invalid_email"),
        ({"providerType": "sms", "identifier": "12"}, 400, "general_invalid_phone"),
        (
            {"providerType": "email", "identifier": "ann@example.com"},
            409,
            "user_target_already_exists",
        ),
        (
            {"providerType": "push", "identifier": "x", "providerId": "fcm"},
            404,
            "provider_not_found",
        ),
        ({"providerType": "pigeon", "identifier": "x"}, 400, "general_argument_invalid"),
    ],
)
async def test_targets_that_cannot_be(
    world: World, fields: dict[str, object], status: int, kind: str
) -> None:
    await a_user(world, email="ann@example.com")
    refused = await world.server.post("/users/ann/targets", {"targetId": "t", **fields})
    assert (refused.status, refused.type) == (status, kind)


async def test_a_target_belongs_to_one_user(world: World) -> None:
    await a_user(world, email="ann@example.com")
    await a_user(world, "bob")
    target = (await world.server.get("/users/ann/targets")).body["targets"][0]["$id"]
    assert (await world.server.get(f"/users/bob/targets/{target}")).status == 404


async def test_a_switched_off_service_is_closed_to_clients_only(world: World) -> None:
    admin = await world.admin()
    await admin.patch("/project/services/account", {"enabled": False})
    refused = await world.guest.post("/account/sessions/anonymous")
    assert (refused.status, refused.type) == (403, "general_service_disabled")
    await admin.patch("/project/services/users", {"enabled": False})
    assert (await world.server.get("/users")).status == 200
