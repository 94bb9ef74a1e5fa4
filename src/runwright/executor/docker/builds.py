"""A build in a throw-away container: the image's own build script, source in, archive out.

The source is mounted read-only. The archive comes out in a folder of its own, and only if it is
a plain file it takes the place of the source: nothing else of what the build left is looked at.
"""

import asyncio
import codecs
import contextlib
import logging
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable
from typing import Final

from runwright.executor.disk import exceeded, too_large, used_bytes
from runwright.executor.docker.container import ARCHIVE, Entered, StartFailed, Surroundings
from runwright.executor.docker.engine import Ended, EngineError
from runwright.executor.docker.recipe import Shape, build_recipe
from runwright.executor.egress import BUILD
from runwright.executor.output import describe_code
from runwright.model.execution import ErrorClass
from runwright.ports.executor import BuildJob, BuildResult, CancelSignal

log = logging.getLogger(__name__)

_COMMAND_LIMIT: Final = 64 * 1024  # one word of a command line may hold twice that
_LAST_OUTPUT_S: Final = 5.0
_FILES_S: Final = 600.0
_MIB: Final = 1024 * 1024
_NO_ARCHIVE: Final = "The build left no archive. Its image may not speak version 5 of the protocol."
_STOPPED: Final = "The machine that ran this build failed. Try again."


async def build(
    around: Surroundings,
    shape: Shape,
    job: BuildJob,
    on_log: Callable[[str], None],
    cancelled: CancelSignal,
    *,
    disk_mib: int,
) -> BuildResult:
    """Run the image's build over the workspace, which holds the archive alone afterwards."""
    if len(job.commands.encode()) > _COMMAND_LIMIT or "\0" in job.commands:
        return BuildResult(exit_code=1, message="The build commands are too long.")
    output = f"{job.workspace}.out"
    await asyncio.to_thread(_make, output, job.cache)
    recipe = build_recipe(
        shape, source=job.workspace, output=output, cache=job.cache, commands=job.commands
    )
    try:
        entered = await Entered.begin(around, f"build-{secrets.token_hex(8)}", recipe, BUILD)
        try:
            folders = (output, job.cache)
            full = asyncio.create_task(exceeded(folders, disk_mib), name="build-disk")
            result = await _run(around, entered, job, on_log, cancelled, full)
        finally:
            await entered.remove()
        is_within = await asyncio.to_thread(_is_within, output, job.cache, disk_mib)
        if result.exit_code == 0 and not is_within:
            return BuildResult(exit_code=-9, message=too_large(disk_mib))
        if result.exit_code == 0 and not await asyncio.to_thread(_swap, job.workspace, output):
            return BuildResult(exit_code=1, message=_NO_ARCHIVE)
        return result
    except StartFailed as exc:
        return BuildResult(exit_code=1, error_class=ErrorClass.COLD_START, message=str(exc))
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, output, True))


async def _run(
    around: Surroundings,
    entered: Entered,
    job: BuildJob,
    on_log: Callable[[str], None],
    cancelled: CancelSignal,
    full: "asyncio.Task[str]",
) -> BuildResult:
    reader = asyncio.create_task(_read(around, entered, on_log), name="build-output")
    end = asyncio.create_task(around.engine.ended(entered.id), name="build-end")
    asked = asyncio.create_task(cancelled.wait(), name="build-cancelled")
    try:
        done, _ = await asyncio.wait(
            {end, asked, full}, timeout=job.timeout_s, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            message = f"The build took longer than {job.timeout_s:g} seconds and was stopped."
            return BuildResult(exit_code=-9, error_class=ErrorClass.TIMEOUT, message=message)
        if full in done:
            return BuildResult(exit_code=-9, message=full.result())
        if end not in done:
            message = "The build was cancelled."
            return BuildResult(exit_code=-9, error_class=ErrorClass.CANCELLED, message=message)
        # What was printed last comes after the news of the end.
        await asyncio.wait({reader}, timeout=_LAST_OUTPUT_S)
        return _result(job, end.result())
    except EngineError as exc:
        log.error("a build was lost", extra={"action": "build_lost", "reason": str(exc)})
        return BuildResult(exit_code=-9, error_class=ErrorClass.PLATFORM, message=_STOPPED)
    finally:
        tasks = (reader, end, asked, full)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(around: Surroundings, entered: Entered, on_log: Callable[[str], None]) -> None:
    text = codecs.getincrementaldecoder("utf-8")("replace")
    with contextlib.suppress(EngineError):  # the end of the container says more
        async with around.engine.output(entered.id) as parts:
            async for part in parts:
                on_log(text.decode(part))


def _result(job: BuildJob, end: Ended) -> BuildResult:
    code = 128 - end.code if end.code > 128 else end.code
    if code and end.is_out_of_memory:
        message = (
            f"The build needed more than its {job.memory_mib} MiB of memory and was stopped. "
            "Choose a larger build specification."
        )
        return BuildResult(exit_code=code, error_class=ErrorClass.OUT_OF_MEMORY, message=message)
    message = "" if code == 0 else f"The build commands failed ({describe_code(end.code)})."
    return BuildResult(exit_code=code, message=message)


def _make(output: str, cache: str) -> None:
    shutil.rmtree(output, ignore_errors=True)
    os.mkdir(output)
    os.makedirs(cache, exist_ok=True)


def _is_within(output: str, cache: str, bound_mib: int) -> bool:
    """The last look: a build may be over before the watcher saw it grow. A cache that leaves the
    next build too little room is emptied."""
    bound = bound_mib * _MIB
    if used_bytes(cache) <= bound // 2:
        return used_bytes(output, cache) <= bound
    command = ("find", cache, "-mindepth", "1", "-delete")
    done = subprocess.run(command, capture_output=True, timeout=_FILES_S, check=False)
    if done.returncode != 0:
        log.error("the cache of a build could not be emptied", extra={"action": "cache_left"})
    return used_bytes(output) <= bound


def _swap(workspace: str, output: str) -> bool:
    """The archive alone takes the place of the source; False when there is none."""
    archive = os.path.join(output, ARCHIVE)
    if os.path.islink(archive) or not os.path.isfile(archive):
        return False
    os.chown(archive, os.geteuid(), os.getegid())  # also drops set-user-id bits
    with os.scandir(workspace) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
    os.rename(archive, os.path.join(workspace, ARCHIVE))
    return True
