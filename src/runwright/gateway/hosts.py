"""The places of the hosts that were asked for lately, forgotten when any rule changes."""

from typing import Final

from runwright.functions.domains import Domains
from runwright.gateway.router import Kind, Place, Router, normal_host
from runwright.ports.signals import Signals

_PLACES: Final = 8192  # unknown names are kept too, so the oldest go first


class Hosts:
    def __init__(self, router: Router, domains: Domains, signals: Signals) -> None:
        self._router = router
        self._domains = domains
        self._places: dict[bytes, Place] = {}
        self.epoch = 0  # goes up with each change of a rule
        signals.on("rule", self._forget)

    def known(self, raw: bytes) -> Place | None:
        """The place of a Host header as sent, when it is known without waiting."""
        return self._places.get(raw)

    async def find(self, raw: bytes) -> Place:
        epoch = self.epoch
        host = normal_host(raw.decode("latin-1"))
        if host is None:
            return Place(Kind.MALFORMED)
        rule = await self._domains.by_host(host) if self._router.needs_rule(host) else None
        place = self._router.place(host, rule)
        if epoch == self.epoch:
            if len(self._places) >= _PLACES:
                del self._places[next(iter(self._places))]
            self._places[raw] = place
        return place

    def _forget(self, _project_id: str, _item_id: str) -> None:
        self.epoch += 1
        self._places.clear()
