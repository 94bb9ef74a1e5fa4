"""Execution records on their way to the database: bounded batches, one writer.

A record is in memory until the batch that holds it is committed; `pending` shows it until
then, so a reader never finds a gap. Records of one execution are stored in the order in which
they were recorded, and a newer one replaces an older one that is still waiting.

When the database cannot be written, nothing is thrown away: the writer tries again, later and
later, and `room` holds back new runs. A single row that the database refuses while it takes
others is stored without its texts, and only if that fails too is it given up, loudly.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from runwright.errors import ServiceUnavailable
from runwright.executions.announcing import announce
from runwright.model.actor import PLATFORM, Actor
from runwright.model.execution import Execution, Status
from runwright.ports.storage import Storage, UnitOfWork

log = logging.getLogger(__name__)

GATHER_S: Final = 0.05  # how long a record may wait for company when nobody waits for it
BATCH_ROWS: Final = 400
PENDING_ROWS: Final = 20_000
PENDING_BYTES: Final = 64 * 1024 * 1024  # logs and errors
DURABLE_WAIT_S: Final = 10.0
ROOM_WAIT_S: Final = 5.0
_SUSPECTS: Final = 3  # single rows that must fail before the database itself is blamed
_BACKOFF_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
_FINAL: Final = frozenset({Status.COMPLETED, Status.FAILED})


class NotRecorded(ServiceUnavailable):
    def __init__(self, execution_id: str) -> None:
        super().__init__(
            f"Execution '{execution_id}' has run, but its record could not be stored yet. "
            "It is stored as soon as the database takes it; ask for the execution later."
        )


class RecordsBehind(ServiceUnavailable):
    headers = (("retry-after", "1"),)

    def __init__(self) -> None:
        super().__init__("Execution records cannot be stored fast enough. Try again in a second.")


class Recorder:
    """Writes execution records in batches. `start` before use; `stop` flushes."""

    def __init__(
        self,
        storage: Storage,
        *,
        wants: Callable[[str], bool] = lambda project_id: True,
        gather_s: float = GATHER_S,
        batch_rows: int = BATCH_ROWS,
        pending_rows: int = PENDING_ROWS,
        pending_bytes: int = PENDING_BYTES,
        durable_wait_s: float = DURABLE_WAIT_S,
        room_wait_s: float = ROOM_WAIT_S,
    ) -> None:
        """`wants` says whether anybody may listen to executions of a project."""
        self._storage = storage
        self._wants = wants
        self._gather_s = gather_s
        self._batch_rows = batch_rows
        self._pending_rows = pending_rows
        self._pending_bytes = pending_bytes
        self._durable_wait_s = durable_wait_s
        self._room_wait_s = room_wait_s
        self._waiting: dict[str, Execution] = {}
        self._waiting_bytes = 0
        self._waiting_done: asyncio.Future[frozenset[str]] | None = None
        self._writing: dict[str, Execution] = {}
        self._writing_bytes = 0
        self._writing_done: asyncio.Future[frozenset[str]] | None = None
        self._joined_done: list[asyncio.Future[frozenset[str]]] = []
        self._opened: set[str] = set()  # executions that have an unfinished row, or soon will
        self._events: dict[str, tuple[str, Actor]] = {}  # to be announced with the final record
        self._arrived = asyncio.Event()
        self._hurry = asyncio.Event()
        self._eased = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._stopping = False
        self._task = asyncio.create_task(self._run(), name="execution-records")

    async def stop(self, wait_s: float = 10.0) -> None:
        """Write what is pending, for at most `wait_s` seconds."""
        if self._task is None:
            return
        self._stopping = True
        self._arrived.set()
        self._hurry.set()
        done, _ = await asyncio.wait({self._task}, timeout=wait_s)
        if not done:
            self._task.cancel()
            await asyncio.wait({self._task})
            lost = len(self._waiting) + len(self._writing)
            log.error("stopped before execution records were stored", extra={"records": lost})
        self._task = None

    @property
    def is_behind(self) -> bool:
        return (
            len(self._waiting) >= self._pending_rows
            or self._waiting_bytes + self._writing_bytes >= self._pending_bytes
        )

    async def room(self) -> None:
        """Return when another run may start. Raises RecordsBehind after a bounded wait."""
        if not self.is_behind:
            return
        try:
            async with asyncio.timeout(self._room_wait_s):
                while self.is_behind:
                    self._hurry.set()
                    self._eased.clear()
                    await self._eased.wait()
        except TimeoutError as exc:
            raise RecordsBehind from exc

    def record(self, execution: Execution, event_action: str = "", actor: Actor = PLATFORM) -> None:
        """Take a record; it is durable after a moment that nobody waits for.

        With `event_action` its end is announced, as done by the actor, who called for it and
        will wait for `stored`: the batch is not held back for others.
        """
        execution_id, waiting = execution.id, self._waiting
        if event_action:
            self._hurry.set()
            if self._wants(execution.project_id):
                self._events[execution_id] = (event_action, actor)
        older = waiting.pop(execution_id, None)
        if older is not None:
            self._waiting_bytes -= _bytes(older)
        waiting[execution_id] = execution
        self._waiting_bytes += _bytes(execution)
        count = len(waiting)
        if count == 1:
            self._arrived.set()
        elif count == self._batch_rows:
            self._hurry.set()

    def opened(self, execution_id: str) -> None:
        """Somebody else has stored the unfinished record of an execution."""
        self._opened.add(execution_id)

    def removed(self, execution_id: str) -> None:
        """That record is gone again, and there will be no other."""
        self._opened.discard(execution_id)

    async def record_durably(self, execution: Execution) -> None:
        """Take a record and return after the commit of its batch. Raises NotRecorded."""
        self.record(execution)
        await self.stored(execution.id)

    async def stored(self, execution_id: str) -> None:
        """Return when the newest record of this execution is committed. Raises NotRecorded."""
        done = self._done_of(execution_id)
        if done is None:
            return
        self._hurry.set()
        try:
            async with asyncio.timeout(self._durable_wait_s):
                lost = await asyncio.shield(done)
        except TimeoutError as exc:
            raise NotRecorded(execution_id) from exc
        if execution_id in lost:
            raise NotRecorded(execution_id)

    async def flush(self) -> None:
        """Return when all that was recorded before this call is committed or given up."""
        for done in (self._writing_done, self._waiting_future() if self._waiting else None):
            if done is not None:
                self._hurry.set()
                try:
                    async with asyncio.timeout(self._durable_wait_s):
                        await asyncio.shield(done)
                except TimeoutError as exc:
                    raise ServiceUnavailable(
                        "The newest execution records are not stored yet. Try again."
                    ) from exc

    def pending(self, project_id: str, execution_id: str) -> Execution | None:
        """The newest record that is not committed yet."""
        execution = self._waiting.get(execution_id) or self._writing.get(execution_id)
        if execution is None or execution.project_id != project_id:
            return None
        return execution

    def _waiting_future(self) -> asyncio.Future[frozenset[str]]:
        if self._waiting_done is None:
            self._waiting_done = asyncio.get_running_loop().create_future()
        return self._waiting_done

    def _done_of(self, execution_id: str) -> asyncio.Future[frozenset[str]] | None:
        if execution_id in self._waiting:
            return self._waiting_future()
        return self._writing_done if execution_id in self._writing else None

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            if not (self._stopping or self._hurry.is_set()):
                await self._gather()
            self._hurry.clear()
            self._arrived.clear()
            if self._waiting:
                self._take()
                lost = await self._write(list(self._writing.values()))
                self._finish(lost)
            elif self._stopping:
                return
            if self._waiting or self._stopping:
                self._arrived.set()

    async def _gather(self) -> None:
        try:
            async with asyncio.timeout(self._gather_s):
                await self._hurry.wait()
        except TimeoutError:
            pass

    def _take(self) -> None:
        self._writing, self._waiting = self._waiting, {}
        self._writing_bytes, self._waiting_bytes = self._waiting_bytes, 0
        self._writing_done = self._waiting_future()
        self._waiting_done = None

    def _finish(self, lost: frozenset[str]) -> None:
        opened, events = self._opened, self._events
        for execution in self._writing.values():
            if execution.status not in _FINAL:
                opened.add(execution.id)
            elif opened or events:
                opened.discard(execution.id)
                events.pop(execution.id, None)
        ended = [*self._joined_done, self._writing_done]
        self._joined_done, self._writing_done = [], None
        self._writing, self._writing_bytes = {}, 0
        for done in ended:
            if done is not None and not done.done():
                done.set_result(lost)
        self._eased.set()

    async def _write(self, rows: list[Execution]) -> frozenset[str]:
        """Store rows, waiting out an unwritable database; the ids that had to be given up."""
        lost: set[str] = set()
        for start in range(0, len(rows), self._batch_rows):
            batch = rows[start : start + self._batch_rows]
            failures = 0
            while batch:
                if await self._try(batch, is_retry=failures > 0):
                    break
                batch, given_up = await self._one_by_one(batch)
                lost |= given_up
                if batch:
                    await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
                    batch += self._join(self._batch_rows - len(batch))
                failures += 1
        return frozenset(lost)

    def _join(self, most: int) -> list[Execution]:
        """Rows that came meanwhile: a lone bad row is found out only beside good ones."""
        if not 0 < len(self._waiting) <= most:
            return []
        rows = list(self._waiting.values())
        self._joined_done.append(self._waiting_future())
        self._writing.update(self._waiting)
        self._writing_bytes += self._waiting_bytes
        self._waiting, self._waiting_bytes, self._waiting_done = {}, 0, None
        return rows

    async def _try(self, rows: Sequence[Execution], *, is_retry: bool) -> bool:
        # After a failure it is not known whether a commit came through, so every row is then
        # stored in the way that leaves an existing one alone.
        opened: list[Execution] = []
        new: list[Execution] = []
        moved: list[Execution] = []
        for row in rows:
            if row.status not in _FINAL:
                opened.append(row)
            elif row.id in self._opened or is_retry:
                moved.append(row)
            else:
                new.append(row)
        events = self._events
        announced = [(row, *events[row.id]) for row in new + moved if row.id in events]

        def work(uow: UnitOfWork) -> None:
            for row, action, actor in announced:
                if not (is_retry and _has_ended(uow, row)):
                    announce(uow, row, action, actor)
            if is_retry:
                for row in opened:
                    if uow.executions.get(row.project_id, row.id) is None:
                        uow.executions.add(row)
            elif opened or new:
                uow.executions.add_all(opened + new)
            if moved:
                uow.executions.finish_all(moved)

        try:
            await self._storage.write(work)
        except Exception as exc:  # whatever the database says, the records must survive it
            log.warning(
                "execution records not stored",
                extra={"records": len(rows), "reason": type(exc).__name__},
            )
            return False
        return True

    async def _one_by_one(self, rows: list[Execution]) -> tuple[list[Execution], frozenset[str]]:
        """Store what can be stored; (rows to try again, ids given up)."""
        refused: list[Execution] = []
        stored = 0
        for at, row in enumerate(rows):
            if await self._try([row], is_retry=True) or await self._try(
                [reduced(row)], is_retry=True
            ):
                stored += 1
                continue
            refused.append(row)
            if stored == 0 and len(refused) >= _SUSPECTS:
                return refused + rows[at + 1 :], frozenset()
        if stored == 0:
            return refused, frozenset()
        for row in refused:
            log.error("execution record given up", extra={"execution_id": row.id})
        return [], frozenset(row.id for row in refused)


def _has_ended(uow: UnitOfWork, row: Execution) -> bool:
    """An earlier commit came through after all, and its event with it."""
    stored = uow.executions.get(row.project_id, row.id)
    return stored is not None and stored.status in _FINAL


def _bytes(execution: Execution) -> int:
    return len(execution.logs) + len(execution.errors)


def reduced(execution: Execution) -> Execution:
    """The record without the parts of the caller's or the function's choosing."""
    return replace(
        execution,
        request_path=execution.request_path.encode("ascii", "replace").decode()[:255],
        request_headers=(),
        logs="",
        errors="The logs and errors of this execution could not be stored.",
    )
