"""`begin` for the executors of tests, over their `run`."""

import asyncio
from typing import Final, Protocol

from runwright.model.execution import Invocation, Outcome, Workload
from runwright.ports.executor import OnEnd, RequestSource, ResponseSink

_TASKS: Final[set[asyncio.Task[Outcome]]] = set()  # the loop itself holds tasks weakly


class _Runs(Protocol):
    async def run(
        self, workload: Workload, invocation: Invocation, *, sink: ResponseSink | None = None
    ) -> Outcome: ...


class Begins:
    def expect(self, workload: Workload) -> None:
        """Nothing is slow here."""

    def hang_up(self, execution_id: str) -> None:
        """Nobody here asks."""

    def begin(
        self: _Runs,
        workload: Workload,
        invocation: Invocation,
        on_end: OnEnd,
        *,
        sink: ResponseSink | None = None,
        source: RequestSource | None = None,
    ) -> None:
        task = asyncio.ensure_future(self.run(workload, invocation, sink=sink))
        _TASKS.add(task)

        def ended(task: asyncio.Task[Outcome]) -> None:
            _TASKS.discard(task)
            if task.cancelled():
                return
            error = task.exception()
            on_end(error if isinstance(error, Exception) else task.result())

        task.add_done_callback(ended)
