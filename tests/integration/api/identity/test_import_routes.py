"""Users brought along with the password hashes of other systems."""

from typing import Any, Final

import pytest

from runwright.identity import hashes
from runwright.identity.hashes import Hash
from runwright.identity.passwords import Passwords
from tests.fakes.identity import PROJECT_ID, World, open_world
from tests.foreign_hashes import KNOWN

pytestmark = pytest.mark.anyio

EMAIL: Final = "ann@example.com"
LONG: Final = {name: item for name, item in KNOWN.items() if len(item[0]) >= 8}

PATHS: Final = {
    hashes.ARGON2: "/users/argon2",
    hashes.BCRYPT: "/users/bcrypt",
    hashes.MD5: "/users/md5",
    hashes.PHPASS: "/users/phpass",
    hashes.SHA: "/users/sha",
    hashes.SCRYPT: "/users/scrypt",
    hashes.SCRYPT_MODIFIED: "/users/scrypt-modified",
}
NAMES: Final = {
    "costCpu": "passwordCpu",
    "costMemory": "passwordMemory",
    "costParallel": "passwordParallel",
    "length": "passwordLength",
    "salt": "passwordSalt",
    "saltSeparator": "passwordSaltSeparator",
    "signerKey": "passwordSignerKey",
    "version": "passwordVersion",
}


def call_of(known: Hash) -> tuple[str, dict[str, Any]]:
    given = {NAMES[name]: value for name, value in known.options.items() if name in NAMES}
    params = {"userId": "ann", "email": EMAIL, "password": known.text, "name": "Ann", **given}
    return PATHS[known.name], params


async def sign_in(world: World, password: str) -> tuple[int, str]:
    params = {"email": EMAIL, "password": password}
    reply = await world.guest.post("/account/sessions/email", params)
    return reply.status, reply.type


@pytest.mark.parametrize(("password", "known"), LONG.values(), ids=LONG)
async def test_the_old_password_signs_in_and_its_hash_is_ours_from_then_on(
    world: World, password: str, known: Hash
) -> None:
    path, params = call_of(known)
    made = await world.server.post(path, params)
    assert made.status == 201, made.body
    assert (made.body["password"], made.body["hash"]) == (known.text, known.name)
    assert made.body["hashOptions"].items() >= dict(known.options).items()
    assert made.body["hashOptions"]["type"] == known.name
    assert (made.body["email"], made.body["name"]) == (EMAIL, "Ann")
    assert [item["identifier"] for item in made.body["targets"]] == [EMAIL]

    assert await sign_in(world, "wrong horse") == (401, "user_invalid_credentials")
    still = (await world.server.get("/users/ann")).body
    assert still["password"] == known.text, "a wrong password changes nothing"

    assert await sign_in(world, password) == (201, "")
    renewed = (await world.server.get("/users/ann")).body
    assert renewed["hash"] == "argon2"
    assert renewed["password"].startswith("$argon2id$")
    assert renewed["passwordUpdate"] == made.body["passwordUpdate"]
    assert set(renewed["hashOptions"]) >= {"type", "memory_cost", "time_cost", "threads"}
    assert await sign_in(world, password) == (201, "")
    assert await sign_in(world, "wrong horse") == (401, "user_invalid_credentials")


@pytest.mark.parametrize("kind", PATHS)
async def test_garbage_is_kept_as_it_is_and_signs_nobody_in(world: World, kind: str) -> None:
    known = next(item for _, item in KNOWN.values() if item.name == kind)
    path, params = call_of(known)
    garbage = "no hash at all, but kept \N{SNOWMAN}"
    made = await world.server.post(path, params | {"password": garbage})
    assert (made.status, made.body["password"]) == (201, garbage)
    for password in (garbage, "correct horse", "appwrite"):
        assert await sign_in(world, password) == (401, "user_invalid_credentials")


async def test_an_unreadable_signer_key_signs_nobody_in(world: World) -> None:
    path, params = call_of(KNOWN["firebase"][1])
    await world.server.post(
        path, params | {"passwordSignerKey": "?!?", "passwordSalt": "\N{SNOWMAN}"}
    )
    assert await sign_in(world, "user1password") == (401, "user_invalid_credentials")


SCRYPT: Final = KNOWN["scrypt"][1]


@pytest.mark.parametrize(
    ("known", "changed", "named"),
    [
        (SCRYPT, {"passwordCpu": 12345}, "passwordCpu"),
        (SCRYPT, {"passwordCpu": 2**30}, "passwordCpu"),
        (SCRYPT, {"passwordMemory": 2**20}, "passwordCpu"),
        (SCRYPT, {"passwordMemory": 0}, "passwordMemory"),
        (SCRYPT, {"passwordParallel": 2**20}, "passwordCpu"),
        (SCRYPT, {"passwordLength": 15}, "passwordLength"),
        (SCRYPT, {"passwordSalt": ""}, "passwordSalt"),
        (KNOWN["firebase"][1], {"passwordSignerKey": "k" * 129}, "passwordSignerKey"),
        (KNOWN["md5"][1], {"password": "short"}, "password"),
        (KNOWN["md5"][1], {"password": "x" * 257}, "password"),
        (KNOWN["sha512"][1], {"passwordVersion": "sha513"}, "passwordVersion"),
        (KNOWN["bcrypt 2b"][1], {"password": "$2b$31$" + "a" * 53}, "password"),
        (
            KNOWN["argon2i"][1],
            {"password": "$argon2id$v=19$m=4194304,t=9,p=1$c29tZXNhbHQ$aGFzaGhhc2g"},
            "password",
        ),
    ],
)
async def test_what_would_cost_too_much_or_is_malformed_is_refused(
    world: World, known: Hash, changed: dict[str, Any], named: str
) -> None:
    path, params = call_of(known)
    refused = await world.server.post(path, params | changed)
    assert (refused.status, refused.type) == (400, "general_argument_invalid")
    assert f"`{named}`" in refused.body["message"]
    assert (await world.server.get("/users")).body["total"] == 0


async def test_each_parameter_of_scrypt_is_wanted(world: World) -> None:
    path, params = call_of(SCRYPT)
    for name in NAMES.values():
        if name in params:
            rest = {key: value for key, value in params.items() if key != name}
            refused = await world.server.post(path, rest)
            assert refused.body["message"] == f'Param "{name}" is not optional.'


async def test_ids_and_addresses_are_taken_once(world: World) -> None:
    path, params = call_of(KNOWN["md5"][1])
    await world.server.post(path, params)
    for changed in ({"email": "other@example.com"}, {"userId": "other"}):
        refused = await world.server.post(path, params | changed)
        assert (refused.status, refused.type) == (409, "user_already_exists")


async def test_only_keys_and_admins_bring_users_along(world: World) -> None:
    path, params = call_of(KNOWN["md5"][1])
    ann, reader = await world.user("bob"), await world.key("users.read")
    for stranger in (world.guest, ann, reader):
        refused = await stranger.post(path, params)
        assert (refused.status, refused.type) == (401, "general_unauthorized_scope")
    assert (await (await world.key("users.write")).post(path, params)).status == 201


async def test_unknown_addresses_are_checked_against_the_hashes_that_others_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the clock, an address without an account is like one with any of the project's."""
    checked: list[str] = []
    check = Passwords._check

    async def noting(self: Passwords, stored: Hash | None, password: str) -> bool:
        checked.append(stored.text if stored else "")
        return await check(self, stored, password)

    monkeypatch.setattr(Passwords, "_check", noting)
    async with open_world() as world:
        for index, name in enumerate(("md5", "bcrypt 2b", "phpass")):
            path, params = call_of(KNOWN[name][1])
            changed = {"userId": f"user-{index}", "email": f"user-{index}@example.com"}
            await world.server.post(path, params | changed)

        async def texts(address: str) -> list[str]:
            checked.clear()
            for _ in range(2):
                params = {"email": address, "password": "wrong horse"}
                reply = await world.guest.post("/account/sessions/email", params)
                assert reply.type == "user_invalid_credentials"
            return checked

        seen = set()
        for number in range(40):
            first, second = await texts(f"nobody-{number}@example.com")
            assert first == second, "always the same one for one address"
            seen.add(first)
        assert seen == {KNOWN[name][1].text for name in ("md5", "bcrypt 2b", "phpass")}
        own = KNOWN["md5"][1].text
        assert await texts("user-0@example.com") == [own, own], "who exists is checked as such"


async def test_the_event_tells_nothing_of_the_hash(world: World) -> None:
    from runwright.api.shapes.events import payload
    from runwright.identity.people import Person
    from runwright.model.actor import PLATFORM

    path, params = call_of(KNOWN["firebase"][1])
    await world.server.post(path, params)
    user = await world.bench.storage.read(lambda uow: uow.users.get(PROJECT_ID, "ann"))
    assert user is not None
    told = payload(Person(user), PLATFORM)
    assert (told["password"], told["hash"], told["hashOptions"]) == (None, None, None)
