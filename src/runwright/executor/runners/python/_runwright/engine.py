"""What both ways of running user code share: frames in, the function, frames out."""

from __future__ import annotations

import _thread
import os
import sys
from time import perf_counter, process_time

from _runwright import frames, loading, output
from _runwright.call import DONE, Call, Context
from _runwright.request import enforce_headers
from _runwright.threads import Threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, NoReturn

    from _runwright.frames import Wire
    from _runwright.loop import Loop


# Loading that took longer is worth a process that is kept to fork from. Processor time tells what
# loading costs on a busy machine too; a module may also wait for something.
SLOW_LOAD_CPU_S = 0.05
SLOW_LOAD_S = 0.5


class Engine:
    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.calls: dict[int, Call] = {}  # by request id, until their last frame
        self.out: list[bytes] = []  # answers not sent yet; of the thread that reads
        self.function: Callable[..., Any] | None = None
        self.failure: str | None = None  # why there is none
        self.threads = Threads(self)
        self.loop: Loop | None = None  # the asyncio side, once the function turned out to need it
        self._is_assigned = False
        self._is_first = True
        self._main_thread = _thread.get_ident()
        self._mutex = _thread.allocate_lock()  # guards credit and gates of calls

    def run(self) -> None:
        self.threads.run()

    def flush(self) -> None:
        out = self.out
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            self.wire.send(data)

    # --- frames ---

    def handle(self, kind: int | None, request_id: int, payload: Any) -> Call | None:
        """Do what a frame asks; gives the call when it asks for user code."""
        if kind == frames.REQUEST:
            return self._request(request_id, payload)
        if kind == frames.PING:
            if not self._is_assigned:
                from _runwright.rehearsing import rehearse

                rehearse(self)
            self.out.append(frames.frame(frames.PONG, request_id))
        elif kind == frames.BODY:
            return self._body(request_id, payload)
        elif kind == frames.WINDOW:
            more = frames.window_bytes(payload)
            call = self.calls.get(request_id)
            if call is not None:
                self._open_window(call, more)
        elif kind == frames.CANCEL:
            call = self.calls.get(request_id)
            if call is not None:
                self._cancel(call)
        elif kind == frames.GONE:
            call = self.calls.get(request_id)
            if call is not None:
                self._gone(call)
        elif kind is None:
            put_back: Call = payload
            return put_back
        else:
            raise frames.Malformed(f"unexpected frame {kind}")
        return None

    def _request(self, request_id: int, payload: bytes) -> Call | None:
        flags, head, body = frames.split_request(payload)
        if request_id in self.calls:
            raise frames.Malformed("REQUEST with an id in use")
        call = Call(self, request_id, bool(flags & frames.FLAG_LOGGING), head, body)
        self.calls[request_id] = call
        if flags & frames.FLAG_STREAM:
            from _runwright.inlet import Inlet

            call.inlet = Inlet(call)
            return call
        if flags & frames.FLAG_END:
            return call
        call.parts = [body]
        return None

    def _body(self, request_id: int, payload: bytes) -> Call | None:
        if not payload:
            raise frames.Malformed("BODY")
        call = self.calls.get(request_id)
        if call is None:
            return None  # cancelled while its body was on the way
        if call.inlet is not None:
            call.inlet.push(
                payload[1:],
                is_end=bool(payload[0] & frames.FLAG_END),
                is_broken=bool(payload[0] & frames.FLAG_BROKEN),
            )
            return None
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

    def _cancel(self, call: Call) -> None:
        call.is_cancelled = True
        if call.parts is not None:
            self.calls.pop(call.id, None)
        if call.inlet is not None:
            call.inlet.break_off()
        if call.task is not None:
            call.task.cancel()
        self._open_window(call, 0)

    def _gone(self, call: Call) -> None:
        call.is_gone = True
        if call.inlet is not None:
            call.inlet.break_off()
        self._open_window(call, 0)

    # --- the function ---

    def load(self, payload: bytes, *, is_template: bool = False) -> None:
        """Take the assignment of a LOAD frame and import the function."""
        if self._is_assigned:
            raise frames.Malformed("a second LOAD")
        self._is_assigned = True
        began, worked = perf_counter(), process_time()
        root, entrypoint, env = _assignment(payload)
        self.threads.limit(env.get("RUNWRIGHT_PYTHON_THREADS", ""))
        try:
            self.function = _function_of(root, entrypoint, env)
            if not is_template:
                self._tell_if_slow(perf_counter() - began, process_time() - worked)
                self.begin_serving()
        except loading.LoadError as error:
            self.failure = str(error)
        except OSError as error:
            self.failure = f"Failed to load module: {error}"
        except SystemExit as error:
            self.leave(error)

    def rehearse(self, assignment: bytes, request: bytes) -> None:
        """Go the way of a first load and call; nothing of it stays here."""
        self._is_first = False
        try:
            self.function = _function_of(*_assignment(assignment))
            call = self._request(0, request)
            if call is not None:
                self.execute(call)
        finally:
            self.function = None
            self._is_first = True
            self.threads.learn(0.0)  # it may have been slow, which says nothing of the function

    def _tell_if_slow(self, taken_s: float, worked_s: float) -> None:
        """The host may want to fork the next instances from a process that has loaded it."""
        if worked_s > SLOW_LOAD_CPU_S or taken_s > SLOW_LOAD_S:
            self.wire.send(frames.loaded_frame(taken_s))

    def begin_serving(self) -> None:
        if loading.is_async(self.function):
            self._need_loop()

    def _need_loop(self) -> None:
        from _runwright.loop import Loop

        self.loop = Loop(self)

    def welcome(self, call: Call) -> bool:
        """What comes before user code; whether that still has to run."""
        if self._is_first:
            self._is_first = False
            output.hand_over(call)
        if call.is_cancelled:
            self.calls.pop(call.id, None)
        return not call.is_cancelled

    def execute(self, call: Call) -> bytes:
        """Run a call to its end; the frames that end it, as far as they were not sent already."""
        if not self.welcome(call):
            return b""
        function = self.function
        if function is None:
            call.take_load_failure(self.failure or "")
            return self._answer(call, 0.0)
        output.current.set(call)
        began = perf_counter()
        try:
            value = function(Context(call))
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

    def _adopt(self, call: Call, awaitable: Awaitable[object], began: float) -> bool:
        """A wrapper hid an `async def`: from now on asyncio runs the calls."""
        if self.loop is None and _thread.get_ident() == self._main_thread:
            self._need_loop()
        if self.loop is None:
            return False
        self.loop.adopt(call, awaitable, began)
        return True

    def _await_here(self, awaitable: Awaitable[object]) -> object:
        import asyncio

        async def wait() -> object:
            return await awaitable

        return asyncio.run(wait())

    def _answer(self, call: Call, user_s: float) -> bytes:
        self.threads.learn(user_s)
        micros = min(int(user_s * 1e6), 0xFFFFFFFF)
        rest = call.close()
        if call.is_cancelled:
            answer = b""
        elif call.is_short():
            answer = rest + call.short_answer(micros)
        else:
            if not call.is_streaming:
                self.wire.send(rest + call.open_answer(micros))
                self.push(call, call.body)
                rest = b""
            answer = rest + frames.end_frame(call.id, call.result, micros)
            if call.is_cancelled:
                answer = b""
        self.calls.pop(call.id, None)
        return answer

    # --- bodies in parts ---

    def push(self, call: Call, data: bytes) -> Awaitable[None]:
        """Send a part of a body; returns when all of it is under way."""
        if call.queue is not None and self.loop is not None:
            return self.loop.push(call, data)
        view = memoryview(data)
        while len(view) and not call.is_cancelled:
            if call.is_gone:
                return call.refuse_part()
            with self._mutex:
                size = min(len(view), frames.PART_BYTES, call.credit)
                call.credit -= size
                if not size:
                    gate = _thread.allocate_lock()
                    gate.acquire()
                    call.gates.append(gate)
            if size:
                self.wire.send(frames.frame(frames.CHUNK, call.id, view[:size].tobytes()))
                view = view[size:]
            else:
                # The window opens by a frame, so somebody else has to read meanwhile.
                self.threads.pass_role_on()
                gate.acquire()
        return DONE

    def _open_window(self, call: Call, more_bytes: int) -> None:
        if not call.is_in_parts:
            return
        if call.queue is not None and self.loop is not None:
            self.loop.open_window(call, more_bytes)
            return
        with self._mutex:
            call.credit += more_bytes
            gates, call.gates = call.gates, []
        for gate in gates:
            gate.release()

    # --- the end of the process ---

    def leave(self, error: BaseException) -> NoReturn:
        """User code wants the process to end."""
        code = 130
        if isinstance(error, SystemExit):
            if error.code is None or isinstance(error.code, int):
                code = error.code or 0
            else:
                print(error.code, file=sys.stderr)
                code = 1
        self.flush_everything()
        import atexit

        atexit._run_exitfuncs()
        frames._exit(code & 0xFF)

    def flush_everything(self) -> None:
        for call in list(self.calls.values()):
            call.flush_everything()


def _assignment(payload: bytes) -> tuple[str, str, dict[str, str]]:
    """Root, entrypoint and variables that a LOAD frame names."""
    import json

    try:
        assignment = json.loads(payload)
        return assignment["root"], assignment["entrypoint"], assignment["env"]
    except (ValueError, KeyError, TypeError):
        raise frames.Malformed("LOAD") from None


def _function_of(root: str, entrypoint: str, env: dict[str, str]) -> Callable[..., Any]:
    loading.prepare(root, env)
    enforce_headers(os.environ.get("OPEN_RUNTIMES_HEADERS"))
    return loading.load(root, entrypoint)
