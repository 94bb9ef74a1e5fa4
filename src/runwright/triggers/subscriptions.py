"""Who subscribes to what in each project, in memory, dropped whenever something changes."""

from typing import Final

from runwright.cache import Cache
from runwright.model.event import Event
from runwright.model.function import Function
from runwright.model.webhook import Webhook
from runwright.ports.signals import Signals
from runwright.ports.storage import Storage, UnitOfWork
from runwright.values import dataclass

_PROJECTS: Final = 4096


@dataclass(frozen=True, slots=True)
class Subscribers:
    """Of one project: what is enabled and listens to anything."""

    functions: tuple[Function, ...] = ()
    webhooks: tuple[Webhook, ...] = ()

    def functions_for(self, event: Event) -> list[Function]:
        return [item for item in self.functions if _hears(item.events, event)]

    def webhooks_for(self, event: Event) -> list[Webhook]:
        return [item for item in self.webhooks if _hears(item.events, event)]


class Subscriptions:
    def __init__(self, storage: Storage, signals: Signals) -> None:
        self._storage = storage
        self._known: Cache[str, Subscribers] = Cache(_PROJECTS)
        signals.on("function", self._forget)
        signals.on("webhook", self._forget)

    async def of(self, project_id: str) -> Subscribers:
        known = self._known.peek(project_id)
        if known is not None:
            return known

        def load(uow: UnitOfWork) -> Subscribers:
            functions = uow.functions.listening(project_id)
            webhooks = uow.webhooks.find(project_id, is_enabled=True)
            return Subscribers(
                tuple(functions),
                tuple(item for item in webhooks if item.events),
            )

        async def build() -> Subscribers | None:
            return await self._storage.read(load)

        return await self._known.get(project_id, build) or Subscribers()

    def _forget(self, project_id: str, item_id: str) -> None:
        self._known.forget(project_id)


def _hears(patterns: tuple[str, ...], event: Event) -> bool:
    if event.is_custom:
        return any(event.matches(pattern) for pattern in patterns)
    return not event.name_set.isdisjoint(patterns)
