"""Start: greet the host, then serve until it closes the socket."""

from __future__ import annotations

import os

from _runwright import frames, output
from _runwright.engine import Engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main(arguments: list[str]) -> None:
    wire = frames.Wire()
    os.set_blocking(frames.FD, True)
    os.set_inheritable(frames.FD, False)
    wire.greet()
    output.install(wire)
    _preload(arguments)
    engine = Engine(wire)

    def leave(status: int) -> NoReturn:
        engine.flush_everything()
        frames._exit(status)

    os._exit = leave
    engine.run()


def _preload(arguments: list[str]) -> None:
    """Modules that nearly every function needs; while the host has nothing to do for us yet."""
    # `threading` takes the thread that imports it first for the main one, so it must be this.
    names = ["json", "threading", "importlib.machinery"]
    for argument in arguments:
        if argument.startswith("--preload="):
            names += argument[10:].split(",")
    for name in names:
        try:
            __import__(name)
        except ImportError:
            pass  # a hint only; the function will say what it misses
