"""Proving that the addresses of one's account are one's own."""

import re

import pytest

from runwright.identity.proofs import TRIES
from tests.fakes.identity import PASSWORD, PROJECT_ID, Person, Reply, World, open_world

pytestmark = pytest.mark.anyio

URL = "http://localhost/verify"
PHONE = "+4930123456"
LINK, CODE, TEXT = (
    "/account/verifications/email",
    "/account/verifications/email/otp",
    "/account/verifications/phone",
)
ASK: dict[str, dict[str, object]] = {LINK: {"url": URL}, CODE: {}, TEXT: {}}
each = pytest.mark.parametrize("path", [LINK, CODE, TEXT])


async def confirm(world: World, path: str, **changed: object) -> Reply:
    return await world.guest.put(
        path, {"userId": "ann", "secret": world.bench.letters.secret()} | changed
    )


async def ann_of(world: World) -> Person:
    ann = await world.user("ann")
    await ann.patch("/account/phone", {"phone": PHONE, "password": PASSWORD})
    return ann


@each
async def test_what_was_sent_proves_the_address_once(world: World, path: str) -> None:
    ann = await ann_of(world)
    asked = await ann.post(path, ASK[path])
    assert (asked.status, asked.body["userId"], asked.body["secret"]) == (201, "ann", "")
    done = await confirm(world, path)
    assert (done.status, done.body["$id"]) == (200, asked.body["$id"])
    account = (await ann.get("/account")).body
    is_phone = path == TEXT
    assert account["emailVerification"] is not is_phone
    assert account["phoneVerification"] is is_phone
    assert (await confirm(world, path)).type == "user_invalid_token"
    again = await ann.post(path, ASK[path])
    kind = "user_phone_already_verified" if is_phone else "user_email_already_verified"
    assert (again.status, again.type) == (409, kind)


@pytest.mark.parametrize(
    ("older", "path"), [("/account/verification", LINK), ("/account/verification/phone", TEXT)]
)
async def test_older_addresses_do_the_same(world: World, older: str, path: str) -> None:
    ann = await ann_of(world)
    assert (await ann.post(older, ASK[path])).status == 201
    assert (await confirm(world, older)).status == 200


async def test_letters_say_what_they_are_for(world: World) -> None:
    ann = await ann_of(world)
    seen = []
    for path in (LINK, CODE, TEXT):
        token = await ann.post(path, ASK[path], x_appwrite_locale="es")
        letter = world.bench.letters.last
        seen.append((letter.occasion, letter.kind, letter.to, letter.locale, token.body["expire"]))
    hour, quarter = "2026-08-21T14:42:57.000+00:00", "2026-08-21T13:57:57.000+00:00"
    assert seen == [
        ("verification", "email", "ann@example.com", "es", hour),
        ("otpVerification", "email", "ann@example.com", "es", quarter),
        ("verification", "sms", PHONE, "es", quarter),
    ]


async def test_a_phrase_is_in_the_letter_and_in_the_answer(world: World) -> None:
    ann = await ann_of(world)
    token = await ann.post(CODE, {"phrase": True})
    assert re.fullmatch(r"[A-Z][a-z]+ [a-z]+", token.body["phrase"])
    assert world.bench.letters.facts()["phrase"] == token.body["phrase"]


@each
async def test_an_account_without_the_address_has_nothing_to_prove(world: World, path: str) -> None:
    signed = await world.guest.post("/account/sessions/anonymous")
    name = f"a_session_{PROJECT_ID}"
    nobody = world.guest.also(cookie=f"{name}={signed.cookies[name]}")
    refused = await nobody.post(path, ASK[path])
    kind = "user_phone_not_found" if path == TEXT else "user_email_not_found"
    assert (refused.status, refused.type) == (400, kind)


@each
async def test_without_a_way_to_send_nothing_is_looked_at(world: World, path: str) -> None:
    ann = await world.user("ann")
    world.bench.letters.off.update(("email", "sms"))
    refused = await ann.post(path, ASK[path])
    kind = "general_phone_disabled" if path == TEXT else "general_smtp_disabled"
    assert (refused.status, refused.type) == (503, kind)


@each
async def test_guests_and_keys_have_nothing_to_prove(world: World, path: str) -> None:
    for caller in (world.guest, world.server):
        refused = await caller.post(path, ASK[path])
        assert (refused.status, refused.type) == (401, "general_unauthorized_scope")


@each
async def test_wrong_secrets_and_unknown_users_are_refused(world: World, path: str) -> None:
    ann = await ann_of(world)
    await ann.post(path, ASK[path])
    wrong = await confirm(world, path, secret="wrong")
    assert (wrong.status, wrong.type) == (401, "user_invalid_token")
    nobody = await confirm(world, path, userId="nobody")
    assert (nobody.status, nobody.type) == (404, "user_not_found")
    world.clock.move(3600)
    assert (await confirm(world, path)).type == "user_invalid_token"


@pytest.mark.parametrize("path", [CODE, TEXT])
async def test_guessing_ends_a_code(world: World, path: str) -> None:
    ann = await ann_of(world)
    await ann.post(path, ASK[path])
    for _ in range(TRIES):
        await confirm(world, path, secret="wrong")
    assert (await confirm(world, path)).type == "user_invalid_token"


async def test_a_secret_does_not_prove_another_address(world: World) -> None:
    ann = await ann_of(world)
    await ann.post(LINK, ASK[LINK])
    for path in (CODE, TEXT):
        assert (await confirm(world, path)).type == "user_invalid_token"
    await ann.patch("/account/email", {"email": "victim@example.com", "password": PASSWORD})
    assert (await confirm(world, LINK)).type == "user_invalid_token"
    await ann.post(TEXT, ASK[TEXT])
    await ann.patch("/account/phone", {"phone": "+4930999999", "password": PASSWORD})
    assert (await confirm(world, TEXT)).type == "user_invalid_token"


async def test_links_lead_to_clients_of_the_project_only(world: World) -> None:
    ann = await ann_of(world)
    refused = await ann.post(LINK, {"url": "https://evil.example/"})
    assert (refused.status, refused.type) == (400, "general_argument_invalid")
    made = {"platformId": "web", "name": "Web", "hostname": "good.example"}
    await (await world.admin()).post("/project/platforms/web", made)
    assert (await ann.post(LINK, {"url": "https://good.example/"})).status == 201


async def test_ten_letters_an_hour_by_whichever_address() -> None:
    async with open_world(limits=True) as world:
        ann = await world.user("ann")
        for _ in range(4):
            assert (await ann.post(LINK, ASK[LINK])).status == 201
            assert (await ann.post(CODE)).status == 201
        for _ in range(2):
            assert (await ann.post("/account/verification", ASK[LINK])).status == 201
        refused = await ann.post(CODE)
        assert (refused.status, refused.type) == (429, "general_rate_limit_exceeded")


async def test_ten_tries_an_hour_for_one_user() -> None:
    async with open_world(limits=True) as world:
        await world.user("ann")
        wrong = {"userId": "ann", "secret": "wrong"}
        for _ in range(5):
            await world.guest.put(LINK, wrong)
            assert (await world.guest.put(CODE, wrong)).status == 401
        assert (await world.guest.put("/account/verification", wrong)).status == 429


@pytest.mark.parametrize(
    ("path", "ask"),
    [
        ("/account/verifications/email", {"url": "http://localhost/v"}),
        ("/account/verifications/email/otp", {}),
    ],
)
async def test_an_admin_of_a_project_proves_their_own_address_like_everybody(
    world: World, path: str, ask: dict[str, object]
) -> None:
    """What is shown to servers are secrets of the project's users; an admin is none of these."""
    admin = await world.admin()
    made = await admin.post(path, ask)
    assert (made.status, made.body["secret"]) == (201, "")
