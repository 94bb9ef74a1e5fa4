"""Runs runners as plain processes, without any isolation; for machines that cannot isolate.

Never chosen by itself: an operator has to ask for it, and every start says what it means.
User code can read and change whatever the server's user can.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence

from runwright.executor.cgroups import Limits
from runwright.executor.runtimes import RUNNERS, Interpreter, package_folder, runner_command
from runwright.executor.spawn import BuildPlaces, Exit, Launch, Mount, SpawnFailed
from runwright.ports.executor import BuildJob

log = logging.getLogger(__name__)

_STOP_S = 5.0


class ProcessSpawner:
    """Answers the `Spawner` protocol. Memory and CPU limits are not enforced."""

    def __init__(self) -> None:
        self.on_network_lost: Callable[[], None] = lambda: None
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._handles: dict[int, int] = {}
        self._on_exit: dict[int, Callable[[Exit], None]] = {}
        self._ids = itertools.count(1)

    def next_id(self) -> int:
        return next(self._ids)

    def network_env(self) -> Mapping[str, str]:
        return {}

    def runner_command(self, interpreter: Interpreter, heap_mib: int) -> list[str]:
        return runner_command(
            interpreter, heap_mib=heap_mib, folder=str(RUNNERS), executable=interpreter.executable
        )

    def build_places(self, interpreter: Interpreter, job: BuildJob) -> BuildPlaces:
        pip = package_folder("pip")
        return BuildPlaces(
            workspace=job.workspace,
            cache=job.cache,
            program=interpreter.executable,
            tools=os.path.dirname(interpreter.executable),
            pip=str(pip.parent) if pip else "",
        )

    def code_dir(self, artifact: str) -> str:
        return artifact

    async def start(self) -> None:
        log.warning(
            "user code runs WITHOUT isolation: it can read and change everything this user can; "
            "use the bubblewrap executor for code that you did not write",
            extra={"action": "no_isolation"},
        )

    async def stop(self) -> None:
        for sandbox_id in list(self._processes):
            self.signal(sandbox_id, signal.SIGKILL)
        end = asyncio.get_running_loop().time() + _STOP_S
        while self._processes and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.01)

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
        number = frames.fileno()
        try:
            process = subprocess.Popen(
                # The runner expects its socket on descriptor 3.
                ["/bin/sh", "-c", f'exec "$@" 3<&{number}', "sh", *launch.argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[number],
                env={"PATH": os.defpath, **launch.env},
                cwd=launch.working_dir,
                start_new_session=True,
            )
        except OSError as exc:
            raise SpawnFailed(str(exc)) from exc
        finally:
            frames.close()
            os.close(output)
        self._processes[launch.id] = process
        self._on_exit[launch.id] = on_exit
        handle = self._handles[launch.id] = os.pidfd_open(process.pid)
        asyncio.get_running_loop().add_reader(handle, self._ended, launch.id)

    async def assign(self, sandbox_id: int, mounts: Sequence[Mount], limits: Limits) -> None:
        if sandbox_id not in self._processes:
            raise SpawnFailed("the process has ended")

    def signal(self, sandbox_id: int, number: int) -> None:
        process = self._processes.get(sandbox_id)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)

    def _ended(self, sandbox_id: int) -> None:
        process = self._processes.pop(sandbox_id)
        handle = self._handles.pop(sandbox_id)
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)
        code = process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it left in its group
        self._on_exit.pop(sandbox_id)(Exit(code=128 - code if code < 0 else code))
