"""Cancelling: an execution that has not ended ends as `failed`, class `cancelled`.

- One that waits, is due later, or waits for its next attempt ends in one transaction, together
  with its job. A claim is a transaction too, so one of the two comes first and the other sees it.
- One that runs is ended by whoever carries it: the process is stopped, and what was printed so
  far is stored with the end, as after any other failure.
- When nobody who carries it answers in time, its end is stored here. A job that is gone fences
  off whatever that run still comes to; so this also ends a run that another host holds.
- One that has ended stays as it is.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

from runwright.clock import Clock
from runwright.executions.acceptance import Acceptance
from runwright.executions.announcing import announce
from runwright.executions.history import History
from runwright.executions.records import Recorder
from runwright.executions.runs import Carried
from runwright.model.actor import acting
from runwright.model.execution import ErrorClass, Execution, Status
from runwright.model.identity import Principal
from runwright.ports.queue import Queue
from runwright.ports.storage import Storage, UnitOfWork

WAIT_S: Final = 2.0  # for whoever carries a run; the answer does not wait for TERM and KILL
_LOOK_EVERY_S: Final = 0.02
_FINAL: Final = frozenset({Status.COMPLETED, Status.FAILED})
_NOT_RUN: Final = "The execution was cancelled before it ran."
_BETWEEN: Final = "The execution was cancelled while it waited for its next attempt."
_ELSEWHERE: Final = "The execution was cancelled while it ran. What it printed is not known."


class Carrier(Protocol):
    async def cancel(self, project_id: str, execution_id: str, *, wait_s: float) -> Carried:
        """End a run that is carried here and wait, for `wait_s` at most, for its record."""


class Cancelling:
    def __init__(
        self,
        *,
        storage: Storage,
        clock: Clock,
        queue: Queue,
        history: History,
        recorder: Recorder,
        acceptance: Acceptance,
        carriers: Sequence[Carrier],
        wait_s: float = WAIT_S,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._queue = queue
        self._history = history
        self._recorder = recorder
        self._acceptance = acceptance
        self._carriers = carriers
        self._wait_s = wait_s

    async def cancel(self, principal: Principal, function_id: str, execution_id: str) -> Execution:
        """End an execution; its record, final unless another server runs it for a caller.

        Whoever may read it may cancel it. Raises FunctionNotFound, ExecutionNotFound.
        """
        found = await self._history.get(principal, function_id, execution_id)
        project_id = found.project_id
        if found.status not in _FINAL:
            await self._end(project_id, execution_id)
        return await self._history.get(principal, function_id, execution_id)

    async def _end(self, project_id: str, execution_id: str) -> None:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._wait_s
        while True:
            left_s = max(give_up_at - loop.time(), 0.0)
            carried = await self._carried(project_id, execution_id, left_s)
            why = _NOT_RUN if carried is Carried.DROPPED else ""
            if not why and left_s == 0:
                why = _ELSEWHERE
            if await self._end_row(project_id, execution_id, force_with=why) or left_s == 0:
                return
            # Just claimed and not begun yet, or just ended and not stored yet.
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _carried(self, project_id: str, execution_id: str, wait_s: float) -> Carried:
        for carrier in self._carriers:
            carried = await carrier.cancel(project_id, execution_id, wait_s=wait_s)
            if carried is not Carried.NOT_HERE:
                await self._recorder.stored(execution_id)
                return carried
        return Carried.NOT_HERE

    async def _end_row(self, project_id: str, execution_id: str, *, force_with: str) -> bool:
        """End what nobody runs, or with force what somebody does; whether it has an end now.

        `force_with` is why, "" = without force.
        """
        now = self._clock.now()
        actor = acting()

        def work(uow: UnitOfWork) -> tuple[bool, int]:
            found = uow.executions.get(project_id, execution_id)
            if found is None or found.status in _FINAL:
                return True, 0
            job = uow.jobs.get(project_id, execution_id)
            why = _NOT_RUN
            if found.status is Status.PROCESSING:
                if job is None:
                    return False, 0  # its caller waits for it, on some server
                is_held = job.owner != "" and job.ready_at > now
                if is_held and not force_with:
                    return False, 0
                why = force_with if is_held else _BETWEEN
            ended = replace(
                found.moved(Status.FAILED),
                updated_at=now,
                response_status_code=500,
                errors=f"{found.errors}\n{why}" if found.errors else why,  # of an earlier attempt
                error_class=ErrorClass.CANCELLED,
            )
            uow.executions.finish_all([ended])
            announce(uow, ended, "update", actor)
            if job is not None:
                self._queue.cancel(uow, project_id, execution_id)
            return True, int(job is not None)

        is_final, jobs = await self._storage.write(work)
        self._acceptance.ended(jobs)
        return is_final
