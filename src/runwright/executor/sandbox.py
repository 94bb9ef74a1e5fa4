"""One sandbox as the server sees it: its frames, its calls, its end.

    STARTING -> READY -> ASSIGNED -> DRAINING -> ENDING -> GONE

READY: isolated, runner loaded, no code. ASSIGNED: holds one workload for the rest of its
life. DRAINING: takes no new call and ends when its last one does, or at the last deadline.
ENDING: TERM was sent, KILL follows. A sandbox that missed a deadline, broke the frame rules
or lost its process never goes back to ASSIGNED. Nothing that comes from inside is trusted: a
malformed frame or an unknown request id ends this sandbox and no other.
"""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable
from enum import IntEnum
from typing import Final, cast

from runwright.executor import wire
from runwright.executor.call import CANCELLED, TIMED_OUT, Call
from runwright.executor.output import STOPPED, UNLIMITED, Output, verdict
from runwright.executor.spawn import Exit, SpawnFailed
from runwright.executor.upload import Upload
from runwright.model.execution import ErrorClass, request_head

log = logging.getLogger(__name__)

PING_S: Final = 0.05  # a loop that does not turn for so long is held up by user code
QUIET_S: Final = 0.02  # a busy sandbox that was silent for so long is asked before it gets more
KILL_AFTER_S: Final = 1.0
_LAST_FRAMES_S: Final = 1.0
_TURN_FRAMES: Final = 256  # one read may hold 29 000 of the smallest
_BULK_BYTES: Final = 16 * 1024  # of one read; only then can frames be many
_TURN_S: Final = 0.002  # of the loop for the frames of one read; more has to be rested for
_REST: Final = 4  # times what the read took
_LONGEST_REST_S: Final = 0.2
_JOINED_BYTES: Final = 64 * 1024  # longer frames are not worth a copy to save a write
# Plain numbers: members of an enum are looked up at each use.
_RESPONSE: Final = int(wire.Kind.RESPONSE)
_LOG: Final = int(wire.Kind.LOG)


class State(IntEnum):
    STARTING = 0
    READY = 1
    ASSIGNED = 2
    DRAINING = 3
    ENDING = 4
    GONE = 5


class Owner:
    """What a sandbox tells the pool; the pool overrides what it wants to hear."""

    def sandbox_ready(self, sandbox: "Sandbox") -> None: ...

    def sandbox_rehearsed(self, sandbox: "Sandbox") -> None: ...

    def sandbox_freed(self, sandbox: "Sandbox") -> None: ...

    def sandbox_stalled(self, sandbox: "Sandbox") -> None: ...

    def sandbox_gone(self, sandbox: "Sandbox", end: Exit) -> None: ...

    def sandbox_told(self, sandbox: "Sandbox", kind: int, number: int, payload: bytes) -> None:
        """A frame about loading or forking. Raises WireError when it is out of place."""


class Sandbox(asyncio.Protocol):
    """Also the protocol of its frame socket: one object, no hop per request."""

    def __init__(
        self,
        sandbox_id: int,
        owner: Owner,
        *,
        send_signal: Callable[[int, int], None],
        max_calls: int,
        max_body_bytes: int,
        now: Callable[[], float],
    ) -> None:
        self.id = sandbox_id
        self.state = State.STARTING
        self.calls: dict[int, Call] = {}
        self.live_calls = 0  # those whose caller has no outcome yet
        self.idle_since = 0.0
        self.is_fresh = True  # it was started for calls, and none has come yet
        self.start_s = 0.0  # what getting it ready took, for the calls that waited for it
        self.is_stalled = False
        self.memory_mib = 0
        self._now = now
        self._owner = owner
        self._signal = send_signal
        self._max_calls = max_calls
        self._max_body_bytes = max_body_bytes
        self._loop = asyncio.get_running_loop()
        self._reader = wire.FrameReader()
        self._transport: asyncio.Transport | None = None
        self._next_id = 1
        self._heard_at = 0.0
        self._ping: asyncio.TimerHandle | None = None
        self._pongs_due = 0
        self._is_paused = False
        self._unsent: list[bytes] = []  # frames of this turn of the loop
        self._has_ended_calls = False  # among what is being read
        self._resting: asyncio.TimerHandle | None = None
        self.output = Output(self._loop)
        self._exit: Exit | None = None
        self._is_eof = False
        self._broken = ""
        self._is_cut_off = False
        self._timers: list[asyncio.TimerHandle] = []

    # Lending

    @property
    def was_called(self) -> bool:
        return self._next_id != 1

    def can_take(self, now: float) -> bool:
        """Whether a call may be submitted without asking first."""
        if self.state is not State.ASSIGNED or self._is_paused:
            return False
        if not self.calls:
            return True
        if len(self.calls) >= self._max_calls or self.is_stalled:
            return False
        return now - self._heard_at < QUIET_S

    def is_askable(self) -> bool:
        """Busy and silent, but perhaps only waiting for something: a ping will tell."""
        return (
            self.state is State.ASSIGNED
            and not self.is_stalled
            and not self._is_paused
            and len(self.calls) < self._max_calls
        )

    def ask(self) -> None:
        """Ping. The owner hears `sandbox_freed` on the answer, else `sandbox_stalled`."""
        if self._ping is None:
            self._write(wire.frame(wire.Kind.PING, 0))
            self._pongs_due += 1
            self._ping = self._loop.call_later(PING_S, self._ping_missed)

    def _ping_missed(self) -> None:
        self.is_stalled = True
        self._owner.sandbox_stalled(self)

    def submit(self, call: Call, now: float) -> None:
        calls = self.calls
        is_first = not calls
        if is_first:
            self._heard_at = now
        request_id = self._next_id
        self._next_id = request_id + 1 if request_id < 0xFFFFFFFF else 1
        calls[request_id] = call
        self.live_calls += 1
        call.lend(self, now, self.start_s if self.is_fresh else None)
        invocation = call.invocation
        frames = wire.encode_request(
            request_id,
            invocation.head
            or request_head(invocation.method, invocation.target, invocation.headers),
            invocation.body,
            is_logging=invocation.is_logging,
            is_streamed=call.source is not None,
        )
        if is_first or len(frames) > _JOINED_BYTES:
            self._write(frames)
        else:
            self._write_soon(frames)
        if call.source is not None:
            call.upload = Upload(call.source, request_id, self._write, lambda: self._is_paused)

    def rehearse(self) -> None:
        """Ping before there is code: the runner does then whatever makes its first call quick.

        The owner hears `sandbox_rehearsed` on the answer.
        """
        self._write(wire.frame(wire.Kind.PING, 0))
        self._pongs_due += 1

    def load(self, payload: bytes) -> None:
        self.state = State.ASSIGNED
        # With the call that waits for it, so that the runner reads both in one turn of its loop.
        self._write_soon(wire.frame(wire.Kind.LOAD, 0, payload))

    def be_assigned(self) -> None:
        """It is a fork, which has loaded already."""
        self.state = State.ASSIGNED

    def become_template(self, payload: bytes) -> None:
        """Load and fork from now on, and take no call ever."""
        self._write(wire.frame(wire.Kind.TEMPLATE, 0, payload))

    def borrowed_socket(self) -> socket.socket:
        """The frame socket under a descriptor of its own; the caller closes it."""
        if self._transport is None:
            raise SpawnFailed("the sandbox ended")
        own = self._transport.get_extra_info("socket").fileno()
        return socket.socket(fileno=os.dup(own))

    def _write_soon(self, data: bytes) -> None:
        """With the rest of this turn of the loop. A busy sandbox has something to do meanwhile,
        and neither side pays for a system call per request."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(data)

    def _flush(self) -> None:
        if self._unsent:
            self._write(b"")

    def _write(self, data: bytes) -> None:
        if self._unsent:
            data = b"".join((*self._unsent, data))
            self._unsent.clear()
        # A write after the end would raise inside the caller; the exit report comes anyway.
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def caller_left(self, call: Call) -> None:
        """A caller was cancelled: user code goes on until its deadline, unheard."""
        for request_id, other in self.calls.items():
            if other is call:
                self.live_calls -= 1
                self._write(wire.frame(wire.Kind.CANCEL, request_id))

    def hang_up(self, call: Call) -> None:
        """Tell user code that its caller has gone; it goes on as it likes."""
        for request_id, other in self.calls.items():
            if other is call:
                self._write(wire.frame(wire.Kind.GONE, request_id))

    def cancel(self, call: Call) -> None:
        """End a call; while its user code runs there is no way to end that code alone."""
        is_running = call in self.calls.values()  # else only its response is on its way yet
        self.caller_left(call)
        call.fail(ErrorClass.CANCELLED, CANCELLED, self._now())
        if is_running:
            self.drain()

    def open_window(self, request_id: int, call: Call, more_bytes: int) -> None:
        call.owed += more_bytes
        if call.owed >= wire.WINDOW_STEP_BYTES:
            call.credit += call.owed
            self._write(wire.encode_window(request_id, call.owed))
            call.owed = 0

    # Frames

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses; what is used here they have.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=1024 * 1024)

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        for call in self.calls.values():
            if call.upload is not None:
                call.upload.wake()
        self._owner.sandbox_freed(self)

    def data_received(self, data: bytes) -> None:
        self._heard_at = now = self._now()
        if self.is_stalled:
            self._heard_again()
        try:
            for kind, request_id, payload in self._reader.feed(data, _TURN_FRAMES):
                if kind == _RESPONSE:
                    self._on_response(request_id, payload, now)
                elif kind == _LOG:
                    self._call(request_id).log(payload)
                else:
                    self._on_rare(kind, request_id, payload, now)
        except wire.WireError as exc:
            self._break(str(exc))
        if self._has_ended_calls:
            self._freed(now)
        if self._reader.is_behind or (len(data) > _BULK_BYTES and self._now() - now > _TURN_S):
            self._rest(self._now() - now)

    def _rest(self, spent_s: float) -> None:
        """Read no more for a while: thousands of tiny frames cost all other calls their turn."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.pause_reading()
        pause_s = min(spent_s * _REST, _LONGEST_REST_S)
        self._resting = self._loop.call_later(pause_s, self._rested)

    def _rested(self) -> None:
        self._resting = None
        if self._reader.is_behind and not self._broken:
            self.data_received(b"")
        transport = self._transport
        if self._resting is None and transport is not None and not transport.is_closing():
            transport.resume_reading()

    def _call(self, request_id: int) -> Call:
        call = self.calls.get(request_id)
        if call is None:
            raise wire.WireError("unknown request id")
        return call

    def _on_response(self, request_id: int, payload: bytes, now: float) -> None:
        call = self.calls.get(request_id) or self._call(request_id)
        head = wire.ResponseHead(payload)
        if call.head is not None:
            raise wire.WireError("a second RESPONSE")
        call.headers = head.headers()
        if head.is_complete:
            del self.calls[request_id]
            if not call.done():
                self.live_calls -= 1
                call.succeed(head, head.body, now)
            self._has_ended_calls = True
            return
        call.begin(head, self, request_id, self._now)
        if head.body:
            self._on_chunk(request_id, head.body)

    def _on_rare(self, kind: int, request_id: int, payload: bytes, now: float) -> None:
        if kind == wire.Kind.CHUNK:
            self._on_chunk(request_id, payload)
        elif kind == wire.Kind.END:
            self._on_end(request_id, payload, now)
        elif kind == wire.Kind.TAKEN:
            taker = self.calls.get(request_id)  # its last frame may have left another thread first
            if taker is not None and taker.upload is not None:
                taker.upload.taken(wire.decode_taken(payload))
        elif kind == wire.Kind.PONG:
            # Each costs a look at all that waits: nobody may send more than were asked for.
            if self._pongs_due == 0:
                raise wire.WireError("PONG without PING")
            self._pongs_due -= 1
            if self._ping is not None:
                self._ping.cancel()
                self._ping = None
            if self.state is State.READY:
                self._owner.sandbox_rehearsed(self)
            else:
                self._owner.sandbox_freed(self)
        elif kind == wire.Kind.HELLO and self.state in (State.STARTING, State.ENDING):
            if self.state is State.STARTING:
                self.state = State.READY
                self._owner.sandbox_ready(self)
        elif kind in (wire.Kind.LOADED, wire.Kind.ENDED):
            self._owner.sandbox_told(self, kind, request_id, payload)
        else:
            raise wire.WireError(f"unexpected frame {kind}")

    def _on_chunk(self, request_id: int, part: bytes) -> None:
        call = self._call(request_id)
        if call.head is None:
            raise wire.WireError("CHUNK before RESPONSE")
        if not call.take(part):
            return
        if call.body_bytes > self._max_body_bytes and not call.done():
            self.live_calls -= 1
            call.refuse_body(self._max_body_bytes, self._now())
        self.open_window(request_id, call, len(part))

    def _on_end(self, request_id: int, payload: bytes, now: float) -> None:
        call = self._call(request_id)
        result, user_s = wire.decode_end(payload)
        if call.head is None:
            raise wire.WireError("END before RESPONSE")
        del self.calls[request_id]
        if not call.done():
            self.live_calls -= 1
            if call.stream is not None:
                call.stream.end(result, user_s)
            else:
                call.finish_stream(result, user_s, now)
        self._has_ended_calls = True

    def _freed(self, now: float) -> None:
        """Calls have ended; told once for all of one read."""
        self._has_ended_calls = self.is_fresh = False
        if not self.calls:
            self.idle_since = now
        if self.live_calls == 0 and self.state is State.DRAINING:
            self.end()
        else:
            self._owner.sandbox_freed(self)

    def _heard_again(self) -> None:
        self.is_stalled = False
        if self._ping is not None:
            self._ping.cancel()
            self._ping = None

    # Deadlines

    def check_deadlines(self, now: float) -> None:
        """Give every overdue call its outcome; a sandbox that had one is not lent again.

        A call may have its outcome already while its user code still runs.
        """
        overdue = [call for call in self.calls.values() if call.deadline <= now]
        for call in overdue:
            if not call.done():
                self.live_calls -= 1
                call.fail(ErrorClass.TIMEOUT, TIMED_OUT, now)
        if overdue:
            self.drain()

    def drain(self) -> None:
        """No new call; end when nobody waits for one any more."""
        if self.state < State.DRAINING:
            self.state = State.DRAINING
        if self.live_calls == 0:
            self.end()

    # The end

    def end(self) -> None:
        """TERM, and KILL a second later."""
        if self.state >= State.ENDING:
            return
        self.state = State.ENDING
        self._signal(self.id, signal.SIGTERM)
        self._timers.append(self._loop.call_later(KILL_AFTER_S, self.kill))

    def kill(self) -> None:
        if self.state is State.GONE:
            return
        self.state = max(self.state, State.ENDING)
        self._signal(self.id, signal.SIGKILL)

    def cut_off(self) -> None:
        """End at once because the server stops; calls still running are told so."""
        self._is_cut_off = True
        self.kill()

    def _break(self, why: str) -> None:
        log.warning(
            "a sandbox broke the frame rules and is killed",
            extra={"action": "sandbox_broken", "sandbox": self.id, "reason": why},
        )
        self._broken = why
        if self._transport is not None:
            self._transport.abort()
        self.kill()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_eof = True
        self._transport = None
        if self._exit is None:
            # Closing the frame socket is the end, whether or not the process goes on.
            self._timers.append(self._loop.call_later(_LAST_FRAMES_S, self.kill))
            self.state = max(self.state, State.ENDING)
        else:
            self._finish()

    def exited(self, end: Exit) -> None:
        """The process is gone; its last frames may still be in the socket."""
        self._exit = end
        if self._is_eof or self._transport is None:
            self._finish()
        else:
            self.state = max(self.state, State.ENDING)
            self._timers.append(self._loop.call_later(_LAST_FRAMES_S, self._finish))

    def _finish(self) -> None:
        if self.state is State.GONE or self._exit is None:
            return
        self.state = State.GONE
        for timer in self._timers:
            timer.cancel()
        for waiting in (self._ping, self._resting):
            if waiting is not None:
                waiting.cancel()
        if self._transport is not None:
            self._transport.abort()
        self.output.end()
        error_class, message = self._verdict(self._exit)
        now = self._now()
        for call in self.calls.values():
            call.fail(error_class, message, now)
        self.calls.clear()
        self.live_calls = 0
        self._owner.sandbox_gone(self, self._exit)

    def _verdict(self, end: Exit) -> tuple[ErrorClass, str]:
        """What the calls in flight are told."""
        if end.is_platform or self._is_cut_off:
            return ErrorClass.PLATFORM, UNLIMITED if end.is_unlimited else STOPPED
        if self._broken:
            return ErrorClass.EXIT, "The function's process sent data that is not a response."
        return verdict(end, bytes(self.output.tail), self.memory_mib)
