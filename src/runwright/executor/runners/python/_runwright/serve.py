"""Start: greet the host, then serve until it closes the socket."""

from __future__ import annotations

import os

from _runwright import frames, output
from _runwright.engine import Engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn


def main(arguments: list[str]) -> None:
    wire = frames.Wire()
    engine = Engine(wire)
    if "--zygote" in arguments:
        _be_forked(wire, arguments)
    os.set_blocking(frames.FD, True)
    os.set_inheritable(frames.FD, False)
    wire.greet()
    if "--zygote" not in arguments:
        output.install(wire)
        _preload(arguments)

    def leave(status: int) -> NoReturn:
        engine.flush_everything()
        frames._exit(status)

    os._exit = leave
    engine.run()


def _be_forked(wire: frames.Wire, arguments: list[str]) -> None:
    """Load everything first, and go on in each sandbox that is forked from here."""
    output.install(wire)
    _preload(arguments)
    _import(_MORE)
    from _runwright import zygote

    zygote.run()
    import threading

    # It remembers the number of the zygote's, which is the machine's.
    threading.main_thread()._set_native_id()
    output.renew()
    wire.renew()


# What costs nothing where it is loaded once for all.
_MORE = ("asyncio", "traceback", "_runwright.loop", "_runwright.inlet", "_runwright.websocket")


def _preload(arguments: list[str]) -> None:
    """Modules that nearly every function needs; while the host has nothing to do for us yet."""
    # `threading` takes the thread that imports it first for the main one, so it must be this.
    names = ["json", "threading", "importlib.machinery"]
    for argument in arguments:
        if argument.startswith("--preload="):
            names += argument[10:].split(",")
    _import(names)


def _import(names: Iterable[str]) -> None:
    for name in names:
        try:
            __import__(name)
        except ImportError:
            pass  # a hint only; the function will say what it misses
