"""Starting executions. What became of them is in history.py.

Checks of a synchronous call stand in the documented order. Its last one is the execute
permission, so a caller without it can learn that a function exists and whether it is built;
official clients and their tests rely on that order, and nothing more than that shows.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from runwright.clock import Clock
from runwright.errors import RunwrightError, Unauthorized
from runwright.executions.acceptance import Acceptance, Accepted
from runwright.executions.attempt import Attempt
from runwright.executions.envelope import Request
from runwright.executions.errors import RepeatedExecutionGone, SynchronousTimeout
from runwright.executions.headers import checked, kept
from runwright.executions.history import History
from runwright.executions.logs import kept_path
from runwright.executions.records import Recorder
from runwright.executions.repeats import Repeats, claim
from runwright.executions.requests import due, injected, queued, sendable_target
from runwright.executions.runnable import KEY_GRACE_S, Preparer, Runnable
from runwright.executions.runnables import Runnables
from runwright.executions.runs import SHOWN_AFTER_S, Runs
from runwright.executions.schedule import scheduled_moment
from runwright.functions.catalog import FunctionCatalog
from runwright.functions.errors import FunctionNotFound
from runwright.identity.permissions import may_execute
from runwright.identity.tokens import Tokens, UserJwtInvalid
from runwright.ids import new_id
from runwright.model.actor import acting
from runwright.model.execution import (
    ErrorClass,
    Execution,
    Headers,
    Invocation,
    Outcome,
    Status,
    Trigger,
)
from runwright.model.function import Deployment, Function, LiveFunction
from runwright.model.identity import CallerKind, Principal, Project
from runwright.model.job import Job
from runwright.model.lineage import Lineage
from runwright.model.repeat import RepeatKey
from runwright.ports.executor import Executor, ResponseSink
from runwright.ports.signals import Signals
from runwright.ports.storage import Storage, UnitOfWork
from runwright.values import dataclass

_LEFT_BEHIND: Final = (
    "The server ended while this execution was running, so its outcome is not known. "
    "Run it again if that is safe."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a synchronous caller gets: the record, and the response that is stored nowhere."""

    execution: Execution
    outcome: Outcome  # of a repeated call: nothing but the status code


class Executions:
    def __init__(
        self,
        *,
        storage: Storage,
        signals: Signals,
        clock: Clock,
        projects: Callable[[str], Awaitable[Project | None]],
        known_project: Callable[[str], Project | None],  # without a wait; None = not at hand
        catalog: FunctionCatalog,
        tokens: Tokens,
        executor: Executor,
        recorder: Recorder,
        acceptance: Acceptance,
        repeats: Repeats,
        artifact_path: Callable[[Deployment], str],
        endpoint: str,
        sync_timeout_s: float,
        shown_after_s: float = SHOWN_AFTER_S,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._tokens = tokens
        self._recorder = recorder
        self._acceptance = acceptance
        self._repeats = repeats
        self.runnables = Runnables(
            signals=signals,
            projects=projects,
            known_project=known_project,
            catalog=catalog,
            preparer=Preparer(
                tokens=tokens,
                endpoint=endpoint,
                artifact_path=artifact_path,
                runtimes=catalog.installed,
            ),
        )
        self.runs = Runs(
            executor=executor,
            recorder=recorder,
            clock=clock,
            sync_timeout_s=sync_timeout_s,
            shown_after_s=shown_after_s,
        )
        self.history = History(storage, catalog, recorder, self.runs)

    async def start(self) -> None:
        """End the runs that a dead server left behind; before the first new run.

        Those that have a job are not lost: whoever claims it next runs them again.
        """

        def work(uow: UnitOfWork) -> None:
            left = uow.executions.find(None, status=Status.PROCESSING)
            lost = [item for item in left if uow.jobs.get(item.project_id, item.id) is None]
            uow.executions.finish_all([self._left_behind(item) for item in lost])

        await self._storage.write(work)

    async def stop(self, drain_s: float) -> None:
        """Drain; the recorder is to be stopped after this."""
        await self.runs.stop(drain_s)

    async def create(
        self,
        principal: Principal,
        function_id: str,
        *,
        body: bytes = b"",
        path: str = "/",
        method: str = "POST",
        headers: Mapping[str, Any] | None = None,
        scheduled_at: str | None = None,
        client_ip: str = "",
        host: str = "",
        user_jwt: str = "",
        execution_id: str = "",
        idempotency_key: str = "",
    ) -> Finished:
        """Run a function for an API caller; returns when its record is committed.

        `user_jwt` is the token that authenticated the caller, if one did: the function gets
        that very token, so a run cannot lengthen its life. With an `idempotency_key` that an
        earlier call had, nothing is run and that one's execution is returned as it is now; its
        id is then not `execution_id`. Raises KeyReused.
        """
        if scheduled_at is not None:
            scheduled_moment(scheduled_at, is_async=False, now=self._clock.now())
        own_headers = _with_host(checked(headers or {}), host)
        runnable = await self._admitted(principal, function_id)
        if not idempotency_key:
            self.expect(runnable, principal.lineage)
        attempt = self.attempt(
            runnable,
            execution_id=execution_id or new_id(),
            method=method,
            path=_rooted(path),
            headers=own_headers,
            body=body,
            client_ip=client_ip,
            user_id=principal.user_id,
            user_jwt=user_jwt or self._minted_jwt(principal, runnable.live),
            lineage=principal.lineage,
        )
        attempt.event_action, attempt.actor = "create", acting()
        if not idempotency_key:
            outcome = await self.run(attempt, lineage=principal.lineage)
        else:
            key = await self._repeats.key(
                principal,
                function_id,
                idempotency_key,
                execution_id=attempt.execution_id,
                client_ip=client_ip,
                facts=("sync", method, path, headers),
                body=body,
            )
            earlier = await self._open(attempt, key)
            if earlier:
                return await self._repeated(principal.project_id, earlier)
            outcome = await self._run_once(attempt, key, principal.lineage)
        await self._recorder.stored(attempt.execution_id)
        assert attempt.record is not None  # the run has ended
        return Finished(execution=attempt.record, outcome=outcome)

    async def accept(
        self,
        principal: Principal,
        function_id: str,
        *,
        body: bytes = b"",
        path: str = "/",
        method: str = "POST",
        headers: Mapping[str, Any] | None = None,
        scheduled_at: str | None = None,
        client_ip: str = "",
        host: str = "",
        user_jwt: str = "",
        execution_id: str = "",
        idempotency_key: str = "",
    ) -> Execution:
        """Queue a run, now or for `scheduled_at`; returns when it is on disk.

        What is returned is found by `get` from then on, and will run. `idempotency_key` as for
        `create`. Raises QueueFull, KeyReused.
        """
        now = self._clock.now()
        moment = None
        if scheduled_at is not None:
            moment = scheduled_moment(scheduled_at, is_async=True, now=now)
        own_headers = _with_host(checked(headers or {}), host)
        function = (await self._admitted(principal, function_id)).function
        path = _rooted(path)
        execution = Execution(
            id=execution_id or new_id(),
            project_id=principal.project_id,
            created_at=now,
            updated_at=now,
            function_id=function.id,
            deployment_id=function.deployment_id,
            user_id=principal.user_id,
            trigger=Trigger.HTTP if moment is None else Trigger.SCHEDULE,
            status=Status.WAITING if moment is None else Status.SCHEDULED,
            request_method=method,
            request_path=kept_path(path),
            request_headers=kept((*own_headers, ("x-appwrite-client-ip", client_ip))),
            scheduled_at=moment,
        )
        request = Request(
            method=method,
            path=path,
            headers=own_headers,
            client_ip=client_ip,
            user_id=principal.user_id,
            session_id=_session_to_act_in(principal),
            user_jwt=user_jwt,
            lineage=principal.lineage,
            runs_disabled=not function.is_enabled,
            body=body,
        )
        item = Accepted(execution, request, is_kept=keeps(function), caller=acting())
        if not idempotency_key:
            await self._acceptance.accept(item)
            return execution
        key = await self._repeats.key(
            principal,
            function_id,
            idempotency_key,
            execution_id=execution.id,
            client_ip=client_ip,
            facts=("async", method, path, headers, scheduled_at),
            body=body,
        )
        # Asked first, so that a repeat is answered even when the queue is full.
        stored = await self._repeats.earlier(key)
        stored = stored or await self._acceptance.accept(replace(item, repeat=key))
        if stored == execution.id:
            return execution
        return (await self._repeated(principal.project_id, stored)).execution

    async def _open(self, attempt: Attempt, key: RepeatKey) -> str:
        """Store key and record of a run before it begins; "" unless an earlier call did so."""
        record = attempt.processing(attempt.started_at)

        def work(uow: UnitOfWork) -> str:
            stored = claim(uow, key)
            if stored != record.id:
                return stored
            uow.executions.add(record)
            return ""

        earlier = await self._storage.write(work)
        if not earlier:
            self._recorder.opened(record.id)
            attempt.has_row = True
        return earlier

    async def _run_once(self, attempt: Attempt, key: RepeatKey, lineage: Lineage) -> Outcome:
        try:
            return await self.run(attempt, lineage=lineage)
        except SynchronousTimeout:
            raise
        except RunwrightError:  # nothing has run, so the same call may be made again
            await self._repeats.forget(key)
            if attempt.record is None:
                project_id = attempt.runnable.workload.project_id
                await self._storage.write(
                    lambda uow: uow.executions.remove(project_id, attempt.execution_id)
                )
                self._recorder.removed(attempt.execution_id)
            raise

    async def _repeated(self, project_id: str, execution_id: str) -> Finished:
        found = await self.history.newest(project_id, execution_id)
        if found is None:
            raise RepeatedExecutionGone(execution_id)
        return Finished(execution=found, outcome=Outcome(status_code=found.response_status_code))

    def queued_attempt(self, runnable: Runnable, job: Job, request: Request) -> Attempt:
        """A claimed job as a run; function, deployment and variables are those of now."""
        return self.attempt(
            runnable,
            execution_id=job.id,
            method=request.method,
            path=request.path,
            headers=request.headers + queued(job.attempt, request) + due(job),
            body=request.body,
            client_ip=request.client_ip,
            user_id=request.user_id,
            user_jwt=self._queued_jwt(request, runnable),
            lineage=request.lineage,
            created_at=job.created_at,
            trigger=job.trigger,
            number=job.attempt,
            event=request.event,
        )

    def attempt(
        self,
        runnable: Runnable,
        *,
        execution_id: str,
        method: str,
        path: str,
        headers: Headers,
        body: bytes,
        client_ip: str,
        user_id: str,
        user_jwt: str,
        lineage: Lineage,
        sink: ResponseSink | None = None,
        created_at: datetime | None = None,
        trigger: Trigger = Trigger.HTTP,
        number: int = 1,
        event: str = "",
    ) -> Attempt:
        """A run that has not started. `headers` hold no reserved name; ours are added."""
        function = runnable.function
        now = self._clock.now()
        key = runnable.key(lineage, now)
        invocation = Invocation(
            execution_id=execution_id,
            method=method,
            target=sendable_target(path),
            headers=headers + injected(execution_id, key, user_id, user_jwt, client_ip, trigger),
            body=body,
            timeout_s=function.timeout_s,
            is_logging=function.is_logging,
        )
        return Attempt(
            runnable,
            invocation,
            path=path,
            user_id=user_id,
            started_at=now,
            sink=sink,
            created_at=created_at,
            trigger=trigger,
            number=number,
            event=event,
            chain_id=lineage.chain_id,
        )

    def expect(self, runnable: Runnable, lineage: Lineage) -> None:
        """A run that is about to be prepared: what it would wait for begins meanwhile."""
        if loop_outcome(lineage, runnable.function) is None:
            self.runs.expect(runnable.workload)

    async def run(self, attempt: Attempt, *, lineage: Lineage) -> Outcome:
        """Run an attempt; a chain that has become a loop ends here, as a failed record."""
        outcome = loop_outcome(lineage, attempt.runnable.function)
        if outcome is not None:
            record = attempt.finished(outcome, self._clock.now())
            self._recorder.record(record, attempt.event_action, attempt.actor)
            return outcome
        return await self.runs.run(attempt)

    def hang_up(self, execution_id: str) -> None:
        """The caller of a streamed answer has left it."""
        self.runs.hang_up(execution_id)

    async def _admitted(self, principal: Principal, function_id: str) -> Runnable:
        """The function, ready to run, for a caller who may run it; checks in their order."""
        runnables = self.runnables
        runnable = runnables.known(principal.project_id, function_id)
        live = (
            runnable.live if runnable else await runnables.live(principal.project_id, function_id)
        )
        if live is None or not (live.function.is_enabled or principal.is_trusted):
            raise FunctionNotFound(function_id)
        if runnable is None:
            runnable = runnables.prepared(live, await runnables.project(principal.project_id))
        if not may_execute(principal, live.function.execute):
            raise Unauthorized
        return runnable

    def _minted_jwt(self, principal: Principal, live: LiveFunction) -> str:
        """A token for the function that acts as the signed-in caller; "" for others."""
        session_id = _session_to_act_in(principal)
        if not session_id:
            return ""
        return self._jwt(principal.user_id, session_id, live, principal.lineage)

    def _queued_jwt(self, request: Request, runnable: Runnable) -> str:
        """As for a synchronous run. A caller's own token is passed on while it is valid."""
        if request.session_id:
            return self._jwt(request.user_id, request.session_id, runnable.live, request.lineage)
        if not request.user_jwt:
            return ""
        try:
            self._tokens.read_user_jwt(request.user_jwt)
        except UserJwtInvalid:
            return ""
        return request.user_jwt

    def _jwt(self, user_id: str, session_id: str, live: LiveFunction, lineage: Lineage) -> str:
        return self._tokens.user_jwt(
            user_id,
            session_id,
            live.function.timeout_s + KEY_GRACE_S,
            project_id=live.function.project_id,
            lineage=lineage.after(live.function.id),
        )

    def _left_behind(self, execution: Execution) -> Execution:
        ended = execution.moved(Status.FAILED)
        return replace(
            ended,
            updated_at=self._clock.now(),
            response_status_code=500,
            errors=_LEFT_BEHIND,
            error_class=ErrorClass.PLATFORM,
        )


def _session_to_act_in(principal: Principal) -> str:
    """The session of a caller who signed in here; "" for everyone else."""
    # An admin's session belongs to the console, so it could stand for nobody here.
    if principal.kind is CallerKind.ADMIN or principal.by_jwt or principal.user is None:
        return ""
    return principal.session.id if principal.session is not None else ""


def _rooted(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"


def _with_host(headers: Headers, host: str) -> Headers:
    if not host or any(name == "host" for name, _ in headers):
        return headers
    return (("host", host), *headers)


def loop_outcome(lineage: Lineage, function: Function) -> Outcome | None:
    """What a run comes to that would go on with a chain without end; None for others."""
    if not lineage.is_loop(function.id, function.loop_limit):
        return None
    return Outcome(status_code=508, error_class=ErrorClass.LOOP, errors=lineage.told(function.id))


def keeps(function: Function) -> bool:
    """Whether a queued request of the function may be needed after its first attempt."""
    return function.retry.attempts > 1 or function.request_retention_s > 0
