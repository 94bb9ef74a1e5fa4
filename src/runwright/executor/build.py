"""Build commands over a source tree, in a sandbox with network and a package cache.

The build sandbox has the isolation of a function's, with three differences: the host's /usr
is visible (compilers, shells, git), the workspace and the package cache are mounted writable,
and limits are the job's. A shell waits inside until both are mounted, then reads the commands
from its frame socket, so they stand on no command line of the host's process list.

Package clients learn of the operator's indexes and certificates from an allow-list of
variables; configuration files, which may hold tokens, stay outside.
"""

import asyncio
import codecs
import contextlib
import logging
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, Final

from runwright.executor.bubblewrap import BUILD_DIR, CACHE_DIR
from runwright.executor.cgroups import Limits
from runwright.executor.disk import exceeded, too_large, used_bytes
from runwright.executor.egress import BUILD
from runwright.executor.output import describe_code
from runwright.executor.runtimes import Interpreter, base_env, build_root
from runwright.executor.spawn import (
    BuildPlaces,
    Exit,
    Launch,
    Mount,
    Spawner,
    SpawnFailed,
    Uids,
)
from runwright.executor.stage import CA_FILE
from runwright.model.execution import ErrorClass
from runwright.ports.executor import BuildJob, BuildResult, CancelSignal
from runwright.values import dataclass

log = logging.getLogger(__name__)

LOG_PIECE_S: Final = 0.1
_LOG_PIECE_BYTES: Final = 32 * 1024
_READ_BYTES: Final = 65536
_READY_S: Final = 30.0
_GONE_S: Final = 10.0
_CLEAR_S: Final = 60.0
_MAX_DEPTH: Final = 200  # of folders; artefacts may not be nested as deep
_FILES_S: Final = 600.0
_OPEN_FILES: Final = 8192
_MIB: Final = 1024 * 1024
_COMMAND_LIMIT: Final = 256 * 1024

# Settings of package clients that a build may see. Anything else of the server's environment
# stays with the server.
_PASSED: Final = frozenset(
    {
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "PIP_TRUSTED_HOST",
        "PIP_DEFAULT_TIMEOUT",
        "PIP_RETRIES",
        "PIP_PREFER_BINARY",
        "UV_INDEX_URL",
        "UV_DEFAULT_INDEX",
        "UV_EXTRA_INDEX_URL",
        "UV_INDEX",
        "NPM_CONFIG_REGISTRY",
        "NPM_CONFIG_STRICT_SSL",
        "NPM_CONFIG_FETCH_TIMEOUT",
        "NPM_CONFIG_FETCH_RETRIES",
        "YARN_REGISTRY",
        "YARN_NPM_REGISTRY_SERVER",
        "GOPROXY",
        "GONOSUMDB",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
    }
)
_CERTIFICATE_NAMES: Final = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "npm_config_cafile",
    "GIT_SSL_CAINFO",
)

_WAIT: Final = "printf . >&3; IFS= read -r -d '' commands <&3; exec 3>&-\n"
_ENTER: Final = 'cd "$RUNWRIGHT_WORKSPACE" || exit 125\nmkdir -p "$TMPDIR"\n'
_VIRTUALENV: Final = """
environment="$RUNWRIGHT_WORKSPACE/runtime-env"
if [ ! -x "$environment/bin/python" ]; then
  "$RUNWRIGHT_PROGRAM" -m venv ${RUNWRIGHT_PIP:+--without-pip} "$environment" || exit 125
fi
packages=$(echo "$environment"/lib/python3.*/site-packages)
[ -n "$RUNWRIGHT_PIP" ] && printf '%s\\n' "$RUNWRIGHT_PIP" > "$packages/runwright-build.pth"
for name in pip pip3; do
  [ -e "$environment/bin/$name" ] && continue
  printf '#!/bin/sh\\nexec "%s/bin/python" -m pip "$@"\\n' "$environment" > "$environment/bin/$name"
  chmod 755 "$environment/bin/$name"
done
export VIRTUAL_ENV="$environment" PATH="$environment/bin:$PATH"
"""
_RUN: Final = """
unset RUNWRIGHT_WORKSPACE RUNWRIGHT_PROGRAM RUNWRIGHT_PIP
bash -c "$commands"
code=$?
[ -n "$packages" ] && rm -f "$packages/runwright-build.pth"
exit $code
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildLimits:
    pids: int = 1024
    tmp_mib: int = 256
    disk_mib: int = 8192  # workspace and cache together
    env: Mapping[str, str] = field(default_factory=dict)


def operator_env(environ: Mapping[str, str]) -> dict[str, str]:
    """What of the server's environment a build gets."""
    found = {
        name: value
        for name, value in environ.items()
        if name.upper() in _PASSED and not value.startswith("file:")
    }
    return found


def build_env(
    job: BuildJob, interpreter: Interpreter, places: BuildPlaces, base: Mapping[str, str]
) -> dict[str, str]:
    cache = places.cache
    env = {
        **base,
        **base_env(interpreter),
        "PATH": f"{places.tools}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "CI": "true",
        "TMPDIR": f"{cache}/tmp",
        "XDG_CACHE_HOME": f"{cache}/xdg",
        "npm_config_cache": f"{cache}/npm",
        "npm_config_store_dir": f"{cache}/pnpm",
        "npm_config_update_notifier": "false",
        "npm_config_fund": "false",
        "npm_config_audit": "false",
        "YARN_CACHE_FOLDER": f"{cache}/yarn",
        "PIP_CACHE_DIR": f"{cache}/pip",
        "UV_CACHE_DIR": f"{cache}/uv",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PYTHONUNBUFFERED": "1",
        "RUNWRIGHT_WORKSPACE": places.workspace,
        "RUNWRIGHT_PROGRAM": places.program,
        "RUNWRIGHT_PIP": places.pip,
    }
    if interpreter.language == "node" and interpreter.headers:
        env["npm_config_nodedir"] = "/usr/local"
    if interpreter.row is not None:
        own = interpreter.row.build_env or {}
        known = {"workspace": places.workspace, "cache": cache, **places.folders}
        env |= {name: value.format(**known) for name, value in own.items()}
    if "SSL_CERT_FILE" in base:
        env |= dict.fromkeys(_CERTIFICATE_NAMES, CA_FILE)
    return {**env, **job.env}


class Builder:
    def __init__(
        self,
        limits: BuildLimits,
        spawner: Spawner,
        interpreters: Sequence[Interpreter],
        uids: Uids,
    ) -> None:
        self._limits = limits
        self._spawner = spawner
        self._interpreters = {item.runtime: item for item in interpreters}
        self._uids = uids
        self._running: set[_Build] = set()
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    async def build(
        self, job: BuildJob, on_log: Callable[[str], None], cancelled: CancelSignal
    ) -> BuildResult:
        if not job.commands.strip():
            return BuildResult(exit_code=0)
        interpreter = self._interpreters.get(job.runtime)
        if interpreter is None:
            message = f"The runtime {job.runtime} is not installed here."
            return BuildResult(exit_code=1, error_class=ErrorClass.COLD_START, message=message)
        if len(job.commands.encode()) > _COMMAND_LIMIT or "\0" in job.commands:
            return BuildResult(exit_code=1, message="The build commands are too long.")
        uid = self._uids.take()
        try:
            await asyncio.to_thread(_give, (job.workspace, job.cache), uid)
            build = _Build(job, on_log, self._spawner, self._limits.disk_mib)
            self._running.add(build)
            self._is_idle.clear()
            try:
                result = await build.run(self._launch(job, interpreter, uid), cancelled)
                return await self._within_bound(result, job)
            finally:
                try:
                    await asyncio.shield(asyncio.to_thread(_take_back, job.workspace, job.cache))
                finally:
                    self._running.discard(build)
                    if not self._running:
                        self._is_idle.set()
        finally:
            self._uids.give_back(uid)

    async def _within_bound(self, result: BuildResult, job: BuildJob) -> BuildResult:
        """The last look: a build may be over before the watcher saw it grow."""
        bound = self._limits.disk_mib * _MIB
        cached = await asyncio.to_thread(used_bytes, job.cache)
        if cached > bound // 2:  # else the next build would have no room
            await asyncio.to_thread(_system, "find", job.cache, "-mindepth", "1", "-delete")
        elif (
            result.exit_code == 0
            and await asyncio.to_thread(used_bytes, job.workspace, job.cache) > bound
        ):
            return BuildResult(exit_code=-9, message=too_large(self._limits.disk_mib))
        return result

    def _launch(self, job: BuildJob, interpreter: Interpreter, uid: int | None) -> Launch:
        places = self._spawner.build_places(interpreter, job)
        network = self._spawner.network_env()
        script = _WAIT + _ENTER
        if interpreter.language == "python":
            script += _VIRTUALENV
        return Launch(
            id=self._spawner.next_id(),
            root=build_root(job.runtime),
            # Privileged: no BASH_ENV, options or functions out of the function's variables, which
            # would run before the sandbox is finished. The shell for the commands heeds them.
            argv=["/bin/bash", "-p", "-c", script + _RUN],
            env={**build_env(job, interpreter, places, self._limits.env), **network},
            working_dir="/tmp",
            uid=uid,
            tmp_mib=self._limits.tmp_mib,
            open_files=_OPEN_FILES,
            file_mib=self._limits.disk_mib,
            limits=Limits(job.memory_mib, self._limits.pids, job.cpus, self._limits.tmp_mib),
            profile="build",
        )

    async def stop(self) -> None:
        for build in list(self._running):
            build.interrupt()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GONE_S):
                await self._is_idle.wait()


class _Build:
    """One run of commands."""

    def __init__(
        self, job: BuildJob, on_log: Callable[[str], None], spawner: Spawner, disk_mib: int
    ) -> None:
        self._job = job
        self._disk_mib = disk_mib
        self._on_log = on_log
        self._spawner = spawner
        self._loop = asyncio.get_running_loop()
        self._exit: asyncio.Future[Exit] = self._loop.create_future()
        self._stopped = asyncio.Event()
        self._text = codecs.getincrementaldecoder("utf-8")("replace")
        self._piece: list[str] = []
        self._piece_bytes = 0
        self._piece_timer: asyncio.TimerHandle | None = None
        self._output = -1

    def interrupt(self) -> None:
        self._stopped.set()

    async def run(self, launch: Launch, cancelled: CancelSignal) -> BuildResult:
        ours, theirs = socket.socketpair()
        read, write = os.pipe()
        os.set_blocking(read, False)
        ours.setblocking(False)
        self._output = read
        self._loop.add_reader(read, self._read)
        try:
            await self._spawner.launch(launch, theirs, write, self._ended)
            try:
                return await self._run_commands(launch, ours, cancelled)
            finally:
                await self._make_sure_it_ends(launch.id)
        except SpawnFailed as exc:
            log.error("a build could not be started",
                      extra={"action": "build_start_failed", "reason": exc.reason})  # fmt: skip
            return BuildResult(
                exit_code=1,
                error_class=ErrorClass.COLD_START,
                message="The build sandbox could not be started. Try again.",
            )
        finally:
            self._close_output()
            ours.close()

    def _ended(self, end: Exit) -> None:
        if not self._exit.done():
            self._exit.set_result(end)

    async def _run_commands(
        self, launch: Launch, ours: socket.socket, cancelled: CancelSignal
    ) -> BuildResult:
        job = self._job
        try:
            async with asyncio.timeout(_READY_S):
                ready = await self._loop.sock_recv(ours, 1)
        except (OSError, TimeoutError):
            ready = b""
        if not ready:
            end = await self._end_soon()
            raise SpawnFailed(end.reason or f"the shell did not start ({end.code})")
        await self._spawner.assign(launch.id, _mounts(job), launch.limits, BUILD)
        await self._loop.sock_sendall(ours, job.commands.encode() + b"\0")
        reason = await self._first_of(cancelled)
        if reason is not None:
            self._spawner.signal(launch.id, signal.SIGKILL)
        end = await self._end_soon() if reason is not None else self._exit.result()
        self._read()
        self._flush_piece(is_last=True)
        return self._result(end, reason)

    async def _first_of(self, cancelled: CancelSignal) -> ErrorClass | str | None:
        """Wait for the end of the commands; why they have to be stopped, if that comes first."""
        folders = (self._job.workspace, self._job.cache)
        full = self._loop.create_task(exceeded(folders, self._disk_mib), name="build-disk")
        asked = self._loop.create_task(cancelled.wait(), name="build-cancelled")
        stopped = self._loop.create_task(self._stopped.wait(), name="build-stopped")
        try:
            waited: list[asyncio.Future[Any]] = [self._exit, asked, stopped, full]
            done, _ = await asyncio.wait(
                waited,
                timeout=self._job.timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for task in (asked, stopped, full):
                task.cancel()
        if self._exit in done:
            return None
        if full in done:
            return full.result()
        return ErrorClass.CANCELLED if done else ErrorClass.TIMEOUT

    async def _end_soon(self) -> Exit:
        try:
            async with asyncio.timeout(_GONE_S):
                return await asyncio.shield(self._exit)
        except TimeoutError:
            return Exit(code=137, reason="the sandbox did not end")

    async def _make_sure_it_ends(self, sandbox_id: int) -> None:
        """Files may be taken back only when nobody can write to them any more."""
        if not self._exit.done():
            self._spawner.signal(sandbox_id, signal.SIGKILL)
            await asyncio.shield(self._end_soon())

    def _result(self, end: Exit, reason: ErrorClass | str | None) -> BuildResult:
        job = self._job
        if isinstance(reason, str) and not isinstance(reason, ErrorClass):
            return BuildResult(exit_code=-9, message=reason)
        if reason is ErrorClass.TIMEOUT:
            message = f"The build took longer than {job.timeout_s:g} seconds and was stopped."
            return BuildResult(exit_code=-9, error_class=reason, message=message)
        if reason is ErrorClass.CANCELLED:
            return BuildResult(exit_code=-9, error_class=reason, message="The build was cancelled.")
        if end.is_platform:
            message = "The machine that ran this build failed. Try again."
            return BuildResult(exit_code=-9, error_class=ErrorClass.PLATFORM, message=message)
        code = 128 - end.code if end.code > 128 else end.code
        if end.code != 0 and end.oom_kills:
            message = (
                f"The build needed more than its {job.memory_mib} MiB of memory "
                f"(peak {end.peak_bytes // _MIB} MiB) and was stopped. "
                "Choose a larger build specification."
            )
            return BuildResult(
                exit_code=code, error_class=ErrorClass.OUT_OF_MEMORY, message=message
            )
        message = "" if code == 0 else f"The build commands failed ({describe_code(end.code)})."
        return BuildResult(exit_code=code, message=message)

    # Output

    def _read(self) -> None:
        while self._output >= 0:
            try:
                data = os.read(self._output, _READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._close_output()
                return
            self._piece.append(self._text.decode(data))
            self._piece_bytes += len(data)
            if self._piece_bytes >= _LOG_PIECE_BYTES:
                self._flush_piece()
                return  # the loop has other work too
            if self._piece_timer is None:
                self._piece_timer = self._loop.call_later(LOG_PIECE_S, self._flush_piece)

    def _flush_piece(self, *, is_last: bool = False) -> None:
        if self._piece_timer is not None:
            self._piece_timer.cancel()
            self._piece_timer = None
        text = "".join(self._piece) + (self._text.decode(b"", True) if is_last else "")
        self._piece.clear()
        self._piece_bytes = 0
        if text:
            self._on_log(text)

    def _close_output(self) -> None:
        if self._output >= 0:
            self._loop.remove_reader(self._output)
            os.close(self._output)
            self._output = -1
        self._flush_piece(is_last=True)


def _mounts(job: BuildJob) -> tuple[Mount, ...]:
    return (
        Mount(os.path.realpath(job.workspace), BUILD_DIR, is_read_only=False),
        Mount(os.path.realpath(job.cache), CACHE_DIR, is_read_only=False),
    )


# Ownership of the trees. The programs of the system follow no links (their targets belong to
# someone else) and take trees of any depth, which the standard library's walks do not.


def _system(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, timeout=_FILES_S, check=False)
    if done.returncode != 0:
        log.error(
            "the files of a build could not be taken over",
            extra={"action": "build_files_failed", "program": command[0]},
        )


def _give(folders: Sequence[str], uid: int | None) -> None:
    for folder in folders:
        os.makedirs(folder, exist_ok=True)
    if uid is not None:
        _system("chown", "-hR", f"{uid}:{uid}", "--", *folders)


def _take_back(workspace: str, cache: str) -> None:
    """Everything belongs to the server again; chown also drops set-user-id bits."""
    owner = f"{os.geteuid()}:{os.getegid()}"
    if os.geteuid() == 0:
        _system("chown", "-hR", owner, "--", workspace, cache)
    else:
        _system("chmod", "-R", "u+rwX,u-s,g-s", "--", workspace, cache)
    _system("rm", "-rf", "--", f"{cache}/tmp")
