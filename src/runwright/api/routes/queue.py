"""What of a project waits, in numbers."""

from typing import Any

from runwright.api.routing import Answer, Call, Route
from runwright.triggers.waiting import WaitingNow, WaitingWork


class QueueHandlers:
    def __init__(self, waiting: WaitingWork) -> None:
        self._waiting = waiting

    async def get(self, call: Call, params: Any) -> Answer:
        return Answer(content=_shown(await self._waiting.of(call.project_id)))


def _shown(now: WaitingNow) -> dict[str, Any]:
    state = now.state
    return {
        "ready": state.ready,
        "running": state.running,
        "retrying": state.retrying,
        "delayed": state.delayed,
        "deliveries": state.deliveries,
        "letters": state.letters,
        "dead": state.dead,
        "kept": state.kept,
        "events": state.events,
        "oldestReady": now.oldest_s,
    }


def queue_routes(waiting: WaitingWork) -> list[Route]:
    return [
        Route(
            name="queue.get",
            method="GET",
            paths=("/v1/queue",),
            scopes=("health.read",),
            handler=QueueHandlers(waiting).get,
            model="queueState",
            group="project",
        )
    ]
