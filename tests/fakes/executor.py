"""An executor without sandboxes: it keeps the port's promises and does what the test says."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

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

OnLog = Callable[[str], None]
Script = Callable[[BuildJob, OnLog], Awaitable[BuildResult]]
Answers = Callable[[Workload, Invocation], Outcome]


async def succeed(job: BuildJob, on_log: OnLog) -> BuildResult:
    return BuildResult(exit_code=0)


def hello(workload: Workload, invocation: Invocation) -> Outcome:
    return Outcome(status_code=200, body=b"hello")


class FakeExecutor(Begins):
    """`script` plays the build commands, `answers` the user's function."""

    def __init__(self, *runtimes: str) -> None:
        self.installed = list(runtimes or ("node-22", "python-3.11"))
        self.script: Script = succeed
        self.answers: Answers = hello
        self.jobs: list[BuildJob] = []
        self.runs: list[tuple[Workload, Invocation]] = []
        self.retired: list[str] = []
        self.killed: list[str] = []  # deployment ids whose builds were ended from outside

    async def run(
        self, workload: Workload, invocation: Invocation, *, sink: ResponseSink | None = None
    ) -> Outcome:
        self.runs.append((workload, invocation))
        return self.answers(workload, invocation)

    def cancel(self, execution_id: str) -> bool:
        raise NotImplementedError

    async def output(self, execution_id: str, *, wait_s: float) -> Output | None:
        raise NotImplementedError

    async def build(self, job: BuildJob, on_log: OnLog, cancelled: CancelSignal) -> BuildResult:
        self.jobs.append(job)
        work = asyncio.ensure_future(self.script(job, on_log))
        waiter = asyncio.ensure_future(cancelled.wait())
        try:
            await asyncio.wait(
                {work, waiter}, timeout=job.timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if work.done():
                return work.result()
            self.killed.append(job.deployment_id)
            if cancelled.is_set():
                return BuildResult(exit_code=-9, error_class=ErrorClass.CANCELLED)
            return BuildResult(
                exit_code=-9, error_class=ErrorClass.TIMEOUT, message="The build timed out."
            )
        finally:
            work.cancel()
            waiter.cancel()
            await asyncio.gather(work, waiter, return_exceptions=True)

    def retire(self, deployment_id: str) -> None:
        self.retired.append(deployment_id)

    def keep(self, wanted: Sequence[tuple[Workload, int]]) -> None: ...

    def runtimes(self) -> Sequence[RuntimeStatus]:
        return [
            RuntimeStatus(id=item, interpreter_version="1.0.0", source="host")
            for item in self.installed
        ]
