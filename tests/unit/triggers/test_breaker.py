"""The rate breaker: what it stops, for how long, and what it leaves alone."""

from dataclasses import replace

from runwright.model.event import Event
from runwright.model.function import Function
from runwright.model.lineage import NO_LINEAGE, Lineage
from runwright.model.outbox import Announcement
from runwright.triggers.breaker import OPEN_S, WINDOW_S, RateBreaker
from tests.fakes.clock import ManualClock
from tests.unit.executions.bench import a_function

MOST = 30


class Watch:
    def __init__(self, most: int = MOST) -> None:
        self.clock = ManualClock()
        self.breaker = RateBreaker(self.clock, most=most)
        self.seen = 0

    def refused(
        self,
        user_id: str = "ann",
        function: Function | None = None,
        event: Event | None = None,
        lineage: Lineage = NO_LINEAGE,
    ) -> bool:
        self.seen += 1
        announcement = Announcement(
            id=f"event-{self.seen}",
            project_id="p",
            at=self.clock.now(),
            event=event or Event.of("update.name", "users", user_id),
            body=b"{}",
            lineage=lineage,
        )
        return self.breaker.refusal(function or a_function(), announcement) != ""


def test_the_thirty_first_run_for_one_thing_within_a_minute_is_stopped() -> None:
    watch = Watch()
    assert [watch.refused() for _ in range(MOST + 1)] == [False] * MOST + [True]


def test_it_stays_stopped_for_a_minute_and_then_starts_to_count_again() -> None:
    watch = Watch()
    for _ in range(MOST + 1):
        watch.refused()
    watch.clock.advance(OPEN_S - 1)
    assert watch.refused()
    watch.clock.advance(1)
    assert [watch.refused() for _ in range(MOST + 1)] == [False] * MOST + [True]


def test_runs_that_are_a_minute_old_do_not_count() -> None:
    watch = Watch()
    for _ in range(10):
        assert not any(watch.refused() for _ in range(MOST))
        watch.clock.advance(WINDOW_S + 1)


def test_many_events_about_different_things_are_no_loop() -> None:
    watch = Watch()
    assert not any(watch.refused(user_id=f"user-{at}") for at in range(10 * MOST))
    other = a_function("other")
    assert not any(watch.refused(function=function) for function in (a_function(), other) * MOST)


def test_what_it_does_not_watch() -> None:
    watch = Watch()
    free = replace(a_function(), loop_limit=0)
    custom = Event.parse("custom.orders.paid")
    known = Lineage(("f",), "chain")
    for _ in range(3 * MOST):
        assert not watch.refused(function=free)
        assert not watch.refused(event=custom)
        assert not watch.refused(lineage=known)
    never = Watch(most=0)
    assert not any(never.refused() for _ in range(3 * MOST))


def test_asking_again_about_one_event_counts_once() -> None:
    watch = Watch()
    announcement = Announcement(
        id="event",
        project_id="p",
        at=watch.clock.now(),
        event=Event.of("update", "users", "ann"),
        body=b"{}",
    )
    asked = (watch.breaker.refusal(a_function(), announcement) for _ in range(3 * MOST))
    assert not any(asked)


def test_the_refusal_names_event_and_function() -> None:
    watch = Watch(most=1)
    watch.refused(function=a_function("mine"))
    announcement = Announcement(
        id="last",
        project_id="p",
        at=watch.clock.now(),
        event=Event.of("update.name", "users", "ann"),
        body=b"{}",
    )
    text = watch.breaker.refusal(a_function("mine"), announcement)
    assert "users.ann.update.name" in text
    assert "mine" in text
