"""Time of the event loop that a test lets pass, so that its timers fire without a wait."""

import asyncio


async def pass_by(seconds: float) -> None:
    """Return when the timers that are due within these seconds have fired."""
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]
    await asyncio.sleep(0.001)  # a timer too, and the last of them
