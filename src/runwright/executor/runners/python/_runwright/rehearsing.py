"""A load and a call that nobody asked for, while the process waits for its deployment.

What they touch is in memory then, and in a fork of the zygote a page of its own, when the first
real call comes. Nothing of it stays to be seen by user code.
"""

from __future__ import annotations

import sys
from time import perf_counter

from _runwright import loading
from _runwright.call import Call, Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _runwright.engine import Engine

_FOLDER = __file__.rpartition("/_runwright/")[0] + "/rehearsal"
_HEAD = b"GET /\nhost:rehearsal\nx-forwarded-proto:https"


def rehearse(engine: Engine) -> None:
    try:
        _load_and_call(engine)
        if "asyncio" in sys.modules:
            _turn_a_loop()
    except Exception:
        pass  # then the first call is merely slower
    for name in [name for name in sys.modules if name.partition(".")[0] == loading.PACKAGE]:
        del sys.modules[name]
    sys.path_importer_cache.pop(_FOLDER, None)


def _load_and_call(engine: Engine) -> None:
    function = loading.load(_FOLDER, "main.py")
    call = Call(engine, 0, False, _HEAD, b"")
    began = perf_counter()
    call.take_value(function(Context(call)))
    call.close()
    call.short_answer(int(perf_counter() - began))


def _turn_a_loop() -> None:
    import asyncio

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()
