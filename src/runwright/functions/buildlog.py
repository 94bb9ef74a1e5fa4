"""The text of a build log: bounded, storable, with our own lines marked."""

from collections import deque
from datetime import datetime
from typing import Final

MAX_BYTES: Final = 1_000_000  # the tail is kept
_PART_BYTES: Final = 8192
_GREY, _CYAN, _RED, _GREEN, _PLAIN = "\x1b[90m", "\x1b[36m", "\x1b[31m", "\x1b[32m", "\x1b[0m"


def step(text: str, now: datetime) -> str:
    """A line of ours, told from the output of the build commands by its mark."""
    return _line(text, now, _PLAIN)


def done(text: str, now: datetime) -> str:
    return _line(text, now, _GREEN)


def error(text: str, now: datetime) -> str:
    return _line(text, now, _RED)


def _line(text: str, now: datetime, colour: str) -> str:
    return f"{_GREY}[{now:%H:%M:%S}]{_PLAIN} {_CYAN}[runwright]{_PLAIN} {colour}{text}{_PLAIN}\n"


def with_line(text: str, line: str) -> str:
    """A log with one more line, on a line of its own."""
    gap = "\n" if text and not text.endswith("\n") else ""
    return keep_tail(f"{text}{gap}{line}")


def keep_tail(text: str) -> str:
    """The last MAX_BYTES bytes of a text, without a broken character at the cut."""
    if len(text) * 4 <= MAX_BYTES:
        return text
    data = text.encode()
    return text if len(data) <= MAX_BYTES else _decode_tail(data[-MAX_BYTES:])


def _decode_tail(data: bytes) -> str:
    start = 0
    while start < min(4, len(data)) and data[start] & 0xC0 == 0x80:
        start += 1
    return data[start:].decode()


class BuildLog:
    """Collects a log whose text may grow without end; memory stays bounded."""

    def __init__(self, text: str = "") -> None:
        self._parts: deque[bytes] = deque()
        self._bytes = 0
        self.version = 0  # grows with every change
        if text:
            self.add(text)

    def add(self, text: str) -> None:
        # Neither a NUL nor half a surrogate pair can be stored by every database.
        data = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace")
        if len(data) > MAX_BYTES:
            data = _decode_tail(data[-MAX_BYTES:]).encode()
        if self._parts and len(self._parts[-1]) + len(data) < _PART_BYTES:
            self._parts[-1] += data  # else a million single characters are a million objects
        else:
            self._parts.append(data)
        self._bytes += len(data)
        while self._bytes - len(self._parts[0]) >= MAX_BYTES:
            self._bytes -= len(self._parts.popleft())
        self.version += 1

    def line(self, text: str) -> None:
        """A line of ours; begins on a new line whatever was printed before."""
        if self._parts and not self._parts[-1].endswith(b"\n"):
            text = "\n" + text
        self.add(text)

    @property
    def text(self) -> str:
        data = b"".join(self._parts)
        return _decode_tail(data[-MAX_BYTES:]) if len(data) > MAX_BYTES else data.decode()
