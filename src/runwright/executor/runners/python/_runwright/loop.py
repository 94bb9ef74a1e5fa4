"""Runs an `async def main`: every call is a task of one asyncio loop on the main thread."""

from __future__ import annotations

import _thread
import asyncio
import sys
from _collections import deque  # type: ignore[import-not-found]  # `collections` loads slowly
from time import perf_counter

from _runwright import frames, output
from _runwright.call import DONE, CallerGone, Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import NoReturn

    from _runwright.call import Call
    from _runwright.engine import Engine
    from _runwright.frames import Frame


def _new_loop() -> asyncio.AbstractEventLoop:
    # Only the function's own dependencies are importable here, so this is its author's choice.
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class Loop:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        assert engine.function is not None
        self._function = engine.function
        self._loop = _new_loop()
        self._thread = 0
        self._is_flush_due = False

    def run(self, *, has_role: bool) -> NoReturn:
        """Never returns. Without the reading role it comes with `take_role_from_thread`."""
        self._thread = _thread.get_ident()
        asyncio.set_event_loop(self._loop)
        if has_role:
            self._loop.call_soon(self._start_reading)
        for call in self._engine.threads.take_waiting():
            self._loop.call_soon(self._begin, call)
        self._loop.run_forever()
        raise RuntimeError("the function stopped the event loop")

    def take_role_from_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._start_reading)

    def _start_reading(self) -> None:
        pending = self._engine.threads.pending
        read = list(pending)
        pending.clear()
        self._take(read)
        self._loop.add_reader(frames.FD, self._on_readable)

    def _on_readable(self) -> None:
        try:
            read = self._engine.wire.read()
        except frames.Malformed as error:
            self._engine.wire.broken(str(error))
        self._take(read)

    def _take(self, read: list[Frame]) -> None:
        try:
            for kind, request_id, payload in read:
                call = self._engine.handle(kind, request_id, payload)
                if call is not None:
                    self._begin(call)
        except frames.Malformed as error:
            self._engine.wire.broken(str(error))
        self._engine.flush()

    def _begin(self, call: Call) -> None:
        if not self._engine.welcome(call):
            return
        self._take_over(call)
        output.current.set(call)
        began = perf_counter()
        try:
            value = self._function(Context(call))
            if type(value) is not dict and hasattr(type(value), "__await__"):
                self._start_task(call, value, began)
            else:
                self._finish(call, value, None, began)
        except (SystemExit, KeyboardInterrupt) as error:
            self._engine.leave(error)
        except BaseException as error:
            self._finish(call, None, error, began)
        finally:
            output.current.set(None)

    def _take_over(self, call: Call) -> None:
        call.queue = deque()
        call.drained = []
        call.final = b""

    def _queue(self, call: Call) -> deque[memoryview]:
        assert call.queue is not None
        return call.queue

    def adopt(self, call: Call, awaitable: Awaitable[object], began: float) -> None:
        """Go on with a call that a thread has begun; from any thread, with the call's context."""
        self._take_over(call)
        self._loop.call_soon_threadsafe(self._start_task, call, awaitable, began)

    def _start_task(self, call: Call, awaitable: Awaitable[object], began: float) -> None:
        drive = self._drive(call, awaitable, began)
        if sys.version_info >= (3, 12):
            task = asyncio.Task(drive, loop=self._loop, eager_start=True)
            if task.done():
                return
        else:
            task = self._loop.create_task(drive)
        call.task = task
        if call.is_cancelled:
            task.cancel()

    async def _drive(self, call: Call, awaitable: Awaitable[object], began: float) -> None:
        value = failure = None
        try:
            value = await awaitable
        except (SystemExit, KeyboardInterrupt) as error:
            self._engine.leave(error)
        except BaseException as error:
            failure = error
        call.task = None
        self._finish(call, value, failure, began)

    def _finish(
        self, call: Call, value: object, failure: BaseException | None, began: float
    ) -> None:
        micros = min(int((perf_counter() - began) * 1e6), 0xFFFFFFFF)
        if failure is not None:
            if not call.is_cancelled:
                call.take_error(failure)
        else:
            call.take_value(value)
        if call.is_cancelled:
            call.close()
            self._forget(call)
        elif call.is_short():
            self._engine.out.append(call.close() + call.short_answer(micros))
            self._forget(call)
        else:
            rest = call.close()
            if not call.is_streaming:
                rest += call.open_answer(micros)
                self._queue(call).append(memoryview(call.body))
            self._engine.out.append(rest)
            call.final = frames.end_frame(call.id, call.result, micros)
            self._pump(call)
        if self._engine.out and not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def _forget(self, call: Call) -> None:
        self._engine.calls.pop(call.id, None)

    def _flush(self) -> None:
        self._is_flush_due = False
        self._engine.flush()

    # --- bodies in parts ---

    def is_here(self) -> bool:
        """Whether the calling thread is the one of the loop, which must not block."""
        return _thread.get_ident() == self._thread

    def push(self, call: Call, data: bytes) -> Awaitable[None]:
        if not self.is_here():
            asyncio.run_coroutine_threadsafe(self._push_and_wait(call, data), self._loop).result()
            return DONE
        self._queue(call).append(memoryview(data))
        self._pump(call)
        if not call.queue:
            return DONE
        drained = self._loop.create_future()
        call.drained.append(drained)
        return drained

    async def _push_and_wait(self, call: Call, data: bytes) -> None:
        await self.push(call, data)

    def open_window(self, call: Call, more_bytes: int) -> None:
        call.credit += more_bytes
        self._pump(call)

    def _pump(self, call: Call) -> None:
        self._engine.flush()  # the head goes first
        queue, wire = self._queue(call), self._engine.wire
        while queue and call.credit and not call.is_cancelled and not call.is_gone:
            view = queue[0]
            size = min(len(view), frames.PART_BYTES, call.credit)
            wire.send(frames.frame(frames.CHUNK, call.id, view[:size].tobytes()))
            call.credit -= size
            if size == len(view):
                queue.popleft()
            else:
                queue[0] = view[size:]
        if call.is_cancelled or call.is_gone:
            queue.clear()
        if queue:
            return
        for drained in call.drained:
            if drained.done():
                continue
            if call.is_gone:
                drained.set_exception(CallerGone())
                drained.exception()  # who does not await a write does not care
            else:
                drained.set_result(None)
        call.drained.clear()
        if not call.final:
            return
        if not call.is_cancelled:
            wire.send(call.final)
        call.final = b""
        self._forget(call)
