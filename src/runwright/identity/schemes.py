"""How other systems made password hashes: argon2, bcrypt, PHPass, plain digests.

Functions named `*_fits` say whether a text is the hash of a password; they may raise ValueError
for texts that are none. Functions named `*_work` raise BadCost when checking would take more
than the server gives: some texts say themselves how much work they want. Each bound is about
two seconds of one core.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, Final

import bcrypt
from argon2 import Parameters, PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from passlib.hash import phpass

Options = Mapping[str, Any]

MAX_ARGON2_KIB: Final = 2**18
MAX_ARGON2_WORK: Final = 2**21  # KiB times passes
MAX_ARGON2_LANES: Final = 64
MAX_BCRYPT_COST: Final = 15
MAX_PHPASS_LOG2: Final = 16

# Version as clients name it -> name in hashlib.
SHA_VERSIONS: Final = {
    "sha1": "sha1",
    "sha224": "sha224",
    "sha256": "sha256",
    "sha384": "sha384",
    "sha512/224": "sha512_224",
    "sha512/256": "sha512_256",
    "sha512": "sha512",
    "sha3-224": "sha3_224",
    "sha3-256": "sha3_256",
    "sha3-384": "sha3_384",
    "sha3-512": "sha3_512",
}

_BCRYPT_BYTES: Final = 72  # bcrypt never looked at more of a password
_BCRYPT: Final = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_PHPASS_DIGITS: Final = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_WORDPRESS: Final = "$wp"


class BadCost(ValueError):
    """The work that a hash wants is none, or more than is given; the text says what is allowed."""


def argon2_parameters(text: str) -> Parameters | None:
    """None when the text is no argon2 hash."""
    try:
        return extract_parameters(text)
    except InvalidHashError:
        return None


def argon2_work(text: str, options: Options) -> None:
    wanted = argon2_parameters(text)
    if wanted is None:
        return
    if (
        wanted.memory_cost > MAX_ARGON2_KIB
        or wanted.memory_cost * wanted.time_cost > MAX_ARGON2_WORK
        or wanted.parallelism > MAX_ARGON2_LANES
    ):
        raise BadCost(
            f"Argon2 hashes may use at most {MAX_ARGON2_KIB} KiB (m), {MAX_ARGON2_WORK} KiB "
            f"over all passes (m times t) and {MAX_ARGON2_LANES} lanes (p)."
        )


def argon2_fits(password: str, text: str, options: Options) -> bool:
    try:
        return PasswordHasher().verify(text, password)
    except (VerificationError, InvalidHashError):
        return False


def bcrypt_work(text: str, options: Options) -> None:
    found = _BCRYPT.search(text)
    if found is not None and int(found[1]) > MAX_BCRYPT_COST:
        raise BadCost(f"bcrypt hashes may have a cost of at most {MAX_BCRYPT_COST}.")


def bcrypt_fits(password: str, text: str, options: Options) -> bool:
    return _bcrypt_fits(password.encode(), text)


def _bcrypt_fits(password: bytes, text: str) -> bool:
    if not _BCRYPT.fullmatch(text):
        return False
    return bcrypt.checkpw(password[:_BCRYPT_BYTES], text.encode())


def phpass_log2(text: str) -> int | None:
    """The number of rounds; None when the text is not of PHPass's own form."""
    digit = text[3:4]
    if not text.startswith(("$P$", "$H$")) or not digit or digit not in _PHPASS_DIGITS:
        return None
    return _PHPASS_DIGITS.index(digit)


def phpass_work(text: str, options: Options) -> None:
    if (phpass_log2(text) or 0) > MAX_PHPASS_LOG2:
        raise BadCost(f"PHPass hashes may have at most 2^{MAX_PHPASS_LOG2} rounds.")
    bcrypt_work(text, options)


def phpass_fits(password: str, text: str, options: Options) -> bool:
    """PHPass prefers bcrypt where there is one; newer WordPress feeds it a digest."""
    if text.startswith(_WORDPRESS):
        digest = hmac.digest(b"wp-sha384", password.strip().encode(), "sha384")
        return _bcrypt_fits(base64.b64encode(digest), text.removeprefix(_WORDPRESS))
    if phpass_log2(text) is None:
        return _bcrypt_fits(password.encode(), text)
    return bool(phpass.verify(password, text))


def sha_fits(password: str, text: str, options: Options) -> bool:
    algorithm = SHA_VERSIONS[options["version"]]
    return _same_hex(hashlib.new(algorithm, password.encode()).digest(), text)


def md5_fits(password: str, text: str, options: Options) -> bool:
    made = hashlib.md5(password.encode(), usedforsecurity=False).digest()
    return _same_hex(made, text)


def _same_hex(made: bytes, text: str) -> bool:
    """Raises ValueError when the text is not hexadecimal."""
    return hmac.compare_digest(made, binascii.unhexlify(text))
