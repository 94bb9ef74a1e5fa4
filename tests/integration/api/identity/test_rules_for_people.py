"""Policies about passwords and addresses: how they are set, shown and kept."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

import pytest
from appwrite.models.policy_list import PolicyList

from runwright.identity.console_guests import ConsoleGuests
from runwright.ports.storage import UnitOfWork
from tests.fakes.identity import PASSWORD, PROJECT_ID, KnownBreaches, World, open_world, query

pytestmark = pytest.mark.anyio

BREACHED: Final = "breached horse"
WRONG: Final = (401, "user_invalid_credentials")
MUST_RESET: Final = (412, "user_password_reset_required")


@pytest.fixture
def breaches() -> KnownBreaches:
    return KnownBreaches(BREACHED)


@pytest.fixture
async def asking(anyio_backend: str, breaches: KnownBreaches) -> AsyncIterator[World]:
    """A server that has a list of breached passwords to ask."""
    async with open_world(breaches=breaches) as world:
        yield world


async def set_policy(world: World, name: str, **given: object) -> None:
    changed = await world.server.patch(f"/project/policies/{name}", given)
    assert changed.status == 200, changed.body


async def sign_up(world: World, email: str, password: str = PASSWORD) -> tuple[int, str]:
    params = {"userId": "unique()", "email": email, "password": password}
    reply = await world.guest.post("/account", params)
    return reply.status, reply.type


async def sign_in(world: World, email: str, password: str) -> tuple[int, str]:
    reply = await world.guest.post(
        "/account/sessions/email", {"email": email, "password": password}
    )
    return reply.status, reply.type


@pytest.mark.parametrize(
    ("path", "body", "shown"),
    [
        (
            "password-dictionary",
            {"enabled": True, "denyList": ["Secret Word", "Secret Word"]},
            {"enabled": True, "denyList": ["Secret Word", "Secret Word"]},
        ),
        (
            "password-personal-data",
            {"enabled": False, "denyList": ["acme"]},
            {"enabled": False, "denyList": ["acme"]},
        ),
        ("password-pwned", {"enabled": True}, {"enabled": True, "sessions": False, "users": False}),
        ("password-pwned", {"users": True}, {"enabled": False, "sessions": False, "users": True}),
        ("password-rotation", {"enabled": True}, {"enabled": True, "maxAge": 31_536_000}),
        ("password-rotation", {"maxAge": 86_400}, {"enabled": False, "maxAge": 86_400}),
        ("deny-aliased-email", {"enabled": True}, {"enabled": True}),
        ("deny-disposable-email", {"enabled": True}, {"enabled": True}),
        ("deny-free-email", {"enabled": True}, {"enabled": True}),
        ("deny-corporate-email", {"enabled": True}, {"enabled": True}),
    ],
)
async def test_policies_are_set_and_shown(
    asking: World, path: str, body: dict[str, object], shown: dict[str, object]
) -> None:
    changed = await asking.server.patch(f"/project/policies/{path}", body)
    assert (changed.status, changed.body["$id"]) == (200, PROJECT_ID)
    policy = (await asking.server.get(f"/project/policies/{path}")).body
    assert policy == {"$id": path} | shown
    listed = (await asking.server.get("/project/policies")).body
    assert policy in listed["policies"]
    assert PolicyList.model_validate(listed).total == len(listed["policies"])


async def test_at_first_none_of_them_is_on(world: World) -> None:
    listed = (await world.server.get("/project/policies")).body["policies"]
    on = {item["$id"] for item in listed if item.get("enabled")}
    assert on == {"session-invalidation"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("password-rotation", {"maxAge": 86_399}),
        ("password-rotation", {"maxAge": 315_360_001}),
        ("password-pwned", {"users": "yes"}),
        ("deny-free-email", {}),
        ("password-dictionary", {"enabled": True, "denyList": [""]}),
        ("password-dictionary", {"enabled": True, "denyList": ["x" * 257]}),
        ("password-dictionary", {"enabled": True, "denyList": ["x"] * 101}),
        ("password-dictionary", {"denyList": ["x"]}),
        ("password-dictionary", {"enabled": True, "denyList": ["x" * 256] * 64}),
    ],
)
async def test_values_out_of_range_are_refused(
    world: World, path: str, body: dict[str, object]
) -> None:
    before = (await world.server.get(f"/project/policies/{path}")).body
    refused = await world.server.patch(f"/project/policies/{path}", body)
    assert (refused.status, refused.type) == (400, "general_argument_invalid")
    assert (await world.server.get(f"/project/policies/{path}")).body == before


async def test_a_list_that_is_not_sent_stays_and_an_empty_one_empties(world: World) -> None:
    path = "/project/policies/password-dictionary"
    await world.server.patch(path, {"enabled": True, "denyList": ["one"]})
    await world.server.patch(path, {"enabled": False})
    assert (await world.server.get(path)).body["denyList"] == ["one"]
    await world.server.patch(path, {"enabled": False, "denyList": None})
    assert (await world.server.get(path)).body["denyList"] == ["one"]
    await world.server.patch(path, {"enabled": False, "denyList": []})
    assert (await world.server.get(path)).body["denyList"] == []


async def test_denied_passwords_are_told_by_their_case_and_denied_words_are_not(
    world: World,
) -> None:
    await set_policy(world, "password-dictionary", enabled=True, denyList=["Acme Rocket"])
    await set_policy(world, "password-personal-data", enabled=True, denyList=["coyote"])
    refused = (400, "general_argument_invalid")
    assert await sign_up(world, "first@example.com", "Acme Rocket") == refused
    assert await sign_up(world, "first@example.com", "acme rocket") == (201, "")
    personal = (400, "password_personal_data")
    assert await sign_up(world, "second@example.com", "my COYOTE runs") == personal
    for name in ("password-dictionary", "password-personal-data"):
        await set_policy(world, name, enabled=False)
    assert await sign_up(world, "second@example.com", "Acme Rocket") == (201, "")
    assert await sign_up(world, "third@example.com", "my COYOTE runs") == (201, "")


async def test_an_old_password_signs_nobody_in_until_it_is_reset(world: World) -> None:
    await set_policy(world, "password-rotation", enabled=True, maxAge=86_400)
    ann = await world.user("ann")
    world.clock.move(86_400)
    assert await sign_in(world, "ann@example.com", PASSWORD) == (201, "")
    world.clock.move(1)
    assert await sign_in(world, "ann@example.com", PASSWORD) == (
        412,
        "user_password_reset_required",
    )
    assert await sign_in(world, "ann@example.com", "wrong") == (400, "general_argument_invalid")
    assert await sign_in(world, "ann@example.com", "wrong horse") == (
        401,
        "user_invalid_credentials",
    )
    assert (await ann.get("/account")).status == 200, "who is signed in stays so"
    params = {"password": "another horse", "oldPassword": PASSWORD}
    assert (await ann.patch("/account/password", params)).status == 200
    assert await sign_in(world, "ann@example.com", "another horse") == (201, "")


async def test_a_user_flagged_for_a_reset_is_let_in_with_a_new_password(world: World) -> None:
    ann = await world.user("ann")

    def flag(uow: UnitOfWork) -> None:
        user = uow.users.get(PROJECT_ID, "ann")
        assert user is not None
        uow.users.put(replace(user, needs_reset=True))
        uow.touch("user", PROJECT_ID, "ann")

    await world.bench.storage.write(flag)
    refused = await ann.get("/account")
    assert (refused.status, refused.type) == (412, "user_password_reset_required")
    await set_policy(world, "session-invalidation", enabled=False)
    await world.server.patch("/users/ann/password", {"password": "another horse"})
    assert (await ann.get("/account")).status == 200


async def test_breaches_are_looked_up_only_where_the_project_wants_it(
    asking: World, breaches: KnownBreaches
) -> None:
    assert await sign_up(asking, "a@example.com", BREACHED) == (201, "")
    assert await sign_in(asking, "a@example.com", BREACHED) == (201, "")
    assert breaches.asked == []


async def shown(world: World, email: str) -> Any:
    queries = [query("equal", "email", email)]
    found = (await world.server.get("/users", {"queries": queries})).body["users"]
    return found[0]["passwordPwned"]


async def test_a_breach_is_noted_at_sign_up_and_at_sign_in(
    asking: World, breaches: KnownBreaches
) -> None:
    assert await sign_up(asking, "a@example.com", BREACHED) == (201, "")
    assert await shown(asking, "a@example.com") is None
    await set_policy(asking, "password-pwned", enabled=True)
    assert await sign_in(asking, "a@example.com", BREACHED) == (201, "")
    assert await shown(asking, "a@example.com") is True
    assert await sign_up(asking, "b@example.com") == (201, "")
    assert await shown(asking, "b@example.com") is False
    breaches.passwords.add(PASSWORD)
    assert await sign_in(asking, "b@example.com", "wrong horse") == (
        401,
        "user_invalid_credentials",
    )
    assert await shown(asking, "b@example.com") is False
    await sign_in(asking, "b@example.com", PASSWORD)
    assert await shown(asking, "b@example.com") is True


async def test_breached_passwords_can_be_refused(asking: World, breaches: KnownBreaches) -> None:
    ann = await asking.user("ann")
    await set_policy(asking, "password-pwned", enabled=True, users=True)
    assert await sign_up(asking, "b@example.com", BREACHED) == (400, "general_argument_invalid")
    for refused in (
        await ann.patch("/account/password", {"password": BREACHED, "oldPassword": PASSWORD}),
        await asking.server.patch("/users/ann/password", {"password": BREACHED}),
        await asking.server.post("/users", {"userId": "cid", "password": BREACHED}),
    ):
        assert (refused.status, refused.type) == (400, "general_argument_invalid")
        assert BREACHED not in refused.body["message"]
    assert await sign_in(asking, "ann@example.com", PASSWORD) == (201, "")


async def test_a_breached_password_can_be_kept_from_signing_in(
    asking: World, breaches: KnownBreaches
) -> None:
    await sign_up(asking, "a@example.com", BREACHED)
    await set_policy(asking, "password-pwned", enabled=True, sessions=True)
    assert await sign_in(asking, "a@example.com", BREACHED) == MUST_RESET
    assert await shown(asking, "a@example.com") is True
    breaches.is_down = True
    assert await sign_in(asking, "a@example.com", BREACHED) == MUST_RESET, "it is known already"
    user = (await asking.server.get("/users")).body["users"][0]["$id"]
    await asking.server.patch(f"/users/{user}/password", {"password": "another horse"})
    assert await sign_in(asking, "a@example.com", "another horse") == (201, "")


async def test_a_list_that_is_down_keeps_nobody_out(asking: World, breaches: KnownBreaches) -> None:
    await set_policy(asking, "password-pwned", enabled=True, sessions=True, users=True)
    breaches.is_down = True
    assert await sign_up(asking, "a@example.com", BREACHED) == (201, "")
    assert await sign_in(asking, "a@example.com", BREACHED) == (201, "")
    assert await shown(asking, "a@example.com") is None


async def test_a_server_without_a_list_promises_nothing(world: World) -> None:
    path = "/project/policies/password-pwned"
    for wanted in ({"enabled": True}, {"users": True}, {"sessions": True}):
        refused = await world.server.patch(path, wanted)
        assert (refused.status, refused.type) == (400, "general_feature_unsupported")
    assert (await world.server.patch(path, {"enabled": False})).status == 200


DENIALS: Final = {
    "deny-aliased-email": ("ann+news@example.com", "user_email_not_canonical"),
    "deny-disposable-email": ("ann@mailinator.com", "user_email_disposable"),
    "deny-free-email": ("ann@gmail.com", "user_email_free"),
    "deny-corporate-email": ("ann@gmx.de", "user_email_not_corporate"),
}


@pytest.mark.parametrize(("policy", "denied"), DENIALS.items())
async def test_addresses_of_a_kind_are_denied_to_people_and_not_to_servers(
    world: World, policy: str, denied: tuple[str, str]
) -> None:
    email, type_ = denied
    ann = await world.user("ann")
    await set_policy(world, policy, enabled=True)
    assert await sign_up(world, email) == (400, type_)
    refused = await ann.patch("/account/email", {"email": email, "password": PASSWORD})
    assert (refused.status, refused.type) == (400, type_)
    assert await sign_up(world, "bob@example.com") == (201, "")
    made = await world.server.post("/users", {"userId": "cid", "email": email})
    assert made.status == 201
    await world.server.delete("/users/cid")
    await set_policy(world, policy, enabled=False)
    assert await sign_up(world, email) == (201, "")


async def test_an_address_shows_what_kind_it_is(world: World) -> None:
    made = (
        await world.server.post("/users", {"userId": "ann", "email": "A.nn+News@GoogleMail.com"})
    ).body
    told = {name: value for name, value in made.items() if name.startswith("emailIs")}
    assert (made["email"], made["emailCanonical"]) == ("a.nn+news@googlemail.com", "ann@gmail.com")
    assert told == {
        "emailIsFree": True,
        "emailIsDisposable": False,
        "emailIsCorporate": False,
        "emailIsCanonical": False,
    }
    bare = (await world.server.post("/users", {"userId": "bob"})).body
    assert {bare[name] for name in (*told, "emailCanonical")} == {None}


async def test_the_console_takes_accounts_of_listed_addresses_and_places() -> None:
    def who(user_id: str, email: str) -> dict[str, str]:
        return {"userId": user_id, "email": email, "password": PASSWORD}

    guests = ConsoleGuests.of(["Boss@example.com", "corp.example"], ["127.0.0.0/8"])
    async with open_world(console_signup="open", console_guests=guests) as world:
        guest = world.console_guest
        assert (await guest.post("/account", who("a", "BOSS@example.com"))).status == 201
        assert (await guest.post("/account", who("b", "any@corp.example"))).status == 201
        for email in ("other@example.com", "a@sub.corp.example", "corp.example@example.com"):
            refused = await guest.post("/account", who("c", email))
            assert (refused.status, refused.type) == (401, "user_email_not_whitelisted")
        assert (await world.guest.post("/account", who("d", "d@example.com"))).status == 201
    elsewhere = ConsoleGuests.of([], ["192.0.2.7"])
    async with open_world(console_signup="open", console_guests=elsewhere) as world:
        refused = await world.console_guest.post("/account", who("a", "a@example.com"))
        assert (refused.status, refused.type) == (401, "user_ip_not_whitelisted")
        assert (await world.guest.post("/account", who("d", "d@example.com"))).status == 201


async def test_the_lists_of_the_console_come_before_its_limit() -> None:
    guests = ConsoleGuests.of(["corp.example"], [])
    async with open_world(console_guests=guests) as world:
        params = {"userId": "a", "email": "a@example.com", "password": PASSWORD}
        refused = await world.console_guest.post("/account", params)
        assert refused.type == "user_email_not_whitelisted"
        refused = await world.console_guest.post("/account", params | {"email": "a@corp.example"})
        assert (refused.status, refused.type) == (501, "user_console_count_exceeded")
