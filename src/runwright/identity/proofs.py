"""One-time secrets: what people show to prove that something reached them.

- Each is for one user and one purpose, is used up by serving it, and ends by itself.
- One that is short enough to be guessed ends after a few wrong tries. Whoever asks for another
  gets one in its place, so there is never more than one such code of a purpose to guess at.
- One that was sent to an address is worth nothing once the user has another address.
- A wrong try is counted in the transaction that finds it wrong: that one must be committed, so
  the steps here answer None where others raise.
"""

import hmac
import secrets
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Final, TypeVar

from runwright.clock import Clock
from runwright.identity.errors import InvalidToken
from runwright.identity.tokens import Tokens
from runwright.ids import new_id, new_secret
from runwright.model.identity import Token, User
from runwright.ports.storage import UnitOfWork
from runwright.values import dataclass

T = TypeVar("T")

TRIES: Final = 5
CODE_DIGITS: Final = 6
GUESSABLE_HEX: Final = 16  # shorter ones have fewer than 64 bits


class Purpose(StrEnum):
    SERVER = "token"  # made by a server, which hands it on in a way of its own
    MAGIC_URL = "magic-url"
    EMAIL_CODE = "email-code"
    PHONE_CODE = "phone-code"
    OAUTH2 = "oauth2"
    PASSKEY = "passkey"
    RECOVERY = "recovery"
    RECOVERY_CODE = "recovery-code"
    EMAIL_VERIFICATION = "email-verification"
    EMAIL_VERIFICATION_CODE = "email-verification-code"
    PHONE_VERIFICATION = "phone-verification"


@dataclass(frozen=True, slots=True)
class Form:
    """How the secret of a purpose looks, and how long it is good for."""

    lifetime_s: int
    hex_chars: int = 0  # 0 = a code of digits
    most: int = 1  # alive at once, for one user


_LINK_S: Final = 3600
_CODE: Final = Form(lifetime_s=900)

# Mails may arrive late and out of order, so some links are good beside each other.
FORMS: Final[dict[Purpose, Form]] = {
    Purpose.SERVER: Form(lifetime_s=900, hex_chars=6, most=10),
    Purpose.MAGIC_URL: Form(lifetime_s=_LINK_S, hex_chars=64, most=5),
    Purpose.EMAIL_CODE: _CODE,
    Purpose.PHONE_CODE: _CODE,
    Purpose.OAUTH2: Form(lifetime_s=900, hex_chars=64, most=5),
    Purpose.PASSKEY: Form(lifetime_s=60, hex_chars=64, most=5),
    Purpose.RECOVERY: Form(lifetime_s=_LINK_S, hex_chars=256, most=5),
    Purpose.RECOVERY_CODE: _CODE,
    Purpose.EMAIL_VERIFICATION: Form(lifetime_s=_LINK_S, hex_chars=256, most=5),
    Purpose.EMAIL_VERIFICATION_CODE: _CODE,
    Purpose.PHONE_VERIFICATION: _CODE,
}


RECOVERIES: Final = (Purpose.RECOVERY, Purpose.RECOVERY_CODE)


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token and the only copy of its secret."""

    token: Token
    secret: str
    phrase: str = ""  # shown here and in the letter, so that people see the two belong together
    is_told: bool = False  # the secret, to subscribers of its event, whoever asked for it


class Proofs:
    """Steps of a unit of work."""

    def __init__(self, tokens: Tokens, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock

    def issue(
        self,
        uow: UnitOfWork,
        user: User,
        purpose: Purpose,
        *,
        sent_to: str = "",
        secret: str = "",
        form: Form | None = None,
    ) -> NewToken:
        """A new secret, or the one that is given. The oldest of the purpose make room."""
        form = form or FORMS[purpose]
        secret = secret or _made(form)
        now, token_id = self._clock.now(), new_id()
        token = Token(
            id=token_id,
            project_id=user.project_id,
            created_at=now,
            updated_at=now,
            user_id=user.id,
            purpose=purpose,
            secret_hash=self._tokens.proof(token_id, secret),
            expires_at=now + timedelta(seconds=form.lifetime_s),
            sent_to=sent_to,
            tries_left=TRIES if form.hex_chars < GUESSABLE_HEX else None,
        )
        self._make_room(uow, user, purpose, form.most)
        uow.tokens.add(token)
        return NewToken(token, secret)

    def _make_room(self, uow: UnitOfWork, user: User, purpose: Purpose, most: int) -> None:
        now = self._clock.now()
        tokens = uow.tokens.find(user.project_id, user_id=user.id)
        over = [token for token in tokens if token.expires_at <= now]
        alive = [token for token in tokens if token.expires_at > now and token.purpose == purpose]
        for token in (*over, *alive[: max(0, len(alive) - most + 1)]):
            uow.tokens.remove(token.project_id, token.id)

    def check(self, uow: UnitOfWork, user: User, secret: str, *purposes: Purpose) -> Token | None:
        """The token of this secret. None counts as a wrong try."""
        alive = self._alive(uow, user, purposes)
        fitting = [
            token
            for token in alive  # all of them, so that the time tells nothing
            if hmac.compare_digest(token.secret_hash, self._tokens.proof(token.id, secret))
        ]
        if fitting:
            return fitting[0]
        for token in alive:
            self._count_try(uow, token)
        return None

    def redeem(self, uow: UnitOfWork, user: User, secret: str, *purposes: Purpose) -> Token | None:
        """Like `check`, and the token is used up."""
        token = self.check(uow, user, secret, *purposes)
        if token is None or not uow.tokens.remove(token.project_id, token.id):
            return None
        return token

    def _alive(self, uow: UnitOfWork, user: User, purposes: tuple[Purpose, ...]) -> list[Token]:
        now = self._clock.now()
        worth = ("", user.email, user.phone)
        found = uow.tokens.find(user.project_id, user_id=user.id, purpose=list(purposes))
        return [token for token in found if token.expires_at > now and token.sent_to in worth]

    def _count_try(self, uow: UnitOfWork, token: Token) -> None:
        if token.tries_left is None:
            return
        if token.tries_left <= 1:
            uow.tokens.remove(token.project_id, token.id)
            return
        uow.tokens.put(
            replace(token, tries_left=token.tries_left - 1, updated_at=self._clock.now())
        )


def drop(uow: UnitOfWork, user: User, *purposes: Purpose) -> None:
    """Let all of a user's secrets of these purposes be worth nothing from now on."""
    uow.tokens.remove_where(user.project_id, user_id=user.id, purpose=list(purposes))


def _made(form: Form) -> str:
    if form.hex_chars:
        return new_secret(form.hex_chars + form.hex_chars % 2)[: form.hex_chars]
    return f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"


def required(proved: T | None) -> T:
    """What a transaction made of a secret. Raises InvalidToken when the secret was wrong."""
    if proved is None:
        raise InvalidToken()
    return proved
