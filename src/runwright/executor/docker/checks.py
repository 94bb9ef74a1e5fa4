"""What the doctor says of Docker: whether it can be used here, and what it would not enforce."""

import asyncio
import os
from collections.abc import Mapping
from typing import Any, Final

from runwright.executor.checks import Finding
from runwright.executor.docker.engine import Engine, EngineError, runtime_of

_LIMITS: Final = {"MemoryLimit": "memory", "CpuCfsQuota": "CPU", "PidsLimit": "processes"}


def examine(socket_path: str, repository: str) -> list[Finding]:
    return asyncio.run(_examine(Engine(socket_path), socket_path, repository))


async def _examine(engine: Engine, socket_path: str, repository: str) -> list[Finding]:
    try:
        info, tags = await engine.info(), await engine.tags()
    except EngineError as exc:
        text = f"No daemon answers at {socket_path} ({exc}). Start it, or set RUNWRIGHT_DOCKER=off."
        return [Finding("Docker", "missing", text)]
    finally:
        await engine.close()
    found = sorted(filter(None, (runtime_of(tag, repository) for tag in tags)))
    return [_daemon(info), _limits(info), _images(found, repository)]


def _daemon(info: Mapping[str, Any]) -> Finding:
    if os.geteuid() != 0:
        text = "Containers can be entered by root only. Run the server as root."
        return Finding("Docker", "missing", text)
    return Finding("Docker", "ok", f"Version {info.get('ServerVersion')} answers.")


def _limits(info: Mapping[str, Any]) -> Finding:
    lacking = [name for key, name in _LIMITS.items() if not info.get(key)]
    is_filtered = any("seccomp" in item for item in info.get("SecurityOptions") or ())
    if not lacking and is_filtered:
        return Finding("containers", "ok", "Limits and the system call filter are enforced.")
    if not is_filtered:
        lacking.append("system calls")
    text = f"This daemon does not limit: {', '.join(lacking)}."
    return Finding("containers", "weaker", text)


def _images(found: list[str], repository: str) -> Finding:
    if found:
        return Finding("images", "ok", f"Found {', '.join(found)}.")
    text = f"There is none of {repository} yet. Try `runwright runtimes add dart-3.5`."
    return Finding("images", "weaker", text)
