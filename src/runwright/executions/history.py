"""What became of executions: list, get, delete."""

from typing import Final

from runwright.executions.announcing import announce
from runwright.executions.errors import ExecutionInProgress, ExecutionNotFound
from runwright.executions.records import Recorder
from runwright.executions.runs import Runs
from runwright.functions.catalog import FunctionCatalog
from runwright.functions.errors import FunctionNotFound
from runwright.model.actor import acting
from runwright.model.execution import Execution, Status
from runwright.model.identity import Principal
from runwright.model.query import ListQuery, Page
from runwright.ports.storage import Storage, UnitOfWork

_UNFINISHED: Final = frozenset({Status.WAITING, Status.PROCESSING})


class History:
    def __init__(
        self, storage: Storage, catalog: FunctionCatalog, recorder: Recorder, runs: Runs
    ) -> None:
        self._storage = storage
        self._catalog = catalog
        self._recorder = recorder
        self._runs = runs

    async def list(
        self, principal: Principal, function_id: str, query: ListQuery
    ) -> Page[Execution]:
        await self.visible(principal, function_id)
        await self._recorder.flush()
        equals: dict[str, object] = {"function_id": function_id}
        if not principal.is_trusted:
            equals["user_id"] = principal.user_id
        return await self._storage.read(
            lambda uow: uow.executions.page(principal.project_id, query, **equals)
        )

    async def get(self, principal: Principal, function_id: str, execution_id: str) -> Execution:
        await self.visible(principal, function_id)
        found = await self.newest(principal.project_id, execution_id)
        if found is None or found.function_id != function_id or not _may_read(principal, found):
            raise ExecutionNotFound(execution_id)
        return found

    async def newest(self, project_id: str, execution_id: str) -> Execution | None:
        """What is known of an execution now, stored or not, whoever asks."""
        found = self._recorder.pending(project_id, execution_id) or self._runs.running(
            project_id, execution_id
        )
        if found is not None:
            return found
        return await self._storage.read(lambda uow: uow.executions.get(project_id, execution_id))

    async def delete(self, principal: Principal, function_id: str, execution_id: str) -> None:
        """Only ended or not yet due executions; cancelling is the way to stop others."""
        project_id = principal.project_id
        if not principal.is_trusted:
            raise FunctionNotFound(function_id)
        await self.visible(principal, function_id)
        running = self._runs.running(project_id, execution_id)
        if running is not None and running.function_id == function_id:
            raise ExecutionInProgress(execution_id)
        if self._recorder.pending(project_id, execution_id) is not None:
            await self._recorder.stored(execution_id)

        def work(uow: UnitOfWork) -> None:
            found = uow.executions.get(project_id, execution_id)
            if found is None or found.function_id != function_id:
                raise ExecutionNotFound(execution_id)
            if found.status in _UNFINISHED:
                raise ExecutionInProgress(execution_id)
            uow.executions.remove(project_id, execution_id)
            uow.jobs.remove(project_id, execution_id)  # that of a scheduled one
            announce(uow, found, "delete", acting())

        await self._storage.write(work)

    async def visible(self, principal: Principal, function_id: str) -> None:
        """Raises FunctionNotFound for a caller who may not know of the function."""
        live = await self._catalog.live(principal.project_id, function_id)
        if live is None or not (live.function.is_enabled or principal.is_trusted):
            raise FunctionNotFound(function_id)


def _may_read(principal: Principal, execution: Execution) -> bool:
    return principal.is_trusted or (
        execution.user_id != "" and execution.user_id == principal.user_id
    )
