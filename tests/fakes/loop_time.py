"""Time of the event loop that a test lets pass, so that its timers fire without a wait."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


async def pass_by(seconds: float) -> None:
    """Return when the timers that are due within these seconds have fired."""
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]
    await asyncio.sleep(0.001)  # a timer too, and the last of them


@contextmanager
def stopped() -> Iterator[None]:
    """No time passes for the loop, so none of its timers fires, however slow the machine is."""
    loop = asyncio.get_running_loop()
    before, moment = loop.time, loop.time()
    loop.time = lambda: moment  # type: ignore[method-assign]
    try:
        yield
    finally:
        loop.time = before  # type: ignore[method-assign]
