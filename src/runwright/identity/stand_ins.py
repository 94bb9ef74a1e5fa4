"""Whose hash is checked when an address has no account.

Hashes that were brought along may take longer than ours, or less long; an address whose sign-in
takes unusually long would be seen to have an account. So each unknown address is checked, for
nothing, against the hash of a user of the project, always the same one for one address: how
long it takes then says no more than what kinds of hashes the project has.
"""

import hashlib
import hmac
from typing import Final

from runwright.clock import Clock
from runwright.identity.hashes import Hash
from runwright.ids import new_secret
from runwright.model.query import ListQuery, Order
from runwright.ports.storage import Storage, UnitOfWork
from runwright.values import dataclass

SAMPLED: Final = 32  # of the oldest users, and as many of the newest
KEPT_S: Final = 300.0
MAX_PROJECTS: Final = 1000


@dataclass(frozen=True, slots=True)
class _Sample:
    until: float
    hashes: tuple[tuple[str, Hash], ...]  # with the ids of their users


class StandIns:
    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._key = new_secret().encode()  # nobody can tell whose hash stands for an address
        self._samples: dict[str, _Sample] = {}

    async def of(self, project_id: str, address: str) -> Hash | None:
        """None where a hash of our own does."""
        sample = self._samples.get(project_id)
        if sample is None or sample.until <= self._clock.monotonic():
            sample = await self._draw(project_id)
        if not sample.hashes:
            return None
        # The least of keyed digests: others may come and go, and the choice mostly stays.
        return min(sample.hashes, key=lambda item: self._digest(address, item[0]))[1]

    async def _draw(self, project_id: str) -> _Sample:
        hashes = await self._storage.read(lambda uow: _hashes(uow, project_id))
        sample = _Sample(self._clock.monotonic() + KEPT_S, tuple(hashes.items()))
        self._samples.pop(project_id, None)
        self._samples[project_id] = sample
        while len(self._samples) > MAX_PROJECTS:
            del self._samples[next(iter(self._samples))]
        return sample

    def _digest(self, address: str, user_id: str) -> bytes:
        return hmac.digest(self._key, f"{address}\0{user_id}".encode(), hashlib.sha256)


def _hashes(uow: UnitOfWork, project_id: str) -> dict[str, Hash]:
    found = {}
    for order in (Order("$sequence", False), Order("$sequence", True)):
        query = ListQuery(limit=SAMPLED, orders=(order,), with_total=False)
        for user in uow.users.page(project_id, query).items:
            if (hash_ := Hash.of(user)) is not None:
                found[user.id] = hash_
    return found
