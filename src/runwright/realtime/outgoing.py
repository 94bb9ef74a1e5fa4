"""What is on its way to one client: a bounded queue.

Who reads too slowly is not buffered for: when the queue is full the connection is given up, as
a client that missed events without knowing would be worse off than one that has to come back.
"""

import asyncio
from collections import deque
from typing import Final

from runwright.values import dataclass

MOST_FRAMES: Final = 512
MOST_CHARS: Final = 8 * 1024 * 1024  # a single frame may be longer


@dataclass(frozen=True, slots=True)
class Close:
    """The last thing that a connection is told."""

    code: int
    reason: str = ""


class Outgoing:
    """Any task may `put`; one task takes from it with `next`."""

    def __init__(self, *, most_frames: int = MOST_FRAMES, most_chars: int = MOST_CHARS) -> None:
        self._most_frames = most_frames
        self._most_chars = most_chars
        self._frames: deque[str] = deque()
        self._chars = 0
        self._close: Close | None = None
        self._arrived = asyncio.Event()
        self.given_up = asyncio.Event()  # the client does not read

    def put(self, frame: str, *, is_first: bool = False) -> None:
        """Send a frame, before all others if asked to; nothing is sent after `close`."""
        if self._close is not None or self.given_up.is_set():
            return
        is_full = len(self._frames) >= self._most_frames or (
            self._frames and self._chars + len(frame) > self._most_chars
        )
        if is_full:
            self._frames.clear()
            self.given_up.set()
            return
        if is_first:
            self._frames.appendleft(frame)
        else:
            self._frames.append(frame)
        self._chars += len(frame)
        self._arrived.set()

    def close(self, code: int, reason: str = "") -> None:
        """End the connection when what was put before has been sent."""
        if self._close is None:
            self._close = Close(code, reason)
            self._arrived.set()

    @property
    def is_closing(self) -> bool:
        return self._close is not None or self.given_up.is_set()

    async def next(self) -> str | Close:
        """Waits for the next frame; the close comes last, again and again."""
        while not self._frames:
            if self._close is not None:
                return self._close
            self._arrived.clear()
            await self._arrived.wait()
        frame = self._frames.popleft()
        self._chars -= len(frame)
        return frame
