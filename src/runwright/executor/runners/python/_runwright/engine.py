"""Runs a plain `def main`: quick calls one after another on the main thread, slow ones beside it.

Exactly one thread has the reading role: it reads frames and runs the calls in them itself, so
that a burst of quick calls costs one read, one write and no thread switch. The watcher looks at
it every NAP seconds; when one call has lasted that long, the role (with the frames not handled
yet) passes to another thread. The token decides races: it lies in `_token` while the reader runs
user code, and whoever pops it has the role.

After such a loss calls go straight to threads of their own, until enough of them were quick.
"""

import _thread
import os
import sys
from _collections import deque
from time import perf_counter

from _runwright import frames, loading, output
from _runwright.call import DONE, Call, Context
from _runwright.request import enforce_headers

NAP_S = 0.02
# Calls that run at the same time; more wait for a thread.
MAX_CALLS = 64
QUICK_S = 0.002
SLOW_MEMORY = 16  # quick calls in a row until calls are run by the reader again
SPARE_THREAD_S = 10.0
# Answers that are ready do not wait longer than this for other calls of the same read.
HOLD_S = 0.001

_LEAD = object()
_start_thread = _thread.start_new_thread


class _Seat:
    """Where a thread waits for its next task."""

    __slots__ = ("lock", "task")

    def __init__(self):
        self.lock = _thread.allocate_lock()
        self.lock.acquire()
        self.task = None


class Engine:
    def __init__(self, wire):
        self.wire = wire
        self.calls = {}  # by request id, until their last frame
        self.function = None
        self.failure = None
        self.loop = None  # the asyncio engine, once the function turned out to need it
        self._is_assigned = False
        self._is_loaded = False
        self._is_first = True
        self._limit = MAX_CALLS
        self._main = _Seat()
        self._main_thread = _thread.get_ident()
        # Belong to the reading role.
        self.pending = deque()
        self.out = []
        self._token = []
        self._turns = 0
        self._reader = 0  # identity of the thread that has the role
        # Guarded by the mutex.
        self.mutex = _thread.allocate_lock()
        self.waiting = deque()  # calls that no thread has taken yet
        self._parked = []
        self._busy = 0  # threads without the role that run user code
        self._slow = 0
        self._is_watched = False
        self._watch_lock = _thread.allocate_lock()
        self._watch_lock.acquire()
        self._nap_lock = _thread.allocate_lock()
        self._nap_lock.acquire()

    def run(self):
        _start_thread(self._watch, ())
        try:
            self._work(self._main, _LEAD)
        except frames.Malformed as error:
            self.wire.broken(str(error))

    # --- threads ---

    def _thread_body(self, seat, task):
        try:
            self._work(seat, task)
        except frames.Malformed as error:
            self.wire.broken(str(error))

    def _work(self, seat, task):
        """Task after task, until nothing was to do for a while (the main thread: for ever)."""
        while task is not None:
            if task is _LEAD:
                is_busy = self._lead(seat)
                if is_busy is None:
                    return  # asyncio reads from now on
            else:
                began = perf_counter()
                answer = self._execute(task)
                if answer:
                    self.wire.send(answer)
                self._learn(perf_counter() - began)
                is_busy = True
            task = self._next(seat, is_busy)

    def _learn(self, duration_s):
        if duration_s > QUICK_S:
            self._slow = SLOW_MEMORY if self._limit > 1 else 0
        elif self._slow:
            self._slow -= 1

    def _next(self, seat, is_busy):
        if self.loop is not None and seat is self._main:
            self.loop.run(has_role=False)
        with self.mutex:
            if self.waiting and (self._limit > 1 or seat is self._main):
                if not is_busy:
                    self._busy += 1
                return self.waiting.popleft()
            if is_busy:
                self._busy -= 1
            self._parked.append(seat)
        if seat is self._main:
            seat.lock.acquire()
        elif not seat.lock.acquire(True, SPARE_THREAD_S):
            with self.mutex:
                if seat in self._parked:
                    self._parked.remove(seat)
                    return None
            seat.lock.acquire()
        return seat.task

    def _give(self, seat, task):
        seat.task = task
        seat.lock.release()

    def _dispatch(self, call):
        """Have another thread run a call."""
        with self.mutex:
            if self._busy >= self._limit:
                self.waiting.append(call)
                return
            self._busy += 1
            seat = self._unpark()
        if seat is None:
            _start_thread(self._thread_body, (_Seat(), call))
        else:
            self._give(seat, call)

    def _unpark(self):
        # The main thread last: it is the one that should read.
        for at in range(len(self._parked) - 1, -1, -1):
            if self._parked[at] is not self._main:
                return self._parked.pop(at)
        return self._parked.pop() if self._parked and self._limit > 1 else None

    def _promote(self):
        """The reader is held up by user code, and its token is ours: pass the role on."""
        with self.mutex:
            self._busy += 1
            self._slow = SLOW_MEMORY if self._limit > 1 else 0
            seat = self._unpark()
        if seat is None:
            _start_thread(self._thread_body, (_Seat(), _LEAD))
        else:
            self._give(seat, _LEAD)

    def _hand_to_main(self):
        """Whether the role went back to the main thread, which is idle."""
        with self.mutex:
            if self._main not in self._parked:
                return False
            self._parked.remove(self._main)
        self._give(self._main, _LEAD)
        return True

    # --- watcher ---

    def watch(self):
        """See to it that the watcher is awake."""
        if not self._is_watched:
            self._is_watched = True
            try:
                self._watch_lock.release()
            except RuntimeError:
                pass  # it is just waking up

    def _watch(self):
        while True:
            self._watch_lock.acquire()
            idle = 0
            while idle < 5:
                turn = self._turns
                self._nap_lock.acquire(True, NAP_S)
                if self._token and turn == self._turns and self._take_token():
                    self._promote()
                for call in list(self.calls.values()):
                    call.flush_logs()
                idle = 0 if self.calls or turn != self._turns else idle + 1
            self._is_watched = False
            if self._token or self.calls:  # began while we were about to leave
                self.watch()

    def _take_token(self):
        try:
            self._token.pop()
        except IndexError:
            return False
        return True

    # --- the reading role ---

    def _lead(self, seat):
        """Read and run until the role is lost: True when lost in user code, False when handed on.

        None when asyncio has taken over, which ends a thread that is not the main one.
        """
        pending = self.pending
        is_main = seat is self._main
        self._reader = _thread.get_ident()
        while True:
            began = perf_counter()
            while pending:
                if self.loop is not None:
                    return self._lead_to_loop(is_main)
                kind, request_id, payload = pending.popleft()
                if kind == frames.LOAD:
                    if not self._load(payload):
                        return True
                    continue
                call = self.handle(kind, request_id, payload)
                if call is None or self._must_wait(call):
                    continue
                if self._limit == 1 and not is_main:
                    pending.appendleft((None, 0, call))
                    if self._hand_to_main():
                        return False
                    pending.popleft()
                    with self.mutex:
                        self.waiting.append(call)
                elif self._slow or self._busy >= self._limit:
                    self._dispatch(call)
                elif not self._run_here(call):
                    return True
                if self.out and perf_counter() - began > HOLD_S:
                    self.flush()
            if self.loop is not None:
                return self._lead_to_loop(is_main)
            self.flush()
            pending.extend(self.wire.read())
            if not is_main and not self._slow and self._hand_to_main():
                return False

    def _must_wait(self, call):
        """Whether the function is still being loaded; then the call is kept for later."""
        if self._is_loaded:
            return False
        with self.mutex:
            if not self._is_loaded:
                self.waiting.append(call)
                return True
        return False

    def _lead_to_loop(self, is_main):
        self.flush()
        if is_main:
            self.loop.run(has_role=True)
        self.loop.take_role_from_thread()
        return None

    def flush(self):
        out = self.out
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            self.wire.send(data)

    def handle(self, kind, request_id, payload):
        """Do what a frame asks; gives the call when it asks for user code."""
        if kind == frames.REQUEST:
            return self._request(request_id, payload)
        if kind == frames.PING:
            self.out.append(frames.frame(frames.PONG, request_id))
        elif kind == frames.BODY:
            return self._body(request_id, payload)
        elif kind == frames.WINDOW:
            more = frames.window_bytes(payload)
            call = self.calls.get(request_id)
            if call is not None:
                self.open_window(call, more)
        elif kind == frames.CANCEL:
            call = self.calls.get(request_id)
            if call is not None:
                self.cancel(call)
        elif kind is None:
            return payload  # a call that was put back
        else:
            raise frames.Malformed(f"unexpected frame {kind}")
        return None

    def _request(self, request_id, payload):
        flags, head, body = frames.split_request(payload)
        if request_id in self.calls:
            raise frames.Malformed("REQUEST with an id in use")
        call = Call(self, request_id, bool(flags & frames.FLAG_LOGGING), head, body)
        self.calls[request_id] = call
        if flags & frames.FLAG_END:
            return call
        call.parts = [body]
        return None

    def _body(self, request_id, payload):
        if not payload:
            raise frames.Malformed("BODY")
        call = self.calls.get(request_id)
        if call is None:
            return None  # cancelled while its body was on the way
        if call.parts is None:
            raise frames.Malformed("BODY after the end of its request")
        call.parts.append(payload[1:])
        if sum(map(len, call.parts)) > frames.MAX_REQUEST_BYTES:
            raise frames.Malformed("request body too large")
        if not payload[0] & frames.FLAG_END:
            return None
        call.body = b"".join(call.parts)
        call.parts = None
        return call

    def cancel(self, call):
        call.is_cancelled = True
        if call.parts is not None:
            self.calls.pop(call.id, None)
        if call.task is not None:
            call.task.cancel()
        self.open_window(call, 0)

    # --- user code ---

    def _load(self, payload):
        """Import the function; whether this thread still has the reading role."""
        if self._is_assigned:
            raise frames.Malformed("a second LOAD")
        self._is_assigned = True
        self._token.append(1)
        self.watch()
        try:
            self._import(payload)
        except SystemExit as error:
            self.leave(error)
        is_leader = self._take_token()
        if self.function is not None and loading.is_async(self.function):
            self._need_loop()
        with self.mutex:
            self._is_loaded = True
            is_ours = is_leader or (self.loop is None and self._limit > 1)
            early = list(self.waiting) if is_ours else ()
            if is_ours:
                self.waiting.clear()
        if is_leader:
            self.pending.extendleft((None, 0, call) for call in reversed(early))
        else:
            # The reader knows nothing of them, and this thread can run only one at a time.
            for call in early:
                self._dispatch(call)
        return is_leader

    def _import(self, payload):
        import json

        try:
            assignment = json.loads(payload)
            root, entrypoint = assignment["root"], assignment["entrypoint"]
            env = assignment["env"]
        except (ValueError, KeyError, TypeError):
            raise frames.Malformed("LOAD") from None
        if env.get("RUNWRIGHT_PYTHON_THREADS", "").isdigit():
            self._limit = min(max(int(env["RUNWRIGHT_PYTHON_THREADS"]), 1), MAX_CALLS)
        try:
            loading.prepare(root, env)
            enforce_headers(os.environ.get("OPEN_RUNTIMES_HEADERS"))
            self.function = loading.load(root, entrypoint)
        except loading.LoadError as error:
            self.failure = str(error)
        except OSError as error:
            self.failure = f"Failed to load module: {error}"

    def _need_loop(self):
        from _runwright.loop import Loop

        self.loop = Loop(self)

    def _run_here(self, call):
        """Run a call as the reader; whether the role is still ours."""
        token = self._token
        self._turns += 1
        token.append(1)
        if not self._is_watched:
            self.watch()
        answer = self._execute(call)
        try:
            token.pop()
        except IndexError:
            if answer:
                self.wire.send(answer)
            return False
        if answer:
            self.out.append(answer)
        return True

    def _execute(self, call):
        """The frames that end a call, as far as they were not sent already."""
        if not self.welcome(call):
            return b""
        if self.failure is not None:
            call.take_load_failure(self.failure)
            return self._answer(call, 0.0)
        output.current.set(call)
        began = perf_counter()
        try:
            value = self.function(Context(call))
            if type(value) is not dict and hasattr(type(value), "__await__"):
                if self._adopt(call, value, began):
                    return b""
                value = self._await_here(value)
            user_s = perf_counter() - began
            call.take_value(value)
        except (SystemExit, KeyboardInterrupt) as error:
            self.leave(error)
        except BaseException as error:
            user_s = perf_counter() - began
            call.take_error(error)
        finally:
            output.current.set(None)
        return self._answer(call, user_s)

    def welcome(self, call):
        """What comes before user code; whether that still has to run."""
        if self._is_first:
            self._is_first = False
            output.hand_over(call)
        if call.is_cancelled:
            self.calls.pop(call.id, None)
        return not call.is_cancelled

    def _adopt(self, call, awaitable, began):
        """A wrapper hid an `async def`: from now on asyncio runs the calls."""
        if self.loop is None:
            if _thread.get_ident() != self._main_thread:
                return False
            self._need_loop()
        self.loop.adopt(call, awaitable, began)
        return True

    def _await_here(self, awaitable):
        import asyncio

        async def wait():
            return await awaitable

        return asyncio.run(wait())

    def _answer(self, call, user_s):
        micros = min(int(user_s * 1e6), 0xFFFFFFFF)
        if call.is_cancelled:
            call.close()
            answer = b""
        elif call.is_short():
            answer = call.close() + call.short_answer(micros)
        else:
            if not call.is_streaming:
                self.wire.send(call.close() + call.open_answer(micros))
                self.push(call, call.body)
            answer = call.close() + frames.end_frame(call.id, call.result, micros)
            if call.is_cancelled:
                answer = b""
        self.calls.pop(call.id, None)
        return answer

    def leave(self, error):
        """User code wants the process to end."""
        code = 130
        if isinstance(error, SystemExit):
            code = error.code
            if code is None:
                code = 0
            elif not isinstance(code, int):
                print(code, file=sys.stderr)
                code = 1
        self.flush_everything()
        import atexit

        atexit._run_exitfuncs()
        frames._exit(code & 0xFF)

    def flush_everything(self):
        for call in list(self.calls.values()):
            call.flush_everything()

    # --- bodies in parts ---

    def push(self, call, data):
        """Send a part of a body; returns when all of it is under way."""
        if call.queue is not None:
            return self.loop.push(call, data)
        view = memoryview(data)
        while len(view) and not call.is_cancelled:
            with self.mutex:
                size = min(len(view), frames.PART_BYTES, call.credit)
                call.credit -= size
                if not size:
                    call.gate = gate = _thread.allocate_lock()
                    gate.acquire()
            if size:
                self.wire.send(frames.frame(frames.CHUNK, call.id, view[:size].tobytes()))
                view = view[size:]
            else:
                # The window opens by a frame, so somebody else has to read meanwhile.
                if self._reader == _thread.get_ident() and self._take_token():
                    self._promote()
                gate.acquire()
        return DONE

    def open_window(self, call, more_bytes):
        if call.credit is None:
            return
        if call.queue is not None:
            self.loop.open_window(call, more_bytes)
            return
        with self.mutex:
            call.credit += more_bytes
            gate, call.gate = call.gate, None
        if gate is not None:
            gate.release()
