"""The executor of the runtimes that come as images: one container per workload.

A call takes the container of its workload when that has room, else it waits for it; the first
one starts it. At the upper bound the longest idle container makes room. Calls that wait are
bounded in number and in time. Containers carry a label with this server's name, by which the
next start finds what a killed server left.
"""

import asyncio
import contextlib
import hashlib
import logging
import math
import os
import secrets
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

from runwright.clock import Clock
from runwright.executor.call import NOT_BEGUN, Call
from runwright.executor.calls import Calls, waiter
from runwright.executor.docker import builds
from runwright.executor.docker.bodies import gather
from runwright.executor.docker.container import (
    Carrier,
    Container,
    StartFailed,
    State,
    Surroundings,
    code_mib,
)
from runwright.executor.docker.engine import Engine, EngineError, image_of
from runwright.executor.docker.images import statuses
from runwright.executor.docker.recipe import PORT, Shape, Size, run_recipe
from runwright.executor.keeping import Keeping
from runwright.executor.output import STOPPED
from runwright.executor.spawn import SpawnFailed
from runwright.model.execution import ErrorClass, Invocation, Outcome, Workload
from runwright.ports.executor import (
    BuildJob,
    BuildResult,
    CancelSignal,
    NoSlot,
    OnEnd,
    Output,
    RequestSource,
    ResponseSink,
    RuntimeStatus,
)
from runwright.values import dataclass

log = logging.getLogger(__name__)

_LABEL: Final = "runwright.server"
_BODY_LATE: Final = "The body of the request did not come within the function's timeout."
_PORT_TAKEN: Final = (
    f"RUNWRIGHT_PORT is {PORT}, on which functions listen in their containers, where the API has "
    "the same port. Choose another."
)
_SWEEP_S: Final = 1.0
_GONE_S: Final = 20.0
_OWN_USER: Final = "65532:65532"
_RESOLV_CONF: Final = "nameserver 127.0.0.1\noptions timeout:5 attempts:2\n"


class DockerRefused(SpawnFailed):
    """The server cannot begin with Docker as it is; the text is for the operator."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.args = (reason,)


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerConfig:
    data_dir: Path
    api_port: int
    socket: str = "/var/run/docker.sock"
    repository: str = "openruntimes"
    has_own_user: bool = False  # run as an unprivileged user instead of the image's
    containers: int = 32
    idle_s: float = 300.0
    max_calls: int = 64  # in one container at once
    max_waiting: int = 1000
    wait_s: float = 30.0  # for room, then NoSlot
    tmp_mib: int = 256
    pids: int = 256
    build_pids: int = 1024
    build_disk_mib: int = 8192
    max_body_bytes: int = 32 * 1024 * 1024


class DockerExecutor:
    """Answers the `Executor` port. `start` before the first call, `stop` after the last."""

    def __init__(self, config: DockerConfig, clock: Clock, carrier: Carrier | None = None) -> None:
        """`carrier` connects containers to the outside; without one they reach nothing."""
        self._config = config
        self._now = clock.monotonic
        self._carrier = carrier
        self._engine = Engine(config.socket)
        self._calls = Calls(self._now)
        self._around = Surroundings(
            engine=self._engine,
            carrier=carrier,
            api_port=config.api_port,
            now=self._now,
            max_body_bytes=config.max_body_bytes,
            changed=self._notify,
        )
        name = os.fsencode(config.data_dir.resolve())
        self._instance = hashlib.sha256(name).hexdigest()[:12]
        self._statuses: dict[str, RuntimeStatus] = {}  # by image
        self._images: dict[str, str] = {}  # by runtime
        self._cpus = 1.0  # of the machine; Docker refuses more
        self._containers: dict[str, Container] = {}  # by workload key
        self._leaving: set[Container] = set()
        self._running: set[Call] = set()
        self._keeping = Keeping()
        self._waiting = 0
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    # Life

    async def start(self) -> None:
        """Find the images, and end what a predecessor left. Raises DockerRefused."""
        if os.geteuid() != 0:
            raise DockerRefused("containers can be entered by root only; see docs/how-to/docker.md")
        if self._carrier is not None and self._config.api_port == PORT:
            # The API would answer in the place of every function's server.
            raise DockerRefused(_PORT_TAKEN)
        try:
            self._cpus = float((await self._engine.info())["NCPU"])
            for container in await self._engine.labelled(self._label):
                await self._engine.remove(container)
                log.warning("a container of an earlier server was removed",
                            extra={"action": "leftovers_removed"})  # fmt: skip
            tags = await self._engine.tags()
        except (EngineError, KeyError, ValueError) as exc:
            await self._engine.close()
            raise DockerRefused(f"Docker at {self._config.socket}: {exc}") from exc
        self._statuses = statuses(tags, self._config.repository)
        self._images = {status.id: tag for tag, status in self._statuses.items()}
        if self._carrier is not None:
            await asyncio.to_thread(self._write_resolv_conf)
            self._hear_of_lost_network(self._carrier)
        self._spawn(self._sweep(), "container-sweep")

    @property
    def _label(self) -> str:
        return f"{_LABEL}={self._instance}"

    @property
    def _resolv_conf(self) -> Path:
        return self._config.data_dir.resolve() / "run" / "container-resolv.conf"

    def _write_resolv_conf(self) -> None:
        self._resolv_conf.parent.mkdir(parents=True, exist_ok=True)
        self._resolv_conf.write_text(_RESOLV_CONF)
        self._resolv_conf.chmod(0o644)

    def _hear_of_lost_network(self, carrier: Carrier) -> None:
        tell_others = carrier.on_network_lost

        def lost() -> None:
            tell_others()
            for container in list(self._containers.values()):
                container.drain()

        carrier.on_network_lost = lost

    async def stop(self, drain_s: float = 0.0) -> None:
        """Let running work finish for at most `drain_s`, then end everything that is left."""
        self._is_closed = True
        self._notify()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                while self._running:
                    await self._change()
        containers = {*self._containers.values(), *self._leaving}
        for container in containers:
            if container.starting is not None:
                container.starting.cancel()
        ends = [container.end() for container in containers]
        for task in list(self._tasks):
            task.cancel()
        if self._tasks or ends:
            await asyncio.wait({*self._tasks, *ends}, timeout=_GONE_S)
        for call in self._calls.all():  # whose task had no turn yet
            call.fail(ErrorClass.PLATFORM, STOPPED, self._now())
        for name in await self._left():
            with contextlib.suppress(EngineError):
                await self._engine.remove(name)
        await self._engine.close()

    async def _left(self) -> list[str]:
        try:
            return await self._engine.labelled(self._label)
        except EngineError:
            return []

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # Calls

    def expect(self, workload: Workload) -> None:
        """A container takes seconds to start; a millisecond more or less is nothing to it."""

    def begin(
        self,
        workload: Workload,
        invocation: Invocation,
        on_end: OnEnd,
        *,
        sink: ResponseSink | None = None,
        source: RequestSource | None = None,
    ) -> None:
        call = self._calls.add(invocation, on_end, sink)
        if self._is_closed or self._waiting >= self._config.max_waiting:
            call.set_exception(NoSlot())
            return
        self._waiting += 1
        self._spawn(self._carry_out(workload, call, source), f"execution-{invocation.execution_id}")

    async def run(
        self, workload: Workload, invocation: Invocation, *, sink: ResponseSink | None = None
    ) -> Outcome:
        ended, on_end = waiter()
        self.begin(workload, invocation, on_end, sink=sink)
        return await ended

    def hang_up(self, execution_id: str) -> None:
        """The protocol has no word for it."""

    def cancel(self, execution_id: str) -> bool:
        call = self._calls.get(execution_id)
        if call is None:
            return False
        if call.sandbox is not None:
            call.sandbox.cancel(call)
        else:
            call.fail(ErrorClass.CANCELLED, NOT_BEGUN, self._now())
        self._notify()
        return True

    async def output(self, execution_id: str, *, wait_s: float) -> Output | None:
        return await self._calls.output(execution_id, wait_s=wait_s)

    async def _carry_out(
        self, workload: Workload, call: Call, source: RequestSource | None
    ) -> None:
        try:
            if source is not None:
                async with asyncio.timeout(call.invocation.timeout_s):
                    await gather(call, source, self._now())
            container = await self._lend(workload, call)
        except NoSlot as refusal:
            if not call.done():
                call.set_exception(refusal)
            return
        except StartFailed as exc:
            call.fail(ErrorClass.COLD_START, str(exc), self._now())
            return
        except TimeoutError:
            call.fail(ErrorClass.PAYLOAD, _BODY_LATE, self._now())
            return
        except asyncio.CancelledError:
            call.fail(ErrorClass.PLATFORM, STOPPED, self._now())
            raise
        except Exception:
            self._broke(call)
            return
        finally:
            self._waiting -= 1
        if container is None:
            return
        self._running.add(call)
        try:
            await container.serve(call)
        except asyncio.CancelledError:
            call.fail(ErrorClass.PLATFORM, STOPPED, self._now())
            raise
        except Exception:
            self._broke(call)
        finally:
            self._running.discard(call)
            self._notify()

    def _broke(self, call: Call) -> None:
        """A fault of ours; the caller must have an end all the same."""
        log.exception("an execution broke", extra={"action": "execution_broke"})
        call.fail(ErrorClass.PLATFORM, "The server failed. Try again.", self._now())

    async def _lend(self, workload: Workload, call: Call) -> Container | None:
        """The workload's container, with room; None when the call is over meanwhile.

        Raises NoSlot, StartFailed.
        """
        until = self._now() + self._config.wait_s
        while not call.done():
            if self._is_closed:
                raise NoSlot
            container = self._containers.get(workload.key)
            if container is None or container.state >= State.DRAINING:
                container = self._begin_container(workload)
            if container is not None and container.state is State.STARTING:
                await self._started(container)
                continue
            if container is not None and container.can_take(self._config.max_calls):
                return container
            left_s = until - self._now()
            if left_s <= 0:
                raise NoSlot
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._change()
        return None

    async def _started(self, container: Container) -> None:
        assert container.starting is not None
        await asyncio.shield(container.starting)

    def _begin_container(self, workload: Workload) -> Container | None:
        """Start one for this workload; None when there is no room for it now."""
        for key, other in list(self._containers.items()):
            # New settings of the same deployment: what runs on the old ones has had its day.
            if other.workload.deployment_id == workload.deployment_id:
                self._let_go(key, other)
        self._keeping.drop(workload.deployment_id, but=workload.key)
        self._leaving = {item for item in self._leaving if item.state is not State.GONE}
        if len(self._containers) + len(self._leaving) >= self._config.containers:
            self._make_room()
            return None
        container = Container(self._around, workload)
        self._containers[workload.key] = container
        recipe = self._recipe(container)
        name = f"runwright-{self._instance}-{secrets.token_hex(6)}"
        container.starting = asyncio.create_task(container.start(name, recipe), name=name)
        container.starting.add_done_callback(_seen)
        return container

    def _let_go(self, key: str, container: Container) -> None:
        del self._containers[key]
        container.drain()
        if container.state is not State.GONE:
            self._leaving.add(container)

    def _make_room(self) -> None:
        idle = [
            (item.idle_since, key, item)
            for key, item in self._containers.items()
            if item.state is State.READY and not item.calls and not self._keeping.least(key)
        ]
        if idle and not any(item.is_ending for item in self._leaving):
            _, key, container = min(idle)
            self._let_go(key, container)

    def retire(self, deployment_id: str) -> None:
        self._keeping.drop(deployment_id)
        for key, container in list(self._containers.items()):
            if container.workload.deployment_id == deployment_id:
                self._let_go(key, container)

    def keep(self, wanted: Sequence[tuple[Workload, int]]) -> None:
        """One container serves all calls of a workload, so one is kept however many are asked."""
        if self._is_closed:
            return
        ones = [(workload, min(least, 1)) for workload, least in wanted]
        for replaced in self._keeping.replace(ones):
            self.retire(replaced.deployment_id)
        self._start_kept()

    def _start_kept(self) -> None:
        for kept in self._keeping.all():
            container = self._containers.get(kept.workload.key)
            is_there = container is not None and container.state < State.DRAINING
            if kept.to_start(int(is_there), self._now()):
                self._begin_container(kept.workload)

    # Builds

    async def build(
        self, job: BuildJob, on_log: Callable[[str], None], cancelled: CancelSignal
    ) -> BuildResult:
        if self._is_closed or job.runtime not in self._images:
            message = f"The runtime {job.runtime} is not installed here."
            return BuildResult(exit_code=1, error_class=ErrorClass.COLD_START, message=message)
        size = Size(
            memory_mib=job.memory_mib,
            cpus=min(job.cpus, self._cpus),
            pids=self._config.build_pids,
            open_files=8192,
            tmp_mib=max(self._config.tmp_mib, job.memory_mib // 2),
        )
        shape = self._shape(job.runtime, job.env, size)
        disk_mib = self._config.build_disk_mib
        return await builds.build(self._around, shape, job, on_log, cancelled, disk_mib=disk_mib)

    def runtimes(self) -> Sequence[RuntimeStatus]:
        return list(self._statuses.values())

    # What containers are made from

    def _recipe(self, container: Container) -> dict[str, object]:
        workload = container.workload
        size = Size(
            memory_mib=workload.memory_mib,
            cpus=min(workload.cpus, self._cpus),
            pids=self._config.pids,
            tmp_mib=self._config.tmp_mib,
        )
        env = {
            **workload.env,
            "OPEN_RUNTIMES_ENV": "production",
            "OPEN_RUNTIMES_SECRET": container.secret,
            "OPEN_RUNTIMES_ENTRYPOINT": workload.entrypoint,
            "OPEN_RUNTIMES_CPUS": f"{math.ceil(workload.cpus)}",
            "OPEN_RUNTIMES_MEMORY": str(workload.memory_mib),
        }
        shape = self._shape(
            workload.runtime, env, size, _OWN_USER if self._config.has_own_user else ""
        )
        artifact = os.path.realpath(workload.artifact)
        return run_recipe(shape, artifact=artifact, code_mib=code_mib(artifact))

    def _shape(self, runtime: str, env: Any, size: Size, user: str = "") -> Shape:
        return Shape(
            image=self._images.get(runtime) or image_of(runtime, self._config.repository),
            labels={_LABEL: self._instance, "runwright.runtime": runtime},
            env=env,
            size=size,
            user=user,
            resolv_conf=str(self._resolv_conf) if self._carrier is not None else "",
        )

    # Time

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _change(self) -> None:
        await self._changed.wait()

    async def _sweep(self) -> None:
        """End containers that were idle for long, forget those that are gone, start kept ones."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            limit = self._now() - self._config.idle_s
            for key, container in list(self._containers.items()):
                is_idle = container.state is State.READY and not container.calls
                is_over = is_idle and container.idle_since < limit and not self._keeping.least(key)
                if container.state is State.GONE or is_over:
                    self._let_go(key, container)
            if not self._is_closed:
                self._start_kept()


def _seen(task: "asyncio.Task[None]") -> None:
    if not task.cancelled():
        task.exception()
