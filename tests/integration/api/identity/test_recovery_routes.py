"""A new password for who has forgotten the old one."""

import re

import pytest

from runwright.identity.proofs import TRIES
from tests.fakes.identity import PASSWORD, Person, Reply, World, open_world

pytestmark = pytest.mark.anyio

NEW = "a new password"
URL = "http://localhost/reset"
BY_LINK = {"email": "ann@example.com", "url": URL}
BY_CODE = {"email": "ann@example.com"}
KINDS = [("/account/recovery", BY_LINK), ("/account/recovery/otp", BY_CODE)]
both = pytest.mark.parametrize(("path", "ask"), KINDS, ids=["link", "code"])


async def complete(world: World, path: str, **changed: object) -> Reply:
    params = {"userId": "ann", "secret": world.bench.letters.secret(), "password": NEW}
    return await world.guest.put(path, params | changed)


async def with_ann(world: World) -> Person:
    return await world.user("ann")


@both
async def test_who_reads_the_mail_sets_a_new_password_once(
    world: World, path: str, ask: dict[str, object]
) -> None:
    await with_ann(world)
    asked = await world.guest.post(path, ask)
    assert (asked.status, asked.body["userId"], asked.body["secret"]) == (201, "ann", "")
    done = await complete(world, path)
    assert (done.status, done.body["$id"], done.body["secret"]) == (200, asked.body["$id"], "")
    await world.signed_in(world.guest, "ann@example.com", NEW)
    old = {"email": "ann@example.com", "password": PASSWORD}
    assert (await world.guest.post("/account/sessions/email", old)).status == 401
    assert (await world.server.get("/users/ann")).body["emailVerification"] is True
    again = await complete(world, path)
    assert (again.status, again.type) == (401, "user_invalid_token")


async def test_a_link_is_good_for_an_hour_and_a_code_for_a_quarter(world: World) -> None:
    await with_ann(world)
    link = await world.guest.post("/account/recovery", BY_LINK)
    assert link.body["expire"] == "2026-08-21T14:42:57.000+00:00"
    query = world.bench.letters.link()
    assert query["userId"] == "ann"
    assert query["expire"] == link.body["expire"]
    code = await world.guest.post("/account/recovery/otp", BY_CODE | {"phrase": True})
    assert code.body["expire"] == "2026-08-21T13:57:57.000+00:00"
    assert re.fullmatch(r"\d{6}", world.bench.letters.secret())
    assert code.body["phrase"] == world.bench.letters.facts()["phrase"] != ""


@both
async def test_the_occasion_is_told_to_the_mailer(
    world: World, path: str, ask: dict[str, object]
) -> None:
    await with_ann(world)
    await world.guest.post(path, ask, x_appwrite_locale="fr")
    letter = world.bench.letters.last
    occasion = "otpRecovery" if path.endswith("otp") else "recovery"
    assert (letter.occasion, letter.kind, letter.locale) == (occasion, "email", "fr")
    assert (letter.to, letter.name) == ("ann@example.com", "ann")


@both
async def test_strangers_and_the_blocked_get_no_letter(
    world: World, path: str, ask: dict[str, object]
) -> None:
    unknown = await world.guest.post(path, ask)
    assert (unknown.status, unknown.type) == (404, "user_not_found")
    await with_ann(world)
    await world.server.patch("/users/ann/status", {"status": False})
    blocked = await world.guest.post(path, ask)
    assert (blocked.status, blocked.type) == (403, "user_blocked")
    assert world.bench.letters.letters == []


@both
async def test_without_mail_nothing_is_looked_at(
    world: World, path: str, ask: dict[str, object]
) -> None:
    world.bench.letters.off.add("email")
    refused = await world.guest.post(path, ask)
    assert (refused.status, refused.type) == (503, "general_smtp_disabled")


async def test_links_lead_to_clients_of_the_project_only(world: World) -> None:
    await with_ann(world)
    refused = await world.guest.post("/account/recovery", BY_LINK | {"url": "https://evil.example"})
    assert (refused.status, refused.type) == (400, "general_argument_invalid")
    assert refused.body["message"].startswith("Invalid `url` param: Invalid URI. Register your new")


@both
async def test_wrong_secrets_and_unknown_users_are_refused(
    world: World, path: str, ask: dict[str, object]
) -> None:
    await with_ann(world)
    await world.guest.post(path, ask)
    wrong = await complete(world, path, secret="wrong")
    assert (wrong.status, wrong.type) == (401, "user_invalid_token")
    nobody = await complete(world, path, userId="nobody")
    assert (nobody.status, nobody.type) == (404, "user_not_found")
    world.clock.move(3600)
    assert (await complete(world, path)).type == "user_invalid_token"


async def test_a_link_is_no_code_and_a_code_is_no_link(world: World) -> None:
    await with_ann(world)
    await world.guest.post("/account/recovery", BY_LINK)
    assert (await complete(world, "/account/recovery/otp")).type == "user_invalid_token"
    await world.guest.post("/account/recovery/otp", BY_CODE)
    assert (await complete(world, "/account/recovery")).type == "user_invalid_token"


async def test_guessing_ends_a_code(world: World) -> None:
    await with_ann(world)
    await world.guest.post("/account/recovery/otp", BY_CODE)
    for _ in range(TRIES):
        await complete(world, "/account/recovery/otp", secret="wrong")
    assert (await complete(world, "/account/recovery/otp")).type == "user_invalid_token"


@both
async def test_a_password_that_is_refused_leaves_the_secret_usable(
    world: World, path: str, ask: dict[str, object]
) -> None:
    await with_ann(world)
    await world.server.patch("/project/policies/password-history", {"total": 3})
    await world.server.patch("/project/policies/password-personal-data", {"enabled": True})
    await world.guest.post(path, ask)
    reused = await complete(world, path, password=PASSWORD)
    assert (reused.status, reused.type) == (400, "password_recently_used")
    personal = await complete(world, path, password="ann@example.com!")
    assert (personal.status, personal.type) == (400, "password_personal_data")
    assert (await complete(world, path)).status == 200


async def test_rules_for_passwords_are_not_told_to_who_has_no_secret(world: World) -> None:
    await with_ann(world)
    await world.server.patch("/project/policies/password-personal-data", {"enabled": True})
    refused = await complete_without_letter(world)
    assert refused.type == "user_invalid_token"


async def complete_without_letter(world: World) -> Reply:
    params = {"userId": "ann", "secret": "wrong", "password": "ann@example.com!"}
    return await world.guest.put("/account/recovery", params)


@pytest.mark.parametrize("ends", [True, False])
async def test_sessions_end_when_the_project_wants_that(world: World, ends: bool) -> None:
    ann = await with_ann(world)
    await world.server.patch("/project/policies/session-invalidation", {"enabled": ends})
    await world.guest.post("/account/recovery", BY_LINK)
    assert (await complete(world, "/account/recovery")).status == 200
    assert (await ann.get("/account")).status == (401 if ends else 200)


async def test_one_recovery_makes_the_other_letters_worthless(world: World) -> None:
    await with_ann(world)
    await world.guest.post("/account/recovery", BY_LINK)
    link = world.bench.letters.secret()
    await world.guest.post("/account/recovery/otp", BY_CODE)
    assert (await complete(world, "/account/recovery/otp")).status == 200
    refused = await complete(world, "/account/recovery", secret=link, password="third password")
    assert refused.type == "user_invalid_token"


async def test_a_changed_password_or_address_makes_letters_worthless(world: World) -> None:
    ann = await with_ann(world)
    await world.guest.post("/account/recovery", BY_LINK)
    await ann.patch("/account/email", {"email": "new@example.com", "password": PASSWORD})
    assert (await complete(world, "/account/recovery")).type == "user_invalid_token"
    await ann.patch("/account/email", {"email": "ann@example.com", "password": PASSWORD})
    await world.guest.post("/account/recovery", BY_LINK)
    own = {"password": "third password", "oldPassword": PASSWORD}
    assert (await ann.patch("/account/password", own)).status == 200
    assert (await complete(world, "/account/recovery")).type == "user_invalid_token"
    await world.guest.post("/account/recovery", BY_LINK)
    await world.server.patch("/users/ann/password", {"password": "fourth password"})
    assert (await complete(world, "/account/recovery")).type == "user_invalid_token"


async def test_a_console_account_recovers_too(world: World) -> None:
    email = world.bench.login.email
    asked = await world.console_guest.post("/account/recovery", {"email": email, "url": URL})
    params = {
        "userId": asked.body["userId"],
        "secret": world.bench.letters.secret(),
        "password": NEW,
    }
    assert (await world.console_guest.put("/account/recovery", params)).status == 200
    await world.signed_in(world.console_guest, email, NEW)


async def test_ten_letters_an_hour_of_both_kinds_together() -> None:
    async with open_world(limits=True) as world:
        await world.user("ann")
        for _ in range(5):
            assert (await world.guest.post("/account/recovery", BY_LINK)).status == 201
            assert (await world.guest.post("/account/recovery/otp", BY_CODE)).status == 201
        for path, ask in KINDS:
            refused = await world.guest.post(path, ask)
            assert (refused.status, refused.type) == (429, "general_rate_limit_exceeded")


async def test_ten_tries_an_hour_for_one_user() -> None:
    async with open_world(limits=True) as world:
        await world.user("ann")
        params = {"userId": "ann", "secret": "wrong", "password": NEW}
        for _ in range(5):
            await world.guest.put("/account/recovery", params)
            assert (await world.guest.put("/account/recovery/otp", params)).status == 401
        assert (await world.guest.put("/account/recovery", params)).status == 429
        other = params | {"userId": "bob"}
        assert (await world.guest.put("/account/recovery", other)).status == 404
