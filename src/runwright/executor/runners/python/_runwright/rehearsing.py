"""A load and a call that nobody asked for, while the process waits for its deployment.

What they touch is in memory then, and in a fork of the zygote a page of its own, when the first
real call comes. Nothing of it stays to be seen by user code.
"""

from __future__ import annotations

import os
import sys

from _runwright import frames, loading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _runwright.engine import Engine

_FOLDER = __file__.rpartition("/_runwright/")[0] + "/rehearsal"
_VARIABLE = "RUNWRIGHT_REHEARSAL"
_HEAD = b"GET /\nhost:rehearsal\nx-forwarded-proto:https"


def rehearse(engine: Engine) -> None:
    paths, folder = sys.path[:], os.getcwd()
    try:
        _load_and_call(engine)
        if "asyncio" in sys.modules:
            _turn_a_loop()
    except Exception:
        pass  # then the first call is merely slower
    os.chdir(folder)
    os.environ.pop(_VARIABLE, None)
    sys.path[:] = paths
    sys.path_importer_cache.pop(_FOLDER, None)
    for name in [name for name in sys.modules if name.partition(".")[0] == loading.PACKAGE]:
        del sys.modules[name]


def _load_and_call(engine: Engine) -> None:
    import json

    assignment = {"root": _FOLDER, "entrypoint": "main.py", "env": {_VARIABLE: "1"}}
    engine.rehearse(json.dumps(assignment).encode(), frames.whole_request(_HEAD))


def _turn_a_loop() -> None:
    import asyncio

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()
