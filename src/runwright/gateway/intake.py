"""What arrived on a connection, handed to its parser a piece at a time.

One read of a socket may hold thousands of pipelined requests, or tens of thousands of chunks of a
byte. The parser calls back for each of them, and everybody else would wait for seconds. So a
connection gets a short turn, then the others have theirs, and meanwhile nothing more is read of
it. Nor is it while several of its requests wait for answers of earlier ones.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from uvicorn.protocols.http.flow_control import FlowControl

PIECE_BYTES: Final = 4096  # what is not longer is parsed at once; pieces of bodies grow from here
_MOST_PIECE_BYTES: Final = 64 * 1024
_TURN_S: Final = 0.002
_QUICK_S: Final = 0.0002  # a piece that took less may be followed by a larger one


class HeldFlow(FlowControl):
    """While it is held, whoever pauses and resumes says what shall be afterwards."""

    _is_held = False

    def hold(self) -> None:
        if not self._is_held:
            self._is_held = True
            if not self.read_paused and not self._transport.is_closing():
                self._transport.pause_reading()

    def release(self) -> None:
        if self._is_held:
            self._is_held = False
            if not self.read_paused and not self._transport.is_closing():
                self._transport.resume_reading()

    def pause_reading(self) -> None:
        if self._is_held:
            self.read_paused = True
        else:
            super().pause_reading()

    def resume_reading(self) -> None:
        if self._is_held:
            self.read_paused = False
        else:
            super().resume_reading()


class Intake:
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        flow: HeldFlow,
        feed: Callable[[bytes], None],
        is_full: Callable[[], bool],
    ) -> None:
        """`feed` may call `drop`; while `is_full`, nothing is fed until `wake` is called."""
        self._loop = loop
        self._flow = flow
        self._feed = feed
        self._is_full = is_full
        self._rest = b""
        self._at = 0  # what lies before was fed
        self._next: asyncio.Handle | None = None

    @property
    def is_busy(self) -> bool:
        return bool(self._rest)

    def take(self, data: bytes) -> None:
        if self._rest:
            self._rest = self._rest[self._at :] + data
            self._at = 0
        else:
            self._rest = data
            self._go_on()

    def wake(self) -> None:
        """There may be room again."""
        if self._rest and self._next is None:
            self._next = self._loop.call_soon(self._go_on)

    def drop(self) -> None:
        """Forget what was not fed: nobody will read it."""
        self._rest, self._at = b"", 0
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _go_on(self) -> None:
        self._next = None
        now = self._loop.time()
        end = now + _TURN_S
        size = PIECE_BYTES
        while self._rest:
            if self._is_full():
                self._flow.hold()
                return
            if now >= end:
                self._flow.hold()
                self._next = self._loop.call_soon(self._go_on)
                return
            piece = self._rest[self._at : self._at + size]
            self._at += size
            if self._at >= len(self._rest):
                self._rest, self._at = b"", 0
            self._feed(piece)
            before, now = now, self._loop.time()
            if now - before < _QUICK_S:
                size = min(size * 2, _MOST_PIECE_BYTES)
        self._flow.release()
