"""The server's side of its two helper processes: start them, speak to them, replace them.

The launcher (`launcher.py`) owns every sandbox; the forwarder (`forwarder.py`) carries their
network traffic. When the launcher dies, all sandboxes die with it; when the forwarder dies,
running sandboxes have no network. Either is logged, reported and started again, with a
growing pause; one that does not answer for half a minute is ended for that. Both processes end
by themselves when this process's end of their socket closes; those that a killed server left
behind are found by process id and start time.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from msgspec import to_builtins

from runwright.executor.bubblewrap import BUILD_DIR, CACHE_DIR, FUNCTION_DIR
from runwright.executor.cgroups import WANTED, Limits
from runwright.executor.helper import Helper
from runwright.executor.leftovers import end_leftovers, note_down
from runwright.executor.netns import PROXY_PORT, Plumbing
from runwright.executor.runtimes import (
    BUILD_TOOLS,
    Interpreter,
    program_name,
    runner_command,
    shared_pip,
)
from runwright.executor.spawn import BuildPlaces, Exit, Launch, Mount, SpawnFailed
from runwright.executor.stage import Plan
from runwright.executor.starting import close_all
from runwright.ports.executor import BuildJob
from runwright.values import dataclass

log = logging.getLogger(__name__)

_STAGED_S: Final = 30.0
_ASSIGNED_S: Final = 10.0
_STOPPED_S: Final = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlConfig:
    run_dir: Path  # holds the note about helper processes
    instance: str  # short name, stable for one data directory
    plan: Plan
    forwarder: Mapping[str, Any]  # first message to the forwarder
    api_port: int


class Control:
    """Answers the `Spawner` protocol with the launcher."""

    def __init__(self, config: ControlConfig) -> None:
        self.on_network_lost: Callable[[], None] = lambda: None
        self.controllers: tuple[str, ...] = ()
        self.uncounted: tuple[str, ...] = ()  # which the memory limit leaves out
        self.is_transparent = False
        self.hides_paths = False  # of the host, from sandboxes
        self._config = config
        self._launcher = Helper("launcher")
        self._forwarder = Helper("forwarder")
        self._alive: dict[int, Callable[[Exit], None]] = {}
        self._ids = itertools.count(1)
        self._assigning: dict[int, asyncio.Future[None]] = {}
        self._staged: asyncio.Future[None] | None = None
        self._is_up = asyncio.Event()
        self._is_stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    def code_dir(self, artifact: str) -> str:
        return FUNCTION_DIR

    def next_id(self) -> int:
        return next(self._ids)

    def network_env(self) -> Mapping[str, str]:
        if self.is_transparent:
            return {}
        proxy = f"http://127.0.0.1:{PROXY_PORT}"
        names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
        own = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        return {**dict.fromkeys(names, proxy), **own, "NODE_USE_ENV_PROXY": "1"}

    def runner_command(self, interpreter: Interpreter, heap_mib: int) -> list[str]:
        return runner_command(interpreter, heap_mib=heap_mib)

    def build_places(self, interpreter: Interpreter, job: BuildJob) -> BuildPlaces:
        name, row = program_name(interpreter), interpreter.row
        return BuildPlaces(
            workspace=BUILD_DIR,
            cache=CACHE_DIR,
            program=f"/usr/local/bin/{name}",
            tools="/usr/local/bin",
            pip=BUILD_TOOLS if shared_pip(interpreter) else "",
            folders={key: inside for key, (inside, _) in row.build_folders.items()} if row else {},
        )

    @property
    def launcher_pid(self) -> int:
        return self._launcher.pid

    @property
    def forwarder_pid(self) -> int:
        return self._forwarder.pid

    # Life

    async def start(self) -> None:
        """Both helpers up, or SpawnFailed."""
        await asyncio.to_thread(end_leftovers, self._note)
        self._start_forwarder()
        await self._start_launcher()
        for helper in (self._launcher, self._forwarder):
            self._run_task(helper.keep_pulse(), f"{helper.module}-pulse")

    @property
    def _note(self) -> Path:
        return self._config.run_dir / "helpers.json"

    def _write_note(self) -> None:
        helpers = (self._launcher.process, self._forwarder.process)
        note_down(self._note, [process.pid for process in helpers if process is not None])

    def _start_forwarder(self) -> None:
        self._forwarder.spawn(self._from_forwarder, self._forwarder_closed)
        self._forwarder.send(self._config.forwarder)
        self._write_note()

    async def _start_launcher(self) -> None:
        self._staged = asyncio.get_running_loop().create_future()
        self._launcher.spawn(self._from_launcher, self._launcher_closed)
        self._write_note()
        plan = asdict(self._config.plan)
        message = {
            "op": "stage",
            "instance": self._config.instance,
            "plan": plan,
            "api_port": self._config.api_port,
        }
        self._launcher.send(message, [self._forwarder_end()])
        try:
            async with asyncio.timeout(_STAGED_S):
                await self._staged
        except TimeoutError:
            raise SpawnFailed("the launcher did not get ready") from None
        self._is_up.set()

    def _forwarder_end(self) -> int:
        """A copy of our end: what sandboxes send to it arrives at the forwarder."""
        channel = self._forwarder.channel
        if channel is None or not channel.is_open:
            raise SpawnFailed("the forwarder is not up")
        return os.dup(channel.socket.fileno())

    async def stop(self) -> None:
        self._is_stopping = True
        self._is_up.clear()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_STOPPED_S)
        for helper in (self._launcher, self._forwarder):
            if helper.channel is not None:
                helper.channel.close()
            await helper.gone(_STOPPED_S)
        for sandbox_id in list(self._alive):
            self._ended(sandbox_id, Exit(code=137, is_platform=True))
        self._note.unlink(missing_ok=True)

    # Spawner

    async def launch(
        self,
        launch: Launch,
        frames: socket.socket,
        output: int,
        on_exit: Callable[[Exit], None],
    ) -> None:
        fds = [frames.detach(), output]
        try:
            async with asyncio.timeout(_STAGED_S):
                await self._is_up.wait()
        except BaseException as exc:
            close_all(fds)
            if isinstance(exc, TimeoutError):
                raise SpawnFailed("the launcher is not up") from None
            raise
        self._alive[launch.id] = on_exit
        try:
            self._send_start(launch, fds)
        except SpawnFailed:
            del self._alive[launch.id]
            raise

    def _send_start(self, launch: Launch, fds: list[int]) -> None:
        self._launcher.send(
            {
                "op": "start",
                "id": launch.id,
                "root": launch.root,
                "argv": list(launch.argv),
                "env": dict(launch.env),
                "cwd": launch.working_dir,
                "uid": launch.uid,
                "tmp_mib": launch.tmp_mib,
                "files": launch.open_files,
                "file_mib": launch.file_mib,
                "limits": to_builtins(launch.limits),
                "profile": launch.profile,
                "is_forkable": launch.is_forkable,
                "network": {"api_port": self._config.api_port} if launch.has_own_network else None,
            },
            fds,
        )

    def assign(
        self, sandbox_id: int, mounts: Sequence[Mount], limits: Limits, network: str
    ) -> Awaitable[None]:
        done = self._ask(
            {
                "op": "assign",
                "id": sandbox_id,
                "limits": to_builtins(limits),
                "mounts": [[item.source, item.target, item.is_read_only] for item in mounts],
            }
        )
        # While the launcher works; the code, which is not to be ahead of this, comes after both.
        self._tell_forwarder({"op": "follow", "id": sandbox_id, "kind": network})
        return _answered(done)

    def _ask(self, request: Mapping[str, Any]) -> asyncio.Future[None]:
        """Send a request about a sandbox; done when the launcher is. Raises SpawnFailed."""
        sandbox_id = request["id"]
        # Known before it is sent: sending may show that the launcher has ended, which ends this.
        done = self._assigning[sandbox_id] = asyncio.get_running_loop().create_future()
        done.add_done_callback(lambda _: self._assigning.pop(sandbox_id, None))
        try:
            self._launcher.send(request)
        except SpawnFailed:
            done.cancel()
            raise
        return done

    def settle(self, sandbox_id: int) -> None:
        with contextlib.suppress(SpawnFailed):
            self._launcher.send({"op": "settle", "id": sandbox_id})

    @property
    def can_adopt(self) -> bool:
        """Only groups end all that a fork has started, and bound what it takes."""
        return {"memory", "pids"} <= set(self.controllers)

    async def adopt(
        self,
        sandbox_id: int,
        template_id: int,
        pid: int,
        limits: Limits,
        on_exit: Callable[[Exit], None],
    ) -> None:
        self._alive[sandbox_id] = on_exit
        request = {"op": "adopt", "id": sandbox_id, "template": template_id, "pid": pid}
        try:
            await _answered(self._ask({**request, "limits": to_builtins(limits)}))
        except BaseException:
            self.signal(sandbox_id, signal.SIGKILL)
            self._alive.pop(sandbox_id, None)
            raise

    def signal(self, sandbox_id: int, number: int) -> None:
        if sandbox_id in self._alive:
            with contextlib.suppress(SpawnFailed):
                self._launcher.send({"op": "signal", "id": sandbox_id, "signal": number})

    # Networks that others made

    def carry(self, box_id: int, plumbing: Plumbing, network: str) -> None:
        """Let the forwarder serve a network namespace as that kind of sandbox has one; its
        descriptors are taken over."""
        message = {"op": "open", "id": box_id, "is_transparent": plumbing.is_transparent,
                   "api_port": self._config.api_port}  # fmt: skip
        self._forwarder.send(message, plumbing.fds)
        self._tell_forwarder({"op": "follow", "id": box_id, "kind": network})

    def drop(self, box_id: int) -> None:
        self._tell_forwarder({"op": "close", "id": box_id})

    def _tell_forwarder(self, message: Mapping[str, Any]) -> None:
        # Lost on one that has ended: its sandboxes reach nothing any more and are drained.
        with contextlib.suppress(SpawnFailed):
            self._forwarder.send(message)

    # What the helpers say

    def _from_launcher(self, event: dict[str, Any]) -> None:
        kind, sandbox_id = event["ev"], event["id"]
        waiter = self._assigning.get(sandbox_id)
        if kind == "staged":
            self.controllers = tuple(event["controllers"])
            self.uncounted = tuple(event["uncounted"])
            self._tell_limits()
            self.is_transparent = event["is_transparent"]
            self.hides_paths = event["hides_paths"]
            if event["swept"]:
                log.warning(
                    "limits of an earlier server were cleaned up",
                    extra={"action": "leftovers_removed", "count": event["swept"]},
                )
            _settle(self._staged)
        elif kind in ("assigned", "adopted"):
            _settle(waiter)
        elif kind == "exited":
            self._ended(sandbox_id, Exit(
                code=event["code"], oom_kills=event["oom_kills"],
                peak_bytes=event["peak_bytes"], reason=event["error"],
                is_platform=event["is_unlimited"], is_unlimited=event["is_unlimited"],
            ))  # fmt: skip
        elif kind == "unlimited":
            log.error(
                "a sandbox was ended because a limit of its specification could not be set",
                extra={"action": "limit_refused", "sandbox": sandbox_id, "reason": event["reason"]},
            )
        elif kind == "zygote":
            log.warning(
                "sandboxes of a runtime are started without a zygote for a while",
                extra={"action": "zygote_lost", "root": event["root"], "reason": event["reason"]},
            )
        elif kind == "network":
            log.error(
                "a network for sandboxes was not made in time; another way is taken",
                extra={"action": "network_hung"},
            )
        elif kind == "failed":
            failure = SpawnFailed(f"{event['step']}: {event['reason']}")
            if event["step"] == "stage":
                _settle(self._staged, failure)
            elif event["step"] == "start":
                self._ended(sandbox_id, Exit(code=127, reason=failure.reason))
            else:
                _settle(waiter, failure)

    def _tell_limits(self) -> None:
        missing = [name for name in WANTED if name not in self.controllers]
        if missing or self.uncounted:
            log.warning(
                "functions run with fewer limits than their specifications say; "
                "`runwright doctor` tells what is to be done",
                extra={
                    "action": "limits_missing",
                    "controllers": missing,
                    "uncounted": list(self.uncounted),
                },
            )

    def _ended(self, sandbox_id: int, end: Exit) -> None:
        on_exit = self._alive.pop(sandbox_id, None)
        _settle(self._assigning.get(sandbox_id), SpawnFailed("the sandbox ended"))
        self.drop(sandbox_id)
        if on_exit is not None:
            on_exit(end)

    def _from_forwarder(self, event: dict[str, Any]) -> None:
        if event["ev"] == "refused":
            log.info(
                "a function's connection was refused",
                extra={"action": "egress_refused", "address": event["address"]},
            )

    def _launcher_closed(self) -> None:
        self._is_up.clear()
        _settle(self._staged, SpawnFailed("the launcher ended"))
        if self._is_stopping:
            return
        log.error("the launcher ended; its sandboxes are gone", extra={"action": "launcher_lost"})
        for sandbox_id in list(self._alive):
            self._ended(sandbox_id, Exit(code=137, is_platform=True))
        self._run_task(self._restart_launcher(), "launcher-restart")

    async def _restart_launcher(self) -> None:
        if await self._restart(self._launcher, self._start_launcher):
            log.warning("the launcher was started again", extra={"action": "launcher_restarted"})

    def _forwarder_closed(self) -> None:
        if self._is_stopping:
            return
        log.error("the forwarder ended", extra={"action": "forwarder_lost"})
        self._run_task(self._restart_forwarder(), "forwarder-restart")

    async def _restart_forwarder(self) -> None:
        async def start() -> None:
            self._start_forwarder()

        if not await self._restart(self._forwarder, start):
            return
        with contextlib.suppress(SpawnFailed):  # the next launcher will get this forwarder
            self._launcher.send({"op": "forwarder", "id": 0}, [self._forwarder_end()])
        log.warning("the forwarder was started again", extra={"action": "forwarder_restarted"})
        self.on_network_lost()

    async def _restart(self, helper: Helper, start: Callable[[], Awaitable[None]]) -> bool:
        """Start it until it is up. False when it ended meanwhile, which began another restart."""
        await helper.gone(_STOPPED_S)
        while True:
            await asyncio.sleep(helper.next_pause())
            try:
                await start()
            except SpawnFailed as exc:
                log.error(
                    f"the {helper.module} could not be started",
                    extra={"action": f"{helper.module}_failed", "reason": exc.reason},
                )
                if helper.channel is None:
                    continue  # not even a process
                if helper.channel.is_open:
                    helper.kill()  # which closes the channel, which begins another restart
                return False
            return True

    def _run_task(self, work: Coroutine[object, object, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _answered(done: asyncio.Future[None]) -> None:
    """Wait for the launcher's answer. Raises SpawnFailed."""
    try:
        async with asyncio.timeout(_ASSIGNED_S):
            await done
    except TimeoutError:
        raise SpawnFailed("the launcher did not answer") from None


def _settle(future: asyncio.Future[None] | None, error: Exception | None = None) -> None:
    if future is None or future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
