"""People who move in with the password hashes of another system."""

import hashlib
from typing import Any

import bcrypt

from runwright.identity.hashes import Hash
from tests.acceptance.sdk.world import World
from tests.foreign_hashes import KNOWN


def _moved_in(world: World, made: Any, password: str) -> None:
    """The old password signs in, and its hash is ours from then on."""
    email = made["email"]
    world.guest.refused(
        "account.createEmailPasswordSession",
        401,
        "user_invalid_credentials",
        email=email,
        password="wrong password",
    )
    session = world.guest("account.createEmailPasswordSession", email=email, password=password)
    assert session["userId"] == made["$id"]
    assert world.key("users.get", userId=made["$id"])["hash"] == "argon2"


def _given(user_id: str, known: Hash) -> dict[str, str]:
    return {"userId": user_id, "email": f"{user_id}@example.com", "password": known.text}


def hashes_of_argon2(world: World) -> None:
    password, known = KNOWN["argon2i"]
    made = world.key("users.createArgon2User", **_given("ann", known), name="Ann")
    assert (made["password"], made["hash"], made["name"]) == (known.text, "argon2", "Ann")
    _moved_in(world, made, password)


def hashes_of_bcrypt(world: World) -> None:
    text = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(8)).decode()
    for user_id, prefix in (("ann", "$2a$"), ("bob", "$2b$"), ("cid", "$2y$")):
        known = Hash("bcrypt", prefix + text[4:])
        made = world.key("users.createBcryptUser", **_given(user_id, known))
        assert (made["password"], made["hash"]) == (known.text, "bcrypt")
        _moved_in(world, made, "correct horse")


def hashes_of_md5(world: World) -> None:
    password, known = KNOWN["md5"]
    made = world.key("users.createMD5User", **_given("ann", known))
    assert made["hash"] == "md5"
    _moved_in(world, made, password)


def hashes_of_wordpress(world: World) -> None:
    password, known = KNOWN["wordpress"]
    made = world.key("users.createPHPassUser", **_given("ann", known))
    assert made["hash"] == "phpass"
    _moved_in(world, made, password)


def hashes_of_sha(world: World) -> None:
    text = hashlib.new("sha512_256", b"correct horse").hexdigest()
    made = world.key(
        "users.createSHAUser",
        **_given("ann", Hash("sha", text)),
        passwordVersion="sha512/256",
    )
    assert made["hash"] == "sha"
    _moved_in(world, made, "correct horse")


def hashes_of_scrypt(world: World) -> None:
    password, known = KNOWN["scrypt"]
    made = world.key(
        "users.createScryptUser",
        **_given("ann", known),
        passwordSalt="appwrite",
        passwordCpu=16384,
        passwordMemory=13,
        passwordParallel=2,
        passwordLength=64,
    )
    assert made["hash"] == "scrypt"
    _moved_in(world, made, password)


def hashes_of_firebase(world: World) -> None:
    password, known = KNOWN["firebase"]
    made = world.key(
        "users.createScryptModifiedUser",
        **_given("ann", known),
        passwordSalt=known.options["salt"],
        passwordSaltSeparator=known.options["saltSeparator"],
        passwordSignerKey=known.options["signerKey"],
    )
    assert made["hash"] == "scryptMod"
    _moved_in(world, made, password)
