"""What a worker waits for: that somebody rings, or that it is time to look by itself.

A ring may be lost with its signal and costs no more than the wait. One that comes while the
worker is busy is heard at its next wait.
"""

import asyncio
from typing import Final

# How long a worker that has seen that nothing is there for it sleeps, where every ring comes from
# its own process and none can get lost.
IDLE_S: Final = 5.0


class Bell:
    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Return when it has been rung since the last wait, at the latest after `seconds`;
        whether it was."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
        was_rung = self._event.is_set()
        self._event.clear()
        return was_rung
