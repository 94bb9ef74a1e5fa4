"""One build: source archive -> unpacked -> commands -> sealed, read-only tree.

Nothing here knows of rows or queues; `builds` does. What the author of the code should read
goes to the build log, and a failure that is theirs to mend is a BuildFailed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from runwright.clock import Clock
from runwright.functions import chores, trees
from runwright.functions.archive import Limits
from runwright.functions.buildlog import BuildLog, done, error, step
from runwright.functions.folders import Folders, source_name
from runwright.model.execution import ErrorClass
from runwright.model.function import Deployment, Specification
from runwright.ports.executor import BuildJob, BuildResult, Executor
from runwright.ports.storage import BlobMissing, BlobStore
from runwright.values import dataclass

log = logging.getLogger(__name__)

R = TypeVar("R")

NO_SOURCE: Final = "Error: No source code found. Ensure your source isn't empty."
NO_OUTPUT: Final = "Error: No build output found. Ensure your output directory isn't empty."
INTERNAL: Final = "The build stopped because of a fault of this server. Deploy again."
# Ahead of the first run, so that no start has to compile, and by hash: the tree is read-only
# and its times mean nothing. Isolated, so that no file of the tree can stand in for a module.
_COMPILE: Final = (
    "python3 -I -m compileall -q -q --invalidation-mode unchecked-hash . >/dev/null 2>&1 || true"
)
# Every build of Python code gets a virtual environment; without commands nothing is in it.
_VIRTUALENV: Final = "runtime-env"
_COMPILE_BARE: Final = f'PATH="${{PATH#"$VIRTUAL_ENV/bin:"}}"; rm -rf {_VIRTUALENV}; {_COMPILE}'
# The build sandbox of a compiled language knows its compiler and where the runner's sources are.
_COMPILE_GO: Final = 'sh "$RUNWRIGHT_GO/compile.sh" "$RUNWRIGHT_GO" "$RUNWRIGHT_GO_CACHE"'
_COMPILE_TIMEOUT_S: Final = 120.0
# Honest archives of the largest size take a fraction of this.
_UNPACK_TIMEOUT_S: Final = 180.0
_GRACE_S: Final = 60.0  # for the executor to keep its own deadline before we give up on it


class BuildFailed(Exception):
    """The build is over for a reason that its author should read; one or two lines."""


class BuildCancelled(Exception):
    """Nobody wants this build any more, or not here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildLimits:
    timeout_s: int
    output_bytes: int
    output_entries: int = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be built, and how."""

    deployment: Deployment
    runtime: str
    size: Specification
    env: Mapping[str, str]


class Build:
    def __init__(
        self,
        plan: Plan,
        *,
        executor: Executor,
        blobs: BlobStore,
        folders: Folders,
        limits: BuildLimits,
        clock: Clock,
        build_log: BuildLog,
        cancelled: asyncio.Event,
    ) -> None:
        self._plan = plan
        self._executor = executor
        self._blobs = blobs
        self._limits = limits
        self._clock = clock
        self._log = build_log
        self._cancelled = cancelled
        deployment = plan.deployment
        self._workspace = folders.build(deployment.project_id, deployment.id)
        self._tree = self._workspace / "code"
        self._artifact = folders.artifact(deployment.project_id, deployment.id)
        self._cache = folders.cache(deployment.project_id, deployment.function_id)
        self._folders = folders
        self._deadline = 0.0
        self._has_build_step = False

    async def run(self) -> int:
        """Build, and leave the sealed tree in the artefact folder. Returns its bytes.

        Raises BuildFailed, BuildCancelled.
        """
        self._deadline = asyncio.get_running_loop().time() + self._limits.timeout_s
        try:
            await self._prepare()
            await self._execute()
            return await self._seal()
        except chores.Refused as exc:
            raise BuildFailed(str(exc)) from exc
        except chores.TooSlow as exc:
            raise BuildFailed(self._took_too_long()) from exc

    async def clean(self) -> None:
        """Remove the workspace, whatever became of the build."""
        with contextlib.suppress(OSError):  # nothing is left in it after a success
            self._workspace.rmdir()
            return
        try:
            await chores.remove(str(self._workspace))
        except (chores.ChoreFailed, chores.TooSlow, OSError):
            log.warning("workspace left behind", extra={"deployment_id": self._plan.deployment.id})

    async def _prepare(self) -> None:
        deployment = self._plan.deployment
        self._step("Environment preparation started.")
        statuses = [it for it in self._executor.runtimes() if it.id == self._plan.runtime]
        if not statuses:
            raise BuildFailed(f"The runtime {self._plan.runtime} is not installed on this server.")
        self._has_build_step = statuses[0].has_build_step
        await chores.remove(str(self._workspace))
        await asyncio.to_thread(_make, self._tree, self._cache)
        archive = self._workspace / "source.tar.gz"
        try:
            name = source_name(deployment.project_id, deployment.id)
            await self._unless_cancelled(self._blobs.fetch_file(name, str(archive)))
        except BlobMissing as exc:
            raise BuildFailed("The source archive is gone. Upload it again.") from exc
        try:
            unpacked = await self._unless_cancelled(
                chores.unpack(
                    str(archive),
                    str(self._tree),
                    Limits(total_bytes=self._limits.output_bytes),
                    timeout_s=min(self._time_left(), _UNPACK_TIMEOUT_S),
                )
            )
        except chores.TooSlow as exc:
            raise BuildFailed("The source archive takes too long to unpack.") from exc
        await asyncio.to_thread(archive.unlink)
        if not unpacked.entries or await asyncio.to_thread(_is_empty, self._tree):
            raise BuildFailed(NO_SOURCE)
        self._step("Environment preparation finished.")

    async def _execute(self) -> None:
        commands = self._plan.deployment.commands
        if self._has_build_step:
            # The image tells of its steps itself, in the same words.
            self._judge(await self._run_commands(commands, self._plan.env, self._log))
            return
        if commands.strip():
            self._step("Build command execution started.")
            result = await self._run_commands(commands, self._plan.env, self._log)
            self._judge(result)
            self._step("Build command execution finished.")
        if self._plan.runtime.startswith("python"):
            await self._compile()
        elif self._plan.runtime.startswith("go-"):
            self._judge(await self._run_commands(_COMPILE_GO, self._plan.env, self._log))

    async def _run_commands(
        self,
        commands: str,
        env: Mapping[str, str],
        output: BuildLog,
        most_s: float = float("inf"),
    ) -> BuildResult:
        deployment, timeout_s = self._plan.deployment, min(self._time_left(), most_s)
        job = BuildJob(
            deployment_id=deployment.id,
            project_id=deployment.project_id,
            function_id=deployment.function_id,
            runtime=self._plan.runtime,
            workspace=str(self._tree.absolute()),
            cache=str(self._cache.absolute()),
            commands=commands,
            env=env,
            cpus=self._plan.size.cpus,
            memory_mib=self._plan.size.memory_mib,
            timeout_s=timeout_s,
        )
        try:
            async with asyncio.timeout(timeout_s + _GRACE_S):
                result = await self._executor.build(job, output.add, self._cancelled)
        except TimeoutError as exc:
            raise BuildFailed(self._took_too_long()) from exc
        if self._cancelled.is_set():
            raise BuildCancelled
        return result

    def _judge(self, result: BuildResult) -> None:
        if result.exit_code == 0 and result.error_class is None:
            return
        reason = f"Build failed with exit code {result.exit_code}."
        if result.error_class is ErrorClass.TIMEOUT:
            reason = f"{self._took_too_long()}\n{reason}"
        elif result.message:
            reason = f"{result.message}\n{reason}"
        raise BuildFailed(reason)

    async def _compile(self) -> None:
        """Sources that do not compile fail when they are run, with a message of their own."""
        has_packages = await asyncio.to_thread((self._tree / _VIRTUALENV).exists)
        command = _COMPILE if has_packages else _COMPILE_BARE
        unheard = BuildLog()
        result = await self._run_commands(command, {}, unheard, _COMPILE_TIMEOUT_S)
        if result.exit_code != 0:
            log.warning(
                "python sources were not compiled",
                extra={
                    "deployment_id": self._plan.deployment.id,
                    "exit_code": result.exit_code,
                    "output": unheard.text[-1000:],
                },
            )

    async def _seal(self) -> int:
        self._step("Build packaging started.")
        entrypoint = self._plan.deployment.entrypoint
        is_visible = not self._has_build_step  # else the tree holds an archive alone
        if is_visible and not await asyncio.to_thread(trees.may_hold, str(self._tree), entrypoint):
            self._log.line(
                error(
                    f"Warning: there is no file {entrypoint} at this place of the build. The "
                    "source has to lie at the top of the archive, not in a folder of its own.",
                    self._clock.now(),
                )
            )
        sealed = await self._unless_cancelled(
            chores.seal(
                str(self._tree),
                most_bytes=self._limits.output_bytes,
                most_entries=self._limits.output_entries,
                timeout_s=self._time_left(),
            )
        )
        if not sealed.files:
            raise BuildFailed(f"{NO_OUTPUT}\nBuild produced no output artifact.")
        await asyncio.to_thread(self._publish)
        self._step("Build packaging finished.")
        self._log.line(done("Build finished.", self._clock.now()))
        return sealed.total_bytes

    def _publish(self) -> None:
        self._artifact.parent.mkdir(parents=True, exist_ok=True)
        self._folders.discard(self._artifact)  # of an attempt that died before its row said so
        self._tree.rename(self._artifact)
        # Only now: a folder without write access cannot be moved by its owner.
        self._artifact.chmod(0o555)

    async def _unless_cancelled(self, work: Coroutine[Any, Any, R]) -> R:
        task = asyncio.create_task(work)
        waiter = asyncio.create_task(self._cancelled.wait())
        try:
            await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise BuildCancelled
        finally:
            task.cancel()
            waiter.cancel()
            await asyncio.gather(task, waiter, return_exceptions=True)

    def _step(self, text: str) -> None:
        self._log.line(step(text, self._clock.now()))

    def _time_left(self) -> float:
        return max(0.1, self._deadline - asyncio.get_running_loop().time())

    def _took_too_long(self) -> str:
        return f"The build took longer than {self._limits.timeout_s} seconds and was stopped."


def _make(tree: Path, cache: Path) -> None:
    tree.mkdir(parents=True)
    tree.parent.chmod(0o700)
    cache.mkdir(parents=True, exist_ok=True)


def _is_empty(tree: Path) -> bool:
    return next(tree.iterdir(), None) is None
