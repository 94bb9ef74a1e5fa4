"""What is remembered while somebody is away at a provider.

It travels along, sealed, as the `state` of OAuth; nothing is stored for those who never come
back. It belongs to one project and one provider, ends after some minutes, and works once: the
mark of a used one is kept until it would have ended. It also belongs to the browser that began,
which holds the other half in a cookie; only a server that begins in somebody's name gets one
without such a half, and then nothing is changed for the user who began before the token that
comes of it is traded.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from runwright.clock import Clock
from runwright.identity.oauth.errors import BadReturn
from runwright.model.repeat import RepeatKey
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork
from runwright.sealing import CannotOpen, Sealer
from runwright.values import dataclass

LIFETIME: Final = timedelta(minutes=15)
MAX_CHARS: Final = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """One sign-in that is under way."""

    id: str
    project_id: str
    provider: str
    wants_token: bool  # else a session
    success: str
    failure: str
    echo: str  # the client's own `state`
    redirect: str  # our address that the provider was given
    verifier: str  # of PKCE
    nonce: str
    browser: str  # digest of what the browser's cookie holds; "" = bound to none
    user_id: str  # who was signed in; "" = nobody
    session_id: str
    expires_at: datetime

    @property
    def challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    @property
    def cookie_name(self) -> str:
        return cookie_name(self.id)

    def is_of_browser(self, cookie: str) -> bool:
        return hmac.compare_digest(self.browser, _digest(cookie)) if self.browser else True


def cookie_name(departure_id: str) -> str:
    return f"a_oauth2_{departure_id[:12]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class States:
    def __init__(self, storage: Storage, clock: Clock, sealer: Sealer) -> None:
        self._storage = storage
        self._clock = clock
        self._sealer = sealer

    def depart(self, *, is_bound: bool, **known: Any) -> tuple[Departure, str]:
        """A new sign-in, and what its browser has to keep ("" when it is bound to none)."""
        cookie = secrets.token_urlsafe(32) if is_bound else ""
        departure = Departure(
            id=secrets.token_urlsafe(24).replace("-", "a").replace("_", "b"),
            verifier=secrets.token_urlsafe(48),
            nonce=secrets.token_urlsafe(24),
            browser=_digest(cookie) if cookie else "",
            expires_at=self._clock.now() + LIFETIME,
            **known,
        )
        return departure, cookie

    def seal(self, departure: Departure) -> str:
        place = _place(departure.project_id, departure.provider)
        sealed = self._sealer.seal(msgspec.json.encode(departure), place)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, project_id: str, provider: str, text: str) -> Departure:
        """Raises BadReturn."""
        if not text or len(text) > MAX_CHARS:
            raise BadReturn("The answer of the provider has no state that was given out here.")
        try:
            sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            plain = self._sealer.open(sealed, _place(project_id, provider))
        except (CannotOpen, binascii.Error, ValueError) as exc:
            raise BadReturn(
                "The answer of the provider has no state that was given out here."
            ) from exc
        departure = msgspec.json.decode(plain, type=Departure)
        if departure.expires_at <= self._clock.now():
            raise BadReturn("Signing in took too long.")
        return departure

    async def use(self, departure: Departure) -> None:
        """Raises BadReturn when it was used before."""
        now = self._clock.now()
        mark = RepeatKey(
            id=_digest(f"oauth state {departure.id}"),
            project_id=departure.project_id,
            created_at=now,
            updated_at=now,
            function_id="",
            result_id="",
            fingerprint="",
            expires_at=departure.expires_at,
        )

        def work(uow: UnitOfWork) -> None:
            try:
                uow.repeat_keys.add(mark)
            except AlreadyStored as exc:
                raise BadReturn("This answer of the provider was used already.") from exc

        await self._storage.write(work)


def _place(project_id: str, provider: str) -> str:
    return f"oauth state:{project_id}:{provider}"
