"""Signing up, in and out, and changing one's own account."""

import json

import pytest

from tests.fakes.identity import PASSWORD, PROJECT_ID, Person, World, open_world, query

pytestmark = pytest.mark.anyio


def sign_up(user_id: str, **more: object) -> dict[str, object]:
    email = f"{user_id}@example.com"
    return {"userId": user_id, "email": email, "password": PASSWORD, **more}


async def test_signing_up_answers_with_the_account_and_its_mail_target(world: World) -> None:
    made = await world.guest.post("/account", sign_up("ann", email="Ann@Example.com", name="Ann"))
    assert made.status == 201
    assert made.body["email"] == "ann@example.com"
    assert made.body["status"] is True
    assert made.body["emailVerification"] is False
    assert made.body["passwordUpdate"] == "2026-08-21T13:42:57.000+00:00"
    assert [item["identifier"] for item in made.body["targets"]] == ["ann@example.com"]
    assert "password" not in made.body


@pytest.mark.parametrize("field", ["userId", "email"])
async def test_ids_and_addresses_are_taken_once(world: World, field: str) -> None:
    await world.user("ann")
    again = sign_up("bob") | {field: sign_up("ann")[field]}
    refused = await world.guest.post("/account", again)
    assert (refused.status, refused.type) == (409, "user_already_exists")


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"password": "short"}, "password"),
        ({"password": "x" * 257}, "password"),
        ({"email": "nobody"}, "email"),
        ({"userId": "_bad"}, "userId"),
        ({"name": "n" * 129}, "name"),
    ],
)
async def test_bad_parameters_are_named(
    world: World, changed: dict[str, object], name: str
) -> None:
    refused = await world.guest.post("/account", sign_up("ann") | changed)
    assert (refused.status, refused.type) == (400, "general_argument_invalid")
    assert f"`{name}`" in refused.body["message"]


async def test_a_session_shows_its_secret_to_servers_only(world: World) -> None:
    await world.user("ann")
    login = {"email": "ann@example.com", "password": PASSWORD}
    client = await world.guest.post("/account/sessions/email", login)
    assert client.body["secret"] == ""
    assert client.body["factors"] == ["password"]
    assert client.body["provider"] == "email"
    assert client.body["providerUid"] == "ann@example.com"
    assert client.body["current"] is True
    server = await world.server.post("/account/sessions/email", login)
    assert server.status == 201
    secret = server.body["secret"]
    seen = await world.guest.get("/account", x_appwrite_session=secret)
    assert (seen.status, seen.body["$id"]) == (200, "ann")


async def test_the_fallback_header_signs_in_where_cookies_fail(world: World) -> None:
    await world.user("ann")
    signed = await world.guest.post(
        "/account/sessions/email", {"email": "ann@example.com", "password": PASSWORD}
    )
    fallback = signed.headers["x-fallback-cookies"]
    assert list(json.loads(fallback)) == [f"a_session_{PROJECT_ID}"]
    seen = await world.guest.get("/account", x_fallback_cookies=fallback)
    assert seen.body["$id"] == "ann"


@pytest.mark.parametrize(
    "login",
    [
        {"email": "ann@example.com", "password": "wrong password"},
        {"email": "nobody@example.com", "password": PASSWORD},
    ],
)
async def test_wrong_passwords_and_unknown_addresses_get_one_answer(
    world: World, login: dict[str, object]
) -> None:
    await world.user("ann")
    refused = await world.guest.post("/account/sessions/email", login)
    assert (refused.status, refused.type) == (401, "user_invalid_credentials")


async def test_who_is_signed_in_cannot_sign_in_again(world: World) -> None:
    ann = await world.user("ann")
    refused = await ann.post(
        "/account/sessions/email", {"email": "ann@example.com", "password": PASSWORD}
    )
    assert (refused.status, refused.type) == (401, "user_session_already_exists")


async def test_an_account_is_for_its_user_not_for_guests_or_keys(world: World) -> None:
    ann = await world.user("ann")
    assert (await ann.get("/account")).body["$id"] == "ann"
    for stranger in (world.guest, world.server):
        refused = await stranger.get("/account")
        assert (refused.status, refused.type) == (401, "general_unauthorized_scope")


async def test_a_session_of_one_project_is_nothing_in_another(world: World) -> None:
    ann = await world.user("ann")
    cookie = ann.headers["cookie"].replace(PROJECT_ID, "console")
    refused = await world.console_guest.get("/account", cookie=cookie)
    assert refused.type == "general_unauthorized_scope"


async def test_anonymous_users_become_ordinary_by_setting_an_address(world: World) -> None:
    signed = await world.guest.post("/account/sessions/anonymous")
    assert (signed.status, signed.body["factors"]) == (201, ["anonymous"])
    name = f"a_session_{PROJECT_ID}"
    nobody = world.guest.also(cookie=f"{name}={signed.cookies[name]}")
    account = (await nobody.get("/account")).body
    assert (account["name"], account["email"], account["passwordUpdate"]) == ("", "", "")
    changed = await nobody.patch(
        "/account/email", {"email": "new@example.com", "password": PASSWORD}
    )
    assert (changed.status, changed.body["email"]) == (200, "new@example.com")
    await world.signed_in(world.guest, "new@example.com", PASSWORD)


async def test_the_console_takes_nobody_without_a_name(world: World) -> None:
    refused = await world.console_guest.post("/account/sessions/anonymous")
    assert (refused.status, refused.type) == (401, "user_anonymous_console_prohibited")


async def test_a_server_token_buys_one_session(world: World) -> None:
    await world.user("ann")
    token = await world.server.post("/users/ann/tokens", {"length": 7})
    assert token.status == 201
    assert len(token.body["secret"]) == 7
    trade = {"userId": "ann", "secret": token.body["secret"]}
    signed = await world.guest.post("/account/sessions/token", trade)
    assert (signed.status, signed.body["factors"]) == (201, ["token"])
    again = await world.guest.post("/account/sessions/token", trade)
    assert (again.status, again.type) == (401, "user_invalid_token")


async def test_a_token_past_its_end_buys_nothing(world: World) -> None:
    await world.user("ann")
    token = await world.server.post("/users/ann/tokens", {"expire": 60})
    world.clock.move(60)
    trade = {"userId": "ann", "secret": token.body["secret"]}
    refused = await world.guest.post("/account/sessions/token", trade)
    assert refused.type == "user_invalid_token"
    unknown = await world.guest.post("/account/sessions/token", trade | {"userId": "nobody"})
    assert unknown.type == "user_invalid_token"


async def test_sessions_are_listed_and_the_current_one_is_marked(world: World) -> None:
    await world.user("ann")
    ann = await world.signed_in(world.guest, "ann@example.com", PASSWORD)
    listed = await ann.get("/account/sessions")
    assert listed.body["total"] == 2
    assert [item["current"] for item in listed.body["sessions"]] == [False, True]
    assert {item["secret"] for item in listed.body["sessions"]} == {""}
    current = await ann.get("/account/sessions/current")
    assert current.body["$id"] == listed.body["sessions"][1]["$id"]


async def test_nobody_reads_or_ends_a_session_of_somebody_else(world: World) -> None:
    ann, bob = await world.user("ann"), await world.user("bob")
    of_ann = (await ann.get("/account/sessions/current")).body["$id"]
    for reply in (
        await bob.get(f"/account/sessions/{of_ann}"),
        await bob.delete(f"/account/sessions/{of_ann}"),
    ):
        assert (reply.status, reply.type) == (404, "user_session_not_found")
    assert (await ann.get("/account")).status == 200


async def test_an_ended_session_is_a_guest_and_its_cookies_are_cleared(world: World) -> None:
    ann = await world.user("ann")
    ended = await ann.delete("/account/sessions/current")
    assert ended.status == 204
    assert ended.cookies == {f"a_session_{PROJECT_ID}_legacy": "", f"a_session_{PROJECT_ID}": ""}
    assert ended.headers["x-fallback-cookies"] == "[]"
    assert (await ann.get("/account")).type == "general_unauthorized_scope"


async def test_all_sessions_end_together(world: World) -> None:
    first = await world.user("ann")
    second = await world.signed_in(world.guest, "ann@example.com", PASSWORD)
    assert (await second.delete("/account/sessions")).status == 204
    for person in (first, second):
        assert (await person.get("/account")).type == "general_unauthorized_scope"


async def test_a_session_ends_by_itself_and_can_be_prolonged(world: World) -> None:
    admin = await world.admin()
    await admin.patch("/project/policies/session-duration", {"duration": 3600})
    ann = await world.user("ann")
    world.clock.move(1800)
    prolonged = await ann.patch("/account/sessions/current")
    assert prolonged.body["expire"] == "2026-08-21T15:12:57.000+00:00"
    world.clock.move(3600)
    assert (await ann.get("/account")).status == 200
    world.clock.move(1)
    assert (await ann.get("/account")).type == "general_unauthorized_scope"


async def test_the_oldest_session_makes_room_for_the_newest(world: World) -> None:
    admin = await world.admin()
    await admin.patch("/project/policies/session-limit", {"total": 2})
    first = await world.user("ann")
    second = await world.signed_in(world.guest, "ann@example.com", PASSWORD)
    third = await world.signed_in(world.guest, "ann@example.com", PASSWORD)
    assert (await first.get("/account")).type == "general_unauthorized_scope"
    for person in (second, third):
        assert (await person.get("/account")).status == 200


async def jwt_of(person: Person, **params: object) -> str:
    made = await person.post("/account/jwts", params)
    assert made.status == 201
    return str(made.body["jwt"])


async def test_a_jwt_is_its_user_until_it_expires(world: World) -> None:
    ann = await world.user("ann")
    by_jwt = world.guest.also(x_appwrite_jwt=await jwt_of(ann, duration=60))
    assert (await by_jwt.get("/account")).body["$id"] == "ann"
    world.clock.move(60)
    expired = await by_jwt.get("/account")
    assert (expired.status, expired.type) == (401, "user_jwt_invalid")


async def test_a_jwt_goes_with_its_session(world: World) -> None:
    ann = await world.user("ann")
    by_jwt = world.guest.also(x_appwrite_jwt=await jwt_of(ann))
    await ann.delete("/account/sessions/current")
    assert (await by_jwt.get("/account")).type == "general_unauthorized_scope"


async def test_a_jwt_makes_no_jwt(world: World) -> None:
    ann = await world.user("ann")
    by_jwt = world.guest.also(x_appwrite_jwt=await jwt_of(ann))
    refused = await by_jwt.post("/account/jwts")
    assert (refused.status, refused.type) == (403, "user_jwt_creation_denied")


async def test_the_older_jwt_path_works_and_an_old_format_does_too(world: World) -> None:
    ann = await world.user("ann")
    made = await ann.post("/account/jwt", x_appwrite_response_format="1.8.0")
    assert (made.status, list(made.body)) == (201, ["jwt"])


@pytest.mark.parametrize("prefs", [{}, [], {"theme": "dark", "n": [1, {"a": None}]}])
async def test_preferences_are_any_object(world: World, prefs: object) -> None:
    ann = await world.user("ann")
    changed = await ann.patch("/account/prefs", {"prefs": prefs})
    assert changed.body["prefs"] == (prefs or {})
    assert (await ann.get("/account/prefs")).body == (prefs or {})


@pytest.mark.parametrize("prefs", ["{}", [1], "text", 5])
async def test_preferences_are_nothing_but_objects(world: World, prefs: object) -> None:
    ann = await world.user("ann")
    refused = await ann.patch("/account/prefs", {"prefs": prefs})
    assert (refused.status, refused.type) == (400, "general_argument_invalid")


async def test_name_email_and_phone_change(world: World) -> None:
    ann = await world.user("ann")
    assert (await ann.patch("/account/name", {"name": "Anna"})).body["name"] == "Anna"
    mail = await ann.patch("/account/email", {"email": "A@new.com", "password": PASSWORD})
    assert mail.body["email"] == "a@new.com"
    assert [item["identifier"] for item in mail.body["targets"]] == ["a@new.com"]
    phone = await ann.patch("/account/phone", {"phone": "+14155552671", "password": PASSWORD})
    assert phone.body["phone"] == "+14155552671"
    assert {item["providerType"] for item in phone.body["targets"]} == {"email", "sms"}


async def test_an_address_that_is_taken_or_a_wrong_password_changes_nothing(world: World) -> None:
    ann = await world.user("ann")
    await world.user("bob")
    taken = await ann.patch("/account/email", {"email": "bob@example.com", "password": PASSWORD})
    assert (taken.status, taken.type) == (409, "user_target_already_exists")
    wrong = await ann.patch("/account/email", {"email": "c@example.com", "password": "wrong one"})
    assert (wrong.status, wrong.type) == (401, "user_invalid_credentials")
    assert (await ann.get("/account")).body["email"] == "ann@example.com"


async def test_a_new_password_ends_the_other_sessions_only(world: World) -> None:
    other = await world.user("ann")
    ann = await world.signed_in(world.guest, "ann@example.com", PASSWORD)
    change = {"password": "another horse", "oldPassword": PASSWORD}
    assert (await ann.patch("/account/password", change)).status == 200
    assert (await ann.get("/account")).status == 200
    assert (await other.get("/account")).type == "general_unauthorized_scope"
    await world.signed_in(world.guest, "ann@example.com", "another horse")
    again = await ann.patch("/account/password", change)
    assert (again.status, again.type) == (401, "user_invalid_credentials")


async def test_other_sessions_survive_a_new_password_when_the_project_wants_it(
    world: World,
) -> None:
    admin = await world.admin()
    await admin.patch("/project/policies/session-invalidation", {"enabled": False})
    other = await world.user("ann")
    ann = await world.signed_in(world.guest, "ann@example.com", PASSWORD)
    await ann.patch("/account/password", {"password": "another horse", "oldPassword": PASSWORD})
    assert (await other.get("/account")).status == 200


async def test_old_passwords_do_not_come_back_while_the_project_remembers(world: World) -> None:
    admin = await world.admin()
    await admin.patch("/project/policies/password-history", {"total": 2})
    ann = await world.user("ann")
    second = {"password": "second horse", "oldPassword": PASSWORD}
    assert (await ann.patch("/account/password", second)).status == 200
    back = {"password": PASSWORD, "oldPassword": "second horse"}
    refused = await ann.patch("/account/password", back)
    assert (refused.status, refused.type) == (400, "password_recently_used")
    third = {"password": "third horse", "oldPassword": "second horse"}
    assert (await ann.patch("/account/password", third)).status == 200
    forgotten = {"password": PASSWORD, "oldPassword": "third horse"}
    assert (await ann.patch("/account/password", forgotten)).status == 200


async def test_personal_data_and_weak_passwords_are_refused_where_wanted(world: World) -> None:
    admin = await world.admin()
    await admin.patch("/project/policies/password-personal-data", {"enabled": True})
    personal = await world.guest.post("/account", sign_up("annabel", password="xxANNABELxx"))
    assert (personal.status, personal.type) == (400, "password_personal_data")
    await admin.patch("/project/policies/password-strength", {"min": 10, "number": True})
    weak = await world.guest.post("/account", sign_up("bob", password="longenoughbutplain"))
    assert (weak.status, weak.type) == (400, "general_argument_invalid")
    strong = await world.guest.post("/account", sign_up("bob", password="longenough1"))
    assert strong.status == 201


async def test_who_blocks_oneself_is_out(world: World) -> None:
    ann = await world.user("ann")
    blocked = await ann.patch("/account/status")
    assert (blocked.status, blocked.body["status"]) == (200, False)
    again = await ann.get("/account")
    assert (again.status, again.type) == (403, "user_blocked")
    login = {"email": "ann@example.com", "password": PASSWORD}
    refused = await world.guest.post("/account/sessions/email", login)
    assert (refused.status, refused.type) == (403, "user_blocked")


async def test_a_deleted_account_takes_its_sessions_along(world: World) -> None:
    ann = await world.user("ann")
    assert (await ann.delete("/account")).status == 204
    assert (await ann.get("/account")).type == "general_unauthorized_scope"
    listed = await world.server.get("/users", {"queries": [query("equal", "$id", "ann")]})
    assert listed.body["total"] == 0
    await world.user("ann")


async def test_a_console_account_stays_while_it_is_in_an_organization(world: World) -> None:
    owner = await world.owner()
    refused = await owner.delete("/account")
    assert (refused.status, refused.type) == (400, "user_deletion_prohibited")


async def test_a_full_project_takes_no_more_users(world: World) -> None:
    admin = await world.admin()
    await admin.patch("/project/policies/user-limit", {"total": 1})
    await world.user("ann")
    refused = await world.guest.post("/account", sign_up("bob"))
    assert (refused.status, refused.type) == (400, "user_count_exceeded")
    nobody = await world.guest.post("/account/sessions/anonymous")
    assert nobody.type == "user_count_exceeded"
    await admin.patch("/project/policies/user-limit", {"total": None})
    await world.user("bob")


async def test_switched_off_sign_in_methods_answer_501(world: World) -> None:
    admin = await world.admin()
    off = await admin.patch("/project/auth-methods/email-password", {"enabled": False})
    assert off.status == 200
    refused = await world.guest.post("/account", sign_up("ann"))
    assert (refused.status, refused.type) == (501, "user_auth_method_unsupported")


async def test_ten_wrong_passwords_close_the_door_and_a_right_one_opens_it() -> None:
    async with open_world(limits=True) as world:
        await world.guest.post("/account", sign_up("ann"))
        wrong = {"email": "ann@example.com", "password": "wrong password"}
        for _ in range(9):
            assert (await world.guest.post("/account/sessions/email", wrong)).status == 401
        await world.signed_in(world.guest, "ann@example.com", PASSWORD)
        for _ in range(10):
            assert (await world.guest.post("/account/sessions/email", wrong)).status == 401
        closed = await world.guest.post("/account/sessions/email", wrong)
        assert (closed.status, closed.type) == (429, "general_rate_limit_exceeded")
        shouted = wrong | {"email": "ANN@example.com"}
        assert (await world.guest.post("/account/sessions/email", shouted)).status == 429
