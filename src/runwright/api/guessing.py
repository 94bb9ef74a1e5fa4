"""Guessing at passwords and codes: wrong tries slow down the place that they come from.

The limits of routes count calls for one address or one user. Whoever tries one password on many
accounts stays below them, so wrong tries are counted for the network of the caller as well, over
all accounts, projects and routes that take a secret; and for the user who is signed in, over all
networks. A network that has used up its tries gets one more every `EVERY_S` seconds: enough for
people who share it with a guesser, and useless to the guesser.

A place from which somebody signed in before is known for that account: it has a count of its
own, so tries from elsewhere do not lock it out.
"""

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from runwright.clock import Clock
from runwright.errors import RateLimited, RunwrightError

BURST: Final = 30
EVERY_S: Final = 20.0
KNOWN_S: Final = 30 * 86_400.0
MAX_KEPT: Final = 100_000

SIGN_IN: Final = "account.createEmailPasswordSession"
# Routes that take a secret which somebody could guess.
GUESSABLE: Final = frozenset(
    {
        SIGN_IN,
        "account.updateEmail",
        "account.updatePhone",
        "account.updatePassword",
        "account.createSession",
        "account.updateMagicURLSession",
        "account.updatePhoneSession",
        "account.updateRecovery",
        "account.updateRecoveryOTP",
        "account.updateEmailVerification",
        "account.updateEmailVerificationOTP",
        "account.updatePhoneVerification",
        "account.updateMFAAuthenticator",
        "account.updateMFAChallenge",
        "teams.updateMembershipStatus",
    }
)
# How such a route refuses a wrong secret.
WRONG: Final = frozenset(
    {
        "user_invalid_credentials",
        "user_invalid_token",
        "user_invalid_code",
        "team_invalid_secret",
    }
)


class Guesses:
    """Wrong tries by key. Each key may have `BURST` of them, and gets one back in `EVERY_S`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all_back_at: OrderedDict[str, float] = OrderedDict()

    @contextmanager
    def watch(self, keys: Sequence[str]) -> Iterator[None]:
        """Around a try. Raises RateLimited when a key has none left.

        The try is taken at once and given back unless it was wrong, so that many at the same
        time are no way around.
        """
        self._check(keys)
        for key in keys:
            self._add(key, EVERY_S)
        is_wrong = False
        try:
            yield
        except RunwrightError as error:
            is_wrong = error.type in WRONG
            raise
        finally:
            if not is_wrong:
                for key in keys:
                    self._add(key, -EVERY_S)

    def _check(self, keys: Sequence[str]) -> None:
        now = self._clock.monotonic()
        missing = [self._all_back_at.get(key, now) - now for key in keys]
        wait_s = max(missing, default=0.0) - (BURST - 1) * EVERY_S
        if wait_s > 0:
            whole = math.ceil(wait_s)
            raise RateLimited(
                f"Too many wrong passwords or codes came from here. Try again in {whole} seconds.",
                headers=(("retry-after", str(whole)),),
            )

    def _add(self, key: str, seconds: float) -> None:
        now = self._clock.monotonic()
        at = max(self._all_back_at.pop(key, now), now) + seconds
        if at > now:
            self._all_back_at[key] = at
        if len(self._all_back_at) > MAX_KEPT:
            self._all_back_at.popitem(last=False)

    def __len__(self) -> int:
        return len(self._all_back_at)


class KnownPlaces:
    """From where people signed in; forgotten when the process ends."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    def note(self, project_id: str, email: str, ip: str) -> None:
        place = (project_id, email, network_of(ip))
        self._until.pop(place, None)
        self._until[place] = self._clock.monotonic() + KNOWN_S
        if len(self._until) > MAX_KEPT:
            self._until.popitem(last=False)

    def holds(self, project_id: str, email: str, ip: str) -> bool:
        until = self._until.get((project_id, email, network_of(ip)))
        return until is not None and until > self._clock.monotonic()


def network_of(ip: str) -> str:
    """Who has one IPv6 address has all of its /64."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
