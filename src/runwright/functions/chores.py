"""File chores over strangers' trees, each in a short-lived child process.

A child can be killed at a deadline, keeps a hostile archive's appetite for time and memory
away from the server, and leaves the event loop's thread alone: unpacking 20,000 small files
in a thread would steal milliseconds from every request that runs meanwhile.

The child's side is `chore`.
"""

import asyncio
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

from runwright.functions.archive import Limits, Unpacked
from runwright.functions.trees import Sealed

log = logging.getLogger(__name__)

_PACKAGES: Final = str(Path(__file__).parents[2])
# Isolated and without site-packages: starts in a few milliseconds and imports nothing of ours
# that is not named here.
_START: Final = (
    f"import sys; sys.path.insert(0, {_PACKAGES!r}); "
    "from runwright.functions.chore import main; main()"
)


class Refused(Exception):
    """The chore cannot be done for a reason that its author should read; one sentence."""


class TooSlow(Exception):
    """The deadline passed; the child is dead."""


class ChoreFailed(Exception):
    """The chore failed for a reason of ours."""


async def unpack(source: str, target: str, limits: Limits, *, timeout_s: float) -> Unpacked:
    """See `archive.unpack`. Raises Refused, TooSlow, ChoreFailed."""
    return Unpacked(*await _run("unpack", [source, target, limits], timeout_s))


async def pack(tree: str, target: str, *, timeout_s: float) -> None:
    """See `archive.pack`. Raises TooSlow, ChoreFailed."""
    await _run("pack", [tree, target], timeout_s)


async def seal(tree: str, *, most_bytes: int, most_entries: int, timeout_s: float) -> Sealed:
    """See `trees.seal`. Raises Refused, TooSlow, ChoreFailed."""
    return Sealed(*await _run("seal", [tree, most_bytes, most_entries], timeout_s))


async def remove(tree: str, *, timeout_s: float = 600.0) -> None:
    """See `trees.remove`. Raises TooSlow, ChoreFailed."""
    if await asyncio.to_thread(os.path.lexists, tree):
        await _run("remove", [tree], timeout_s)


async def _run(name: str, arguments: list[Any], timeout_s: float) -> Any:
    with TemporaryFile() as told, TemporaryFile() as out, TemporaryFile() as err:
        told.write(json.dumps([name, arguments]).encode())
        told.seek(0)
        # Not by the event loop: uvloop forks, which holds up every call for as long as this
        # process's memory takes to copy; this way the child shares it until it begins.
        child = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-I", "-S", "-c", _START], stdin=told, stdout=out, stderr=err
        )
        try:
            async with asyncio.timeout(timeout_s):
                await _ended(child)
        except TimeoutError as exc:
            raise TooSlow(name) from exc
        finally:
            if child.poll() is None:
                child.kill()
                # Short and shielded: a killed child must be reaped also when we are cancelled.
                await asyncio.shield(_ended(child))
                child.wait()
        out.seek(0)
        err.seek(0)
        return _result(name, child.returncode, out.read(), err.read())


async def _ended(child: subprocess.Popen[bytes]) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    process = os.pidfd_open(child.pid)
    loop.add_reader(process, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process)
        os.close(process)


def _result(name: str, code: int | None, out: bytes, err: bytes) -> Any:
    try:
        answer = json.loads(out)
    except ValueError:
        answer = {}
    if "refused" in answer:
        raise Refused(answer["refused"])
    if code != 0 or "ok" not in answer:
        log.error(
            "file chore failed",
            extra={
                "chore": name,
                "exit_code": code,
                "errors": err[-2000:].decode("utf-8", "replace"),
            },
        )
        raise ChoreFailed(name)
    return answer["ok"]
