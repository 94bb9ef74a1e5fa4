"""Password hashes with which users are brought along from other systems.

A hash is kept as it was given until its owner signs in; then it makes place for one of ours.
What cannot be read fits no password. Whoever may bring users along chooses how dear their
hashes are, so that is bounded: dearer ones are refused when they come in, and fit nothing if
they are stored all the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Final, Self

from runwright.identity import schemes, scrypts
from runwright.model.identity import User
from runwright.values import dataclass

ARGON2: Final = "argon2"
BCRYPT: Final = "bcrypt"
MD5: Final = "md5"
PHPASS: Final = "phpass"
SCRYPT: Final = "scrypt"
SCRYPT_MODIFIED: Final = "scryptMod"
SHA: Final = "sha"

_FITS: Final[Mapping[str, Callable[[str, str, schemes.Options], bool]]] = {
    ARGON2: schemes.argon2_fits,
    BCRYPT: schemes.bcrypt_fits,
    MD5: schemes.md5_fits,
    PHPASS: schemes.phpass_fits,
    SCRYPT: scrypts.scrypt_fits,
    SCRYPT_MODIFIED: scrypts.scrypt_modified_fits,
    SHA: schemes.sha_fits,
}
_WORK: Final[Mapping[str, Callable[[str, schemes.Options], None]]] = {
    ARGON2: schemes.argon2_work,
    BCRYPT: schemes.bcrypt_work,
    PHPASS: schemes.phpass_work,
    SCRYPT: scrypts.scrypt_work,
}


@dataclass(frozen=True, slots=True)
class Hash:
    """How it was made, its text, and what the text does not say of how it was made."""

    name: str
    text: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, user: User) -> Self | None:
        """None for a user without a password."""
        if not user.password_hash:
            return None
        return cls(user.hash_name, user.password_hash, user.hash_options)

    def fields(self) -> dict[str, Any]:
        """Of a user who has this hash."""
        return {
            "password_hash": self.text,
            "hash_name": self.name,
            "hash_options": dict(self.options),
        }

    def check_work(self) -> None:
        """Raises BadCost. A text that cannot be read is cheap: nothing is computed for it."""
        if self.name in _WORK:
            _WORK[self.name](self.text, self.options)

    def fits(self, password: str) -> bool:
        """Whether it is the hash of the password. Takes up to seconds: call it on a thread."""
        try:
            self.check_work()
            return _FITS[self.name](password, self.text, self.options)
        except (KeyError, TypeError, AttributeError, ValueError, MemoryError):
            # What the schemes and their libraries raise for texts that are no hashes, and for
            # options that are missing or of another type.
            return False


def argon2(text: str) -> Hash:
    """Options are those in the text; for what is no hash, the usual ones."""
    seen = schemes.argon2_parameters(text)
    options = {
        "memory_cost": seen.memory_cost if seen else 65536,
        "time_cost": seen.time_cost if seen else 4,
        "threads": seen.parallelism if seen else 3,
    }
    return Hash(ARGON2, text, options)


def bcrypt(text: str) -> Hash:
    # The number that servers of this API tell for every hash; the true cost is in the text.
    return Hash(BCRYPT, text, {"cost": 8})


def md5(text: str) -> Hash:
    return Hash(MD5, text)


def phpass(text: str) -> Hash:
    """PHPass is told a count 5 below the one it writes into the text."""
    log2 = schemes.phpass_log2(text)
    options = {
        "iteration_count_log2": 8 if log2 is None else log2 - 5,
        "portable_hashes": log2 is not None,
        "random_state": "",  # what it drew salts from; nothing depends on it any more
    }
    return Hash(PHPASS, text, options)


def sha(text: str, version: str) -> Hash:
    """`version` is a key of `schemes.SHA_VERSIONS`."""
    return Hash(SHA, text, {"version": version})


def scrypt(text: str, *, salt: str, cpu: int, memory: int, parallel: int, length: int) -> Hash:
    options = {
        "costCpu": cpu,
        "costMemory": memory,
        "costParallel": parallel,
        "length": length,
        "salt": salt,
    }
    return Hash(SCRYPT, text, options)


def scrypt_modified(text: str, *, salt: str, separator: str, signer_key: str) -> Hash:
    options = {"salt": salt, "saltSeparator": separator, "signerKey": signer_key}
    return Hash(SCRYPT_MODIFIED, text, options)
