"""Runs a plain `def main`: quick calls one after another on the main thread, slow ones beside it.

Exactly one thread has the reading role: it reads frames and runs the calls in them itself, so
that a burst of quick calls costs one read, one write and no thread switch. The watcher looks at
it every NAP_S seconds; when one call has lasted that long, the role (with the frames not handled
yet) passes to another thread. The token decides races: it lies in `_token` while the reader runs
user code, and whoever pops it has the role.

After such a loss, or calls that were slow though not as slow as that, calls go straight to
threads of their own, until enough of them were quick.
"""

from __future__ import annotations

import _thread
from _collections import deque  # type: ignore[import-not-found]  # `collections` loads slowly
from time import perf_counter

from _runwright import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _runwright.call import Call
    from _runwright.engine import Engine
    from _runwright.frames import Frame

NAP_S = 0.02
IDLE_NAPS = 5  # naps without work until the watcher goes to sleep
# Calls that run at the same time; more wait for a thread.
MAX_CALLS = 64
QUICK_S = 0.002
SLOW_MEMORY = 16  # quick calls in a row until the reader runs calls again
SPARE_THREAD_S = 10.0
# Answers that are ready do not wait longer than this for other calls of the same read.
HOLD_S = 0.001

_LEAD = object()
_start_thread = _thread.start_new_thread


class _Seat:
    """Where a thread waits for its next task."""

    __slots__ = ("lock", "task")

    def __init__(self) -> None:
        self.lock = _locked()
        self.task: object = None


def _locked() -> _thread.LockType:
    lock = _thread.allocate_lock()
    lock.acquire()
    return lock


class Threads:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._limit = MAX_CALLS
        self._main = _Seat()
        self._is_loaded = False
        # Belong to the reading role.
        self.pending: deque[Frame] = deque()  # frames read but not handled
        self._token: list[int] = []
        self._turns = 0
        self._reader = 0  # identity of the thread
        # Guarded by the mutex.
        self._mutex = _thread.allocate_lock()
        self._waiting: deque[Call] = deque()  # calls that no thread has taken yet
        self._parked: list[_Seat] = []
        self._busy = 0  # threads without the role that run user code
        self._is_role_free = False  # nobody could be found to read
        self._slow = 0  # not exact, needs no guard; neither does the next
        self._was_slow = False
        self._is_watched = False
        self._has_watcher = False
        self._watch_lock = _locked()
        self._nap_lock = _locked()

    def limit(self, text: str) -> None:
        """How many calls may run at once, as the function's environment says."""
        if text.isdigit():
            self._limit = min(max(int(text), 1), MAX_CALLS)

    def learn(self, user_s: float) -> None:
        """Take note of how long user code took for one call."""
        if user_s <= QUICK_S:
            self._was_slow = False
            if self._slow:
                self._slow -= 1
        elif self._was_slow or self._slow:
            self._slow = SLOW_MEMORY if self._limit > 1 else 0
        else:
            # Once may be the scheduler's doing; twice in a row is the function's.
            self._was_slow = True

    def run(self) -> None:
        """The main thread's life."""
        self._thread_body(self._main, _LEAD)

    def take_waiting(self) -> list[Call]:
        with self._mutex:
            waiting = list(self._waiting)
            self._waiting.clear()
        return waiting

    # --- tasks ---

    def _thread_body(self, seat: _Seat, task: object) -> None:
        try:
            self._work(seat, task)
        except frames.Malformed as error:
            self._engine.wire.broken(str(error))

    def _work(self, seat: _Seat, task: Any) -> None:
        """Task after task, until nothing was to do for a while (the main thread: for ever)."""
        while task is not None:
            if task is _LEAD:
                is_busy = self._lead(seat)
                if is_busy is None:
                    return  # asyncio reads from now on
            else:
                answer = self._engine.execute(task)
                if answer:
                    self._engine.wire.send(answer)
                is_busy = True
            task = self._next(seat, is_busy)

    def _next(self, seat: _Seat, is_busy: bool) -> object:
        if self._engine.loop is not None and seat is self._main:
            self._engine.loop.run(has_role=False)
        with self._mutex:
            if self._is_role_free:
                self._is_role_free = False
                self._busy -= is_busy
                return _LEAD
            if self._waiting and (self._limit > 1 or seat is self._main):
                self._busy += not is_busy
                return self._waiting.popleft()
            self._busy -= is_busy
            self._parked.append(seat)
        if seat is self._main:
            seat.lock.acquire()
        elif not seat.lock.acquire(True, SPARE_THREAD_S):
            with self._mutex:
                if seat in self._parked:
                    self._parked.remove(seat)
                    return None
            seat.lock.acquire()  # a task came in this very moment
        return seat.task

    def _give(self, seat: _Seat, task: object) -> None:
        seat.task = task
        seat.lock.release()

    def _dispatch(self, call: Call) -> bool:
        """Have another thread run a call, now or when one is free. False when none can be had."""
        with self._mutex:
            if self._busy >= self._limit:
                self._waiting.append(call)
                return True
            self._busy += 1
            seat = self._unpark()
        if seat is not None:
            self._give(seat, call)
            return True
        try:
            _start_thread(self._thread_body, (_Seat(), call))
        except RuntimeError:  # no more threads for this process
            with self._mutex:
                self._busy -= 1
            return False
        return True

    def _unpark(self) -> _Seat | None:
        # The main thread last: it is the one that should read.
        for at in range(len(self._parked) - 1, -1, -1):
            if self._parked[at] is not self._main:
                return self._parked.pop(at)
        return self._parked.pop() if self._parked and self._limit > 1 else None

    # --- passing the role ---

    def pass_role_on(self) -> None:
        """The calling thread is about to wait; if it is the reader, another has to be."""
        if self._reader == _thread.get_ident() and self._take_token():
            self._promote()

    def _take_token(self) -> bool:
        try:
            self._token.pop()
        except IndexError:
            return False
        return True

    def _promote(self) -> None:
        """The reader is held up by user code, and its token is ours: find another."""
        with self._mutex:
            self._busy += 1
            self._slow = SLOW_MEMORY if self._limit > 1 else 0
            seat = self._unpark()
        if seat is None:
            try:
                _start_thread(self._thread_body, (_Seat(), _LEAD))
                return
            except RuntimeError:  # no more threads for this process
                with self._mutex:
                    seat = self._parked.pop() if self._parked else None
                    self._is_role_free = seat is None
        if seat is not None:
            self._give(seat, _LEAD)

    def _hand_to_main(self) -> bool:
        """Whether the role went back to the main thread, which is idle."""
        with self._mutex:
            if self._main not in self._parked:
                return False
            self._parked.remove(self._main)
        self._give(self._main, _LEAD)
        return True

    # --- watcher ---

    def watch(self) -> None:
        """See to it that the watcher is awake."""
        if not self._is_watched:
            self._is_watched = True
            try:
                if not self._has_watcher:
                    # Not earlier: a process that has threads cannot become a template.
                    _start_thread(self._watch, ())
                    self._has_watcher = True
                self._watch_lock.release()
            except RuntimeError:
                pass  # it is just waking up, or there can be no more threads

    def _watch(self) -> None:
        calls = self._engine.calls
        while True:
            self._watch_lock.acquire()
            idle = 0
            while idle < IDLE_NAPS:
                turn = self._turns
                self._nap_lock.acquire(True, NAP_S)
                if self._token and turn == self._turns and self._take_token():
                    self._promote()
                for call in list(calls.values()):
                    call.flush_logs()
                idle = 0 if calls or turn != self._turns else idle + 1
            self._is_watched = False
            if self._token or calls:  # began while we were about to leave
                self.watch()

    # --- the reading role ---

    def _lead(self, seat: _Seat) -> bool | None:
        """Read and run until the role is lost: True when lost in user code, False when handed on.

        None when asyncio has taken over, which ends a thread that is not the main one.
        """
        engine, pending = self._engine, self.pending
        is_main = seat is self._main
        self._reader = _thread.get_ident()
        while True:
            began = perf_counter()
            while pending:
                if engine.loop is not None:
                    self._lead_to_loop(is_main)
                    return None
                kind, request_id, payload = pending.popleft()
                if kind == frames.LOAD:
                    if not self._load(payload):
                        return True
                    continue
                if kind == frames.TEMPLATE:
                    self._be_a_template(payload)
                    continue
                call = engine.handle(kind, request_id, payload)
                if call is None or self._must_wait(call):
                    continue
                if self._limit == 1 and not is_main:
                    if self._leave_to_main(call):
                        return False
                elif not self._is_run_elsewhere(call) and not self._run_here(call):
                    return True
                if engine.out and perf_counter() - began > HOLD_S:
                    engine.flush()
            if engine.loop is not None:
                self._lead_to_loop(is_main)
                return None
            engine.flush()
            pending.extend(engine.wire.read())
            if not is_main and not self._slow and self._hand_to_main():
                return False

    def _be_a_template(self, payload: bytes) -> None:
        """Returns in forks alone, which have the function and serve it."""
        from _runwright import template

        template.serve(self._engine, payload)
        self.pending.clear()
        self._is_loaded = True

    def _load(self, payload: bytes) -> bool:
        """Import the function; whether this thread still has the reading role."""
        self._token.append(1)
        self.watch()
        self._engine.load(payload)
        is_leader = self._take_token()
        with self._mutex:
            self._is_loaded = True
        if is_leader:
            early = reversed(self.take_waiting())
            self.pending.extendleft((None, 0, call) for call in early)
        elif self._engine.loop is None and self._limit > 1:
            # The reader knows nothing of them, and this thread can run only one at a time.
            for call in self.take_waiting():
                if not self._dispatch(call):
                    with self._mutex:
                        self._waiting.append(call)
        return is_leader

    def _must_wait(self, call: Call) -> bool:
        """Whether the function is still being loaded; then the call is kept for later."""
        if self._is_loaded:
            return False
        with self._mutex:
            if self._is_loaded:
                return False
            self._waiting.append(call)
        return True

    def _leave_to_main(self, call: Call) -> bool:
        """Only the main thread runs calls: now, with the role, or when it is done with another."""
        with self._mutex:
            if self._main not in self._parked:
                self._waiting.append(call)
                return False
            self._parked.remove(self._main)
        self.pending.appendleft((None, 0, call))
        self._give(self._main, _LEAD)
        return True

    def _is_run_elsewhere(self, call: Call) -> bool:
        return (self._slow > 0 or self._busy >= self._limit) and self._dispatch(call)

    def _run_here(self, call: Call) -> bool:
        """Run a call as the reader; whether the role is still ours."""
        token = self._token
        self._turns += 1
        token.append(1)
        if not self._is_watched:
            self.watch()
        answer = self._engine.execute(call)
        try:
            token.pop()
        except IndexError:
            if answer:
                self._engine.wire.send(answer)
            return False
        if answer:
            self._engine.out.append(answer)
        return True

    def _lead_to_loop(self, is_main: bool) -> None:
        self._engine.flush()
        loop = self._engine.loop
        assert loop is not None
        if is_main:
            loop.run(has_role=True)
        loop.take_role_from_thread()
