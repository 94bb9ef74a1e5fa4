"""Runs runners as plain processes, without any isolation; for machines that cannot isolate.

Never chosen by itself: an operator has to ask for it, and every start says what it means.
User code can read and change whatever the server's user can.
"""

import asyncio
import contextlib
import fcntl
import itertools
import logging
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from runwright.executor.cgroups import Limits
from runwright.executor.runtimes import (
    RUNNERS,
    Interpreter,
    host_folders,
    runner_command,
    shared_pip,
)
from runwright.executor.spawn import BuildPlaces, Exit, Launch, Mount, SpawnFailed
from runwright.ports.executor import BuildJob

log = logging.getLogger(__name__)

_STOP_S: Final = 5.0
_FRAMES_FD: Final = 3
_SPARE_FD: Final = 64


class ProcessSpawner:
    """Answers the `Spawner` protocol. Memory and CPU limits are not enforced."""

    def __init__(self) -> None:
        self.on_network_lost: Callable[[], None] = lambda: None
        self._processes: dict[int, int] = {}
        self._handles: dict[int, int] = {}
        self._on_exit: dict[int, Callable[[Exit], None]] = {}
        self._ids = itertools.count(1)
        self._tools: tempfile.TemporaryDirectory[str] | None = None
        self._is_empty = asyncio.Event()

    def next_id(self) -> int:
        return next(self._ids)

    def network_env(self) -> Mapping[str, str]:
        return {}

    def settle(self, sandbox_id: int) -> None: ...

    def runner_command(self, interpreter: Interpreter, heap_mib: int) -> list[str]:
        return runner_command(
            interpreter, heap_mib=heap_mib, folder=str(RUNNERS), executable=interpreter.executable
        )

    def build_places(self, interpreter: Interpreter, job: BuildJob) -> BuildPlaces:
        pip = shared_pip(interpreter)
        return BuildPlaces(
            workspace=job.workspace,
            cache=job.cache,
            program=interpreter.executable,
            tools=self._tools_of(interpreter),
            pip=str(pip.parent) if pip else "",
            folders=host_folders(interpreter),
        )

    def code_dir(self, artifact: str) -> str:
        return artifact

    def _tools_of(self, interpreter: Interpreter) -> str:
        """A folder with the runtime's programs under their usual names."""
        if self._tools is None:
            self._tools = tempfile.TemporaryDirectory(prefix="runwright-tools-")
        folder = Path(self._tools.name, interpreter.runtime)
        if not folder.exists():
            folder.mkdir()
            links = {interpreter.language: interpreter.executable}
            if interpreter.npm:
                for name in ("npm", "npx"):
                    links[name] = f"{interpreter.npm}/npm/bin/{name}-cli.js"
            if interpreter.row is not None:
                row, folders = interpreter.row, host_folders(interpreter)
                links |= dict.fromkeys(row.links, interpreter.executable)
                links |= {key: at.format(**folders) for key, at in row.build_programs.items()}
            for name, target in links.items():
                (folder / name).symlink_to(target)
        return str(folder)

    async def start(self) -> None:
        log.warning(
            "user code runs WITHOUT isolation: it can read and change everything this user can; "
            "use the bubblewrap executor for code that you did not write",
            extra={"action": "no_isolation"},
        )

    async def stop(self) -> None:
        for sandbox_id in list(self._processes):
            self.signal(sandbox_id, signal.SIGKILL)
        if self._processes:
            self._is_empty.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_S):
                    await self._is_empty.wait()
        if self._tools is not None:
            self._tools.cleanup()
            self._tools = None

    async def launch(
        self,
        launch: Launch,
        frames: socket.socket,
        output: int,
        on_exit: Callable[[Exit], None],
    ) -> None:
        log.warning(
            "a function's process starts without isolation",
            extra={"action": "no_isolation", "runtime": launch.root},
        )
        try:
            pid = _spawn(launch, frames.fileno(), output)
        except OSError as exc:
            raise SpawnFailed(str(exc)) from exc
        finally:
            frames.close()
            os.close(output)
        self._processes[launch.id] = pid
        self._on_exit[launch.id] = on_exit
        handle = self._handles[launch.id] = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(handle, self._ended, launch.id)

    async def assign(
        self, sandbox_id: int, mounts: Sequence[Mount], limits: Limits, network: str
    ) -> None:
        if sandbox_id not in self._processes:
            raise SpawnFailed("the process has ended")

    @property
    def can_adopt(self) -> bool:
        return False

    async def adopt(
        self,
        sandbox_id: int,
        template_id: int,
        pid: int,
        limits: Limits,
        on_exit: Callable[[Exit], None],
    ) -> None:
        raise SpawnFailed("plain processes have no limits of their own")

    def signal(self, sandbox_id: int, number: int) -> None:
        pid = self._processes.get(sandbox_id)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)

    def _ended(self, sandbox_id: int) -> None:
        pid = self._processes.pop(sandbox_id)
        if not self._processes:
            self._is_empty.set()
        handle = self._handles.pop(sandbox_id)
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # what it left in its group
        self._on_exit.pop(sandbox_id)(Exit(code=128 - code if code < 0 else code))


def _spawn(launch: Launch, frames: int, output: int) -> int:
    """A process in a session of its own, with its frame socket on descriptor 3."""
    spare = fcntl.fcntl(frames, fcntl.F_DUPFD_CLOEXEC, _SPARE_FD)
    try:
        return os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", 'cd "$0" && exec "$@"', launch.working_dir, *launch.argv],
            {"PATH": os.defpath, **launch.env},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
                (os.POSIX_SPAWN_DUP2, spare, _FRAMES_FD),
            ],
            setsid=True,
        )
    finally:
        os.close(spare)
