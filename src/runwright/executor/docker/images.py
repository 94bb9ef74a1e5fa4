"""Which runtimes are here as images, and getting another one."""

import asyncio
import re
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from runwright.errors import RunwrightError
from runwright.executor.docker.engine import Engine, EngineError, image_of, runtime_of
from runwright.ports.executor import RuntimeStatus

R = TypeVar("R")

_PULL_S: Final = 3600.0
_RUNTIME: Final = re.compile(r"[a-z][a-z-]{0,30}-[0-9][0-9.]{0,15}")


class ImageRefused(RunwrightError):
    """The image could not be got; the daemon's words say why."""

    type, status = "general_argument_invalid", 400


def statuses(tags: "dict[str, str]", repository: str) -> dict[str, RuntimeStatus]:
    """By image. Those of another name are none of ours."""
    found = {}
    for tag in sorted(tags):
        runtime = runtime_of(tag, repository)
        if runtime is not None:
            found[tag] = RuntimeStatus(
                id=runtime,
                interpreter_version=tag.rpartition(":v5-")[2],
                source="docker",
                has_build_step=True,
            )
    return found


def local_images(socket_path: str, repository: str) -> list[RuntimeStatus]:
    """Raises ImageRefused when the daemon does not answer."""
    engine = Engine(socket_path)
    return list(statuses(_run(engine, engine.tags()), repository).values())


def add_image(runtime: str, socket_path: str, repository: str) -> RuntimeStatus:
    """Pull the image of a runtime. Raises ImageRefused."""
    if not _RUNTIME.fullmatch(runtime):
        raise ImageRefused(f"{runtime!r} is no runtime; they are called like dart-3.5.")
    engine = Engine(socket_path)
    tag = image_of(runtime, repository)
    _run(engine, engine.pull(tag, _PULL_S))
    return statuses({tag: ""}, repository)[tag]


def _run(engine: Engine, work: Coroutine[Any, Any, R]) -> R:
    async def ask() -> R:
        try:
            return await work
        except EngineError as exc:
            raise ImageRefused(str(exc)) from exc
        finally:
            await engine.close()

    return asyncio.run(ask())
