"""One attempt: a run from its start to its record, in memory."""

from datetime import datetime

from runwright.ending import Ending
from runwright.executions.headers import kept
from runwright.executions.logs import kept_errors, kept_logs, kept_path
from runwright.executions.runnable import Runnable
from runwright.model.actor import PLATFORM, Actor
from runwright.model.execution import (
    ErrorClass,
    Execution,
    Headers,
    Invocation,
    Outcome,
    Status,
    Trigger,
)
from runwright.ports.executor import ResponseSink

# What the runtime itself writes; left out when the function's logging is off.
_WRITTEN_BY_RUNTIME = frozenset({None, ErrorClass.USER_EXCEPTION, ErrorClass.ENTRYPOINT})


class Attempt:
    """A run in flight. It is its own sink, so it knows whether its caller got the head.

    `answer` ends when the caller may be answered, which is not always when the run ends.
    """

    __slots__ = (
        "actor",
        "answer",
        "chain_id",
        "created_at",
        "event",
        "event_action",
        "has_row",
        "invocation",
        "is_evicted",
        "is_streaming",
        "number",
        "path",
        "record",
        "runnable",
        "sink",
        "started_at",
        "trigger",
        "user_id",
    )

    def __init__(
        self,
        runnable: Runnable,
        invocation: Invocation,
        *,
        path: str,
        user_id: str,
        started_at: datetime,
        sink: ResponseSink | None,
        created_at: datetime | None = None,
        trigger: Trigger = Trigger.HTTP,
        number: int = 1,
        event: str = "",
        chain_id: str = "",
    ) -> None:
        self.runnable = runnable
        self.invocation = invocation
        self.path = path
        self.user_id = user_id
        self.started_at = started_at
        self.answer: Ending[Outcome] | None = None  # set when it begins
        self.sink = sink
        self.created_at = created_at or started_at
        self.trigger = trigger
        self.number = number
        self.event = event
        self.chain_id = chain_id
        self.has_row = False
        self.is_streaming = False
        self.event_action = ""  # as which its end is announced; "" = not at all
        self.actor: Actor = PLATFORM  # whose doing that is
        self.record: Execution | None = None  # the final one
        self.is_evicted = False  # its project is gone, so it is recorded nowhere

    @property
    def is_awaited(self) -> bool:
        """Whether it runs and its caller has not been answered."""
        return self.answer is not None and not self.answer.done()

    @property
    def execution_id(self) -> str:
        return self.invocation.execution_id

    def start(self, status_code: int, headers: Headers) -> None:
        if self.sink is not None and self.is_awaited:
            self.is_streaming = True
            self.sink.start(status_code, headers)

    async def write(self, chunk: bytes) -> None:
        if self.sink is None or not self.is_streaming or not self.is_awaited:
            raise ConnectionError("nobody listens to this response any more")
        await self.sink.write(chunk)

    def processing(self, now: datetime) -> Execution:
        """The record of a run that has not ended."""
        return self._record(now, Status.PROCESSING)

    def finished(self, outcome: Outcome, now: datetime) -> Execution:
        """The final record; kept as `record`."""
        is_logging = self.invocation.is_logging
        errors = outcome.errors
        if not is_logging and outcome.error_class in _WRITTEN_BY_RUNTIME:
            errors = ""
        phases = outcome.phases
        self.record = self._record(
            now,
            outcome.status,
            response_status_code=outcome.status_code,
            logs=kept_logs(outcome.logs) if is_logging else "",
            errors=kept_errors(errors),
            duration_s=outcome.duration_s,
            error_class=outcome.error_class or _class_of(outcome.status_code),
            is_cold=outcome.is_cold,
            queue_s=phases.queue_s,
            start_s=phases.start_s,
            user_s=phases.user_s,
        )
        return self.record

    def _record(
        self,
        now: datetime,
        status: Status,
        *,
        response_status_code: int = 0,
        logs: str = "",
        errors: str = "",
        duration_s: float = 0.0,
        error_class: ErrorClass | None = None,
        is_cold: bool = False,
        queue_s: float = 0.0,
        start_s: float = 0.0,
        user_s: float = 0.0,
    ) -> Execution:
        workload = self.runnable.workload
        return Execution(
            id=self.invocation.execution_id,
            project_id=workload.project_id,
            created_at=self.created_at,
            updated_at=now,
            function_id=workload.function_id,
            deployment_id=workload.deployment_id,
            user_id=self.user_id,
            trigger=self.trigger,
            status=status,
            request_method=self.invocation.method,
            request_path=kept_path(self.path),
            request_headers=kept(self.invocation.headers),
            response_status_code=response_status_code,
            logs=logs,
            errors=errors,
            duration_s=duration_s,
            error_class=error_class,
            is_cold=is_cold,
            queue_s=queue_s,
            start_s=start_s,
            user_s=user_s,
            attempt=self.number,
            event=self.event,
            chain_id=self.chain_id,
        )


def _class_of(status_code: int) -> ErrorClass | None:
    """An answer of 500 or more is a failure that user code chose by itself."""
    return ErrorClass.USER_EXCEPTION if status_code >= 500 else None
