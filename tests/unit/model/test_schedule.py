"""Cron schedules."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from cronsim import CronSim
from hypothesis import assume, given
from hypothesis import strategies as st

from runwright.model.schedule import BadSchedule, UnknownZone, next_run, zone, zone_names

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
        ("0 0 17w * *", datetime(2026, 10, 16)),  # a Saturday: the Friday before
        ("0 0 18W * *", datetime(2026, 10, 19)),  # a Sunday: the Monday after
        ("0 0 1W 8 *", datetime(2027, 8, 2)),  # a Sunday that the month begins with
        ("0 0 31W 1 *", datetime(2027, 1, 29)),  # a Sunday that the month ends with
        ("0 0 31W * *", datetime(2026, 10, 30)),
        ("0 0 L-3 * *", datetime(2026, 10, 28)),
        ("0 0 10,L-1,6W * ?", datetime(2026, 10, 6)),
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
        ("* * 32W * *", "day-of-month"),
        ("* * 0W * *", "day-of-month"),
        ("* * L-31 * *", "day-of-month"),
        ("* * * * 5W", "day-of-week"),
        ("0 0 30W 2 *", "never comes due"),
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


BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


@pytest.mark.parametrize(
    ("expression", "place", "after", "expected"),
    [
        # Spring: 2:00 to 3:00 do not exist in Berlin on 29 March 2026.
        ("30 2 * * *", BERLIN, "2026-03-28T12:00", ["29T03:00+02:00", "30T02:30+02:00"]),
        ("0,30 2 * * *", BERLIN, "2026-03-28T12:00", ["29T03:00+02:00", "30T02:00+02:00"]),
        ("30 * * * *", BERLIN, "2026-03-29T00:59", ["29T01:30+01:00", "29T03:30+02:00"]),
        ("*/30 2 * * *", BERLIN, "2026-03-29T00:59", ["30T02:00+02:00", "30T02:30+02:00"]),
        # Autumn: 2:00 to 3:00 come twice on 25 October 2026.
        ("30 2 * * *", BERLIN, "2026-10-24T12:00", ["25T02:30+02:00", "26T02:30+01:00"]),
        (
            "30 * * * *",
            BERLIN,
            "2026-10-25T01:59",
            ["25T02:30+02:00", "25T02:30+01:00", "25T03:30+01:00"],
        ),
        (
            "*/30 2 * * *",
            BERLIN,
            "2026-10-25T01:59",
            ["25T02:00+02:00", "25T02:30+02:00", "25T02:00+01:00", "25T02:30+01:00"],
        ),
        # The same the other way round of the world's clocks, and where half an hour changes.
        ("15 2 * * *", NEW_YORK, "2026-03-07T12:00", ["08T03:00-04:00", "09T02:15-04:00"]),
        ("15 1 * * *", NEW_YORK, "2026-10-31T12:00", ["01T01:15-04:00", "02T01:15-05:00"]),
        ("15 2 * * *", LORD_HOWE, "2026-10-03T12:00", ["04T02:30+11:00", "05T02:15+11:00"]),
        (
            "45 * * * *",
            LORD_HOWE,
            "2026-10-04T01:00",
            ["04T01:45+10:30", "04T02:45+11:00", "04T03:45+11:00"],
        ),
        (
            "45 * * * *",
            LORD_HOWE,
            "2026-04-05T01:00",
            ["05T01:45+11:00", "05T01:45+10:30", "05T02:45+10:30"],
        ),
        ("45 1 * * *", LORD_HOWE, "2026-04-04T12:00", ["05T01:45+11:00", "06T01:45+10:30"]),
        ("0 9 * * *", "Asia/Kolkata", "2026-01-01T00:00", ["01T09:00+05:30", "02T09:00+05:30"]),
    ],
)
def test_where_clocks_change_nothing_of_a_fixed_time_is_lost_or_doubled(
    expression: str, place: str, after: str, expected: list[str]
) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=zone(place))
    found = []
    for _ in expected:
        moment = next_run(expression, moment, place)
        found.append(moment.astimezone(zone(place)).strftime("%dT%H:%M%z"))
    assert found == [text[:-3] + text[-2:] for text in expected]


def test_after_the_first_of_two_equal_hours_the_second_runs_nothing_again() -> None:
    second_pass = datetime(2026, 10, 25, 1, 20, tzinfo=UTC)  # 2:20 for the second time
    assert next_run("30 2 * * *", second_pass, BERLIN) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


_EXPRESSIONS = st.builds(
    "{} {} {} {} {}".format,
    st.sampled_from(["*", "*/20", "0", "30", "5-59/25", "10,50"]),
    st.sampled_from(["*", "*/6", "0", "1", "2", "1-3", "23"]),
    st.sampled_from(["*", "1", "25", "L", "*/2"]),
    st.sampled_from(["*", "3", "10,11"]),
    st.sampled_from(["*", "0", "SUN", "1-5", "0L"]),
)


def _is_always_left_out(expression: str, place: str) -> bool:
    """Real minutes of an hour that clocks in Europe skip on each of the days that are asked for."""
    minute, hour, day, month, weekday = expression.split()
    is_real = minute.startswith("*") and day.startswith("*")
    return place == BERLIN and is_real and (hour, month, weekday) == ("2", "3", "0L")


@pytest.mark.parametrize("expression", ["* 2 * 3 0L", "*/20 2 */2 3 0L"])
def test_a_schedule_that_the_clocks_always_leave_out_is_refused(expression: str) -> None:
    assert _is_always_left_out(expression, BERLIN)
    with pytest.raises(BadSchedule, match="never comes due"):
        next_run(expression, NOW, BERLIN)


@given(
    _EXPRESSIONS,
    st.sampled_from([BERLIN, NEW_YORK, "Asia/Kolkata", "UTC"]),
    st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)),
)
def test_where_clocks_change_by_hours_we_agree_with_cronsim(
    expression: str, place: str, naive: datetime
) -> None:
    assume(not _is_always_left_out(expression, place))
    after = naive.replace(tzinfo=UTC)
    theirs = CronSim(expression, after.astimezone(zone(place)))
    expected = next(due for due in theirs if due.astimezone(UTC) > after)
    assert next_run(expression, after, place) == expected.astimezone(UTC)


@given(_EXPRESSIONS, st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE]), st.integers(0, 500_000))
def test_a_run_is_due_after_the_moment_and_nothing_lies_between(
    expression: str, place: str, minutes: int
) -> None:
    assume(not _is_always_left_out(expression, place))
    after = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    due = next_run(expression, after, place)
    assert due > after
    middle = after + (due - after) / 2
    assert next_run(expression, middle, place) == due


@pytest.mark.parametrize("name", ["Berlin", "Europe", "europe/berlin", "../etc/passwd", "\0", "x"])
def test_what_is_no_time_zone_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(UnknownZone, match="Europe/Berlin"):
        next_run("* * * * *", NOW, name)


def test_every_zone_of_the_database_can_be_used() -> None:
    assert len(zone_names()) > 500
    for name in ("UTC", BERLIN, NEW_YORK, LORD_HOWE, "Asia/Kolkata"):
        assert next_run("0 0 * * *", NOW, name) > NOW
