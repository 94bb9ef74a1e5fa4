"""What a worker waits for: that somebody rings, or that it is time to look by itself.

A ring may be lost with its signal and costs no more than the wait. One that comes while the
worker is busy is heard at its next wait.
"""

import asyncio


class Bell:
    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Return when it has been rung since the last wait, at the latest after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()
