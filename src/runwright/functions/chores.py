"""File chores over strangers' trees, each in a short-lived child process.

A child can be killed at a deadline, keeps a hostile archive's appetite for time and memory
away from the server, and leaves the event loop's thread alone: unpacking 20,000 small files
in a thread would steal milliseconds from every request that runs meanwhile.

Started as a program, this module does one chore: it reads `[name, [argument, ...]]` as JSON
from standard input and prints `{"ok": ...}` or `{"refused": "one sentence"}`.
"""

import asyncio
import contextlib
import json
import logging
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from runwright.functions import archive, trees
from runwright.functions.archive import BadArchive, Limits, Unpacked
from runwright.functions.trees import Sealed, Unsealable

log = logging.getLogger(__name__)

_PACKAGES: Final = str(Path(__file__).parents[2])
# Isolated and without site-packages: starts in a few milliseconds and imports nothing of ours
# that is not named here.
_START: Final = (
    f"import sys; sys.path.insert(0, {_PACKAGES!r}); "
    "from runwright.functions.chores import main; main()"
)
_MEMORY_BYTES: Final = 1024 * 1024 * 1024


class Refused(Exception):
    """The chore cannot be done for a reason that its author should read; one sentence."""


class TooSlow(Exception):
    """The deadline passed; the child is dead."""


class ChoreFailed(Exception):
    """The chore failed for a reason of ours."""


async def unpack(source: str, target: str, limits: Limits, *, timeout_s: float) -> Unpacked:
    """See `archive.unpack`. Raises Refused, TooSlow, ChoreFailed."""
    done = await _run("unpack", [source, target, asdict(limits)], timeout_s)
    return Unpacked(**done)


async def pack(tree: str, target: str, *, timeout_s: float) -> None:
    """See `archive.pack`. Raises TooSlow, ChoreFailed."""
    await _run("pack", [tree, target], timeout_s)


async def seal(tree: str, *, most_bytes: int, most_entries: int, timeout_s: float) -> Sealed:
    """See `trees.seal`. Raises Refused, TooSlow, ChoreFailed."""
    return Sealed(**await _run("seal", [tree, most_bytes, most_entries], timeout_s))


async def remove(tree: str, *, timeout_s: float = 600.0) -> None:
    """See `trees.remove`. Raises TooSlow, ChoreFailed."""
    if await asyncio.to_thread(os.path.lexists, tree):
        await _run("remove", [tree], timeout_s)


async def _run(name: str, arguments: list[Any], timeout_s: float) -> Any:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-S",
        "-c",
        _START,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await child.communicate(json.dumps([name, arguments]).encode())
    except TimeoutError as exc:
        raise TooSlow(name) from exc
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            # Short and shielded: a killed child must be reaped also when we are cancelled.
            await asyncio.shield(child.wait())
    return _result(name, child.returncode, out, err)


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


def _unpack(source: str, target: str, limits: dict[str, int]) -> object:
    return asdict(archive.unpack(source, target, Limits(**limits)))


def _seal(tree: str, most_bytes: int, most_entries: int) -> object:
    return asdict(trees.seal(tree, most_bytes=most_bytes, most_entries=most_entries))


_CHORES: Final[dict[str, Callable[..., object]]] = {
    "unpack": _unpack,
    "pack": archive.pack,
    "seal": _seal,
    "remove": trees.remove,
}


def main() -> None:
    """One chore, as a program of its own."""
    _die_with_parent()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    name, arguments = json.load(sys.stdin)
    try:
        answer = {"ok": _CHORES[name](*arguments)}
    except (BadArchive, Unsealable) as exc:
        answer = {"refused": str(exc)}
    json.dump(answer, sys.stdout)


def _die_with_parent() -> None:
    """A server that was killed must not leave a child writing into a folder that its
    successor cleans."""
    import ctypes

    pr_set_pdeathsig, sigkill = 1, 9
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, sigkill)
    if os.getppid() == 1:
        sys.exit(1)  # the parent died before we asked
