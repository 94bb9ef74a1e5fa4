"""Signing in by a link, a code or a token that a server made."""

import asyncio
import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest

from runwright.identity.proofs import TRIES
from tests.fakes.identity import PASSWORD, PROJECT_ID, Person, Reply, World, open_world

pytestmark = pytest.mark.anyio

EMAIL, PHONE = "ann@example.com", "+4930123456"
URL = "http://localhost:3000/welcome?from=mail#top"
BY_LINK = {"userId": "ann", "email": EMAIL, "url": URL}
BY_EMAIL = {"userId": "ann", "email": EMAIL}
BY_PHONE = {"userId": "ann", "phone": PHONE}
WAYS = {
    "/account/tokens/magic-url": BY_LINK,
    "/account/tokens/email": BY_EMAIL,
    "/account/tokens/phone": BY_PHONE,
}


@pytest.fixture
async def open_console(anyio_backend: str) -> AsyncIterator[World]:
    async with open_world(console_signup="open") as opened:
        yield opened


async def trade(world: World, user_id: str = "ann", secret: str = "") -> Reply:
    params = {"userId": user_id, "secret": secret or world.bench.letters.secret()}
    return await world.guest.post("/account/sessions/token", params)


def signed_in(world: World, reply: Reply) -> Person:
    assert reply.status == 201, reply.body
    name = f"a_session_{PROJECT_ID}"
    return world.guest.also(cookie=f"{name}={reply.cookies[name]}")


@pytest.mark.parametrize(
    ("path", "provider", "factor", "verified"),
    [
        ("/account/tokens/magic-url", "magic-url", "email", (True, False)),
        ("/account/tokens/email", "token", "email", (True, False)),
        ("/account/tokens/phone", "phone", "phone", (False, True)),
    ],
)
async def test_a_new_address_makes_a_user_who_is_in_with_what_was_sent(
    world: World, path: str, provider: str, factor: str, verified: tuple[bool, bool]
) -> None:
    token = await world.guest.post(path, WAYS[path])
    assert (token.status, token.body["userId"], token.body["secret"]) == (201, "ann", "")
    opened = await trade(world)
    assert (opened.body["provider"], opened.body["factors"]) == (provider, [factor])
    account = (await signed_in(world, opened).get("/account")).body
    assert (account["emailVerification"], account["phoneVerification"]) == verified
    assert account["passwordUpdate"] == ""
    assert len(account["targets"]) == 1
    again = await trade(world)
    assert (again.status, again.type) == (401, "user_invalid_token")


@pytest.mark.parametrize("path", ["/account/tokens/magic-url", "/account/tokens/email"])
async def test_an_address_that_somebody_has_signs_that_person_in(world: World, path: str) -> None:
    await world.user("ann")
    params = WAYS[path] | {"userId": "unique()", "email": "Ann@Example.com"}
    token = await world.guest.post(path, params)
    assert token.body["userId"] == "ann"
    assert world.bench.letters.last.to == EMAIL
    assert (await trade(world)).body["userId"] == "ann"


@pytest.mark.parametrize("path", ["/account/sessions/magic-url", "/account/sessions/phone"])
async def test_older_addresses_ask_for_and_take_secrets(world: World, path: str) -> None:
    asked = BY_PHONE if path.endswith("phone") else BY_LINK
    assert (await world.guest.post(path, asked)).status == 201
    params = {"userId": "ann", "secret": world.bench.letters.secret()}
    assert (await world.guest.put(path, params)).status == 201


async def test_a_link_keeps_what_it_had_and_says_what_is_needed(world: World) -> None:
    token = await world.guest.post("/account/tokens/magic-url", BY_LINK)
    link = urlsplit(world.bench.letters.facts()["url"])
    assert (link.netloc, link.path, link.fragment) == ("localhost:3000", "/welcome", "top")
    query = parse_qs(link.query)
    assert query["from"] == ["mail"]
    assert query["userId"] == ["ann"]
    assert query["project"] == [PROJECT_ID]
    assert query["expire"] == [token.body["expire"]] == ["2026-08-21T14:42:57.000+00:00"]
    assert re.fullmatch(r"[0-9a-f]{64}", query["secret"][0])


async def test_codes_have_six_digits_and_a_quarter_of_an_hour(world: World) -> None:
    for path in ("/account/tokens/email", "/account/tokens/phone"):
        token = await world.guest.post(path, WAYS[path] | {"userId": "unique()"})
        assert token.body["expire"] == "2026-08-21T13:57:57.000+00:00"
        assert re.fullmatch(r"\d{6}", world.bench.letters.secret())
    assert world.bench.letters.last.kind == "sms"
    assert world.bench.letters.last.to == PHONE


async def test_letters_are_in_the_language_that_was_asked_for(world: World) -> None:
    await world.guest.post("/account/tokens/email", BY_EMAIL, x_appwrite_locale="de")
    assert (world.bench.letters.last.locale, world.bench.letters.last.occasion) == (
        "de",
        "otpSession",
    )


@pytest.mark.parametrize("path", ["/account/tokens/magic-url", "/account/tokens/email"])
async def test_a_phrase_is_in_the_letter_and_in_the_answer(world: World, path: str) -> None:
    without = await world.guest.post(path, WAYS[path])
    assert (without.body["phrase"], world.bench.letters.facts()["phrase"]) == ("", "")
    token = await world.guest.post(path, WAYS[path] | {"phrase": True})
    assert re.fullmatch(r"[A-Z][a-z]+ [a-z]+", token.body["phrase"])
    assert world.bench.letters.facts()["phrase"] == token.body["phrase"]


async def test_without_a_page_of_their_own_clients_get_ours(world: World) -> None:
    params = {"userId": "ann", "email": EMAIL}
    assert (await world.guest.post("/account/tokens/magic-url", params)).status == 201
    link = urlsplit(world.bench.letters.facts()["url"])
    assert (link.scheme, link.netloc, link.path) == (
        "http",
        "localhost",
        "/v1/account/tokens/magic-url",
    )
    page = await world.client.get(f"{link.path}?{link.query}")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=UTF-8"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    nonce = re.findall(r"'nonce-([^']+)'", page.headers["content-security-policy"])[0]
    assert f'<script nonce="{nonce}">' in page.text
    assert world.bench.letters.secret() not in page.text
    assert (await trade(world)).status == 201  # looking at the page has used up nothing


async def test_nobody_chooses_the_host_of_our_page(world: World) -> None:
    params = {"userId": "ann", "email": EMAIL}
    refused = await world.guest.post("/account/tokens/magic-url", params, host="evil.example")
    assert (refused.status, refused.type) == (400, "general_argument_invalid")
    assert world.bench.letters.letters == []


async def test_links_lead_to_clients_of_the_project_only(world: World) -> None:
    params = BY_LINK | {"url": "https://evil.example/"}
    refused = await world.guest.post("/account/tokens/magic-url", params)
    assert (refused.status, refused.type) == (400, "general_argument_invalid")
    assert "`url`" in refused.body["message"]


@pytest.mark.parametrize("path", list(WAYS))
async def test_nothing_is_done_when_no_letter_can_be_sent(world: World, path: str) -> None:
    world.bench.letters.off.update(("email", "sms"))
    refused = await world.guest.post(path, WAYS[path])
    kind = "general_phone_disabled" if "phone" in path else "general_smtp_disabled"
    assert (refused.status, refused.type) == (503, kind)
    assert (await world.server.get("/users/ann")).status == 404


@pytest.mark.parametrize(
    ("path", "method"), list(zip(WAYS, ("magic-url", "email-otp", "phone"), strict=True))
)
async def test_a_way_that_is_switched_off_is_closed(world: World, path: str, method: str) -> None:
    await world.server.patch(f"/project/auth-methods/{method}", {"enabled": False})
    refused = await world.guest.post(path, WAYS[path])
    assert (refused.status, refused.type) == (501, "user_auth_method_unsupported")


async def test_new_users_need_room_and_a_free_id(world: World) -> None:
    await world.user("bob")
    taken = await world.guest.post("/account/tokens/email", BY_EMAIL | {"userId": "bob"})
    assert (taken.status, taken.type) == (409, "user_already_exists")
    await world.server.patch("/project/policies/user-limit", {"total": 1})
    for path, params in WAYS.items():
        full = await world.guest.post(path, params)
        assert (full.status, full.type) == (400, "user_count_exceeded")
    known = BY_EMAIL | {"email": "bob@example.com"}
    assert (await world.guest.post("/account/tokens/email", known)).status == 201


async def test_a_closed_console_takes_nobody_by_mail_either(world: World) -> None:
    refused = await world.console_guest.post("/account/tokens/email", BY_EMAIL)
    assert (refused.status, refused.type) == (501, "user_console_count_exceeded")


async def test_an_open_console_takes_people_by_mail(open_console: World) -> None:
    world = open_console
    token = await world.console_guest.post("/account/tokens/email", BY_EMAIL)
    params = {"userId": token.body["userId"], "secret": world.bench.letters.secret()}
    opened = await world.console_guest.post("/account/sessions/token", params)
    assert (opened.status, list(opened.cookies)[1]) == (201, "a_session_console")


async def test_of_many_who_trade_one_secret_at_once_one_gets_in(world: World) -> None:
    await world.guest.post("/account/tokens/magic-url", BY_LINK)
    replies = await asyncio.gather(*(trade(world) for _ in range(8)))
    assert sorted(reply.status for reply in replies) == [201] + 7 * [401]


async def test_guesses_that_come_at_once_are_counted_one_by_one(world: World) -> None:
    await world.guest.post("/account/tokens/email", BY_EMAIL)
    right = world.bench.letters.secret()
    guesses = [f"{number:06}" for number in range(3 * TRIES) if f"{number:06}" != right]
    await asyncio.gather(*(trade(world, secret=guess) for guess in guesses))
    assert (await trade(world, secret=right)).status == 401


async def test_guessing_ends_a_code(world: World) -> None:
    await world.guest.post("/account/tokens/email", BY_EMAIL)
    right = world.bench.letters.secret()
    wrong = "000000" if right != "000000" else "111111"
    for _ in range(TRIES):
        refused = await trade(world, secret=wrong)
        assert (refused.status, refused.type) == (401, "user_invalid_token")
    assert (await trade(world, secret=right)).status == 401


async def test_a_secret_for_one_thing_opens_nothing_else(world: World) -> None:
    ann = await world.user("ann")
    await ann.post("/account/verifications/email", {"url": URL})
    assert (await trade(world)).status == 401
    await world.guest.post("/account/recovery", {"email": EMAIL, "url": URL})
    assert (await trade(world)).status == 401
    await world.guest.post("/account/tokens/magic-url", BY_LINK)
    for path, more in (("verifications/email", {}), ("recovery", {"password": PASSWORD})):
        params = {"userId": "ann", "secret": world.bench.letters.secret()} | more
        assert (await world.guest.put(f"/account/{path}", params)).type == "user_invalid_token"
    assert (await trade(world)).status == 201


async def test_a_code_sent_to_an_old_address_is_worth_nothing(world: World) -> None:
    ann = await world.user("ann")
    await world.guest.post("/account/tokens/email", BY_EMAIL)
    code = world.bench.letters.secret()
    await ann.patch("/account/email", {"email": "new@example.com", "password": PASSWORD})
    assert (await trade(world, secret=code)).status == 401


async def test_the_blocked_are_told_so_once_they_have_proved_who_they_are(world: World) -> None:
    await world.user("ann")
    await world.server.patch("/users/ann/status", {"status": False})
    await world.guest.post("/account/tokens/email", BY_EMAIL)
    assert (await trade(world, secret="x")).type == "user_invalid_token"
    refused = await trade(world)
    assert (refused.status, refused.type) == (403, "user_blocked")


async def test_who_is_signed_in_trades_nothing(world: World) -> None:
    ann = await world.user("ann")
    await world.guest.post("/account/tokens/email", BY_EMAIL)
    params = {"userId": "ann", "secret": world.bench.letters.secret()}
    for call in (
        ann.post("/account/sessions/token", params),
        ann.put("/account/sessions/magic-url", params),
        ann.put("/account/sessions/phone", params),
    ):
        refused = await call
        assert (refused.status, refused.type) == (401, "user_session_already_exists")


async def test_servers_see_the_secret_and_get_a_session_for_their_visitor(world: World) -> None:
    token = await world.server.post("/account/tokens/email", BY_EMAIL)
    assert token.body["secret"] == world.bench.letters.secret()
    params = {"userId": "ann", "secret": token.body["secret"]}
    opened = await world.server.post("/account/sessions/token", params)
    seen = await world.guest.get("/account", x_appwrite_session=opened.body["secret"])
    assert seen.body["$id"] == "ann"


async def test_the_oldest_session_makes_room_for_one_by_code(world: World) -> None:
    await world.server.patch("/project/policies/session-limit", {"total": 1})
    ann = await world.user("ann")
    await world.guest.post("/account/tokens/email", BY_EMAIL)
    opened = signed_in(world, await trade(world))
    assert (await ann.get("/account")).status == 401
    assert (await opened.get("/account/sessions")).body["total"] == 1


@pytest.mark.parametrize(
    ("path", "calls"),
    [
        ("/account/tokens/magic-url", 60),
        ("/account/tokens/email", 10),
        ("/account/tokens/phone", 10),
    ],
)
async def test_a_mailbox_is_not_filled_without_end(path: str, calls: int) -> None:
    async with open_world(limits=True) as world:
        for _ in range(calls):
            assert (await world.guest.post(path, WAYS[path])).status == 201
        refused = await world.guest.post(path, WAYS[path])
        assert (refused.status, refused.type) == (429, "general_rate_limit_exceeded")


async def test_three_addresses_for_trading_share_one_count() -> None:
    async with open_world(limits=True) as world:
        await world.user("ann")
        params = {"userId": "ann", "secret": "wrong"}
        for _ in range(3):
            await world.guest.post("/account/sessions/token", params)
            await world.guest.put("/account/sessions/magic-url", params)
            await world.guest.put("/account/sessions/phone", params)
        assert (await world.guest.post("/account/sessions/token", params)).status == 401
        assert (await world.guest.put("/account/sessions/phone", params)).status == 429
