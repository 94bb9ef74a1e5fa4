"""The build queue: deployments whose source is complete, built in the order of their rows.

The rows are the queue. A build is claimed by the move to `building`, its log is stored while it
runs, and it ends with one conditional write: when the row has been cancelled or deleted in the
meantime, the result is thrown away. Builds without a builder are the business of `lost_builds`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import field, replace
from typing import Final, Protocol, TypeVar

from runwright.clock import Clock
from runwright.errors import RunwrightError
from runwright.functions import lifecycle
from runwright.functions.building import (
    INTERNAL,
    Build,
    BuildCancelled,
    BuildFailed,
    BuildLimits,
    Plan,
)
from runwright.functions.buildlog import BuildLog, done, error, step, with_line
from runwright.functions.environment import build_env
from runwright.functions.folders import Folders
from runwright.functions.lost_builds import LostBuilds
from runwright.identity.tokens import Tokens
from runwright.model.function import Deployment, DeploymentStatus, LiveFunction, specification
from runwright.model.identity import CONSOLE
from runwright.ports.executor import Executor
from runwright.ports.signals import Signals
from runwright.ports.storage import BlobStore, Storage, UnitOfWork
from runwright.values import dataclass

log = logging.getLogger(__name__)

R = TypeVar("R")

MIN_MEMORY_MIB: Final = 1024
STOP_S: Final = 3.0
_POLL_S: Final = 5.0  # a lost signal costs this
_SWEEP_S: Final = 30.0
_FLUSH_S: Final = 0.3
_LARGE_FLUSH_S: Final = 0.7  # a large log is stored less often, but within the second
_LARGE_CHARS: Final = 200_000
_LOOK_S: Final = 2.0  # how long a cancellation can stay unseen when its signal was lost
_STORE_TRIES: Final = 5

Key = tuple[str, str]  # project id, id of a deployment or function


class LiveFunctions(Protocol):
    async def live(self, project_id: str, function_id: str) -> LiveFunction | None: ...


@dataclass(slots=True)
class _Running:
    deployment: Deployment
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    look: asyncio.Event = field(default_factory=asyncio.Event)  # the row may have changed
    task: asyncio.Task[None] | None = None

    @property
    def key(self) -> Key:
        return self.deployment.project_id, self.deployment.id


class Builder:
    """Owns every running build. `start` once, then `stop` once."""

    def __init__(
        self,
        storage: Storage,
        blobs: BlobStore,
        executor: Executor,
        signals: Signals,
        clock: Clock,
        *,
        functions: LiveFunctions,
        tokens: Tokens,
        folders: Folders,
        limits: BuildLimits,
        builds: int,
        endpoint: str,
    ) -> None:
        """`builds` run at once; `endpoint` is the API's address as a build can reach it."""
        self._storage = storage
        self._blobs = blobs
        self._executor = executor
        self._clock = clock
        self._functions = functions
        self._tokens = tokens
        self._folders = folders
        self._limits = limits
        self._builds = builds
        self._endpoint = endpoint
        self._lost = LostBuilds(storage, blobs, clock, folders, timeout_s=limits.timeout_s)
        self._running: dict[Key, _Running] = {}
        self._wake = asyncio.Event()
        self._is_stopping = False
        self._loops: list[asyncio.Task[None]] = []
        signals.on("deployment", self._hear)

    async def start(self) -> None:
        """Take care of what a predecessor left, then begin to build."""
        await self._lost.recover()
        self._loops = [
            asyncio.create_task(self._dispatch(), name="builder"),
            asyncio.create_task(self._sweep(), name="builder-sweeper"),
        ]

    async def stop(self) -> None:
        """Kill what runs and put it back into the queue; returns when nothing of it is left."""
        self._is_stopping = True
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        tasks = [item.task for item in self._running.values() if item.task is not None]
        for item in self._running.values():
            item.cancelled.set()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _hear(self, project_id: str, deployment_id: str) -> None:
        self._wake.set()
        running = self._running.get((project_id, deployment_id))
        if running is not None:
            running.look.set()

    # The queue

    async def _dispatch(self) -> None:
        while True:
            self._wake.clear()
            try:
                while len(self._running) < self._builds and await self._begin_one():
                    pass
            except Exception:  # a failing database must not end the queue; the poll tries again
                log.exception("build queue could not be read")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._wake.wait()

    async def _begin_one(self) -> bool:
        deployment = await self._storage.write(self._claimer())
        if deployment is None:
            return False
        running = _Running(deployment)
        self._running[running.key] = running
        running.task = asyncio.create_task(self._build(running), name=f"build-{deployment.id}")
        return True

    def _claimer(self) -> Callable[[UnitOfWork], Deployment | None]:
        """Takes the oldest one that waits; those of functions that are not being built go
        first, so that nobody's long queue keeps others waiting."""
        busy = {_function_of(item.deployment) for item in self._running.values()}

        def claim(uow: UnitOfWork) -> Deployment | None:
            queue = uow.deployments.find(None, status=DeploymentStatus.WAITING, is_uploaded=True)
            if not queue:
                return None
            chosen = next((item for item in queue if _function_of(item) not in busy), queue[0])
            now = self._clock.now()
            logs = with_line(chosen.build_logs, step("Build started.", now))
            return lifecycle.begin(uow, chosen, logs, now)

        return claim

    # One build

    async def _build(self, running: _Running) -> None:
        deployment = running.deployment
        build_log = BuildLog(deployment.build_logs)
        fields = {"deployment_id": deployment.id, "function_id": deployment.function_id}
        log.info("build started", extra={"action": "build_started", **fields})
        follower = asyncio.create_task(self._follow(running, build_log))
        try:
            await self._attempt(running, build_log)
        except BuildCancelled:
            if self._is_stopping:
                await self._give_back(deployment, build_log.text)
            log.info("build cancelled", extra={"action": "build_cancelled", **fields})
        except BuildFailed as exc:
            await self._fail(deployment, build_log, str(exc))
            log.info("build failed", extra={"action": "build_failed", **fields})
        except Exception:  # ours: the author of the code gets a sentence, the operator the trace
            log.exception("build broke", extra=fields)
            await self._fail(deployment, build_log, INTERNAL)
        finally:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)
            del self._running[running.key]
            self._wake.set()

    async def _attempt(self, running: _Running, build_log: BuildLog) -> None:
        deployment = running.deployment
        build = Build(
            await self._plan(deployment),
            executor=self._executor,
            blobs=self._blobs,
            folders=self._folders,
            limits=self._limits,
            clock=self._clock,
            build_log=build_log,
            cancelled=running.cancelled,
        )
        try:
            build_bytes = await build.run()
        finally:
            await build.clean()
        now = self._clock.now()
        build_log.line(done("Deployment finished.", now))
        logs = build_log.text

        def end(uow: UnitOfWork) -> bool:
            stored = lifecycle.under_way(uow, deployment)
            if stored is None:
                return False
            lifecycle.succeed(uow, stored, logs=logs, build_bytes=build_bytes, now=now)
            return True

        if await self._store(end):
            log.info("build ready", extra={"action": "build_ready", "deployment_id": deployment.id})
            await self._keep_at_hand(deployment)
        else:
            artifact = self._folders.artifact(deployment.project_id, deployment.id)
            await asyncio.to_thread(self._folders.discard, artifact)

    async def _keep_at_hand(self, deployment: Deployment) -> None:
        """So that its first call, which is slow enough, need not read it."""
        with contextlib.suppress(RunwrightError):  # of the storage; the call will see for itself
            await self._functions.live(deployment.project_id, deployment.function_id)

    async def _plan(self, deployment: Deployment) -> Plan:
        live = await self._functions.live(deployment.project_id, deployment.function_id)
        project = await self._storage.read(
            lambda uow: uow.projects.get(CONSOLE, deployment.project_id)
        )
        if live is None:
            raise BuildCancelled  # the function was deleted, and this deployment with it
        size = specification(live.function.build_specification)
        size = replace(size, memory_mib=max(size.memory_mib, MIN_MEMORY_MIB))
        api_key = self._tokens.execution_key(
            deployment.project_id, live.function.scopes, self._limits.timeout_s
        )
        return Plan(
            deployment=deployment,
            runtime=live.function.runtime,
            size=size,
            env=build_env(
                live,
                deployment,
                size,
                region=project.region if project else "default",
                endpoint=self._endpoint,
                api_key=api_key,
            ),
        )

    async def _fail(self, deployment: Deployment, build_log: BuildLog, reason: str) -> None:
        now = self._clock.now()
        for line in reason.splitlines():
            build_log.line(error(line, now))
        logs = build_log.text

        def end(uow: UnitOfWork) -> None:
            stored = lifecycle.under_way(uow, deployment)
            if stored is not None:
                lifecycle.fail(uow, stored, logs=logs, now=now)

        await self._store(end)

    async def _give_back(self, deployment: Deployment, logs: str) -> None:
        """Into the queue again; what a regular stop ends was no failed attempt."""
        now = self._clock.now()
        line = step("The server is stopping. The build will begin again.", now)

        def requeue(uow: UnitOfWork) -> None:
            stored = lifecycle.under_way(uow, deployment)
            if stored is not None:
                attempts = stored.build_attempts - 1
                again = replace(stored, build_attempts=attempts, build_logs=logs)
                lifecycle.requeue(uow, again, line, now)

        await self._store(requeue)

    async def _follow(self, running: _Running, build_log: BuildLog) -> None:
        """Store the log as it grows, and hear when the row is cancelled or deleted."""
        deployment, stored_version = running.deployment, build_log.version
        loop = asyncio.get_running_loop()
        looked_s = loop.time()
        while True:
            pause_s = _FLUSH_S
            must_look = running.look.is_set() or loop.time() - looked_s > _LOOK_S
            running.look.clear()
            is_wanted = True
            if build_log.version != stored_version:
                stored_version, text = build_log.version, build_log.text
                pause_s = _LARGE_FLUSH_S if len(text) > _LARGE_CHARS else _FLUSH_S
                is_wanted = await self._keep(deployment, text)
            elif must_look:
                is_wanted = await self._is_wanted(deployment)
                looked_s = loop.time()
            if not is_wanted:
                running.cancelled.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await running.look.wait()

    async def _keep(self, deployment: Deployment, text: str) -> bool:
        """Store log text; False when the build is not wanted any more."""
        now = self._clock.now()

        def put(uow: UnitOfWork) -> bool:
            stored = lifecycle.under_way(uow, deployment)
            if stored is not None:
                lifecycle.record(uow, stored, text, now)
            return stored is not None

        try:
            return await self._storage.write(put)
        except Exception:  # the log is stored again in a moment; the build goes on meanwhile
            log.exception("build log could not be stored")
            return True

    async def _is_wanted(self, deployment: Deployment) -> bool:
        try:
            return await self._storage.read(
                lambda uow: lifecycle.under_way(uow, deployment) is not None
            )
        except Exception:  # asked again in a moment
            log.exception("deployment could not be read")
            return True

    async def _store(self, work: Callable[[UnitOfWork], R]) -> R | None:
        """Write what must not be lost, patiently. None when it was lost all the same: then the
        sweeper ends the build."""
        pause_s = 0.2
        for attempt in range(_STORE_TRIES):
            try:
                return await self._storage.write(work)
            except Exception:
                log.exception("end of a build could not be stored", extra={"attempt": attempt})
                await self._clock.sleep(pause_s)
                pause_s *= 2
        return None

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep(_SWEEP_S)
            try:
                await self._lost.sweep(frozenset(self._running))
            except Exception:  # the next round tries again
                log.exception("lost builds could not be swept")


def _function_of(deployment: Deployment) -> Key:
    return deployment.project_id, deployment.function_id
