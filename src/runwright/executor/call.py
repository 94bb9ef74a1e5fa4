"""One invocation inside a sandbox, from submission to its outcome.

Everything a sandbox sends is bounded here: logs keep their tail, bodies have a largest size,
a streamed response never runs further ahead of its reader than its window.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from runwright.ending import Ending
from runwright.executor import wire
from runwright.executor.upload import Upload
from runwright.model.execution import ErrorClass, Headers, Invocation, Outcome, Phases
from runwright.ports.executor import OnEnd, RequestSource, ResponseSink

log = logging.getLogger(__name__)

LOG_BYTES: Final = 1_000_000
_LOG_SLACK: Final = 256 * 1024  # cut rarely, not at every entry
_SMALL_BYTES: Final = 4096
_MIB: Final = 1024 * 1024
_JOINED_BYTES: Final = 64 * 1024
_LAST_PART_S: Final = 1.0  # for a reader that takes its first byte near the deadline
TIMED_OUT: Final = "Execution timed out."
NOT_BEGUN: Final = "The execution was cancelled before it began."
CALLER_LEFT: Final = "The caller left before it had the whole response."
CANCELLED: Final = "The execution was cancelled while it ran."

_CLASSES: Final = {
    wire.ResultClass.OK: None,
    wire.ResultClass.USER_EXCEPTION: ErrorClass.USER_EXCEPTION,
    wire.ResultClass.ENTRYPOINT: ErrorClass.ENTRYPOINT,
    wire.ResultClass.PAYLOAD: ErrorClass.PAYLOAD,
}


class LogTail:
    """The last LOG_BYTES of a stream of text."""

    __slots__ = ("_buffer", "_cut_bytes", "_title")

    def __init__(self, title: str) -> None:
        self._buffer = bytearray()
        self._cut_bytes = 0  # from the beginning
        self._title = title

    def add(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > LOG_BYTES + _LOG_SLACK:
            self._cut_bytes += len(self._buffer) - LOG_BYTES
            del self._buffer[:-LOG_BYTES]

    def add_line(self, text: str) -> None:
        if self._buffer and not self._buffer.endswith(b"\n"):
            self._buffer += b"\n"
        self.add(text.encode("utf-8", "replace"))

    def read(self, start: int, most: int) -> tuple[int, bytes]:
        """Up to `most` bytes from `start` on, or from the first that is kept."""
        at = max(start - self._cut_bytes, 0)
        return self._cut_bytes + at, bytes(self._buffer[at : at + most])

    def text(self) -> str:
        """The contract's form: a warning line first when the beginning is missing."""
        if not self._cut_bytes and len(self._buffer) <= LOG_BYTES:
            return self._buffer.decode("utf-8", "replace")
        warning = (
            f"[WARNING] {self._title} truncated. Only the end is kept; "
            f"the limit is {LOG_BYTES} bytes.\n"
        ).encode()
        tail = bytes(self._buffer[-(LOG_BYTES - len(warning)) :])
        start = 0
        while start < min(4, len(tail)) and tail[start] & 0xC0 == 0x80:
            start += 1  # the rest of a character whose first byte was cut off
        return (warning + tail[start:]).decode("utf-8", "replace")


class Host(Protocol):
    """What a call needs of the sandbox it is in."""

    def open_window(self, request_id: int, call: "Call", more_bytes: int) -> None:
        """Let the runner send that many more bytes of this response."""

    def caller_left(self, call: "Call") -> None:
        """Nobody waits for this call any more."""

    def hang_up(self, call: "Call") -> None:
        """Tell user code that its caller has gone."""

    def cancel(self, call: "Call") -> None:
        """End this call and, as soon as no other needs it, the process that runs it."""


class Call(Ending[Outcome]):
    """One invocation; ends with its Outcome exactly once. Answers the `Output` port."""

    # Most calls never differ from these, so what differs is set when it does.
    deadline = 0.0
    is_cold = False
    sandbox: Host | None = None  # None while it waits for one
    start_s = 0.0
    head: wire.ResponseHead | None = None
    headers: Headers = ()
    body_bytes = 0
    credit = wire.WINDOW_BYTES
    owed = 0  # bytes that were taken and that the runner was not told of yet
    parts: bytearray | None = None  # body of a response without a sink
    stream: "Stream | None" = None
    source: RequestSource | None = None  # of a streamed request body
    upload: Upload | None = None
    _logs: LogTail | None = None
    _errors: LogTail | None = None
    _readers: tuple[asyncio.Future[None], ...] = ()  # they wait for news

    def __init__(
        self,
        invocation: Invocation,
        sink: ResponseSink | None,
        on_end: OnEnd,
        asked_at: float,
        calls: "dict[str, Call] | None" = None,
    ) -> None:
        """`calls` holds it by its execution's id until it ends."""
        self._on_end = on_end
        self.invocation = invocation
        self.sink = sink
        self.asked_at = self.lent_at = asked_at
        self._calls = calls

    def _forget(self) -> None:
        self._on_end = None
        if self.upload is not None:
            self.upload.close()
        calls = self._calls
        if calls is not None:
            execution_id = self.invocation.execution_id
            if calls.get(execution_id) is self:
                del calls[execution_id]

    def lend(self, sandbox: Host, now: float, fresh_s: float | None) -> None:
        """Into a sandbox, which has just been made ready for it in `fresh_s` seconds or was
        warm (None)."""
        self.sandbox = sandbox
        self.lent_at = now
        self.deadline = now + self.invocation.timeout_s
        if fresh_s is not None:
            self.is_cold = True
            self.start_s = min(fresh_s, now - self.asked_at)

    def log(self, payload: bytes) -> None:
        if not payload or payload[0] > 1:
            raise wire.WireError("malformed LOG")
        if payload[0]:
            self._error_tail().add(payload[1:])
        else:
            if self._logs is None:
                self._logs = LogTail("Logs")
            self._logs.add(payload[1:])
        if self._readers:
            self._tell_readers()

    # A response in parts

    def begin(
        self, head: wire.ResponseHead, sandbox: Host, request_id: int, now: Callable[[], float]
    ) -> None:
        """The head has come, and the body will. What nobody waits for any more is dropped."""
        self.head = head
        if self.sink is None or self.done():
            self.parts = bytearray()
        else:
            self.sink.start(head.status_code, self.headers)
            self.stream = Stream(self, sandbox, request_id, now)

    def take(self, part: bytes) -> bool:
        """One part of the body; whether the window is to be opened for it now.

        Raises WireError when the window had no room for it.
        """
        if not part:
            return False  # it takes no credit, so any number of them could be made to wait
        self.credit -= len(part)
        if self.credit < 0:
            raise wire.WireError("CHUNK beyond the window")
        if self.stream is not None and not self.done():
            self.stream.push(part)
            return False
        self.body_bytes += len(part)
        if self.parts is not None and not self.done():
            self.parts += part
        return True

    def refuse_body(self, max_body_bytes: int, now: float) -> None:
        limit = max_body_bytes // _MIB
        message = (
            f"The response is larger than {limit} MiB. "
            "Send less, or call the function through its domain, which streams."
        )
        self.fail(ErrorClass.PAYLOAD, message, now)
        self.parts = bytearray()

    # Reading along

    @property
    def is_over(self) -> bool:
        return self.done()

    def read(self, *, errors: bool, start: int, most: int) -> tuple[int, bytes]:
        tail = self._errors if errors else self._logs
        return tail.read(start, most) if tail is not None else (start, b"")

    async def news(self, wait_s: float) -> None:
        if self.is_over:
            return
        reader = asyncio.get_running_loop().create_future()
        self._readers += (reader,)
        try:
            async with asyncio.timeout(wait_s):
                await reader
        except TimeoutError:
            pass
        finally:
            self._readers = tuple(item for item in self._readers if item is not reader)

    def _tell_readers(self) -> None:
        readers, self._readers = self._readers, ()
        for reader in readers:
            if not reader.done():
                reader.set_result(None)

    # The end

    def _error_tail(self) -> LogTail:
        if self._errors is None:
            self._errors = LogTail("Errors")
        return self._errors

    def note(self, sentence: str) -> None:
        """Add to the errors what is no failure of the run."""
        self._error_tail().add_line(f"{sentence}\n")

    def succeed(self, head: wire.ResponseHead, body: bytes, now: float) -> None:
        """End with what user code (or the runner for it) answered."""
        self._finish(head.status_code, self.headers, body, _CLASSES[head.result], head.user_s, now)

    def answer(
        self,
        status_code: int,
        headers: Headers,
        body: bytes,
        error_class: ErrorClass | None,
        now: float,
    ) -> None:
        """End with what a container answered, which was told in no frame."""
        self._finish(status_code, headers, body, error_class, now - self.lent_at, now)

    def finish_stream(self, result: wire.ResultClass, user_s: float, now: float) -> None:
        head = self.head
        assert head is not None
        body = bytes(self.parts) if self.parts is not None else b""
        self._finish(head.status_code, self.headers, body, _CLASSES[result], user_s, now)

    def fail(self, error_class: ErrorClass, message: str, now: float) -> None:
        """End because of us, a limit or the process: 500, no body, the reason in `errors`."""
        if self.done():
            return
        if message:
            self._error_tail().add_line(message)
        if self.stream is not None:
            self.stream.close()
        user_s = max(now - self.lent_at, 0.0) if self.deadline else 0.0
        self._finish(500, (), b"", error_class, user_s, now)

    def _finish(
        self,
        status_code: int,
        headers: Headers,
        body: bytes,
        error_class: ErrorClass | None,
        user_s: float,
        now: float,
    ) -> None:
        on_end = self._on_end
        if on_end is None:
            return
        self._forget()
        logs, errors = self._logs, self._errors
        lent_at, start_s = self.lent_at, self.start_s
        queue_s = lent_at - self.asked_at - start_s
        on_end(
            Outcome(
                status_code=status_code,
                headers=headers,
                body=body,
                logs=logs.text() if logs is not None else "",
                errors=errors.text() if errors is not None else "",
                duration_s=now - lent_at,
                error_class=error_class,
                is_cold=self.is_cold,
                phases=Phases(
                    queue_s=queue_s if queue_s > 0.0 else 0.0, start_s=start_s, user_s=user_s
                ),
            )
        )
        if self._readers:
            self._tell_readers()


class Stream:
    """Passes the parts of one response to its sink, in order, and opens the window after them.

    One task per streamed response; it ends with the response, the call or the sandbox.
    """

    def __init__(
        self, call: Call, sandbox: Host, request_id: int, now: Callable[[], float]
    ) -> None:
        self._call = call
        self._sandbox = sandbox
        self._request_id = request_id
        self._now = now
        self._parts: deque[bytes | bytearray] = deque()
        self._end: tuple[wire.ResultClass, float] | None = None
        self._news = asyncio.Event()
        self._is_heard = True
        self._task = asyncio.get_running_loop().create_task(
            self._run(), name=f"stream-{request_id}"
        )

    def push(self, part: bytes) -> None:
        """Small parts that wait are joined: as objects they take many times their size."""
        last = self._parts[-1] if self._parts else None
        if isinstance(last, bytearray) and len(last) < _JOINED_BYTES:
            last += part
        else:
            self._parts.append(bytearray(part) if len(part) < _SMALL_BYTES else part)
        self._news.set()

    def end(self, result: wire.ResultClass, user_s: float) -> None:
        self._end = (result, user_s)
        self._news.set()

    def close(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        while self._end is None or self._parts:
            if not self._parts:
                self._news.clear()
                await self._news.wait()
                continue
            part = self._parts.popleft()
            try:
                # The sandbox watches the deadline while user code runs; this is for the rest.
                left_s = max(self._call.deadline - self._now(), 0.0)
                async with asyncio.timeout(left_s + _LAST_PART_S):
                    await self._deliver(bytes(part))
            except TimeoutError:
                self._call.fail(ErrorClass.TIMEOUT, TIMED_OUT, self._now())
                return
            self._sandbox.open_window(self._request_id, self._call, len(part))
        result, user_s = self._end
        head = self._call.head
        if not self._is_heard and head is not None and head.status_code != wire.SWITCHING:
            self._call.note(CALLER_LEFT)
        self._call.finish_stream(result, user_s, self._now())

    async def _deliver(self, part: bytes) -> None:
        sink = self._call.sink
        if not self._is_heard or sink is None:
            return
        try:
            await sink.write(part)
        except ConnectionError:
            # The run goes on; its rest is read and dropped.
            self._is_heard = False
            self._sandbox.hang_up(self._call)
        except Exception:  # a broken sink must not leave the run without an end
            log.exception("a response could not be delivered", extra={"action": "sink_failed"})
            self._is_heard = False
