"""Cron schedules."""

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.model.schedule import BadSchedule, next_run

NOW = datetime(2026, 10, 5, 8, 30, 15, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("* * * * *", datetime(2026, 10, 5, 8, 31)),
        ("*/15 * * * *", datetime(2026, 10, 5, 8, 45)),
        ("30 8 * * *", datetime(2026, 10, 6, 8, 30)),
        ("0 9-17 * * MON-FRI", datetime(2026, 10, 5, 9, 0)),
        ("0 0 1 jan *", datetime(2027, 1, 1)),
        ("0 0 * * 7", datetime(2026, 10, 11)),
        ("0 0 13 * 5", datetime(2026, 10, 9)),  # either day field will do
        ("0 0 29 2 *", datetime(2028, 2, 29)),
        ("0 0 L * ?", datetime(2026, 10, 31)),
        ("0 0 ? * 5#3", datetime(2026, 10, 16)),
        ("0 0 ? * 5L", datetime(2026, 10, 30)),
        ("0 0 LW * *", datetime(2026, 10, 30)),
        ("@hourly", datetime(2026, 10, 5, 9, 0)),
        ("@daily", datetime(2026, 10, 6)),
        ("@midnight", datetime(2026, 10, 6)),
        ("@weekly", datetime(2026, 10, 11)),
        ("@Monthly", datetime(2026, 11, 1)),
        ("@yearly", datetime(2027, 1, 1)),
        ("@annually", datetime(2027, 1, 1)),
    ],
)
def test_the_next_run(expression: str, due: datetime) -> None:
    assert next_run(expression, NOW) == due.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("", "five fields"),
        ("* * * *", "five fields"),
        ("0 * * * * *", "five fields"),
        ("@reboot", "five fields"),
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("*/0 * * * *", "minute"),
        ("5-1 * * * *", "minute"),
        ("* * 0 * *", "day-of-month"),
        ("* * * 13 *", "month"),
        ("* * * * 8", "day-of-week"),
        ("0 0 30 2 *", "day-of-month"),
        ("a b c d e", "Bad"),
        ("1," * 64 + "2 * * * *", "at most 128"),
    ],
)
def test_what_is_no_schedule_says_why(expression: str, why: str) -> None:
    with pytest.raises(BadSchedule, match=why):
        next_run(expression, NOW)


@given(st.text(max_size=30))
def test_arbitrary_text_is_a_schedule_or_refused(text: str) -> None:
    with contextlib.suppress(BadSchedule):
        assert next_run(text, NOW) > NOW


@given(st.integers(0, 59), st.integers(0, 23), st.datetimes(timezones=st.just(UTC)))
def test_a_daily_run_is_always_within_a_day(minute: int, hour: int, now: datetime) -> None:
    if now.year < 9990:
        due = next_run(f"{minute} {hour} * * *", now)
        assert 0 < (due - now).total_seconds() <= 86_400
        assert (due.minute, due.hour, due.second) == (minute, hour, 0)
