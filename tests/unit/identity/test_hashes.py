"""Password hashes of other systems: published vectors, texts that are no hashes, dear ones."""

import base64
import hashlib
import hmac
from dataclasses import replace
from typing import Final

import bcrypt
import pytest

from runwright.identity import hashes, schemes
from runwright.identity.hashes import Hash
from runwright.identity.passwords import Passwords
from runwright.identity.policies import Policies
from runwright.identity.schemes import BadCost
from runwright.model.identity import User
from tests.fakes.identity import START, cheap_passwords
from tests.foreign_hashes import KNOWN

ANN: Final = User(id="user-ann", project_id="p", created_at=START, updated_at=START)
GARBAGE: Final = ("", "x", "garbage!", "$", "$2a$", "$P$", "$argon2id$", "ü" * 20, "0" * 40, "\0")


@pytest.mark.parametrize(("password", "known"), KNOWN.values(), ids=KNOWN)
def test_a_known_hash_fits_its_password_and_no_other(password: str, known: Hash) -> None:
    assert known.fits(password)
    assert not known.fits(password + "!")


EACH: Final = {known.name: known for _, known in KNOWN.values()}  # one of each scheme


@pytest.mark.parametrize("known", EACH.values(), ids=EACH)
@pytest.mark.parametrize("text", GARBAGE)
def test_a_text_that_is_no_hash_fits_nothing(known: Hash, text: str) -> None:
    broken = replace(known, text=text)
    assert not broken.fits("appwrite")
    assert not broken.fits("")
    assert not broken.fits(text)


@pytest.mark.parametrize("options", [{}, {"salt": 7, "costCpu": "many", "version": None}])
@pytest.mark.parametrize("name", ["sha512", "scrypt", "firebase"])
def test_missing_and_broken_options_are_no_fault(name: str, options: dict[str, object]) -> None:
    password, known = KNOWN[name]
    assert not replace(known, options=options).fits(password)


def test_an_unknown_scheme_fits_nothing() -> None:
    assert not Hash("rot13", "nccjevgr", {}).fits("appwrite")


@pytest.mark.parametrize("version", schemes.SHA_VERSIONS)
def test_every_version_of_sha_is_known(version: str) -> None:
    made = hashlib.new(schemes.SHA_VERSIONS[version], b"correct horse").hexdigest()
    assert hashes.sha(made, version).fits("correct horse")
    assert hashes.sha(made.upper(), version).fits("correct horse")
    assert not hashes.sha(made, version).fits("wrong horse")


def test_the_short_forms_of_sha512_are_not_cut_off_long_ones() -> None:
    """FIPS 180-4, the digests of `abc`."""
    of_224 = "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa"
    of_256 = "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"
    assert hashes.sha(of_224, "sha512/224").fits("abc")
    assert hashes.sha(of_256, "sha512/256").fits("abc")
    assert not hashes.sha(hashlib.sha512(b"abc").hexdigest()[:56], "sha512/224").fits("abc")


def test_wordpress_feeds_bcrypt_a_digest() -> None:
    digest = hmac.digest(b"wp-sha384", b"correct horse", "sha384")
    text = "$wp" + bcrypt.hashpw(base64.b64encode(digest), bcrypt.gensalt(4, b"2a")).decode()
    assert hashes.phpass(text).fits("correct horse")
    assert hashes.phpass(text).fits(" correct horse\n"), "WordPress trims"
    assert not hashes.phpass(text).fits("wrong horse")


def test_bcrypt_looks_at_72_bytes() -> None:
    text = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert hashes.bcrypt(text).fits("x" * 100)
    assert not hashes.bcrypt(text).fits("x" * 71)


def scrypt(cpu: int, memory: int, parallel: int, length: int = 64) -> Hash:
    return hashes.scrypt(
        "00" * length, salt="salt", cpu=cpu, memory=memory, parallel=parallel, length=length
    )


CHEAP: Final = replace(  # with options to keep
    scrypt(2, 1, 1), text=hashlib.scrypt(b"appwrite", salt=b"salt", n=2, r=1, p=1).hex()
)
DEAR: Final = {
    "bcrypt of an hour": hashes.bcrypt("$2b$31$" + "a" * 53),
    "bcrypt behind PHPass": hashes.phpass("$2a$20$" + "a" * 53),
    "bcrypt of WordPress": hashes.phpass("$wp$2y$20$" + "a" * 53),
    "PHPass": hashes.phpass("$P$S" + "a" * 30),
    "argon2 of 4 GiB": hashes.argon2("$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2g"),
    "argon2 of many passes": hashes.argon2(
        "$argon2id$v=19$m=65536,t=4000,p=1$c29tZXNhbHQ$aGFzaGhhc2g"
    ),
    "argon2 of many lanes": hashes.argon2(
        "$argon2i$v=19$m=65536,t=1,p=8000$c29tZXNhbHQ$aGFzaGhhc2g"
    ),
    "scrypt of 1 GiB": scrypt(2**20, 8, 1),
    "scrypt of much memory": scrypt(2, 2**30, 1),
    "scrypt, often": scrypt(2**14, 8, 2**14),
    "scrypt with no power of two": scrypt(12345, 8, 1),
    "scrypt of one": scrypt(1, 8, 1),
    "scrypt of nothing": scrypt(2**14, 0, 1),
    "scrypt below zero": scrypt(2**14, 8, -1),
    "scrypt, short": scrypt(2**14, 8, 1, length=15),
    "scrypt, long": scrypt(2**14, 8, 1, length=2**20),
}


@pytest.mark.parametrize("dear", DEAR.values(), ids=DEAR)
def test_what_costs_too_much_is_refused_and_never_computed(dear: Hash) -> None:
    with pytest.raises(BadCost):
        dear.check_work()
    assert not dear.fits("correct horse")


@pytest.mark.anyio
@pytest.mark.parametrize("known", [KNOWN["sha512"][1], CHEAP], ids=lambda known: known.name)
async def test_a_hash_brought_along_stays_in_the_history(known: Hash) -> None:
    passwords, policies = cheap_passwords(), Policies(password_history=3)
    password = "appwrite"
    user = replace(ANN, **known.fields())
    with pytest.raises(Exception, match="used before"):
        await passwords.chosen(policies, user, password, START)
    for text in ("first horse", "second horse"):
        user = replace(user, **await passwords.chosen(policies, user, text, START))
        with pytest.raises(Exception, match="used before"):
            await passwords.chosen(policies, user, password, START)


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["md5", "sha512", "wordpress", "argon2i"])
async def test_a_wrong_password_costs_a_whole_hash_whatever_the_scheme(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []
    passwords = cheap_passwords()
    verify = Passwords._verify

    def counting(self: Passwords, stored: str, password: str) -> bool:
        computed.append(stored)
        return verify(self, stored, password)

    monkeypatch.setattr(Passwords, "_verify", counting)
    assert not await passwords.fits("wrong horse", replace(ANN, **KNOWN[name][1].fields()))
    assert len(computed) == 1


@pytest.mark.anyio
async def test_nobody_is_checked_like_the_stand_in_and_never_fits() -> None:
    passwords = cheap_passwords()
    password, known = KNOWN["md5"]
    assert await passwords.fits(password, replace(ANN, **known.fields()))
    assert not await passwords.fits(password, None, known)
    assert not await passwords.fits(password, ANN, known)
