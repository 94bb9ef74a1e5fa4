"""Logs of one call: bounded, and whole where they fit."""

from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from runwright.executor import call
from runwright.executor.call import LOG_BYTES, LogTail


def test_short_logs_are_kept_whole() -> None:
    tail = LogTail("Logs")
    tail.add(b"one\n")
    tail.add("zwö\n".encode())
    assert tail.text() == "one\nzwö\n"


def test_exactly_the_limit_is_not_cut() -> None:
    tail = LogTail("Logs")
    tail.add(b"x" * LOG_BYTES)
    assert tail.text() == "x" * LOG_BYTES


def test_one_byte_more_keeps_the_end_behind_a_warning() -> None:
    tail = LogTail("Errors")
    tail.add(b"a" + b"x" * (LOG_BYTES - 1) + b"z")
    text = tail.text()
    assert text.startswith("[WARNING] Errors truncated.")
    assert text.endswith("xz")
    assert len(text.encode()) == LOG_BYTES


@given(st.lists(st.text(alphabet="aé漢😀", max_size=30), max_size=20), st.integers(0, 3))
def test_a_cut_never_breaks_a_character_or_the_limit(parts: list[str], shift: int) -> None:
    limit = 4096  # the longest parts fit
    with mock.patch.object(call, "LOG_BYTES", limit):
        tail = LogTail("Logs")
        tail.add(b"y" * (limit + shift))
        for part in parts:
            tail.add(part.encode())
        text = tail.text()
    assert len(text.encode()) <= limit
    assert "\ufffd" not in text
    assert text.endswith("".join(parts))


def test_memory_stays_bounded_whatever_comes() -> None:
    tail = LogTail("Logs")
    for _ in range(100):
        tail.add(b"x" * 100_000)
    assert len(tail._buffer) < 2 * LOG_BYTES


def test_a_line_of_ours_starts_on_its_own() -> None:
    tail = LogTail("Errors")
    tail.add(b"no newline")
    tail.add_line("Execution timed out.")
    assert tail.text() == "no newline\nExecution timed out."
