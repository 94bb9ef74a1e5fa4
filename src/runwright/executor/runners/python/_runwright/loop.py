"""Runs an `async def main`: every call is a task of one asyncio loop on the main thread."""

import _thread
import asyncio
import sys
from _collections import deque
from time import perf_counter

from _runwright import frames, output
from _runwright.call import DONE, Context

_HAS_EAGER_TASKS = sys.version_info >= (3, 12)


def _new_loop():
    # Only the function's own dependencies are importable here, so this is its author's choice.
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class Loop:
    def __init__(self, engine):
        self._engine = engine
        self._loop = _new_loop()
        self._thread = 0
        self._is_flush_due = False

    def run(self, *, has_role):
        """Never returns. Without the reading role it comes with `take_role_from_thread`."""
        self._thread = _thread.get_ident()
        asyncio.set_event_loop(self._loop)
        if has_role:
            self._loop.call_soon(self._start_reading)
        for call in self._engine.threads.take_waiting():
            self._loop.call_soon(self._begin, call)
        self._loop.run_forever()

    def take_role_from_thread(self):
        self._loop.call_soon_threadsafe(self._start_reading)

    def _start_reading(self):
        pending = self._engine.threads.pending
        read = list(pending)
        pending.clear()
        self._take(read)
        self._loop.add_reader(frames.FD, self._on_readable)

    def _on_readable(self):
        try:
            read = self._engine.wire.read()
        except frames.Malformed as error:
            self._engine.wire.broken(str(error))
        self._take(read)

    def _take(self, read):
        try:
            for kind, request_id, payload in read:
                call = self._engine.handle(kind, request_id, payload)
                if call is not None:
                    self._begin(call)
        except frames.Malformed as error:
            self._engine.wire.broken(str(error))
        self._engine.flush()

    def _begin(self, call):
        if not self._engine.welcome(call):
            return
        call.queue = deque()
        call.drained = []
        call.final = None
        output.current.set(call)
        began = perf_counter()
        try:
            value = self._engine.function(Context(call))
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

    def adopt(self, call, awaitable, began):
        """Go on with a call that a thread has begun; from any thread, with the call's context."""
        call.queue = deque()
        call.drained = []
        call.final = None
        self._loop.call_soon_threadsafe(self._start_task, call, awaitable, began)

    def _start_task(self, call, awaitable, began):
        drive = self._drive(call, awaitable, began)
        if _HAS_EAGER_TASKS:
            task = asyncio.Task(drive, loop=self._loop, eager_start=True)
            if task.done():
                return
        else:
            task = self._loop.create_task(drive)
        call.task = task
        if call.is_cancelled:
            task.cancel()

    async def _drive(self, call, awaitable, began):
        value = failure = None
        try:
            value = await awaitable
        except (SystemExit, KeyboardInterrupt) as error:
            self._engine.leave(error)
        except BaseException as error:
            failure = error
        call.task = None
        self._finish(call, value, failure, began)

    def _finish(self, call, value, failure, began):
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
                call.queue.append(memoryview(call.body))
            self._engine.out.append(rest)
            call.final = frames.end_frame(call.id, call.result, micros)
            self._pump(call)
        if self._engine.out and not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def _forget(self, call):
        self._engine.calls.pop(call.id, None)

    def _flush(self):
        self._is_flush_due = False
        self._engine.flush()

    # --- bodies in parts ---

    def push(self, call, data):
        if _thread.get_ident() != self._thread:
            asyncio.run_coroutine_threadsafe(self._push_and_wait(call, data), self._loop).result()
            return DONE
        call.queue.append(memoryview(data))
        self._pump(call)
        if not call.queue:
            return DONE
        drained = self._loop.create_future()
        call.drained.append(drained)
        return drained

    async def _push_and_wait(self, call, data):
        await self.push(call, data)

    def open_window(self, call, more_bytes):
        call.credit += more_bytes
        self._pump(call)

    def _pump(self, call):
        self._engine.flush()  # the head goes first
        queue, wire = call.queue, self._engine.wire
        while queue and call.credit and not call.is_cancelled:
            view = queue[0]
            size = min(len(view), frames.PART_BYTES, call.credit)
            wire.send(frames.frame(frames.CHUNK, call.id, view[:size].tobytes()))
            call.credit -= size
            if size == len(view):
                queue.popleft()
            else:
                queue[0] = view[size:]
        if call.is_cancelled:
            queue.clear()
        if queue:
            return
        for drained in call.drained:
            if not drained.done():
                drained.set_result(None)
        call.drained.clear()
        if call.final is None:
            return
        if not call.is_cancelled:
            wire.send(call.final)
        call.final = None
        self._forget(call)
