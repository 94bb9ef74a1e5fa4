"""A request body that comes in parts: taken by user code, and slowed down to its speed.

What waits here may be a thread of a plain `main` or a task of asyncio; both are woken by
whoever reads the frames.
"""

from __future__ import annotations

import _thread
from _collections import deque  # type: ignore[import-not-found]  # `collections` loads slowly

from _runwright import frames
from _runwright.call import CallerGone

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Awaitable, Iterator

    from _runwright.call import Call

INTAKE_BYTES = 256 * 1024  # that the host sends ahead of what was taken
TAKEN_STEP_BYTES = INTAKE_BYTES // 4
JOINED_BYTES = 4096  # smaller parts are joined: as objects they take many times their size


class Inlet:
    def __init__(self, call: Call | None) -> None:
        self._call = call  # None: the whole body is here
        self._parts: deque[bytes] = deque()
        self._size = 0  # of the parts
        self._owed = 0  # bytes that were taken, of which the host was not told yet
        self._is_ended = False
        self._is_broken = False
        self._gates: list[_thread.LockType] = []
        self._futures: list[asyncio.Future[None]] = []  # of the loop's own thread
        self._mutex = _thread.allocate_lock()

    @classmethod
    def of(cls, body: bytes) -> Inlet:
        inlet = cls(None)
        inlet.push(body, is_end=True, is_broken=False)
        return inlet

    def push(self, data: bytes, *, is_end: bool, is_broken: bool) -> None:
        with self._mutex:
            is_too_much = self._size + self._owed + len(data) > INTAKE_BYTES
            if self._is_ended or (self._call is not None and is_too_much):
                raise frames.Malformed("BODY after the end of its request, or beyond the window")
            self._is_ended = is_end
            self._is_broken = self._is_broken or is_broken
            if data:
                if self._parts and len(self._parts[-1]) < JOINED_BYTES:
                    self._parts[-1] += data
                else:
                    self._parts.append(data)
                self._size += len(data)
        self.wake()

    def break_off(self) -> None:
        """The caller has gone; what came before may still be read."""
        if not self._is_ended:
            self._is_broken = True
        self.wake()

    def wake(self) -> None:
        with self._mutex:
            gates, self._gates = self._gates, []
            futures, self._futures = self._futures, []
        for gate in gates:
            gate.release()
        for future in futures:
            if not future.done():
                future.get_loop().call_soon_threadsafe(_settle, future)

    def is_async(self) -> bool:
        """Whether the calling code must wait by awaiting."""
        call = self._call
        if call is None or call.queue is None or call.engine.loop is None:
            return False
        return call.engine.loop.is_here()

    def read(self) -> bytes:
        """The next part, empty at the end; blocks. Raises CallerGone when there was no end."""
        if self.is_async():
            raise RuntimeError("This would block every other call: use await, or `async for`.")
        while True:
            with self._mutex:
                part = self._next()
                if part is None:
                    gate = _thread.allocate_lock()
                    gate.acquire()
                    self._gates.append(gate)
            if part is not None:
                return self._taken(part)
            assert self._call is not None  # the whole body never lets wait
            # What comes next comes by a frame, so somebody else has to read meanwhile.
            self._call.engine.threads.pass_role_on()
            gate.acquire()

    async def read_soon(self) -> bytes:
        """As `read`, without blocking."""
        import asyncio

        while True:
            with self._mutex:
                part = self._next()
                if part is None:
                    future = asyncio.get_running_loop().create_future()
                    self._futures.append(future)
            if part is not None:
                return self._taken(part)
            await future

    def _next(self) -> bytes | None:
        if self._parts:
            part: bytes = self._parts.popleft()
            self._size -= len(part)
            self._owed += len(part)
            return part
        if self._is_broken:
            raise CallerGone
        is_over = self._is_ended or self._call is None or self._call.is_ended
        return b"" if is_over else None

    def _taken(self, part: bytes) -> bytes:
        call = self._call
        if call is None:
            return part
        with self._mutex:
            owed = self._owed if self._owed >= TAKEN_STEP_BYTES else 0
            self._owed -= owed
        if owed and not call.is_ended and not call.is_cancelled:
            call.engine.wire.send(frames.taken_frame(call.id, owed))
        return part


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class BodyStream:
    """`context.req.stream`"""

    __slots__ = ("_inlet",)

    def __init__(self, inlet: Inlet) -> None:
        self._inlet = inlet

    def read(self) -> bytes | Awaitable[bytes]:
        """The next part, empty at the end; under asyncio to be awaited."""
        return self._inlet.read_soon() if self._inlet.is_async() else self._inlet.read()

    def __iter__(self) -> Iterator[bytes]:
        while part := self._inlet.read():
            yield part

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while part := await self._inlet.read_soon():
            yield part
