"""An executor that runs what a test says, in this process."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from runwright.model.execution import ErrorClass, Invocation, Outcome, Workload
from runwright.ports.executor import (
    BuildJob,
    BuildResult,
    CancelSignal,
    Output,
    ResponseSink,
    RuntimeStatus,
)
from tests.fakes.beginning import Begins

Run = Callable[[Invocation, ResponseSink | None], Awaitable[Outcome]]


async def hello(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
    return Outcome(
        status_code=200,
        headers=(("content-type", "text/plain; charset=utf-8"),),
        body=b"hello",
        duration_s=0.01,
    )


class Printed:
    """The output of a run, which the test adds to. Answers the `Output` port."""

    def __init__(self, *, is_over: bool = False) -> None:
        self.logs, self.errors = bytearray(), bytearray()
        self.lost = 0  # so many bytes at the beginning of the logs are no longer kept
        self.is_over = is_over
        self._changed = asyncio.Event()

    def print(self, text: str) -> None:
        self.logs += text.encode()
        self._changed.set()

    def end(self) -> None:
        self.is_over = True
        self._changed.set()

    def read(self, *, errors: bool, start: int, most: int) -> tuple[int, bytes]:
        start = start if errors else max(start, self.lost)
        return start, bytes((self.errors if errors else self.logs)[start : start + most])

    async def news(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(0 if self.is_over else wait_s):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()


@dataclass
class UserCode(Begins):
    """`run_next` is user code; `calls` is what it was called with."""

    run_next: Run = hello
    calls: list[tuple[Workload, Invocation]] = field(default_factory=list)
    expected: list[Workload] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)
    kept: dict[tuple[str, str], int] = field(default_factory=dict)
    installed: tuple[str, ...] = ("node-22", "python-3.12")
    outputs: dict[str, Printed] = field(default_factory=dict)
    running: dict[str, asyncio.Future[Outcome]] = field(default_factory=dict)

    def expect(self, workload: Workload) -> None:
        self.expected.append(workload)

    async def run(
        self, workload: Workload, invocation: Invocation, *, sink: ResponseSink | None = None
    ) -> Outcome:
        self.calls.append((workload, invocation))
        cancelled: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.running[invocation.execution_id] = cancelled
        task = asyncio.ensure_future(self.run_next(invocation, sink))
        try:
            await asyncio.wait({task, cancelled}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else cancelled.result()
        finally:
            task.cancel()
            self.running.pop(invocation.execution_id, None)

    def cancel(self, execution_id: str) -> bool:
        run = self.running.get(execution_id)
        if run is not None and not run.done():
            run.set_result(
                Outcome(status_code=500, error_class=ErrorClass.CANCELLED, logs="so far\n")
            )
        return run is not None

    async def output(self, execution_id: str, *, wait_s: float) -> Output | None:
        if execution_id not in self.outputs:
            await asyncio.sleep(wait_s)
        return self.outputs.get(execution_id)

    async def build(
        self, job: BuildJob, on_log: Callable[[str], None], cancelled: CancelSignal
    ) -> BuildResult:
        return BuildResult(exit_code=0)

    def retire(self, deployment_id: str) -> None:
        self.retired.append(deployment_id)

    def keep(self, wanted: Sequence[tuple[Workload, int]]) -> None:
        self.kept = {(item.function_id, item.key): count for item, count in wanted}

    def runtimes(self) -> Sequence[RuntimeStatus]:
        return [
            RuntimeStatus(id=item, interpreter_version="1.0.0", source="host")
            for item in self.installed
        ]

    @property
    def seen(self) -> dict[str, str]:
        """Headers of the newest call; repeated ones joined."""
        joined: dict[str, str] = {}
        for name, value in self.calls[-1][1].headers:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        return joined


def answering(outcome: Outcome) -> Run:
    async def run(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        return outcome

    return run


def failing(error: Exception) -> Run:
    async def run(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        raise error

    return run
