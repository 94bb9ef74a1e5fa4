"""The list of breached passwords over HTTP, by ranges, as Have I Been Pwned serves it.

The service is asked for all digests that begin like the password's: five of forty characters.
Which one was meant it does not learn. When it cannot be asked, nobody is kept from signing in:
the answer is then that nothing is known, a line in the log says so, and for a while it is not
asked again.
"""

import asyncio
import hashlib
import hmac
import logging
from typing import Final

import httpx

from runwright.clock import Clock

log = logging.getLogger(__name__)

DEADLINE_S: Final = 2.0
REST_S: Final = 30.0  # after a failure, so that not every sign-in waits for the deadline
MAX_ANSWER_BYTES: Final = 1024 * 1024
PREFIX_CHARS: Final = 5


class PwnedRanges:
    """`address` is that of the ranges, without the last slash."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        address: str,
        clock: Clock,
        *,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._client = client
        self._address = address.rstrip("/")
        self._clock = clock
        self._deadline_s = deadline_s
        self._rests_until = clock.monotonic()

    async def holds(self, password: str) -> bool | None:
        if self._clock.monotonic() < self._rests_until:
            return None
        made = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        try:
            async with asyncio.timeout(self._deadline_s):
                answer = await self._range(made[:PREFIX_CHARS])
            return _is_among(made[PREFIX_CHARS:], answer)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as exc:
            self._rests_until = self._clock.monotonic() + REST_S
            log.warning(
                "breach list could not be asked",
                extra={
                    "action": "breach_list_failed",
                    "reason": type(exc).__name__,
                    "rest_s": REST_S,
                },
            )
            return None

    async def _range(self, prefix: str) -> str:
        """Raises ValueError for an answer that is none."""
        url, padded = f"{self._address}/{prefix}", {"add-padding": "true"}
        async with self._client.stream("GET", url, headers=padded) as answer:
            if answer.status_code != 200:
                raise ValueError(f"status {answer.status_code}")
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise ValueError("too long")
        return body.decode("ascii")


def _is_among(suffix: str, answer: str) -> bool:
    """Lines are `SUFFIX:COUNT`; those that only make the answer longer count 0. Raises
    ValueError."""
    is_found = False
    for line in answer.splitlines():
        name, _, count = line.partition(":")
        is_same = hmac.compare_digest(name.strip().upper().encode(), suffix.encode())
        is_found |= is_same and int(count) > 0
    return is_found
