"""Runs that are tried again, dead letters, and requests that are kept, with a clock of the test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from runwright.executions.aftermath import DEAD_LETTER_S, LOST_WAIT_S, next_attempt_at
from runwright.executions.dispatcher import MAX_TAKEOVERS, Dispatcher
from runwright.executions.upkeep import QueueUpkeep
from runwright.model.execution import ErrorClass, Execution, Invocation, Outcome, Status
from runwright.model.job import Job, JobKind
from runwright.model.retry import RETRYABLE, Retry
from runwright.ports.executor import ResponseSink
from runwright.ports.storage import UnitOfWork
from tests.contract.queue.conftest import a_job
from tests.fakes.clock import ManualClock
from tests.fakes.user_code import answering
from tests.unit.executions.bench import (
    FUNCTION,
    PROJECT,
    Bench,
    a_bench,
    a_function,
    a_key,
    until,
)

pytestmark = pytest.mark.anyio
TWICE = Retry(attempts=2, backoff_s=60)
FAILURE = Outcome(status_code=500, error_class=ErrorClass.USER_EXCEPTION, errors="boom", logs="hi")
SUCCESS = Outcome(status_code=200)


class Outcomes:
    """User code that comes to these outcomes, one after another; the last one stays."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.left = list(outcomes)
        self.bodies: list[bytes] = []
        self.attempts: list[str] = []

    async def __call__(self, invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        self.bodies.append(invocation.body)
        self.attempts.append(dict(invocation.headers)["x-runwright-attempt"])
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


@asynccontextmanager
async def a_retrying_bench(
    *outcomes: Outcome, clock: ManualClock, **settings: Any
) -> AsyncIterator[tuple[Bench, Outcomes]]:
    """A started dispatcher over one function that has these settings."""
    code = Outcomes(*outcomes)
    async with a_bench(clock=clock) as bench:
        bench.code.run_next = code
        await bench.put(replace(a_function(), **settings))
        async with dispatching(bench):
            yield bench, code


@asynccontextmanager
async def dispatching(bench: Bench, **options: Any) -> AsyncIterator[Dispatcher]:
    dispatcher = bench.dispatcher(**options)
    await dispatcher.start()
    try:
        yield dispatcher
    finally:
        await dispatcher.stop(0.0)


async def accepted(bench: Bench, body: bytes = b"in") -> Execution:
    return await bench.executions.accept(a_key(), FUNCTION, body=body)


async def stored(bench: Bench, made: Execution) -> Execution:
    return await bench.executions.history.get(a_key(), FUNCTION, made.id)


async def once(bench: Bench, made: Execution, holds: Callable[[Execution], bool]) -> Execution:
    async def is_so() -> bool:
        return holds(await stored(bench, made))

    await until(is_so)
    return await stored(bench, made)


async def ended(bench: Bench, made: Execution) -> Execution:
    return await once(bench, made, lambda run: run.status in (Status.COMPLETED, Status.FAILED))


async def the_job(bench: Bench) -> Job:
    (job,) = await bench.storage.read(lambda uow: uow.jobs.find(None))
    return job


async def failed(bench: Bench, failures: int) -> None:
    """Wait until the only job has failed so often and waits for its next attempt."""

    async def is_so() -> bool:
        return (await the_job(bench)).failures == failures

    await until(is_so)


async def jobs(bench: Bench) -> list[Job]:
    return await bench.storage.read(lambda uow: uow.jobs.find(None))


# The rule


@pytest.mark.parametrize("error_class", list(ErrorClass))
def test_only_what_a_second_attempt_may_cure_is_tried_again(error_class: ErrorClass) -> None:
    job = a_job("e1")
    function = replace(a_function(), retry=TWICE)
    at = next_attempt_at(job, function, error_class, job.due_at, 1.0)
    assert (at is not None) is (error_class.value in RETRYABLE)


def test_a_function_chooses_the_classes_but_only_among_those() -> None:
    retry = Retry(attempts=2, classes=("timeout", "loop"))
    assert retry.covers("timeout")
    assert not retry.covers("exit")
    assert not retry.covers("loop")


def test_waits_grow_up_to_their_limit_and_are_spread() -> None:
    retry = Retry(attempts=9, backoff_s=10, factor=3, backoff_max_s=100)
    assert [retry.wait_s(failures, 1.0) for failures in (1, 2, 3, 4)] == [10, 30, 90, 100]
    assert [retry.wait_s(failures, 0.0) for failures in (1, 2, 3, 4)] == [5, 15, 45, 50]


def test_an_attempt_beyond_the_age_is_not_made() -> None:
    job = a_job("e1")
    function = replace(a_function(), retry=replace(TWICE, max_age_s=100))
    now = job.due_at + timedelta(seconds=40)
    last = job.due_at + timedelta(seconds=100)
    assert next_attempt_at(job, function, ErrorClass.EXIT, now, 1.0) == last
    now += timedelta(seconds=1)
    assert next_attempt_at(job, function, ErrorClass.EXIT, now, 1.0) is None


# Trying again


async def test_a_failure_is_shown_tried_again_after_its_wait_and_forgotten_on_success() -> None:
    clock = ManualClock()
    async with a_retrying_bench(FAILURE, SUCCESS, clock=clock, retry=TWICE) as (bench, code):
        made = await accepted(bench)
        failed = await once(bench, made, lambda run: run.errors != "")
        assert (failed.status, failed.error_class) == (
            Status.PROCESSING,
            ErrorClass.USER_EXCEPTION,
        )
        assert (failed.errors, failed.logs, failed.attempt) == ("boom", "hi", 1)
        job = await the_job(bench)
        assert (job.owner, job.failures, job.kind) == ("", 1, JobKind.RUN)
        assert 30 <= (job.ready_at - clock.now()).total_seconds() <= 60
        clock.advance(29)
        clock.advance(31)
        done = await ended(bench, made)
        assert (done.status, done.attempt, done.errors) == (Status.COMPLETED, 2, "")
        assert done.error_class is None
        assert (code.attempts, code.bodies) == (["1", "2"], [b"in", b"in"])
        assert await jobs(bench) == []


async def test_nothing_runs_before_the_wait_is_over() -> None:
    clock = ManualClock()
    async with a_retrying_bench(FAILURE, SUCCESS, clock=clock, retry=TWICE) as (bench, code):
        made = await accepted(bench)
        await once(bench, made, lambda run: run.errors != "")
        clock.advance(29)
        other = await bench.executions.accept(a_key(), FUNCTION, body=b"other")
        await ended(bench, other)  # so the queue was looked at
        assert code.bodies == [b"in", b"other"]


async def test_a_restart_in_the_middle_of_a_wait_does_not_shorten_it() -> None:
    clock = ManualClock()
    async with a_retrying_bench(FAILURE, SUCCESS, clock=clock, retry=TWICE) as (bench, _):
        made = await accepted(bench)
        await once(bench, made, lambda run: run.errors != "")
        before = await the_job(bench)
        await bench.storage.write(lambda uow: bench.queue.release_all(uow, now=clock.now()))
        await bench.executions.start()
        assert await the_job(bench) == before
        assert (await stored(bench, made)).status is Status.PROCESSING
        clock.advance(60)
        assert (await ended(bench, made)).status is Status.COMPLETED


async def test_a_function_without_retry_keeps_nothing_of_a_failure() -> None:
    async with a_retrying_bench(FAILURE, clock=ManualClock()) as (bench, code):
        failed = await ended(bench, await accepted(bench))
        assert (failed.status, failed.attempt) == (Status.FAILED, 1)
        assert await jobs(bench) == []
        assert code.attempts == ["1"]


async def test_failures_do_not_count_as_takeovers() -> None:
    clock, often = ManualClock(), MAX_TAKEOVERS + 3
    retry = Retry(attempts=often, backoff_s=1, factor=1)
    async with a_retrying_bench(FAILURE, clock=clock, retry=retry) as (bench, _):
        made = await accepted(bench)
        for failures in range(1, often):
            await failed(bench, failures)
            clock.advance(1)
        assert (await ended(bench, made)).attempt == often
        assert "boom" in (await stored(bench, made)).errors


async def test_a_run_whose_hosts_all_end_is_not_tried_again_but_can_be_redriven() -> None:
    async with a_bench(clock=ManualClock()) as bench:
        await bench.put(replace(a_function(), retry=Retry(attempts=50)))
        made = await accepted(bench)

        def wear_out(uow: UnitOfWork) -> None:
            job = uow.jobs.get(PROJECT, made.id)
            assert job is not None
            uow.jobs.put(replace(job, attempt=MAX_TAKEOVERS + 4, failures=3))

        await bench.storage.write(wear_out)
        async with dispatching(bench):
            failed = await ended(bench, made)
        assert (failed.status, failed.error_class) == (Status.FAILED, ErrorClass.PLATFORM)
        assert bench.code.calls == []
        assert (await the_job(bench)).kind is JobKind.DEAD


LOST = Outcome(status_code=500, error_class=ErrorClass.PLATFORM, errors="lost", logs="hi")


async def lost(bench: Bench, attempt: int) -> None:
    """Wait until the only job was given back by that attempt."""

    async def is_so() -> bool:
        job = await the_job(bench)
        return job.attempt == attempt and not job.owner

    await until(is_so)


async def test_what_the_platform_lost_runs_again_without_being_asked_for() -> None:
    clock = ManualClock()
    async with a_retrying_bench(LOST, SUCCESS, clock=clock) as (bench, code):
        made = await accepted(bench)
        await lost(bench, 1)
        between = await stored(bench, made)
        assert (between.status, between.errors) == (Status.PROCESSING, "lost")
        clock.advance(LOST_WAIT_S)
        done = await ended(bench, made)
        assert (done.status, done.attempt, done.errors) == (Status.COMPLETED, 2, "")
        assert (code.attempts, code.bodies) == (["1", "2"], [b"in", b"in"])
        assert await jobs(bench) == []


@pytest.mark.parametrize("retry", [Retry(), Retry(attempts=50)], ids=["no retry", "retry"])
async def test_what_the_platform_loses_every_time_is_given_up(retry: Retry) -> None:
    clock = ManualClock()
    async with a_retrying_bench(LOST, clock=clock, retry=retry) as (bench, code):
        made = await accepted(bench)
        for takeovers in range(MAX_TAKEOVERS):
            await lost(bench, takeovers + 1)
            clock.advance(LOST_WAIT_S * 2**takeovers)
        done = await ended(bench, made)
        assert (done.status, done.error_class) == (Status.FAILED, ErrorClass.PLATFORM)
        assert (done.attempt, len(code.attempts)) == (MAX_TAKEOVERS + 1, MAX_TAKEOVERS + 1)
        assert [job.kind for job in await jobs(bench)] == [JobKind.DEAD] * retry.is_on


# What is kept


@pytest.mark.parametrize(
    ("outcome", "attempts"),
    [(FAILURE, 2), (replace(FAILURE, error_class=ErrorClass.ENTRYPOINT), 1)],
    ids=["used up", "never tried again"],
)
async def test_a_last_failure_leaves_a_dead_letter_for_a_week(
    outcome: Outcome, attempts: int
) -> None:
    clock = ManualClock()
    async with a_retrying_bench(outcome, clock=clock, retry=TWICE) as (bench, _):
        made = await accepted(bench)
        if attempts > 1:
            await once(bench, made, lambda run: run.errors != "")
            clock.advance(60)
        failed = await ended(bench, made)
        assert (failed.status, failed.attempt) == (Status.FAILED, attempts)
        job = await the_job(bench)
        assert (job.kind, job.owner) == (JobKind.DEAD, "")
        assert job.ready_at == clock.now() + timedelta(seconds=DEAD_LETTER_S)
        await until(lambda: bench.acceptance._size == 0)
        await bench.upkeep.turn()
        assert len(await jobs(bench)) == 1
        clock.advance(DEAD_LETTER_S)
        await bench.upkeep.turn()
        assert await jobs(bench) == []


async def test_who_cancels_a_run_wants_no_dead_letter() -> None:
    cancelled = replace(FAILURE, error_class=ErrorClass.CANCELLED)
    async with a_retrying_bench(cancelled, clock=ManualClock(), retry=TWICE) as (bench, _):
        assert (await ended(bench, await accepted(bench))).status is Status.FAILED
        assert await jobs(bench) == []


@pytest.mark.parametrize("outcome", [SUCCESS, FAILURE], ids=["completed", "failed"])
async def test_requests_are_kept_for_as_long_as_was_asked(outcome: Outcome) -> None:
    clock = ManualClock()
    async with a_retrying_bench(outcome, clock=clock, request_retention_s=90) as (bench, _):
        await ended(bench, await accepted(bench))
        job = await the_job(bench)
        assert (job.kind, job.ready_at) == (JobKind.KEPT, clock.now() + timedelta(seconds=90))
        clock.advance(90)
        await bench.upkeep.turn()
        assert await jobs(bench) == []


async def test_what_is_kept_by_a_later_setting_does_not_keep_the_short_lived_key() -> None:
    clock = ManualClock()
    async with a_bench(clock=clock) as bench:
        made = await accepted(bench)  # for a function that keeps nothing yet
        other = await accepted(bench)
        short = {job.epoch for job in await jobs(bench)}
        await bench.put(replace(a_function(), retry=TWICE))
        bench.code.run_next = answering(FAILURE)
        async with dispatching(bench):
            for item in (made, other):
                await once(bench, item, lambda run: run.errors != "")
            assert short.isdisjoint({job.epoch for job in await jobs(bench)})
            assert {job.failures for job in await jobs(bench)} == {1}
            clock.advance(60)
            await ended(bench, made)
            await ended(bench, other)
        assert [body.body for _, body in bench.code.calls] == [b"in"] * 4


async def test_no_more_is_kept_than_may_be_and_nothing_without_its_execution() -> None:
    async with a_retrying_bench(SUCCESS, clock=ManualClock(), request_retention_s=90) as (bench, _):
        made = [await accepted(bench) for _ in range(3)]
        for item in made:
            await ended(bench, item)
        upkeep = QueueUpkeep(
            bench.storage, bench.clock, bench.queue, bench.vault, bench.acceptance, kept_jobs=2
        )
        await upkeep.turn()
        left = {job.id for job in await jobs(bench)}
        assert len(left) == 2
        gone = left.pop()
        await bench.storage.write(lambda uow: uow.executions.remove(PROJECT, gone))
        again = QueueUpkeep(
            bench.storage, bench.clock, bench.queue, bench.vault, bench.acceptance, kept_jobs=2
        )
        await again.turn()
        assert {job.id for job in await jobs(bench)} == left


# One function at a time


async def test_no_more_runs_of_a_function_go_on_at_once_than_it_allows() -> None:
    class Counting:
        def __init__(self) -> None:
            self.now = self.most = self.total = 0
            self.pair = asyncio.Barrier(2)

        async def __call__(self, invocation: Invocation, sink: ResponseSink | None) -> Outcome:
            self.now += 1
            self.most = max(self.most, self.now)
            await self.pair.wait()
            self.total += 1
            self.now -= 1
            return SUCCESS

    code = Counting()
    async with a_bench() as bench:
        bench.code.run_next = code
        await bench.put(replace(a_function(), concurrency=2))
        for _ in range(20):
            await accepted(bench)
        async with dispatching(bench), dispatching(bench):  # as two servers would
            await until(lambda: code.total == 20)
    assert code.most == 2
