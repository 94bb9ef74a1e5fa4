"""How many runs are begun at once, with a clock of the test."""

import asyncio
from collections import Counter

import pytest

from runwright.executions.pacing import Pacing
from tests.fakes.loop_time import stopped

pytestmark = pytest.mark.anyio


class Bench:
    def __init__(self, workers: int = 64) -> None:
        self.now, self.callers = 100.0, 0
        self.pacing = Pacing(workers, callers=lambda: self.callers, now=lambda: self.now)

    def claim(self, **jobs: int) -> None:
        self.pacing.claimed(Counter(jobs), limit=sum(jobs.values()) + 1)

    async def waits(self) -> bool:
        """Whether the next claim is put off; it is given no time, only turns."""
        task = asyncio.ensure_future(self.pacing.gather())
        with stopped():
            for _ in range(5):
                await asyncio.sleep(0)
        waits = not task.done()
        task.cancel()
        await asyncio.wait({task})
        return waits


async def test_a_project_alone_gets_all_that_it_may_have_in_one_claim() -> None:
    bench = Bench()
    bench.pacing.heard("shop")
    assert (bench.pacing.limit, bench.pacing.project_slots) == (48, 48)
    bench.claim(shop=20)
    bench.pacing.heard("shop")
    assert bench.pacing.limit == 28
    assert not await bench.waits()


async def test_a_long_queue_is_claimed_little_by_little_beside_a_short_one() -> None:
    bench = Bench(workers=200)
    bench.claim(shop=100)
    bench.pacing.heard("bank")
    assert bench.pacing.limit == 8
    assert not await bench.waits()  # a newcomer, for whom little is claimed
    assert bench.pacing.limit == 2
    assert await bench.waits()
    bench.claim()
    assert not await bench.waits()  # nothing was found, so nobody is in the way
    for _ in range(2):
        bench.now += 1.0
        bench.claim(shop=10)
    assert bench.pacing.limit == 30  # alone again, with what it may have beside 120 runs


async def test_ends_of_a_paced_project_wait_for_each_other_and_those_of_others_do_not() -> None:
    bench = Bench(workers=200)
    bench.claim(shop=100, bank=1)

    async def waits(project: str) -> bool:
        task = asyncio.ensure_future(bench.pacing.settle(project))
        await asyncio.sleep(0)
        is_put_off = not task.done()
        await task
        return is_put_off

    assert await waits("shop")
    assert not await waits("bank")
    bench.claim(bank=100)
    assert not await waits("shop")


async def test_long_queues_and_short_ones_among_their_like_are_not_slowed_down() -> None:
    bench = Bench(workers=400)
    bench.claim(shop=30, bank=30)
    assert bench.pacing.limit == 340
    bench.claim(shop=60, bank=60)
    assert bench.pacing.limit == 220
    assert not await bench.waits()


async def test_a_newcomer_ends_the_wait_and_a_project_that_runs_much_does_not() -> None:
    bench = Bench()
    bench.pacing.heard("bank")
    bench.claim(shop=48)
    await bench.pacing.gather()
    task = asyncio.ensure_future(bench.pacing.gather())
    await asyncio.sleep(0)
    bench.pacing.heard("shop")
    assert not bench.pacing._newcomer.is_set()
    bench.pacing.heard("bank")
    assert bench.pacing._newcomer.is_set()
    await task


async def test_few_runs_are_begun_at_once_while_many_callers_wait_and_go_on_beside_others() -> None:
    bench = Bench()
    bench.callers = 16
    bench.pacing.heard("shop")
    assert bench.pacing.limit == 8
    for _ in range(6):  # they take long, and are no reason to begin no more
        bench.pacing.claimed(Counter(shop=8), limit=8)
    assert (bench.pacing.limit, bench.pacing.project_slots) == (0, 48)
    bench.pacing.heard("bank")
    assert bench.pacing.limit == 8


async def test_what_has_ended_makes_room_again() -> None:
    bench = Bench(workers=2)
    bench.claim(shop=2)
    assert bench.pacing.limit == 0
    bench.pacing.ended("shop")
    assert (bench.pacing.limit, bench.pacing.running) == (1, {"shop": 1})
    bench.pacing.ended("shop")
    assert bench.pacing.running == {}


async def test_a_project_with_all_its_slots_is_not_asked_for_but_now_and_then() -> None:
    bench = Bench()
    bench.pacing.heard("shop")
    bench.claim(shop=48)
    assert bench.pacing.limit == 0
    bench.now += 0.5
    assert bench.pacing.limit == 16  # for those of whom nothing was heard
    bench.callers = 16
    assert bench.pacing.limit == 8
    bench.claim()
    assert bench.pacing.limit == 0


async def test_while_most_slots_are_taken_a_claim_waits_until_half_of_them_are_free() -> None:
    bench = Bench()
    bench.pacing.heard("shop")
    bench.pacing.claimed(Counter(shop=48), limit=48)
    assert bench.pacing.has_backlog
    bench.pacing.ended("shop")
    task = asyncio.ensure_future(bench.pacing.gather())
    await asyncio.sleep(0)
    for _ in range(22):
        bench.pacing.ended("shop")
    assert not bench.pacing._stirred.is_set()
    bench.pacing.ended("shop")
    assert bench.pacing._stirred.is_set()
    await task
    assert bench.pacing.limit == 24
    bench.claim(shop=4)
    assert not bench.pacing.has_backlog


async def test_a_long_queue_rests_between_claims_while_many_callers_wait_to_join_it() -> None:
    bench = Bench()
    bench.pacing.heard("shop")
    bench.callers = 16
    assert not await bench.waits()
    bench.pacing.claimed(Counter(shop=8), limit=8)
    for _ in range(8):
        bench.pacing.ended("shop")
    assert bench.pacing.limit == 8
    assert await bench.waits()
    bench.callers = 0  # their commit is done, and they are about to call again
    assert await bench.waits()
    bench.now += 0.1
    assert not await bench.waits()
