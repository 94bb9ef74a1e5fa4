"""One attempt: a run from its start to its record, in memory."""

from datetime import datetime
from typing import Final

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
from runwright.ports.executor import OnEnd, RequestSource, ResponseSink

# What the runtime itself writes; left out when the function's logging is off.
_WRITTEN_BY_RUNTIME = frozenset({None, ErrorClass.USER_EXCEPTION, ErrorClass.ENTRYPOINT})

_NONE_YET: Final = Outcome(status_code=0)


class Attempt:
    """A run in flight. It is its own sink, so it knows whether its caller got the head.

    `on_answer` is told once when the caller may be answered, which is not always when the run
    ends; it is None before the run has begun and after it was told.
    """

    # Most runs never differ from these, so what differs is set when it does.
    on_answer: OnEnd | None = None
    is_abandoned = False  # its caller went away before the answer
    is_slow = False  # it has run for longer than most
    has_row = False
    source: RequestSource | None = None  # of a request that is read as it comes
    is_sending = False  # its caller was, when that was looked at last
    is_streaming = False
    event_action = ""  # as which its end is announced; "" = not at all
    actor: Actor = PLATFORM  # whose doing that is
    record: Execution | None = None  # the final one
    is_evicted = False  # its project is gone, so it is recorded nowhere

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
        kept_headers: Headers | None = None,
    ) -> None:
        """`kept_headers` are those of the request that its record shows, where they are known."""
        self.runnable = runnable
        self.invocation = invocation
        self.execution_id = invocation.execution_id
        self.path = path
        self.user_id = user_id
        self.started_at = started_at
        self.sink = sink
        self.created_at = created_at or started_at
        self.trigger = trigger
        self.number = number
        self.event = event
        self.chain_id = chain_id
        self._kept_headers = kept_headers

    def tell(self, end: Outcome | Exception) -> None:
        """Answer the caller, unless that has been done."""
        on_answer = self.on_answer
        if on_answer is not None:
            self.on_answer = None
            on_answer(end)

    def abandon(self) -> None:
        """Nobody waits for the answer any more."""
        self.is_abandoned = self.on_answer is not None
        self.on_answer = None

    @property
    def is_awaited(self) -> bool:
        """Whether it runs and its caller has not been answered."""
        return self.on_answer is not None

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
        self.record = self._record(
            now, outcome.status, outcome, outcome.logs if is_logging else "", errors
        )
        return self.record

    def _record(
        self,
        now: datetime,
        status: Status,
        outcome: Outcome = _NONE_YET,
        logs: str = "",
        errors: str = "",
    ) -> Execution:
        workload, invocation, phases = self.runnable.workload, self.invocation, outcome.phases
        headers = self._kept_headers
        return Execution(
            id=self.execution_id,
            project_id=workload.project_id,
            created_at=self.created_at,
            updated_at=now,
            function_id=workload.function_id,
            deployment_id=workload.deployment_id,
            user_id=self.user_id,
            trigger=self.trigger,
            status=status,
            request_method=invocation.method,
            request_path=kept_path(self.path),
            request_headers=kept(invocation.headers) if headers is None else headers,
            response_status_code=outcome.status_code,
            logs=kept_logs(logs) if logs else "",
            errors=kept_errors(errors) if errors else "",
            duration_s=outcome.duration_s,
            error_class=outcome.error_class or _class_of(outcome.status_code),
            is_cold=outcome.is_cold,
            queue_s=phases.queue_s,
            start_s=phases.start_s,
            user_s=phases.user_s,
            attempt=self.number,
            event=self.event,
            chain_id=self.chain_id,
        )


def _class_of(status_code: int) -> ErrorClass | None:
    """An answer of 500 or more is a failure that user code chose by itself."""
    return ErrorClass.USER_EXCEPTION if status_code >= 500 else None
