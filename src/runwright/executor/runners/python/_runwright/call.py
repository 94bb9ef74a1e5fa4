"""One request from its arrival to its last frame: its context, its logs, its result."""

from __future__ import annotations

import _thread
import os

from _runwright import frames
from _runwright.request import Request
from _runwright.response import (
    HEAD_DEFAULT,
    BadResponse,
    Response,
    build,
    build_head,
    build_status,
    has_no_body,
)
from _runwright.text import MAX_ENTRY, cut, entry, traceback_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections import deque
    from collections.abc import Awaitable, Generator

    from _runwright.engine import Engine
    from _runwright.inlet import Inlet
    from _runwright.websocket import WebSocket

LOGS = 0
ERRORS = 1
NOTICE = "Native logs detected. Use context.log() or context.error() for better experience.\n"
# The first entries of a call leave the process before its next statement, so that they survive
# whatever it does. Programs that log more than that are served in batches.
IMMEDIATE_ENTRIES = 32
BATCH_BYTES = 60 * 1024
MAX_MICROS = 0xFFFFFFFF

# Guards the log state of every call and the order of LOG frames. Re-entrant: a finalizer or a
# signal handler may print while its own thread is logging.
_lock = _thread.RLock()


class Context:
    def __init__(self, call: Call) -> None:
        self._call = call
        self.req = Request(call.head, call.body, call)
        self.res = Response(call)

    def log(self, *values: object) -> None:
        self._call.entry(LOGS, values)

    def error(self, *values: object) -> None:
        self._call.entry(ERRORS, values)

    def upgrade(self, protocol: str | None = None, headers: object = None) -> WebSocket:
        """Accept the web socket that the request asks for; may be awaited."""
        from _runwright.websocket import accept

        return accept(self._call, protocol, headers)


class CallerGone(ConnectionError):
    def __init__(self) -> None:
        super().__init__("The caller of this function has left.")


class Call:
    __slots__ = (
        "_batch",
        "_batch_bytes",
        "_batch_stream",
        "_has_logged",
        "_immediate",
        "_is_noticed",
        "_line",
        "body",
        "credit",
        "drained",
        "engine",
        "final",
        "gates",
        "head",
        "id",
        "inlet",
        "is_bodiless",
        "is_cancelled",
        "is_ended",
        "is_gone",
        "is_in_parts",
        "is_logging",
        "is_stream_ended",
        "is_streaming",
        "parts",
        "queue",
        "result",
        "status",
        "task",
    )

    def __init__(
        self, engine: Engine, request_id: int, is_logging: bool, head: bytes, body: bytes
    ) -> None:
        self.engine = engine
        self.id = request_id
        self.is_logging = is_logging
        self.head = head
        self.body = body
        self.parts: list[bytes] | None = None  # BODY frames that have come so far
        self.task: asyncio.Task[None] | None = None  # asyncio task that runs the user's coroutine
        self.is_in_parts = False  # the body is, so there is a window
        self.credit = 0  # bytes that the host takes yet
        self.gates: list[_thread.LockType] = []  # locks of the threads that wait for credit
        # Under asyncio: parts that wait for credit, who waits for them, what comes at the end.
        self.queue: deque[memoryview] | None = None
        self.drained: list[asyncio.Future[None]]
        self.final: bytes
        self.is_cancelled = False
        self.is_ended = False
        self.is_gone = False  # the caller is
        self.inlet: Inlet | None = None  # of a streamed request body
        self.is_streaming = False
        self.result = frames.RESULT_OK
        self._has_logged = False
        self._batch: list[bytes] = []

    # --- logs ---

    def entry(self, stream: int, values: tuple[object, ...]) -> None:
        if self.is_logging:
            self._emit(stream, entry(values))

    def _begin_logging(self) -> None:
        self._has_logged = True
        self._immediate = IMMEDIATE_ENTRIES
        self._batch_bytes = 0
        self._batch_stream = LOGS
        self._is_noticed = False
        self._line = ""  # native output that lacks its newline

    def native(self, text: str) -> None:
        """Text as it is printed; leaves as whole lines, each cut like an entry."""
        if not self.is_logging or not text:
            return
        with _lock:
            if self.is_ended or self.is_cancelled:
                late_output(text)
                return
            if not self._has_logged:
                self._begin_logging()
            if not self._is_noticed:
                self._is_noticed = True
                self._send_or_keep(LOGS, NOTICE)
            whole, newline, rest = (self._line + text).rpartition("\n")
            # A line without end is kept no further than its cut.
            self._line = rest[: MAX_ENTRY + 1]
            if not newline:
                return
            if len(whole) <= MAX_ENTRY:
                self._send_or_keep(LOGS, whole + "\n")
                return
            for line in whole.split("\n"):
                self._send_or_keep(LOGS, cut(line) + "\n")

    def _emit(self, stream: int, text: str) -> None:
        with _lock:
            if self.is_ended or self.is_cancelled:
                late_output(text)
                return
            if not self._has_logged:
                self._begin_logging()
            if self._line:
                line, self._line = self._line, ""
                self._send_or_keep(LOGS, cut(line) + "\n")
            self._send_or_keep(stream, text)

    def _send_or_keep(self, stream: int, text: str) -> None:
        data = text.encode("utf-8", "replace")
        if self._immediate:
            self._immediate -= 1
            self.engine.wire.send(frames.log_frame(self.id, stream, data))
            return
        if stream != self._batch_stream or self._batch_bytes + len(data) > BATCH_BYTES:
            self.engine.wire.send(self._take_batch())
        self._batch_stream = stream
        self._batch.append(data)
        self._batch_bytes += len(data)
        if len(self._batch) == 1:
            self.engine.threads.watch()

    def _take_batch(self) -> bytes:
        if not self._batch:
            return b""
        data = b"".join(self._batch)
        self._batch = []
        self._batch_bytes = 0
        return frames.log_frame(self.id, self._batch_stream, data)

    def flush_logs(self) -> None:
        """Send what waits for its batch to fill."""
        if self._batch:
            with _lock:
                if not self.is_ended and not self.is_cancelled:
                    self.engine.wire.send(self._take_batch())

    def flush_everything(self) -> None:
        """As `flush_logs`, with the line that has no end yet: the process is about to die."""
        if self._has_logged:
            with _lock:
                if not self.is_ended:
                    self.engine.wire.send(self._take_rest())

    def _take_rest(self) -> bytes:
        if self._line:
            line, self._line = self._line, ""
            self._send_or_keep(LOGS, cut(line) + "\n")
        return self._take_batch()

    def close(self) -> bytes:
        """The last LOG frame, to be sent before the answer; later output is not the request's."""
        with _lock:
            rest = self._take_rest() if self._has_logged else b""
            self.is_ended = True
        if self.inlet is not None:
            self.inlet.wake()
        return rest

    # --- the end ---

    def take_value(self, value: object) -> None:
        """Turn what user code returned into the answer."""
        if self.is_streaming:
            return
        try:
            self.status, self.head, self.body = build(value)
        except BadResponse as error:
            self._refuse(500, frames.RESULT_PAYLOAD, str(error))
        except Exception as error:
            self._refuse(500, frames.RESULT_PAYLOAD, traceback_text(error))

    def take_error(self, error: BaseException) -> None:
        if not self.is_streaming:
            self._refuse(500, frames.RESULT_USER_EXCEPTION, traceback_text(error))
            return
        if self.is_gone and isinstance(error, CallerGone):
            return  # that nobody takes its answer any longer is no failure of the function's
        self.entry(ERRORS, (traceback_text(error),))
        self.result = frames.RESULT_USER_EXCEPTION

    def take_load_failure(self, message: str) -> None:
        self._refuse(503, frames.RESULT_ENTRYPOINT, message)

    def _refuse(self, status: int, result: int, message: str) -> None:
        self.entry(ERRORS, (message,))
        self.result = result
        self.status, self.head, self.body = status, HEAD_DEFAULT, b""

    def is_short(self) -> bool:
        """Whether the answer fits one frame."""
        return not self.is_streaming and len(self.body) <= frames.PART_BYTES

    def short_answer(self, micros: int) -> bytes:
        return frames.response_frame(
            self.id, frames.FLAG_END, self.result, self.status, micros, self.head, self.body
        )

    def open_answer(self, micros: int) -> bytes:
        """The head of an answer whose body follows in parts."""
        self.is_in_parts = True
        self.credit = frames.WINDOW_BYTES
        return frames.response_frame(self.id, 0, self.result, self.status, micros, self.head, b"")

    # --- streaming by user code ---

    def stream_start(self, status_code: int, headers: object) -> Awaitable[None]:
        if self.is_streaming or self.is_ended:
            raise RuntimeError(
                "context.res.start() was called twice, or after the function had ended."
            )
        self.status, self.head = build_status(status_code), build_head(headers)
        self.is_streaming = True
        self.is_stream_ended = False
        self.is_bodiless = has_no_body(self.status)
        frame = self.open_answer(0)
        if not self.is_cancelled:
            self.engine.wire.send(frame)
        return DONE

    def stream_write(self, data: bytes) -> Awaitable[None]:
        if not self.is_streaming:
            self.stream_start(200, {})
        if self.is_stream_ended or self.is_ended:
            raise RuntimeError("context.res.write() was called after the response had ended.")
        if self.is_gone:
            return self.refuse_part()
        if self.is_cancelled or self.is_bodiless or not data:
            return DONE
        return self.engine.push(self, data)

    def refuse_part(self) -> Awaitable[None]:
        """A part that nobody will take: user code is told, unless it is a body in one piece."""
        if self.is_streaming and not self.is_ended:
            raise CallerGone
        return DONE

    def stream_end(self, last_write: Awaitable[None] | None) -> Awaitable[None]:
        if not self.is_streaming:
            self.stream_start(200, {})
        self.is_stream_ended = True
        return last_write or DONE


class _Done:
    """Awaiting it takes no time; so the streaming calls may be awaited everywhere."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


DONE = _Done()


def late_output(text: str) -> None:
    """Output that belongs to no request goes where the process's own messages go."""
    try:
        os.write(2, text.encode("utf-8", "replace"))
    except OSError:
        pass  # nobody reads it; it may be lost
