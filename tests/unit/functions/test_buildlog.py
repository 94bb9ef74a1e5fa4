"""Build logs: bounded, storable, readable."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.functions import buildlog
from runwright.functions.buildlog import BuildLog, done, error, keep_tail, step

NOON = datetime(2026, 1, 1, 12, 0, 5, tzinfo=UTC)


def test_lines_of_ours_carry_the_time_and_a_mark() -> None:
    for line in (step("Begun.", NOON), done("Begun.", NOON), error("Begun.", NOON)):
        assert "[12:00:05]" in line
        assert "[runwright]" in line
        assert line.endswith("\n")


def test_a_line_of_ours_begins_on_a_line_of_its_own() -> None:
    log = BuildLog("half a line")
    log.line("ours\n")
    log.line("more\n")
    assert log.text == "half a line\nours\nmore\n"


def test_what_a_database_cannot_store_is_replaced() -> None:
    log = BuildLog("a\0b\ud800c\x1b[31m")
    assert log.text == "a\ufffdb?c\x1b[31m"
    log.text.encode()


@given(st.lists(st.text(max_size=30), max_size=40))
def test_the_tail_is_that_of_the_whole_text(parts: list[str]) -> None:
    original = buildlog.MAX_BYTES
    buildlog.MAX_BYTES = 100  # type: ignore[misc]  # a small limit shows the same as a large one
    try:
        log = BuildLog()
        for part in parts:
            log.add(part)
        clean = "".join(parts).replace("\0", "\ufffd").encode("utf-8", "replace")
        kept = log.text.encode()
        assert clean.endswith(kept)
        assert len(kept) <= 100
        assert len(kept) > 100 - 4 or kept == clean
        assert keep_tail(clean.decode()).encode() == kept
    finally:
        buildlog.MAX_BYTES = original  # type: ignore[misc]


@pytest.mark.parametrize("size", [10, 1000, 1_000_000, 3_000_000])
def test_memory_stays_bounded_whatever_is_printed(size: int) -> None:
    log = BuildLog()
    for _ in range(min(50_000, 4_000_000 // size + 2)):
        log.add("x" * size)
    assert log._bytes <= 2_000_000
    assert len(log.text) <= 1_000_000
