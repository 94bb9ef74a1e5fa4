"""How much of a project waits: jobs in the queue and events in the outbox."""

from dataclasses import replace

from runwright.clock import Clock
from runwright.model.job import QueueState
from runwright.ports.storage import Storage, UnitOfWork
from runwright.values import dataclass


@dataclass(frozen=True, slots=True)
class WaitingNow:
    state: QueueState
    oldest_s: float  # how long the first of those that are ready has waited


class WaitingWork:
    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def of(self, project_id: str) -> WaitingNow:
        now = self._clock.now()

        def work(uow: UnitOfWork) -> QueueState:
            state = uow.jobs.state(project_id, now)
            return replace(state, events=uow.outbox.count(project_id))

        state = await self._storage.read(work)
        oldest_at = state.oldest_ready_at
        waited_s = (now - oldest_at).total_seconds() if oldest_at is not None else 0.0
        return WaitingNow(state, max(0.0, waited_s))
