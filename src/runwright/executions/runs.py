"""Runs in flight: started here, watched here, recorded here, whatever becomes of the caller.

A run belongs to nobody's task: the executor tells its end. Its caller waits for
its answer, which comes with the end of the run or, at the latest, when the synchronous limit is
reached; the run goes on to the function's own timeout, and what really happened is recorded. A
run older than a second shows as `processing`.
"""

import asyncio
import logging
from enum import Enum
from functools import partial
from typing import Final

from runwright.clock import Clock
from runwright.errors import ServiceUnavailable
from runwright.executions.attempt import Attempt
from runwright.executions.due import Due
from runwright.executions.errors import SynchronousTimeout
from runwright.executions.records import Recorder
from runwright.identity.errors import ProjectNotFound
from runwright.model.execution import ErrorClass, Execution, Outcome, Workload
from runwright.ports.executor import Executor, NoSlot, OnEnd

log = logging.getLogger(__name__)

SHOWN_AFTER_S: Final = 1.0
_LEAST_WAIT_S: Final = 0.1  # between two looks at a request that is still being sent
_REFUSED: Final = "No slot for this execution came free. Try again, or lower the load."
_OURS: Final = "The platform failed to run this execution. It is not the function's fault."
_STOPPED: Final = "The server stopped before this execution ended."


class Carried(Enum):
    """What whoever carries runs has done to one that is to be cancelled."""

    NOT_HERE = 0
    ENDED = 1  # its end is recorded, or will be
    DROPPED = 2  # it had not begun and never will; its end is the caller's to store


def _is_of(project_id: str, attempt: Attempt) -> bool:
    return attempt.runnable.workload.project_id == project_id


def _settle(ending: asyncio.Future[None]) -> None:
    if not ending.done():
        ending.set_result(None)


class Draining(ServiceUnavailable):
    headers = (("retry-after", "5"),)

    def __init__(self) -> None:
        super().__init__("The server is stopping. Try again in a few seconds.")


class Runs:
    def __init__(
        self,
        *,
        executor: Executor,
        recorder: Recorder,
        clock: Clock,
        sync_timeout_s: float,
        shown_after_s: float = SHOWN_AFTER_S,
    ) -> None:
        self._executor = executor
        self._recorder = recorder
        self._clock = clock
        self._sync_timeout_s = sync_timeout_s
        self._shown_after_s = shown_after_s
        self._attempts: dict[str, Attempt] = {}
        self._endings: dict[str, list[asyncio.Future[None]]] = {}  # who waits for an end
        # Few runs outlast the first of these, so only they are put into the second.
        self._slow: Due[Attempt] = Due(min(shown_after_s, sync_timeout_s), self._on_slow)
        self._late: Due[Attempt] = Due(
            max(sync_timeout_s - shown_after_s, _LEAST_WAIT_S), self._give_up_waiting
        )
        self._is_draining = False
        self._emptied: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._attempts)

    def running(self, project_id: str, execution_id: str) -> Execution | None:
        attempt = self._attempts.get(execution_id)
        if attempt is None or attempt.runnable.workload.project_id != project_id:
            return None
        return attempt.processing(attempt.started_at)

    async def run(self, attempt: Attempt) -> Outcome:
        """Run it and wait for the answer. Its record is taken before this returns.

        Raises NoSlot (nothing ran), SynchronousTimeout (it goes on), ServiceUnavailable.
        """
        if self._is_draining:
            raise Draining
        if self._recorder.is_behind:
            await self._recorder.room()
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def tell(end: Outcome | Exception) -> None:
            if answer.done():
                return
            if isinstance(end, Exception):
                answer.set_exception(end)
            else:
                answer.set_result(end)

        self.begin(attempt, tell)
        try:
            return await answer
        except asyncio.CancelledError:
            attempt.abandon()
            raise

    def expect(self, workload: Workload) -> None:
        """One that is about to be run; see the executor's `expect`."""
        if self.can_begin:
            self._executor.expect(workload)

    @property
    def can_begin(self) -> bool:
        return not self._is_draining and not self._recorder.is_behind

    def begin(self, attempt: Attempt, on_answer: OnEnd) -> None:
        """What `run` does when nothing must be waited for; needs `can_begin`. `on_answer` is
        told what `run` returns or raises."""
        attempt.on_answer = on_answer
        attempt.is_sending = attempt.source is not None and not attempt.source.is_over
        self._attempts[attempt.execution_id] = attempt
        self._slow.add(attempt, asyncio.get_running_loop())
        try:
            self._executor.begin(
                attempt.runnable.workload,
                attempt.invocation,
                partial(self._on_end, attempt),
                sink=None if attempt.sink is None else attempt,
                source=attempt.source,
            )
        except Exception as fault:
            self._on_end(attempt, fault)

    def hang_up(self, execution_id: str) -> None:
        """The caller has left the answer that it was getting."""
        self._executor.hang_up(execution_id)

    async def cancel(self, project_id: str, execution_id: str, *, wait_s: float) -> Carried:
        """End a run in flight and return when its record is taken."""
        if self.running(project_id, execution_id) is None:
            return Carried.NOT_HERE
        ending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._endings.setdefault(execution_id, []).append(ending)
        try:
            async with asyncio.timeout(wait_s):
                if self._executor.cancel(execution_id):
                    await ending
        except TimeoutError:
            pass
        finally:
            others = self._endings.get(execution_id, [])
            if ending in others:
                others.remove(ending)
            if not others:
                self._endings.pop(execution_id, None)
        return Carried.ENDED

    def carries(self, project_id: str) -> bool:
        return any(_is_of(project_id, attempt) for attempt in self._attempts.values())

    def evict(self, project_id: str) -> None:
        """End the runs of a project that is gone."""
        for attempt in list(self._attempts.values()):
            if not _is_of(project_id, attempt):
                continue
            attempt.is_evicted = True
            attempt.tell(ProjectNotFound(project_id))
            self._executor.cancel(attempt.execution_id)

    async def stop(self, drain_s: float) -> None:
        """Refuse new runs, wait for those in flight, then record the rest as failed."""
        self._is_draining = True
        if self._attempts:
            self._emptied = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._emptied}, timeout=drain_s)
        for attempt in list(self._attempts.values()):
            self._end(attempt, self._failure(attempt, _STOPPED, 503))
        self._slow.close()
        self._late.close()

    def _on_end(self, attempt: Attempt, end: Outcome | Exception) -> None:
        if attempt.execution_id not in self._attempts:
            return  # it was recorded as stopped already
        if isinstance(end, Outcome):
            self._end(attempt, end)
        elif isinstance(end, NoSlot):
            self._refuse(attempt, end)
        else:  # a fault of ours must still be a record and an answer
            log.error(
                "execution failed", extra={"execution_id": attempt.execution_id}, exc_info=end
            )
            self._end(attempt, self._failure(attempt, _OURS))

    def _end(self, attempt: Attempt, outcome: Outcome) -> None:
        self._forget(attempt)
        record = attempt.finished(outcome, self._clock.now())
        if attempt.is_evicted:
            self._recorder.removed(attempt.execution_id)
        else:
            # A call that was answered with an error has made no execution as far as anybody was
            # told; one whose caller hung up has.
            is_told = attempt.is_awaited or attempt.is_abandoned
            self._recorder.record(record, attempt.event_action if is_told else "", attempt.actor)
        attempt.tell(outcome)

    def _refuse(self, attempt: Attempt, refusal: NoSlot) -> None:
        # Nothing ran, so there is nothing to record, unless it was shown as running already.
        self._forget(attempt)
        if attempt.has_row and not attempt.is_evicted:
            outcome = self._failure(attempt, _REFUSED, 429)
            self._recorder.record(attempt.finished(outcome, self._clock.now()))
        attempt.tell(refusal)

    def _forget(self, attempt: Attempt) -> None:
        if attempt.is_slow:
            self._late.drop(attempt)
        else:
            self._slow.drop(attempt)
        self._attempts.pop(attempt.execution_id, None)
        if self._emptied is not None and not self._attempts:
            _settle(self._emptied)
        if self._endings:
            loop = asyncio.get_running_loop()
            for ending in self._endings.pop(attempt.execution_id, []):
                # After the record, which is taken before anybody else has a turn.
                loop.call_soon(_settle, ending)

    def _on_slow(self, attempt: Attempt) -> None:
        attempt.is_slow = True
        if self._sync_timeout_s <= self._shown_after_s:
            self._give_up_waiting(attempt)
            return
        self._late.add(attempt, asyncio.get_running_loop())
        self._show(attempt)

    def _show(self, attempt: Attempt) -> None:
        if not attempt.has_row and not attempt.is_evicted:
            attempt.has_row = True
            self._recorder.record(attempt.processing(self._clock.now()))

    def _give_up_waiting(self, attempt: Attempt) -> None:
        """A caller that already gets a stream goes on getting it, and the wait of one that still
        sends has not begun."""
        self._show(attempt)
        if attempt.is_sending:
            # One that ended since the last look may have ended a moment ago: it waits once more.
            attempt.is_sending = attempt.source is not None and not attempt.source.is_over
            self._late.add(attempt, asyncio.get_running_loop())
            return
        if not attempt.is_streaming:
            attempt.tell(SynchronousTimeout(attempt.execution_id))

    def _failure(self, attempt: Attempt, errors: str, status_code: int = 500) -> Outcome:
        lasted = self._clock.now() - attempt.started_at
        return Outcome(
            status_code=status_code,
            errors=errors,
            error_class=ErrorClass.PLATFORM,
            duration_s=lasted.total_seconds(),
        )
