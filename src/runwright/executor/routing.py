"""Two executors as one: a runtime that the first has goes to it, any other to the second."""

from collections.abc import Callable, Sequence

from runwright.model.execution import Invocation, Outcome, Workload
from runwright.ports.executor import (
    BuildJob,
    BuildResult,
    CancelSignal,
    Executor,
    OnEnd,
    Output,
    RequestSource,
    ResponseSink,
    RuntimeStatus,
)


class ByRuntime:
    """Answers the `Executor` port."""

    def __init__(self, first: Executor, second: Executor) -> None:
        self._first = first
        self._second = second
        self._own = frozenset(item.id for item in first.runtimes())

    def _of(self, runtime: str) -> Executor:
        return self._first if runtime in self._own else self._second

    def expect(self, workload: Workload) -> None:
        self._of(workload.runtime).expect(workload)

    def begin(
        self,
        workload: Workload,
        invocation: Invocation,
        on_end: OnEnd,
        *,
        sink: ResponseSink | None = None,
        source: RequestSource | None = None,
    ) -> None:
        executor = self._of(workload.runtime)
        executor.begin(workload, invocation, on_end, sink=sink, source=source)

    async def run(
        self, workload: Workload, invocation: Invocation, *, sink: ResponseSink | None = None
    ) -> Outcome:
        return await self._of(workload.runtime).run(workload, invocation, sink=sink)

    def hang_up(self, execution_id: str) -> None:
        self._first.hang_up(execution_id)
        self._second.hang_up(execution_id)

    def cancel(self, execution_id: str) -> bool:
        return self._first.cancel(execution_id) or self._second.cancel(execution_id)

    async def output(self, execution_id: str, *, wait_s: float) -> Output | None:
        """Which of them will run it is not known before it begins, so the second is asked first
        without waiting, and again at the end."""
        begun = await self._second.output(execution_id, wait_s=0.0)
        if begun is not None:
            return begun
        found = await self._first.output(execution_id, wait_s=wait_s)
        return found or await self._second.output(execution_id, wait_s=0.0)

    async def build(
        self, job: BuildJob, on_log: Callable[[str], None], cancelled: CancelSignal
    ) -> BuildResult:
        return await self._of(job.runtime).build(job, on_log, cancelled)

    def retire(self, deployment_id: str) -> None:
        self._first.retire(deployment_id)
        self._second.retire(deployment_id)

    def keep(self, wanted: Sequence[tuple[Workload, int]]) -> None:
        self._first.keep([item for item in wanted if item[0].runtime in self._own])
        self._second.keep([item for item in wanted if item[0].runtime not in self._own])

    def runtimes(self) -> Sequence[RuntimeStatus]:
        others = [item for item in self._second.runtimes() if item.id not in self._own]
        return [*self._first.runtimes(), *others]
