"""An executor that runs what a test says, in this process."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from runwright.model.execution import Invocation, Outcome, Workload
from runwright.ports.executor import (
    BuildJob,
    BuildResult,
    CancelSignal,
    ResponseSink,
    RuntimeStatus,
)

Run = Callable[[Invocation, ResponseSink | None], Awaitable[Outcome]]


async def hello(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
    return Outcome(
        status_code=200,
        headers=(("content-type", "text/plain; charset=utf-8"),),
        body=b"hello",
        duration_s=0.01,
    )


@dataclass
class UserCode:
    """`run_next` is user code; `calls` is what it was called with."""

    run_next: Run = hello
    calls: list[tuple[Workload, Invocation]] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)
    installed: tuple[str, ...] = ("node-22", "python-3.12")

    async def run(
        self, workload: Workload, invocation: Invocation, *, sink: ResponseSink | None = None
    ) -> Outcome:
        self.calls.append((workload, invocation))
        return await self.run_next(invocation, sink)

    async def build(
        self, job: BuildJob, on_log: Callable[[str], None], cancelled: CancelSignal
    ) -> BuildResult:
        return BuildResult(exit_code=0)

    def retire(self, deployment_id: str) -> None:
        self.retired.append(deployment_id)

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
