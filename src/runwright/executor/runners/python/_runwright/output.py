"""What user code prints, bound to the request that printed it.

The request is found by a context variable, which tasks copy by themselves; threads that a
request starts get it here. Must be installed before `threading` is imported, which keeps its own
references to the functions replaced here.
"""

from __future__ import annotations

import _io
import _thread
import os
import sys
from _contextvars import ContextVar

from _runwright.call import late_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from _runwright.call import Call
    from _runwright.frames import Wire

MAX_EARLY_CHARACTERS = 1024 * 1024

current: ContextVar[Call | None] = ContextVar("runwright_call", default=None)

# Output of the module while it loads, until a first request takes it over.
_early: list[str] | None = []
_early_size = 0
_is_child = False


def _keep_early(text: str) -> None:
    global _early_size
    if _early is None:
        late_output(text)
    elif _early_size <= MAX_EARLY_CHARACTERS:
        _early_size += len(text)
        _early.append(text)


def hand_over(call: Call) -> None:
    """Give the output of loading to the first request."""
    global _early
    texts, _early = _early, None
    for text in texts or ():
        call.native(text)


class _Bytes(_io._BufferedIOBase):
    """`sys.stdout.buffer`."""

    def __init__(self, stream: _Capture) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        raw = bytes(data)
        self._stream.write(raw.decode("utf-8", "replace"))
        return len(raw)


class _Capture(_io._TextIOBase):
    encoding = "utf-8"
    errors = "replace"
    line_buffering = True
    mode = "w"

    def __init__(self, name: str, fd: int) -> None:
        self.name = name
        self._fd = fd
        self.buffer = _Bytes(self)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def reconfigure(self, **_options: object) -> None:
        """Accepted for programs that set an encoding; text is UTF-8 here in any case."""

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if _is_child:
            os.write(self._fd, text.encode("utf-8", "replace"))
            return len(text)
        call = current.get()
        if call is None:
            _keep_early(text)
        else:
            call.native(text)
        return len(text)


def _run_for(
    call: Call, function: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]
) -> object:
    current.set(call)
    return function(*args, **kwargs)


def _inheriting(start: Callable[..., int]) -> Callable[..., int]:
    def start_new_thread(
        function: Callable[..., object],
        args: tuple[object, ...],
        kwargs: dict[str, object] | None = None,
    ) -> int:
        call = current.get()
        if call is not None:
            _watch_executors()
            return start(_run_for, (call, function, args, kwargs or {}))
        return start(function, args, kwargs) if kwargs else start(function, args)

    return start_new_thread


def _inheriting_joinable(start: Callable[..., object]) -> Callable[..., object]:
    def start_joinable_thread(function: Callable[..., object], *args: Any, **kwargs: Any) -> object:
        call = current.get()
        if call is None:
            return start(function, *args, **kwargs)
        _watch_executors()
        return start(lambda: _run_for(call, function, (), {}), *args, **kwargs)

    return start_joinable_thread


_is_watching_executors = False


def _watch_executors() -> None:
    """The threads of an executor outlive the request that made them: bind each job instead."""
    global _is_watching_executors
    module = sys.modules.get("concurrent.futures.thread")
    if module is None or _is_watching_executors:
        return
    _is_watching_executors = True
    submit = module.ThreadPoolExecutor.submit

    def submit_for(self: Any, fn: Callable[..., object], /, *args: Any, **kwargs: Any) -> object:
        return submit(self, _run_job, current.get(), fn, args, kwargs)

    module.ThreadPoolExecutor.submit = submit_for


def _run_job(
    call: Call | None,
    function: Callable[..., object],
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> object:
    token = current.set(call)
    try:
        return function(*args, **kwargs)
    finally:
        current.reset(token)


def install(wire: Wire) -> None:
    streams: Any = sys
    streams.stdout = streams.__stdout__ = _Capture("<stdout>", 1)
    streams.stderr = streams.__stderr__ = _Capture("<stderr>", 2)
    _thread.start_new_thread = _inheriting(_thread.start_new_thread)
    _thread.start_new = _thread.start_new_thread
    if hasattr(_thread, "start_joinable_thread"):
        _thread.start_joinable_thread = _inheriting_joinable(_thread.start_joinable_thread)

    def in_child() -> None:  # `renew` takes it back in forks that serve
        global _is_child
        _is_child = True
        wire.shut()

    os.register_at_fork(after_in_child=in_child)


def renew() -> None:
    """In a fork that serves requests: what it prints is theirs."""
    global _is_child
    _is_child = False
