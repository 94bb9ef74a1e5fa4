"""Password hashes, and the rules a project has for new passwords.

Hashing costs tens of milliseconds and 64 MiB, so it runs on threads, a few at a time, and a
flood of sign-ins is turned away instead of queued without end.
"""

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from runwright.errors import InvalidParam, ServiceUnavailable
from runwright.identity.errors import PasswordReused, PersonalDataInPassword
from runwright.identity.policies import PasswordStrength, Policies
from runwright.ids import new_secret
from runwright.model.identity import User

R = TypeVar("R")

ARGON2: Final = "argon2"
MAX_WAITING: Final = 256


class Passwords:
    """Makes and checks password hashes."""

    def __init__(self, hasher: PasswordHasher | None = None, *, at_once: int = 4) -> None:
        self._hasher = hasher or PasswordHasher()
        self._slots = asyncio.Semaphore(at_once)
        self._waiting = 0
        # Same cost as a real hash: who signs in with an unknown address waits as long.
        self._nobody = self._hasher.hash(new_secret(32))

    async def fits(self, password: str, user: User | None) -> bool:
        """Whether the password is the user's; takes the same time for nobody."""
        stored = user.password_hash if user and user.hash_name == ARGON2 else ""
        is_right = await self._on_thread(lambda: self._verify(stored or self._nobody, password))
        return is_right and bool(stored)

    def is_outdated(self, user: User) -> bool:
        """Whether the stored hash is weaker than those made now."""
        return self._hasher.check_needs_rehash(user.password_hash)

    async def renewed(self, password: str) -> dict[str, Any]:
        """The fields of a user whose password is hashed anew and stays the same."""
        return self._hashed(await self._on_thread(lambda: self._hasher.hash(password)))

    async def chosen(
        self, policies: Policies, user: User, password: str, now: datetime
    ) -> dict[str, Any]:
        """The fields of a user who takes this password.

        Raises InvalidParam, PersonalDataInPassword, PasswordReused when a rule refuses it.
        """
        check_strength(policies.password_strength, password)
        if policies.refuses_common:
            check_uncommon(password)
        if policies.refuses_personal_data:
            check_personal_data(user, password)
        present = (user.password_hash,) if user.password_hash else ()
        earlier = list(dict.fromkeys((*user.password_history, *present)))
        earlier = earlier[-policies.password_history :] if policies.password_history else []
        for known in earlier:
            if await self._on_thread(lambda known=known: self._verify(known, password)):  # type: ignore[misc]  # mypy infers no type for a lambda's default
                raise PasswordReused()
        hashed = await self._on_thread(lambda: self._hasher.hash(password))
        history = [*earlier, hashed][-policies.password_history :]
        return self._hashed(hashed) | {
            "password_updated_at": now,
            "password_history": tuple(history) if policies.password_history else (),
        }

    def _hashed(self, hashed: str) -> dict[str, Any]:
        return {
            "password_hash": hashed,
            "hash_name": ARGON2,
            "hash_options": {
                "memoryCost": self._hasher.memory_cost,
                "timeCost": self._hasher.time_cost,
                "threads": self._hasher.parallelism,
            },
        }

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _on_thread(self, work: Callable[[], R]) -> R:
        if self._waiting >= MAX_WAITING:
            raise ServiceUnavailable("Too many sign-ins at once. Try again in a moment.")
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


CLEARED: Final[dict[str, Any]] = {
    "password_hash": "",
    "hash_name": "",
    "hash_options": {},
    "password_updated_at": None,
}


def check_strength(strength: PasswordStrength, password: str) -> None:
    """Raises InvalidParam that says what is missing."""
    missing = []
    if len(password.encode()) < strength.least:
        missing.append(f"at least {strength.least} characters")
    if strength.uppercase and not _has(password, str.isupper):
        missing.append("an upper-case letter")
    if strength.lowercase and not _has(password, str.islower):
        missing.append("a lower-case letter")
    if strength.number and not _has(password, str.isdigit):
        missing.append("a digit")
    if strength.symbols and not _has(password, _is_symbol):
        missing.append("a symbol")
    if missing:
        raise InvalidParam("password", f"This project wants {', '.join(missing)}.")


def _has(text: str, kind: Callable[[str], bool]) -> bool:
    return any(kind(char) for char in text)


def _is_symbol(char: str) -> bool:
    return not char.isalnum() and not char.isspace()


def check_uncommon(password: str) -> None:
    """Raises InvalidParam for one of the passwords that people use most."""
    if password.lower() in _common():
        raise InvalidParam("password", "It is among the passwords people use most. Choose another.")


@cache
def _common() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # here: some MiB that few projects want

    return frozenset(FREQUENCY_LISTS["passwords"])


def check_personal_data(user: User, password: str) -> None:
    """Raises PersonalDataInPassword. Case does not matter."""
    email, phone = user.email or "", user.phone or ""
    local_part = email.partition("@")[0]
    known: Collection[str] = (user.id, user.name, email, local_part, phone, phone.lstrip("+"))
    folded = password.casefold()
    if any(item and item.casefold() in folded for item in known):
        raise PersonalDataInPassword()
