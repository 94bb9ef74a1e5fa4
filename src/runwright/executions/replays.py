"""Running again what has ended: dead letters are redriven, kept requests are replayed.

Both make a new execution that names the old one; the old one's record never changes. Redriving
moves the request: the dead letter is gone in the transaction that stores its successor, so two
callers cannot redrive it twice. A replay leaves the request where it is, until its time is over.

The new run stands in the chain of the old one or of its caller, whichever is longer. So a
function that replays its own executions is stopped as any other loop is.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from runwright.clock import Clock
from runwright.errors import BadRequest, RunwrightError, Unauthorized
from runwright.executions.acceptance import Acceptance, Accepted, QueueFull
from runwright.executions.envelope import PLAIN, Request, unseal
from runwright.executions.errors import ExecutionInProgress, ExecutionNotFound
from runwright.executions.service import keeps
from runwright.functions.catalog import FunctionCatalog
from runwright.functions.errors import FunctionNotFound
from runwright.ids import new_id
from runwright.model.actor import acting
from runwright.model.execution import Execution, Status
from runwright.model.identity import Principal
from runwright.model.job import Job, JobKind
from runwright.ports.storage import Storage, UnitOfWork
from runwright.sealing import CannotOpen
from runwright.values import dataclass
from runwright.vault import Vault

AT_ONCE: Final = 10  # requests that are in memory together
MOST_PER_CALL: Final = 500
_NOT_REDRIVEN: Final = 1000  # ids remembered within one call


class NotRetained(BadRequest):
    def __init__(self, execution_id: str) -> None:
        super().__init__(
            f"The request of execution '{execution_id}' is not kept (any more), so it cannot be "
            "run again. Set `requestRetention` on the function to keep requests of later ones."
        )


class NoDeadLetter(ExecutionNotFound):
    noun = "Dead letter"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    execution: Execution
    dropped_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriven:
    """What a call in bulk did."""

    redriven: int
    failed: int  # that cannot be run again; they stay, and are dropped at their time
    left: int  # all that are still there, the failed ones included


class Replays:
    def __init__(
        self,
        *,
        storage: Storage,
        clock: Clock,
        vault: Vault,
        acceptance: Acceptance,
        catalog: FunctionCatalog,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._vault = vault
        self._acceptance = acceptance
        self._catalog = catalog

    async def dead_letters(
        self, principal: Principal, *, function_id: str = "", limit: int, offset: int
    ) -> tuple[list[DeadLetter], int]:
        """Those that are dropped next go first; with how many there are in all."""
        _trusted(principal)
        project_id = principal.project_id

        def work(uow: UnitOfWork) -> tuple[list[DeadLetter], int]:
            jobs = uow.jobs.kept(
                project_id, JobKind.DEAD, function_id=function_id, limit=limit, offset=offset
            )
            runs = ((uow.executions.get(project_id, job.id), job.ready_at) for job in jobs)
            found = [DeadLetter(run, dropped_at) for run, dropped_at in runs if run is not None]
            total = uow.jobs.count_kept(project_id, JobKind.DEAD, function_id=function_id)
            return found, total

        return await self._storage.read(work)

    async def drop(self, principal: Principal, execution_id: str) -> None:
        """Delete a dead letter; the execution's record stays. Raises NoDeadLetter."""
        _trusted(principal)
        await self._storage.write(_taking(principal.project_id, execution_id))

    async def redrive(self, principal: Principal, execution_id: str) -> Execution:
        """The new execution. Raises NoDeadLetter, NotRetained, FunctionNotFound, QueueFull."""
        _trusted(principal)
        job = await self._job(principal.project_id, execution_id)
        if job is None or job.kind is not JobKind.DEAD:
            raise NoDeadLetter(execution_id)
        return await self._again(principal, job, _taking(job.project_id, job.id))

    async def redrive_all(self, principal: Principal, *, function_id: str = "") -> Redriven:
        """Redrive up to MOST_PER_CALL dead letters. Raises QueueFull when it could not one."""
        _trusted(principal)
        project_id, redriven, failed = principal.project_id, 0, 0
        refusal: QueueFull | None = None
        while redriven < MOST_PER_CALL and failed < _NOT_REDRIVEN and refusal is None:
            jobs = await self._storage.read(_some_dead(project_id, function_id, offset=failed))
            if not jobs:
                break
            ended = await asyncio.gather(
                *(self.redrive(principal, job.id) for job in jobs), return_exceptions=True
            )
            for outcome in ended:
                if isinstance(outcome, Execution):
                    redriven += 1
                elif isinstance(outcome, QueueFull):
                    refusal = outcome
                elif isinstance(outcome, NoDeadLetter):
                    continue  # somebody else was faster
                elif isinstance(outcome, RunwrightError) and outcome.status < 500:
                    failed += 1
                elif isinstance(outcome, BaseException):
                    raise outcome
        if refusal is not None and redriven == 0:
            raise refusal
        left = await self._storage.read(
            lambda uow: uow.jobs.count_kept(project_id, JobKind.DEAD, function_id=function_id)
        )
        return Redriven(redriven=redriven, failed=failed, left=left)

    async def replay(self, principal: Principal, function_id: str, execution_id: str) -> Execution:
        """The new execution. Raises FunctionNotFound, ExecutionNotFound, ExecutionInProgress,
        NotRetained, QueueFull."""
        _trusted(principal)
        project_id = principal.project_id
        if await self._catalog.live(project_id, function_id) is None:
            raise FunctionNotFound(function_id)

        def work(uow: UnitOfWork) -> tuple[Execution | None, Job | None]:
            run = uow.executions.get(project_id, execution_id)
            return run, uow.jobs.get(project_id, execution_id)

        run, job = await self._storage.read(work)
        if run is None or run.function_id != function_id:
            raise ExecutionNotFound(execution_id)
        if run.status not in (Status.COMPLETED, Status.FAILED):
            raise ExecutionInProgress(execution_id)
        if job is None:
            raise NotRetained(execution_id)
        return await self._again(principal, job, _staying(job))

    async def _again(
        self, principal: Principal, job: Job, first: Callable[[UnitOfWork], None]
    ) -> Execution:
        live = await self._catalog.live(job.project_id, job.function_id)
        if live is None:
            raise FunctionNotFound(job.function_id)
        old = await self._storage.read(lambda uow: uow.executions.get(job.project_id, job.id))
        if old is None:
            raise ExecutionNotFound(job.id)
        function, now = live.function, self._clock.now()
        request = await self._request(job)
        lineage = max(
            request.lineage, principal.lineage, key=lambda lineage: len(lineage.functions)
        )
        request = replace(request, lineage=lineage, runs_disabled=not function.is_enabled)
        execution = Execution(
            id=new_id(),
            project_id=job.project_id,
            created_at=now,
            updated_at=now,
            function_id=function.id,
            deployment_id=function.deployment_id,
            user_id=old.user_id,
            trigger=old.trigger,
            status=Status.WAITING,
            request_method=old.request_method,
            request_path=old.request_path,
            request_headers=old.request_headers,
            event=old.event,
            chain_id=lineage.chain_id,
            replay_of=old.id,
        )
        item = Accepted(
            execution,
            request if request != PLAIN else None,
            is_kept=keeps(function),
            caller=acting(),
        )
        await self._acceptance.put(item, first)
        return execution

    async def _request(self, job: Job) -> Request:
        if not job.epoch:
            return PLAIN
        try:
            sealer = await self._vault.sealer(job.epoch)
            return unseal(job.sealed, sealer, project_id=job.project_id, job_id=job.id)
        except CannotOpen as exc:
            raise NotRetained(job.id) from exc

    async def _job(self, project_id: str, execution_id: str) -> Job | None:
        return await self._storage.read(lambda uow: uow.jobs.get(project_id, execution_id))


def _trusted(principal: Principal) -> None:
    if not principal.is_trusted:
        raise Unauthorized


def _some_dead(
    project_id: str, function_id: str, *, offset: int
) -> Callable[[UnitOfWork], list[Job]]:
    return lambda uow: uow.jobs.kept(
        project_id, JobKind.DEAD, function_id=function_id, limit=AT_ONCE, offset=offset
    )


def _taking(project_id: str, execution_id: str) -> Callable[[UnitOfWork], None]:
    def work(uow: UnitOfWork) -> None:
        job = uow.jobs.get(project_id, execution_id)
        if job is None or job.kind is not JobKind.DEAD:
            raise NoDeadLetter(execution_id)
        uow.jobs.remove(project_id, execution_id)

    return work


def _staying(job: Job) -> Callable[[UnitOfWork], None]:
    """The request must still be there: its key may be on its way out otherwise."""

    def work(uow: UnitOfWork) -> None:
        if uow.jobs.get(job.project_id, job.id) is None:
            raise NotRetained(job.id)

    return work
