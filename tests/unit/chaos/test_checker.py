"""The checker of the crash rig finds what it is for: each rule against doctored evidence."""

from dataclasses import replace

import pytest

from tests.chaos.checker import GIVEN_UP_AT, Verdict, check, slowness
from tests.chaos.evidence import (
    Done,
    Evidence,
    Fault,
    Kind,
    Promise,
    Record,
    Repeat,
    Sighting,
    Start,
)

MINUTE_AT = 1_800_000_000.0  # a whole minute


def good() -> Evidence:
    """A round in which one run survived a crash, one was delayed, and everything else went well."""
    return Evidence(
        promises=[
            Promise(number=1, kind=Kind.RUN, at=10, id="a", function_id="f", path="/ok/1"),
            Promise(number=2, kind=Kind.RUN, at=11, id="b", function_id="f", path="/throw/2"),
            Promise(
                number=3,
                kind=Kind.DELAYED,
                at=12,
                id="c",
                function_id="f",
                path="/slow/3",
                due_at=100,
            ),
            Promise(number=4, kind=Kind.USER, at=13, id="chaos-4"),
            Promise(number=5, kind=Kind.EVENT, at=14, id="custom.chaos.5"),
        ],
        unanswered=frozenset({6}),
        refused={7: 503},
        starts=[
            Start(execution_id="a", attempt=1, function_id="f", at=15),
            Start(execution_id="a", attempt=2, function_id="f", at=22),
            Start(execution_id="b", attempt=1, function_id="f", at=16),
            Start(execution_id="c", attempt=1, function_id="f", at=100.5),
            Start(execution_id="u", attempt=1, function_id="hears-users", at=17),
            Start(execution_id="e", attempt=1, function_id="hears-events", at=18),
            Start(execution_id="t", attempt=1, function_id="ticks", at=19),
        ],
        sightings=[
            Sighting(execution_id="a", sent_at=10.1, at=10.2, status="waiting"),
            Sighting(execution_id="a", sent_at=16.1, at=16.2, status="processing", attempt=1),
            Sighting(execution_id="a", sent_at=30, at=31, status="completed", attempt=2, code=200),
        ],
        done=[
            Done(fault=Fault.START, at=0),
            Done(fault=Fault.KILL, at=20),
            Done(fault=Fault.START, at=21),
            Done(fault=Fault.STOP, at=200),
        ],
        records=[
            Record(
                id="a",
                function_id="f",
                trigger="http",
                status="completed",
                attempt=2,
                path="/ok/1",
                code=200,
            ),
            Record(
                id="b",
                function_id="f",
                trigger="http",
                status="failed",
                attempt=1,
                path="/throw/2",
                code=500,
                error_class="user_exception",
            ),
            Record(
                id="c",
                function_id="f",
                trigger="schedule",
                status="completed",
                attempt=1,
                path="/slow/3",
                code=200,
            ),
            Record(
                id="u",
                function_id="hears-users",
                trigger="event",
                status="completed",
                attempt=1,
                path="/",
                code=200,
                event="users.chaos-4.create",
            ),
            Record(
                id="e",
                function_id="hears-events",
                trigger="event",
                status="completed",
                attempt=1,
                path="/",
                code=200,
                event="custom.chaos.5",
            ),
            Record(
                id="t",
                function_id="ticks",
                trigger="schedule",
                status="completed",
                attempt=1,
                path="/",
                code=200,
                due_at=MINUTE_AT,
            ),
            Record(
                id="t2",
                function_id="ticks",
                trigger="schedule",
                status="failed",
                attempt=0,
                path="/",
                error_class="expired",
                due_at=MINUTE_AT + 60,
            ),
        ],
        users=frozenset({"chaos-4"}),
        listeners={Kind.USER: ("hears-users",), Kind.EVENT: ("hears-events",)},
        crons=frozenset({"ticks"}),
    )


def with_record(evidence: Evidence, record_id: str, **changes: object) -> Evidence:
    """One record changed; a new id makes it another one."""
    records = [
        replace(item, **changes) if item.id == record_id else item  # type: ignore[arg-type]
        for item in evidence.records
    ]
    return replace(evidence, records=records)


def without_record(evidence: Evidence, record_id: str) -> Evidence:
    return replace(evidence, records=[item for item in evidence.records if item.id != record_id])


def charged(evidence: Evidence) -> set[tuple[str, str]]:
    return {(finding.rule, finding.subject) for finding in check(evidence).findings}


def test_a_good_round_has_no_findings_and_tells_how_long_takeovers_took() -> None:
    verdict = check(good())
    assert verdict.findings == []
    assert verdict.takeovers_s == [2.0]  # from the KILL at 20 to the second start at 22


def test_a_promise_without_a_record_is_lost() -> None:
    assert ("lost", "b") in charged(without_record(good(), "b"))


def test_a_promise_whose_record_is_not_final_is_lost() -> None:
    doctored = with_record(good(), "b", status="processing", code=0, error_class="")
    assert ("lost", "b") in charged(doctored)


def test_a_promise_whose_record_is_another_request_is_lost() -> None:
    assert ("lost", "b") in charged(with_record(good(), "b", path="/throw/6"))


def test_a_promise_that_a_get_did_not_find_is_lost() -> None:
    missing = Sighting(execution_id="b", sent_at=12, at=12.1, status="")
    assert charged(replace(good(), sightings=[missing])) == {("lost", "b")}


def test_a_user_that_is_gone_is_lost() -> None:
    assert ("lost", "chaos-4") in charged(replace(good(), users=frozenset()))


@pytest.mark.parametrize(
    ("status", "attempt", "code"),
    [("waiting", 1, 0), ("processing", 2, 0), ("failed", 2, 500), ("completed", 3, 200)],
)
def test_what_is_seen_behind_its_final_state_moved_backwards(
    status: str, attempt: int, code: int
) -> None:
    later = Sighting(execution_id="a", sent_at=40, at=41, status=status, attempt=attempt, code=code)
    evidence = good()
    doctored = replace(evidence, sightings=[*evidence.sightings, later])
    assert ("backwards", "a") in charged(doctored)


def test_an_attempt_that_is_seen_to_shrink_moved_backwards() -> None:
    evidence = good()
    seen = [
        Sighting(execution_id="a", sent_at=at, at=at, status="processing", attempt=attempt)
        for at, attempt in ((16, 2), (17, 1))
    ]
    assert charged(replace(evidence, sightings=seen)) == {("backwards", "a")}


def test_a_record_behind_what_was_seen_moved_backwards() -> None:
    seen = Sighting(execution_id="b", sent_at=17, at=17, status="completed", attempt=1, code=200)
    assert charged(replace(good(), sightings=[seen])) == {("backwards", "b")}


def test_an_attempt_that_starts_twice_is_a_duplicate() -> None:
    evidence = good()
    again = Start(execution_id="b", attempt=1, function_id="f", at=30)
    assert charged(replace(evidence, starts=[*evidence.starts, again])) == {("duplicated", "b")}


def test_a_further_attempt_without_a_crash_is_a_duplicate() -> None:
    evidence = good()
    peaceful = [item for item in evidence.done if item.fault is not Fault.KILL]
    assert ("duplicated", "a") in charged(replace(evidence, done=peaceful))


def test_two_further_attempts_need_two_crashes() -> None:
    evidence = with_record(good(), "a", attempt=3)
    third = Start(execution_id="a", attempt=3, function_id="f", at=24)
    doctored = replace(evidence, starts=[*evidence.starts, third], sightings=[])
    assert charged(doctored) == {("duplicated", "a")}


def a_retried_run() -> Evidence:
    """Request 1 failed in its first attempt, as it was asked to, and its function asks again."""
    evidence = good()
    flaky = replace(evidence.promises[0], path="/flaky/1")
    evidence = replace(
        with_record(evidence, "a", path="/flaky/1"), promises=[flaky, *evidence.promises[1:]]
    )
    return replace(evidence, done=[item for item in evidence.done if item.fault is not Fault.KILL])


def test_a_failure_that_is_tried_again_explains_one_further_attempt() -> None:
    evidence = a_retried_run()
    assert charged(evidence) == set()
    third = Start(execution_id="a", attempt=3, function_id="f", at=24)
    evidence = replace(with_record(evidence, "a", attempt=3), sightings=[])
    assert charged(replace(evidence, starts=[*evidence.starts, third])) == {("duplicated", "a")}


def test_a_run_that_completed_in_the_attempt_that_fails_is_wrong() -> None:
    evidence = with_record(a_retried_run(), "a", attempt=1)
    starts = [item for item in evidence.starts if (item.execution_id, item.attempt) != ("a", 2)]
    assert charged(replace(evidence, starts=starts, sightings=[])) == {("wrongly_final", "a")}


def test_a_run_that_no_record_tells_of_is_a_duplicate() -> None:
    evidence = good()
    unknown = Start(execution_id="z", attempt=1, function_id="f", at=30)
    assert charged(replace(evidence, starts=[*evidence.starts, unknown])) == {("duplicated", "z")}


def test_one_request_with_two_records_is_a_duplicate() -> None:
    evidence = good()
    first = evidence.records[0]
    doctored = replace(
        evidence,
        records=[*evidence.records, replace(first, id="a2", attempt=1)],
        starts=[*evidence.starts, Start(execution_id="a2", attempt=1, function_id="f", at=30)],
    )
    assert charged(doctored) == {("duplicated", "/ok/1")}


def test_a_repeated_request_that_made_another_execution_is_a_duplicate() -> None:
    same, other = (Repeat(number=1, first="a", second=second) for second in ("a", "z"))
    assert charged(replace(good(), repeats=[same])) == set()
    assert charged(replace(good(), repeats=[same, other])) == {("duplicated", "a")}


def test_completed_without_having_run_is_wrong() -> None:
    evidence = good()
    silent = [item for item in evidence.starts if item.execution_id != "c"]
    assert charged(replace(evidence, starts=silent)) == {("wrongly_final", "c")}


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "completed", "code": 200, "error_class": ""},
        {"error_class": "timeout"},
        {"error_class": "platform"},
        {"error_class": "cancelled"},
        {"error_class": "expired"},
        {"error_class": "exit"},
    ],
)
def test_an_end_that_its_code_does_not_explain_is_wrong(changes: dict[str, object]) -> None:
    assert charged(with_record(good(), "b", **changes)) == {("wrongly_final", "b")}


def test_a_killed_sandbox_explains_an_exit_and_nothing_else() -> None:
    evidence = good()
    killed = replace(evidence, done=[*evidence.done, Done(fault=Fault.SANDBOX, at=16.5)])
    assert charged(with_record(killed, "b", error_class="exit")) == set()
    assert charged(with_record(killed, "b", error_class="timeout")) == {("wrongly_final", "b")}


def test_a_run_is_given_up_only_after_as_many_crashes() -> None:
    evidence = with_record(
        replace(good(), sightings=[], starts=[]),
        "a",
        status="failed",
        code=500,
        error_class="platform",
        attempt=GIVEN_UP_AT,
    )
    evidence = replace(evidence, records=evidence.records[:1], promises=evidence.promises[:1])
    evidence = replace(evidence, users=frozenset(), crons=frozenset())
    crashes = [Done(fault=Fault.KILL, at=20.0 + number) for number in range(GIVEN_UP_AT - 1)]
    assert charged(replace(evidence, done=crashes)) == set()
    assert charged(replace(evidence, done=crashes[1:])) == {
        ("duplicated", "a"),
        ("wrongly_final", "a"),
    }


def test_a_delayed_run_before_its_moment_is_early_by_the_clock_that_was_set() -> None:
    evidence = good()
    starts = [
        replace(item, at=60.0) if item.execution_id == "c" else item for item in evidence.starts
    ]
    evidence = replace(evidence, starts=starts)
    assert charged(evidence) == {("early", "c")}
    jump = Done(fault=Fault.JUMP, at=50, shift_s=45)
    assert charged(replace(evidence, done=[*evidence.done, jump])) == set()
    back = Done(fault=Fault.JUMP, at=59, shift_s=-3600)  # it had come due before
    assert charged(replace(evidence, done=[*evidence.done, jump, back])) == set()
    assert charged(replace(evidence, done=[*evidence.done, back])) == {("early", "c")}


@pytest.mark.parametrize(
    ("changes", "subject"),
    [({"jobs": ["a"]}, "a"), ({"outbox": 1}, "outbox"), ({"keys": ["k.key"]}, "k.key")],
)
def test_what_is_left_over_is_an_orphan(changes: dict[str, object], subject: str) -> None:
    doctored = replace(good(), **changes)  # type: ignore[arg-type]
    assert charged(doctored) == {("orphaned", subject)}


def test_a_record_of_a_request_that_was_refused_is_an_orphan() -> None:
    evidence = good()
    ghost = replace(evidence.records[0], id="g", path="/ok/9", attempt=1)
    evidence = replace(
        evidence,
        records=[*evidence.records, ghost],
        starts=[*evidence.starts, Start(execution_id="g", attempt=1, function_id="f", at=30)],
    )
    assert charged(replace(evidence, refused={9: 429})) == {("orphaned", "g")}
    assert charged(replace(evidence, unanswered=frozenset({9}))) == set()


@pytest.mark.parametrize("record_id", ["u", "e"])
def test_an_event_that_a_subscriber_has_not_heard_of_is_found(record_id: str) -> None:
    evidence = without_record(good(), record_id)
    starts = [item for item in evidence.starts if item.execution_id != record_id]
    [(rule, _)] = charged(replace(evidence, starts=starts))
    assert rule == "events"


@pytest.mark.parametrize("record_id", ["u", "e"])
def test_an_event_that_a_subscriber_has_heard_of_twice_is_found(record_id: str) -> None:
    evidence = good()
    twin = next(item for item in evidence.records if item.id == record_id)
    start = Start(execution_id="x", attempt=1, function_id=twin.function_id, at=30)
    [(rule, _)] = charged(
        replace(
            evidence,
            records=[*evidence.records, replace(twin, id="x")],
            starts=[*evidence.starts, start],
        )
    )
    assert rule == "events"


def test_an_event_that_has_not_happened_is_found() -> None:
    doctored = with_record(good(), "u", event="users.chaos-6.create")
    assert ("events", "users.chaos-6.create") in charged(doctored)


def test_a_tick_that_is_missing_is_found() -> None:
    assert charged(with_record(good(), "t2", due_at=MINUTE_AT + 120)) == {("ticks", "ticks")}


def test_a_tick_that_was_fired_twice_is_found() -> None:
    assert charged(with_record(good(), "t2", due_at=MINUTE_AT)) == {("ticks", "ticks")}


def test_ticks_that_end_before_the_round_does_are_found() -> None:
    evidence = good()
    stop = Done(fault=Fault.STOP, at=MINUTE_AT + 600)
    assert charged(replace(evidence, done=[*evidence.done, stop])) == {("ticks", "ticks")}


def test_slow_takeovers_are_found() -> None:
    evidence = good()
    starts = [
        replace(item, at=40.0) if (item.execution_id, item.attempt) == ("a", 2) else item
        for item in evidence.starts
    ]
    assert charged(replace(evidence, starts=starts)) == {("takeovers", "takeovers")}


@pytest.mark.parametrize(("start_s", "times"), [(1, 1), (3, 1), (6, 2), (12, 4), (30, 4)])
def test_slow_starts_make_limits_longer_and_very_slow_ones_no_more(
    start_s: float, times: float
) -> None:
    done = [
        Done(fault=fault, at=at)
        for began in (0, 100, 200)
        for fault, at in ((Fault.START, began), (Fault.UP, began + start_s))
    ]
    assert slowness(replace(good(), done=done)) == times


def test_a_share_of_no_takeovers_is_nothing() -> None:
    assert Verdict().takeover_s(0.99) == 0.0
