"""JSON that providers publish: their endpoints, their keys. Fetched once for some minutes."""

from collections import OrderedDict
from typing import Any, Final

import msgspec

from runwright.clock import Clock
from runwright.identity.oauth.errors import ProviderFailed
from runwright.ports.poster import AddressRefused, NotPosted, Post, Posted, Poster

FRESH_S: Final = 600.0
HASTE_S: Final = 60.0  # a document that lacks something is not asked for again any sooner
MOST: Final = 256


class Documents:
    """The ones used longest ago are forgotten first."""

    def __init__(self, poster: Poster, clock: Clock) -> None:
        self._poster = poster
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, dict[str, Any]]] = OrderedDict()

    async def get(self, url: str, *, at_most_s: float = FRESH_S) -> dict[str, Any]:
        """An object that is no older than that. Raises ProviderFailed."""
        now = self._clock.monotonic()
        known = self._known.get(url)
        if known is not None and now - known[0] < at_most_s:
            self._known.move_to_end(url)
            return known[1]
        answer = await send(self._poster, "GET", url, (("Accept", "application/json"),))
        if answer.status != 200:
            raise ProviderFailed(
                f"The provider answered {answer.status} where it should describe itself."
            )
        document = json_object(answer.body)
        self._known[url] = (now, document)
        self._known.move_to_end(url)
        while len(self._known) > MOST:
            self._known.popitem(last=False)
        return document


async def send(
    poster: Poster,
    method: str,
    url: str,
    headers: tuple[tuple[str, str], ...],
    body: bytes = b"",
) -> Posted:
    """One request to a provider. Raises ProviderFailed; the address stays untold."""
    own = (("User-Agent", "Runwright"), *headers)
    post = Post(url=url, headers=own, body=body, is_tls_verified=True, method=method)
    try:
        return await poster.post(post)
    except (NotPosted, AddressRefused, ValueError) as exc:
        raise ProviderFailed(f"The provider could not be asked: {exc}") from exc


def json_object(body: bytes) -> dict[str, Any]:
    """Raises ProviderFailed."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise ProviderFailed("The provider's answer is no JSON object.") from exc
