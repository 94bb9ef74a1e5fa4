"""Password hashes, and the rules a project has for new passwords.

Hashing costs tens of milliseconds and 64 MiB, so it runs on threads, a few at a time, and a
flood of sign-ins is turned away instead of queued without end. Hashes that were brought along
wait in a queue of their own: some cost seconds, and nobody else should wait for those.
"""

import asyncio
import base64
import secrets
from collections.abc import Callable, Collection
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

from runwright.errors import InvalidParam, ServiceUnavailable
from runwright.identity.errors import PasswordReused, PersonalDataInPassword
from runwright.identity.hashes import ARGON2, Hash
from runwright.identity.policies import PasswordStrength, Policies
from runwright.model.identity import User
from runwright.ports.breaches import BreachList

R = TypeVar("R")

MAX_WAITING: Final = 256


class _Lane:
    """So many at once, so many waiting, and the rest turned away."""

    def __init__(self, at_once: int) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._waiting = 0

    async def run(self, work: Callable[[], R]) -> R:
        """On a thread. Raises ServiceUnavailable."""
        if self._waiting >= MAX_WAITING:
            raise ServiceUnavailable("Too many sign-ins at once. Try again in a moment.")
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def _fitting_nothing(hasher: PasswordHasher) -> str:
    """What a hash looks like, of random bytes. To check it costs what a real one does, so who
    signs in with an unknown address waits as long; to make it costs nothing."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(length)).decode().rstrip("=")
        for length in (hasher.salt_len, hasher.hash_len)
    )
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2{hasher.type.name.lower()}$v={ARGON2_VERSION}${cost}${salt}${digest}"


class Passwords:
    """Makes and checks password hashes."""

    def __init__(
        self,
        hasher: PasswordHasher | None = None,
        *,
        at_once: int = 4,
        brought_at_once: int = 2,
        breaches: BreachList | None = None,
    ) -> None:
        """`breaches`: None where the server has no list to ask."""
        self._hasher = hasher or PasswordHasher()
        self._breaches = breaches
        self._own = _Lane(at_once)
        self._brought = _Lane(brought_at_once)
        self._nobody = _fitting_nothing(self._hasher)

    async def fits(self, password: str, user: User | None, stand_in: Hash | None = None) -> bool:
        """Whether the password is the user's. For nobody it never is, and that takes as long
        as the check of `stand_in` or, without one, of a hash of our own."""
        stored = Hash.of(user) if user else None
        is_right = await self._check(stored or stand_in, password)
        return is_right and stored is not None

    async def _check(self, stored: Hash | None, password: str) -> bool:
        if stored is None or self._is_own(stored):
            text = stored.text if stored else self._nobody
            return await self._own.run(lambda: self._verify(text, password))
        if await self._brought.run(lambda: stored.fits(password)):
            return True
        # Plain digests would otherwise be told apart by the clock. Who fits waits as long: a
        # hash of our own is made then.
        await self._own.run(lambda: self._verify(self._nobody, password))
        return False

    def _is_own(self, stored: Hash) -> bool:
        """Whether it was made as new ones are."""
        if stored.name != ARGON2:
            return False
        try:
            return not self._hasher.check_needs_rehash(stored.text)
        except InvalidHashError:
            return False

    def is_outdated(self, user: User) -> bool:
        """Whether the stored hash is another than one made now would be."""
        stored = Hash.of(user)
        return stored is not None and not self._is_own(stored)

    async def renewed(self, password: str) -> dict[str, Any]:
        """The fields of a user whose password is hashed anew and stays the same."""
        return self._hashed(await self._own.run(lambda: self._hasher.hash(password)))

    async def chosen(
        self, policies: Policies, user: User, password: str, now: datetime
    ) -> dict[str, Any]:
        """The fields of a user who takes this password.

        Raises InvalidParam, PersonalDataInPassword, PasswordReused when a rule refuses it.
        """
        check_strength(policies.password_strength, password)
        if policies.refuses_common:
            check_uncommon(password, policies.denied_passwords)
        if policies.refuses_personal_data:
            check_personal_data(user, password, policies.denied_terms)
        is_breached = await self.is_breached(policies, password)
        if is_breached and policies.breaches.refuses_new:
            raise InvalidParam(
                "password", "It is known from a breach of another site. Choose another."
            )
        earlier = _remembered(user)[-policies.password_history :]
        for known in earlier if policies.password_history else ():
            if await self._check(known, password):
                raise PasswordReused()
        changes = await self.renewed(password)
        history: tuple[str, ...] = ()
        if policies.password_history:
            texts = [*map(_as_text, earlier), changes["password_hash"]]
            history = tuple(texts[-policies.password_history :])
        return changes | {
            "password_updated_at": now,
            "password_history": history,
            "password_pwned": is_breached,
            "needs_reset": False,
        }

    @property
    def knows_breaches(self) -> bool:
        return self._breaches is not None

    async def is_breached(self, policies: Policies, password: str) -> bool | None:
        """None when the project does not want to know, or nobody could tell."""
        if self._breaches is None or not policies.breaches.is_on:
            return None
        return await self._breaches.holds(password)

    def _hashed(self, hashed: str) -> dict[str, Any]:
        options = {
            "memory_cost": self._hasher.memory_cost,
            "time_cost": self._hasher.time_cost,
            "threads": self._hasher.parallelism,
        }
        return Hash(ARGON2, hashed, options).fields()

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def _remembered(user: User) -> list[Hash]:
    """Earlier hashes and the present one, oldest first, each once."""
    present = Hash.of(user)
    texts = [*user.password_history, *([_as_text(present)] if present else [])]
    return [_from_text(text) for text in dict.fromkeys(texts)]


def _as_text(hash_: Hash) -> str:
    """In histories our own hashes stand as they are, others with all that belongs to them."""
    return hash_.text if hash_.name == ARGON2 else msgspec.json.encode(hash_).decode()


def _from_text(text: str) -> Hash:
    is_own = not text.startswith("{")
    return Hash(ARGON2, text) if is_own else msgspec.json.decode(text, type=Hash)


CLEARED: Final[dict[str, Any]] = {
    "password_hash": "",
    "hash_name": "",
    "hash_options": {},
    "password_updated_at": None,
    "password_pwned": None,
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


def check_uncommon(password: str, denied: Collection[str] = ()) -> None:
    """Raises InvalidParam for one of the passwords that people use most, and for one of
    `denied` as it is spelled there."""
    if password in denied:
        raise InvalidParam("password", "This project does not take it. Choose another.")
    if password.lower() in _common():
        raise InvalidParam("password", "It is among the passwords people use most. Choose another.")


@cache
def _common() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # here: some MiB that few projects want

    return frozenset(FREQUENCY_LISTS["passwords"])


def check_personal_data(user: User, password: str, denied: Collection[str] = ()) -> None:
    """Raises PersonalDataInPassword, for the words of `denied` too. Case does not matter."""
    email, phone = user.email or "", user.phone or ""
    local_part = email.partition("@")[0]
    own = (user.id, user.name, email, local_part, phone, phone.lstrip("+"))
    folded = password.casefold()
    if any(item and item.casefold() in folded for item in (*own, *denied)):
        raise PersonalDataInPassword()
