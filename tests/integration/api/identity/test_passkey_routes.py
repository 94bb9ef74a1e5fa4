"""Passkeys over the API, with a device in software: registered, used, and kept from misuse."""

from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from webauthn.helpers.structs import AuthenticatorTransport

from runwright.identity import authenticators, ceremonies, passkey_registration
from runwright.ports.storage import UnitOfWork
from tests.fakes.identity import PASSWORD, Person, Reply, World, open_world, query
from tests.fakes.passkey_device import Device, Json, decoded, encoded

pytestmark = pytest.mark.anyio

PAGE: Final = "http://localhost:5173"
PASSKEYS: Final = "/account/passkeys"
TOKENS: Final = "/account/tokens/passkey"


@dataclass
class Page:
    """A web page of the project, with a device beside it."""

    world: World
    device: Device = field(default_factory=Device)
    origin: str = PAGE

    @property
    def guest(self) -> Person:
        return self.world.guest.also(origin=self.origin)

    async def register(self, person: Person, passkey_id: str = "laptop", name: str = "") -> Reply:
        person = person.also(origin=self.origin)
        begun = await person.post(PASSKEYS, {"passkeyId": passkey_id, "name": name})
        assert begun.status == 201, begun.body
        credential = self.device.create(begun.body["publicKey"], self.origin)
        return await verified(person, passkey_id, credential)

    async def challenge(self) -> Json:
        begun = await self.guest.post(TOKENS)
        assert begun.status == 201, begun.body
        return dict(begun.body)

    async def token(self, begun: Json | None = None, **how: Any) -> Reply:
        begun = begun or await self.challenge()
        credential = self.device.get(begun["publicKey"], self.origin, **how)
        return await traded(self.guest, begun["$id"], credential)

    async def sign_in(self) -> Person:
        token = await self.token()
        assert token.status == 200, token.body
        sent = {"userId": token.body["userId"], "secret": token.body["secret"]}
        opened = await self.world.guest.post("/account/sessions/token", sent)
        assert opened.status == 201, opened.body
        return self.world.guest.also(
            cookie=f"a_session_default={opened.cookies['a_session_default']}"
        )


async def verified(person: Person, passkey_id: str, credential: Json) -> Reply:
    path = f"{PASSKEYS}/{passkey_id}/verification"
    return await person.put(path, {"credential": credential})


async def traded(person: Person, challenge_id: str, credential: Json) -> Reply:
    return await person.put(TOKENS, {"challengeId": challenge_id, "credential": credential})


@pytest.fixture
async def page(world: World) -> Page:
    return Page(world)


async def test_a_user_signs_in_with_a_passkey(world: World, page: Page) -> None:
    ada = await world.user("ada")
    made = await page.register(ada, name="Laptop")
    assert made.status == 200, made.body
    assert (made.body["$id"], made.body["name"], made.body["accessedAt"]) == (
        "laptop",
        "Laptop",
        "",
    )
    begun = await page.challenge()
    assert begun["passkeyId"] == ""
    token = await page.token(begun)
    assert token.status == 200
    assert token.body["userId"] == "ada"
    assert len(token.body["secret"]) == 64
    session = await (await page.sign_in()).get("/account/sessions/current")
    assert session.body["provider"] == "passkey"
    assert session.body["factors"] == ["passkey", "user-verification"]
    assert session.body["mfaUpdatedAt"] != ""
    used = await ada.get(f"{PASSKEYS}/laptop")
    assert used.body["accessedAt"] != ""


async def test_the_browser_is_asked_for_a_key_that_finds_its_user(world: World, page: Page) -> None:
    ada = await world.user("ada")
    await page.register(ada, "first")
    begun = await ada.also(origin=PAGE).post(PASSKEYS, {"passkeyId": "second"})
    asked = begun.body["publicKey"]
    assert begun.body["passkeyId"] == "second"
    assert asked["rp"] == {"id": "localhost", "name": "Default project"}
    assert decoded(asked["user"]["id"]) == b"ada"
    assert (asked["user"]["name"], asked["user"]["displayName"]) == ("ada@example.com", "ada")
    assert asked["timeout"] == 300_000
    assert asked["attestation"] == "none"
    assert asked["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    known = list(page.device.kept)
    assert [item["id"] for item in asked["excludeCredentials"]] == known
    assert asked["excludeCredentials"][0]["transports"] == ["internal", "hybrid"]
    signing_in = (await page.challenge())["publicKey"]
    assert (signing_in["rpId"], signing_in["userVerification"]) == ("localhost", "required")
    assert signing_in.get("allowCredentials", []) == []


async def test_a_passkey_satisfies_mfa(world: World, page: Page) -> None:
    ada = await world.user("ada")
    await world.server.patch("/users/ada/verification", {"emailVerification": True})
    await page.register(ada)
    await ada.patch("/account/mfa", {"mfa": True})
    by_password = await world.signed_in(world.guest, "ada@example.com", PASSWORD)
    assert (await by_password.get("/account")).type == "user_more_factors_required"
    by_passkey = await page.sign_in()
    assert (await by_passkey.get("/account")).status == 200
    assert (await by_passkey.post("/account/mfa/recovery-codes")).status == 201
    assert (await by_passkey.get("/account/mfa/recovery-codes")).status == 200


async def test_a_device_without_a_counter_signs_in_again_and_again(world: World) -> None:
    page = Page(world, Device(counts=False))
    await page.register(await world.user("ada"))
    for _ in range(2):
        assert (await page.token()).status == 200


async def test_a_copy_that_counts_behind_is_refused(world: World, page: Page) -> None:
    await page.register(await world.user("ada"))
    (kept,) = page.device.kept.values()
    assert (await page.token()).status == 200
    kept.count -= 1
    refused = await page.token()
    assert (refused.status, refused.type) == (401, "user_invalid_token")
    kept.count = 0
    assert (await page.token()).type == "user_invalid_token"
    kept.count = 100
    assert (await page.token()).status == 200


async def test_a_challenge_is_good_for_one_answer(world: World, page: Page) -> None:
    await page.register(await world.user("ada"))
    begun = await page.challenge()
    assert (await page.token(begun)).status == 200
    assert (await page.token(begun)).type == "user_invalid_token"
    begun = await page.challenge()
    assert (await page.token(begun, challenge=encoded(b"x" * 32))).type == "user_invalid_token"
    assert (await page.token(begun)).type == "user_invalid_token"


async def test_a_challenge_ends_after_five_minutes(world: World, page: Page) -> None:
    ada = await world.user("ada")
    begun = (await ada.also(origin=PAGE).post(PASSKEYS, {"passkeyId": "late"})).body
    credential = page.device.create(begun["publicKey"], PAGE)
    world.clock.move(300)
    assert (await verified(ada, "late", credential)).type == "user_invalid_token"
    await page.register(ada)
    begun = await page.challenge()
    world.clock.move(300)
    assert (await page.token(begun)).type == "user_invalid_token"


async def test_a_token_ends_after_a_minute_and_buys_one_session(world: World, page: Page) -> None:
    await page.register(await world.user("ada"))
    token = (await page.token()).body
    sent = {"userId": "ada", "secret": token["secret"]}
    assert (await world.guest.post("/account/sessions/token", sent)).status == 201
    assert (await world.guest.post("/account/sessions/token", sent)).type == "user_invalid_token"
    token = (await page.token()).body
    world.clock.move(60)
    sent = {"userId": "ada", "secret": token["secret"]}
    assert (await world.guest.post("/account/sessions/token", sent)).type == "user_invalid_token"


@pytest.mark.parametrize(
    "wrong",
    [
        {"challenge": encoded(b"x" * 32)},
        {"rp_id": "evil.example"},
        {"handle": b"ben"},
    ],
    ids=["another challenge", "another domain", "another user"],
)
async def test_a_sign_in_that_is_not_as_asked_is_refused(
    world: World, page: Page, wrong: Json
) -> None:
    await page.register(await world.user("ada"))
    refused = await page.token(**wrong)
    assert (refused.status, refused.type) == (401, "user_invalid_token")
    assert "challenge" in refused.body["message"]
    assert "evil" not in refused.body["message"]
    assert (await page.token()).status == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost.evil.example", "null"]
)
async def test_pages_that_are_not_the_projects_are_refused(
    world: World, page: Page, origin: str
) -> None:
    ada = (await world.user("ada")).also(origin=PAGE)
    begun = (await ada.post(PASSKEYS, {"passkeyId": "laptop"})).body
    credential = page.device.create(begun["publicKey"], origin)
    assert (await verified(ada, "laptop", credential)).type == "user_invalid_token"
    await page.register(ada)
    begun = await page.challenge()
    credential = page.device.get(begun["publicKey"], origin)
    assert (await traded(page.guest, begun["$id"], credential)).type == "user_invalid_token"


async def test_a_device_that_did_not_make_sure_of_its_user_is_refused(world: World) -> None:
    page = Page(world, Device(verifies_user=False))
    ada = await world.user("ada")
    assert (await page.register(ada)).type == "user_invalid_token"
    page.device = Device()
    await page.register(ada)
    page.device.verifies_user = False
    assert (await page.token()).type == "user_invalid_token"


async def test_a_page_inside_another_sites_page_is_refused(world: World) -> None:
    page = Page(world, Device(is_framed=True))
    ada = await world.user("ada")
    assert (await page.register(ada)).type == "user_invalid_token"
    page.device = Device()
    await page.register(ada)
    page.device.is_framed = True
    assert (await page.token()).type == "user_invalid_token"


async def test_a_signature_of_another_key_is_refused(world: World, page: Page) -> None:
    await page.register(await world.user("ada"))
    ((credential_id, kept),) = page.device.kept.items()
    stranger = Device()
    begun = await page.challenge()
    made = await (await world.user("ben")).also(origin=PAGE).post(PASSKEYS)
    stranger.create(made.body["publicKey"], PAGE)
    (other,) = stranger.kept.values()
    kept.key = other.key
    credential = page.device.get(begun["publicKey"], PAGE)
    assert credential["id"] == credential_id
    assert (await traded(page.guest, begun["$id"], credential)).type == "user_invalid_token"


async def test_a_passkey_that_nobody_registered_opens_nothing(world: World, page: Page) -> None:
    ada = await world.user("ada")
    begun = (await ada.also(origin=PAGE).post(PASSKEYS)).body
    page.device.create(begun["publicKey"], PAGE)
    assert (await page.token()).type == "user_invalid_token"


GARBAGE: Final[list[Json]] = [
    {},
    {"response": None},
    {"id": 1, "response": {"clientDataJSON": "e30"}},
    {"id": "a", "response": {"clientDataJSON": "!!!"}},
    {"id": "a", "response": {"clientDataJSON": 7}},
    {"id": "a", "rawId": "a", "response": {"clientDataJSON": encoded(b"[1]")}},
    {"id": "a" * 2000, "response": {"clientDataJSON": encoded(b'{"origin": "x"}')}},
]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_what_is_no_answer_of_a_device_is_refused(
    world: World, page: Page, garbage: Json
) -> None:
    ada = (await world.user("ada")).also(origin=PAGE)
    await ada.post(PASSKEYS, {"passkeyId": "laptop"})
    assert (await verified(ada, "laptop", garbage)).type == "user_invalid_token"
    begun = await page.challenge()
    assert (await traded(page.guest, begun["$id"], garbage)).type == "user_invalid_token"


@pytest.mark.parametrize("part", ["attestationObject", "authenticatorData", "signature"])
@pytest.mark.parametrize("value", ["", "AAAA", "_" * 4000, None, 1, encoded(b"\x9f" * 3000)])
async def test_answers_with_a_broken_part_are_refused(
    world: World, page: Page, part: str, value: Any
) -> None:
    ada = (await world.user("ada")).also(origin=PAGE)
    if part == "attestationObject":
        begun = (await ada.post(PASSKEYS, {"passkeyId": "laptop"})).body
        credential = page.device.create(begun["publicKey"], PAGE)
        credential["response"][part] = value
        refused = await verified(ada, "laptop", credential)
    else:
        await page.register(ada)
        begun = await page.challenge()
        credential = page.device.get(begun["publicKey"], PAGE)
        credential["response"][part] = value
        refused = await traded(page.guest, begun["$id"], credential)
    assert (refused.status, refused.type) == (401, "user_invalid_token")


async def test_a_registration_has_one_try(world: World, page: Page) -> None:
    ada = (await world.user("ada")).also(origin=PAGE)
    begun = (await ada.post(PASSKEYS, {"passkeyId": "laptop"})).body
    wrong = page.device.create(begun["publicKey"], PAGE, challenge=encoded(b"x" * 32))
    right = page.device.create(begun["publicKey"], PAGE)
    assert (await verified(ada, "laptop", wrong)).type == "user_invalid_token"
    assert (await verified(ada, "laptop", right)).type == "user_invalid_token"
    assert (await ada.get(PASSKEYS)).body == {"total": 0, "passkeys": []}


async def test_a_registration_belongs_to_its_user_and_session(world: World, page: Page) -> None:
    ada, ben = await world.user("ada"), await world.user("ben")
    begun = (await ada.also(origin=PAGE).post(PASSKEYS, {"passkeyId": "laptop"})).body
    credential = page.device.create(begun["publicKey"], PAGE)
    other = await world.signed_in(world.guest, "ada@example.com", PASSWORD)
    for stranger in (ben, other):
        assert (await verified(stranger, "laptop", credential)).type == "user_invalid_token"
    assert (await verified(ada, "laptop", credential)).status == 200


async def test_a_challenge_of_one_kind_does_not_serve_the_other(world: World, page: Page) -> None:
    ada = (await world.user("ada")).also(origin=PAGE)
    await page.register(ada)
    begun = (await ada.post(PASSKEYS, {"passkeyId": "second"})).body
    answer = {"challenge": begun["publicKey"]["challenge"], "rpId": "localhost"}
    credential = page.device.get(answer, PAGE)
    assert (await traded(page.guest, begun["$id"], credential)).type == "user_invalid_token"


async def test_registering_needs_a_session_that_was_opened_lately(world: World, page: Page) -> None:
    ada = (await world.user("ada")).also(origin=PAGE)
    await page.register(ada)
    world.clock.move(600)
    assert (await ada.post(PASSKEYS)).status == 201
    world.clock.move(1)
    for refused in (await ada.post(PASSKEYS), await ada.delete(f"{PASSKEYS}/laptop")):
        assert (refused.status, refused.type) == (401, "user_challenge_required")
    codes = (await ada.post("/account/mfa/recovery-codes")).body["recoveryCodes"]
    asked = await ada.post("/account/mfa/challenges", {"factor": "recoverycode"})
    await ada.put("/account/mfa/challenges", {"challengeId": asked.body["$id"], "otp": codes[0]})
    assert (await ada.post(PASSKEYS)).status == 201
    assert (await ada.delete(f"{PASSKEYS}/laptop")).status == 204
    assert (await page.token()).type == "user_invalid_token"


async def test_passkeys_are_listed_renamed_and_deleted(world: World, page: Page) -> None:
    ada, ben = await world.user("ada"), await world.user("ben")
    for passkey_id in ("b", "a"):
        await page.register(ada, passkey_id, name=f"Key {passkey_id}")
    listed = (await ada.get(PASSKEYS, {"queries": [query("orderAsc", "name")]})).body
    assert [item["$id"] for item in listed["passkeys"]] == ["a", "b"]
    assert listed["total"] == 2
    assert (await ada.get(PASSKEYS, {"total": False})).body["total"] == 0
    renamed = await ada.patch(f"{PASSKEYS}/a", {"name": "Phone"})
    assert (await ada.get(f"{PASSKEYS}/a")).body == renamed.body
    assert renamed.body["name"] == "Phone"
    for stranger in (ben, world.guest):
        assert (await stranger.get(f"{PASSKEYS}/a")).status in (401, 404)
    assert (await ben.get(PASSKEYS)).body["total"] == 0
    assert (await ben.patch(f"{PASSKEYS}/a", {"name": "x"})).type == "user_passkey_not_found"
    assert (await ben.delete(f"{PASSKEYS}/a")).type == "user_passkey_not_found"
    assert (await ada.delete(f"{PASSKEYS}/a")).status == 204
    assert (await ada.get(f"{PASSKEYS}/a")).type == "user_passkey_not_found"
    bad = await ada.get(PASSKEYS, {"queries": [query("equal", "publicKey", "x")]})
    assert bad.type == "general_argument_invalid"


async def test_servers_manage_the_passkeys_of_their_users(world: World, page: Page) -> None:
    ada = await world.user("ada")
    await world.user("ben")
    await page.register(ada)
    server, one = world.server, "/users/ada/passkeys/laptop"
    assert (await server.get("/users/ada/passkeys")).body["total"] == 1
    assert (await server.patch(one, {"name": "Old laptop"})).body["name"] == "Old laptop"
    assert (await server.get(one)).body["name"] == "Old laptop"
    assert (await server.get("/users/ben/passkeys/laptop")).type == "user_passkey_not_found"
    assert (await server.get("/users/nobody/passkeys")).type == "user_not_found"
    for stranger in (ada, world.guest, await world.key("teams.read")):
        assert (await stranger.get(one)).type == "general_unauthorized_scope"
    assert (await server.delete(one)).status == 204
    assert (await page.token()).type == "user_invalid_token"


async def test_ids_and_devices_are_registered_once(world: World, page: Page) -> None:
    ada = (await world.user("ada")).also(origin=PAGE)
    await page.register(ada)
    assert (await ada.post(PASSKEYS, {"passkeyId": "laptop"})).type == "user_passkey_already_exists"
    ben = (await world.user("ben")).also(origin=PAGE)
    first = (await ada.post(PASSKEYS, {"passkeyId": "same"})).body
    second = (await ben.post(PASSKEYS, {"passkeyId": "same"})).body
    of_ada = page.device.create(first["publicKey"], PAGE)
    of_ben = page.device.create(second["publicKey"], PAGE)
    assert (await verified(ada, "same", of_ada)).status == 200
    assert (await verified(ben, "same", of_ben)).type == "user_passkey_already_exists"


async def test_a_user_holds_a_bounded_number(
    world: World, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passkey_registration, "MAX_PASSKEYS", 2)
    ada = await world.user("ada")
    for passkey_id in ("a", "b"):
        await page.register(ada, passkey_id)
    assert (await ada.post(PASSKEYS)).type == "general_bad_request"


async def test_begun_registrations_do_not_pass_the_bound(
    world: World, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passkey_registration, "MAX_PASSKEYS", 1)
    ada = (await world.user("ada")).also(origin=PAGE)
    begun = [(await ada.post(PASSKEYS)).body for _ in range(2)]
    made = [
        await verified(ada, item["passkeyId"], page.device.create(item["publicKey"], PAGE))
        for item in begun
    ]
    assert [answer.type for answer in made] == ["", "general_bad_request"]


async def test_open_challenges_are_bounded_and_those_that_are_over_go(
    world: World, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(uow: UnitOfWork) -> int:
        return len(uow.ceremonies.find())

    monkeypatch.setattr(ceremonies, "MAX_OPEN", 3)
    await page.register(await world.user("ada"))
    begun = [await page.challenge() for _ in range(5)]
    assert await world.bench.storage.read(count) == 3
    assert (await page.token(begun[0])).type == "user_invalid_token"
    assert (await page.token(begun[4])).status == 200
    world.clock.move(301)
    await page.challenge()
    assert await world.bench.storage.read(count) == 1


async def test_guests_are_counted_by_their_address(anyio_backend: str) -> None:
    async with open_world(limits=True) as world:
        page = Page(world)
        for _ in range(60):
            await page.challenge()
        assert (await page.guest.post(TOKENS)).status == 429


async def test_a_blocked_user_is_told_so_after_the_proof(world: World, page: Page) -> None:
    await page.register(await world.user("ada"))
    await world.server.patch("/users/ada/status", {"status": False})
    assert (await page.token()).type == "user_blocked"


async def test_passkeys_go_with_their_user(world: World, page: Page) -> None:
    ada = (await world.user("ada")).also(origin=PAGE)
    await page.register(ada)
    await ada.post(PASSKEYS)
    await world.server.delete("/users/ada")
    assert (await page.token()).type == "user_invalid_token"
    left = await world.bench.storage.read(
        lambda uow: [*uow.passkeys.find(), *(row for row in uow.ceremonies.find() if row.user_id)]
    )
    assert left == []


async def test_a_project_may_switch_them_off(world: World, page: Page) -> None:
    ada = (await world.user("ada")).also(origin=PAGE)
    await page.register(ada)
    await world.server.patch("/project/auth-methods/passkey", {"enabled": False})
    for refused in (await ada.post(PASSKEYS), await page.guest.post(TOKENS)):
        assert (refused.status, refused.type) == (501, "user_auth_method_unsupported")
    assert (await ada.get(PASSKEYS)).body["total"] == 1


async def test_a_project_chooses_its_domain(world: World) -> None:
    server = world.server
    for host in ("example.com", "shop.example.com", "elsewhere.net"):
        sent = {"platformId": host, "name": host, "hostname": host}
        assert (await server.post("/project/platforms/web", sent)).status == 201
    policy = (await server.get("/project/policies/passkey")).body
    assert policy == {"$id": "passkey", "rpId": "", "origins": ["http://localhost"]}
    page = Page(world, origin="https://shop.example.com")
    ada = (await world.user("ada")).also(origin=page.origin)
    unset = await ada.post(PASSKEYS)
    assert (unset.status, unset.type) == (501, "user_auth_method_unsupported")
    changed = await server.patch("/project/policies/passkey", {"rpId": "Example.com"})
    assert changed.status == 200
    policy = (await server.get("/project/policies/passkey")).body
    assert policy == {
        "$id": "passkey",
        "rpId": "example.com",
        "origins": ["https://example.com", "https://shop.example.com", "http://localhost"],
    }
    assert (await page.register(ada)).status == 200
    assert (await page.token()).body["userId"] == "ada"
    begun = await page.challenge()
    assert begun["publicKey"]["rpId"] == "example.com"
    for origin in ("https://elsewhere.net", "http://localhost"):
        begun = await page.challenge()
        credential = page.device.get(begun["publicKey"], origin)
        assert (await traded(page.guest, begun["$id"], credential)).type == "user_invalid_token"


async def test_the_domain_stays_while_users_have_passkeys_on_it(world: World) -> None:
    server, policy = world.server, "/project/policies/passkey"
    await server.post(
        "/project/platforms/web", {"platformId": "w", "name": "w", "hostname": "example.com"}
    )
    await server.patch(policy, {"rpId": "example.com"})
    page = Page(world, origin="https://example.com")
    ada = (await world.user("ada")).also(origin=page.origin)
    pending = (await ada.post(PASSKEYS, {"passkeyId": "pending"})).body
    begun = await page.challenge()
    await page.register(ada)
    refused = await server.patch(policy, {"rpId": "example.net"})
    assert (refused.status, refused.type) == (409, "project_passkeys_exist")
    assert (await server.patch(policy, {"rpId": "example.com"})).status == 200
    assert (await page.token(begun)).status == 200
    begun = await page.challenge()
    await server.delete("/users/ada/passkeys/laptop")
    assert (await server.patch(policy, {"rpId": ""})).status == 200
    await server.patch(policy, {"rpId": "example.com"})
    credential = page.device.create(pending["publicKey"], page.origin)
    assert (await verified(ada, "pending", credential)).type == "user_invalid_token"
    credential = page.device.get(begun["publicKey"], page.origin)
    assert (await traded(page.guest, begun["$id"], credential)).type == "user_invalid_token"


@pytest.mark.parametrize("rp_id", ["https://example.com", "example", "203.0.113.9", None])
async def test_only_a_domain_can_be_chosen(world: World, rp_id: str | None) -> None:
    refused = await world.server.patch("/project/policies/passkey", {"rpId": rp_id})
    assert refused.type == "general_argument_invalid"


async def test_console_accounts_have_passkeys_too(world: World) -> None:
    page = Page(world, origin="http://localhost:8080")
    owner = (await world.owner()).also(origin=page.origin)
    assert (await page.register(owner)).status == 200
    guest = world.console_guest.also(origin=page.origin)
    begun = (await guest.post(TOKENS)).body
    credential = page.device.get(begun["publicKey"], page.origin)
    token = (await traded(guest, begun["$id"], credential)).body
    sent = {"userId": token["userId"], "secret": token["secret"]}
    opened = await world.console_guest.post("/account/sessions/token", sent)
    assert opened.status == 201
    on_project = await page.challenge()
    credential = page.device.get(on_project["publicKey"], page.origin)
    assert (await traded(page.guest, on_project["$id"], credential)).type == "user_invalid_token"


async def test_older_formats_do_not_know_the_method(world: World) -> None:
    newest = (await world.server.get("/project")).body["authMethods"]
    assert {"$id": "passkey", "enabled": True} in newest
    older = await world.server.also(x_appwrite_response_format="1.9.5").get("/project")
    assert [item["$id"] for item in older.body["authMethods"]] == [
        item["$id"] for item in newest if item["$id"] != "passkey"
    ]


def test_every_transport_of_the_library_is_known() -> None:
    assert {item.value for item in AuthenticatorTransport} == authenticators.TRANSPORTS
