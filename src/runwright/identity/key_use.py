"""When keys were last used and by which SDKs: noted in memory, written behind the request."""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from runwright.clock import Clock
from runwright.model.identity import ApiKey
from runwright.ports.storage import Storage, UnitOfWork
from runwright.values import dataclass

log = logging.getLogger(__name__)

REFRESH_AFTER: Final = timedelta(hours=24)
MAX_PENDING: Final = 10_000
SERVER_SDKS: Final = frozenset(
    {
        ".NET",
        "Dart",
        "Deno",
        "Go",
        "Kotlin",
        "Node.js",
        "PHP",
        "Python",
        "REST",
        "Ruby",
        "Rust",
        "Swift",
    }
)


@dataclass(frozen=True, slots=True)
class _Use:
    at: datetime
    sdks: tuple[str, ...]


class KeyUse:
    """Bounded: past `MAX_PENDING` keys waiting to be written, further ones are not noted; the
    next use of such a key notes it again."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._pending: dict[tuple[str, str], _Use] = {}
        self._wake = asyncio.Event()

    def note(self, key: ApiKey, sdk: str) -> None:
        """Remember a use when the stored record is a day old or lacks the SDK. Never waits."""
        now = self._clock.now()
        is_fresh = key.accessed_at is not None and now - key.accessed_at < REFRESH_AFTER
        is_known = sdk in key.sdks or sdk not in SERVER_SDKS
        if is_fresh and is_known:
            return
        place = (key.project_id, key.id)
        before = self._pending.get(place)
        if before is None and len(self._pending) >= MAX_PENDING:
            return
        sdks = before.sdks if before else ()
        if not is_known and sdk not in sdks:
            sdks = (*sdks, sdk)
        self._pending[place] = _Use(now, sdks)
        self._wake.set()

    async def run(self) -> None:
        """Write what was noted, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.flush()
            except Exception:  # a failed write must not end the loop; the next use notes it again
                log.exception("key use not stored")

    async def flush(self) -> None:
        uses, self._pending = self._pending, {}
        if uses:
            await self._storage.write(lambda uow: _store(uow, uses))


def _store(uow: UnitOfWork, uses: dict[tuple[str, str], _Use]) -> None:
    for (project_id, key_id), use in uses.items():
        key = uow.keys.get(project_id, key_id)
        if key is None:
            continue
        added = tuple(sdk for sdk in use.sdks if sdk not in key.sdks)
        uow.keys.put(replace(key, accessed_at=use.at, sdks=key.sdks + added))
        uow.touch("key", project_id, key_id)
