"""Numbers of instances: what is kept ready, what is never exceeded."""

import signal

import pytest

from runwright.executor.keeping import Kept
from runwright.executor.sandbox import State
from runwright.ports.executor import NoSlot
from tests.unit.executor.pools import OK, Bench, a_bench, a_workload, outcome

pytestmark = pytest.mark.anyio


def usable(bench: Bench, name: str = "a") -> int:
    group = bench.pool._groups.get(name)
    return sum(item.state is State.ASSIGNED for item in group.members) if group else 0


async def test_kept_instances_are_ready_before_anybody_calls() -> None:
    async with a_bench() as bench:
        bench.pool.keep([(a_workload(), 2)])
        await bench.until(lambda: usable(bench) == 2)
        outcome = await bench.run(a_workload())
        assert (outcome.body, outcome.is_cold, outcome.phases.start_s) == (OK, False, 0.0)


async def test_kept_instances_do_not_end_when_they_are_idle() -> None:
    async with a_bench(idle_s=10.0) as bench:
        bench.pool.keep([(a_workload(), 1)])
        await bench.until(lambda: usable(bench) == 1)
        bench.time.now += 11.0
        bench.pool.evict_idle()
        assert usable(bench) == 1
        bench.pool.keep([])
        bench.pool.evict_idle()
        assert bench.spawner.runners[1].signals == [signal.SIGTERM]


async def test_a_kept_instance_makes_no_room_for_others() -> None:
    async with a_bench(sandboxes=2) as bench:
        bench.pool.keep([(a_workload(), 1)])
        await bench.until(lambda: usable(bench) == 1)
        for name in "bc":
            bench.time.now += 1.0
            await bench.run(a_workload(name))
        assert usable(bench) == 1
        assert bench.spawner.runners[2].signals == [signal.SIGTERM]


async def test_a_lost_instance_is_replaced() -> None:
    async with a_bench() as bench:
        bench.pool.keep([(a_workload(), 1)])
        await bench.until(lambda: usable(bench) == 1)
        bench.spawner.runners[1].end(1)
        await bench.until(lambda: usable(bench) == 0)
        bench.time.now += 1.5
        bench.pool.keep_numbers()
        await bench.until(lambda: usable(bench) == 1)


async def test_a_new_deployment_takes_the_place_of_the_old_one() -> None:
    async with a_bench() as bench:
        bench.pool.keep([(a_workload("old"), 1)])
        await bench.until(lambda: usable(bench, "old") == 1)
        bench.pool.keep([(a_workload("new", function_id="old"), 1)])
        await bench.until(lambda: usable(bench, "new") == 1 and usable(bench, "old") == 0)
        bench.pool.keep_numbers()
        assert usable(bench, "old") == 0


async def test_a_call_with_new_settings_ends_the_keeping_of_the_old_ones() -> None:
    async with a_bench() as bench:
        bench.pool.keep([(a_workload("d", key="old"), 1)])
        await bench.until(lambda: usable(bench, "old") == 1)
        assert (await bench.run(a_workload("d", key="new"))).body == OK
        bench.pool.keep_numbers()
        assert (usable(bench, "old"), usable(bench, "new")) == (0, 1)


async def test_calls_wait_at_the_bound_and_are_refused_when_they_waited_too_long() -> None:
    bounded = a_workload(max_instances=1)
    async with a_bench(max_calls=1, wait_s=3.0) as bench:
        held = bench.call(bounded, "/hold", timeout_s=60.0)
        await bench.until(lambda: bool(bench.spawner.runners.get(1)))
        await bench.until(lambda: bool(bench.spawner.runners[1].held))
        waiting = bench.call(bounded)
        bench.time.now += 4.0
        bench.pool.tick()
        with pytest.raises(NoSlot):
            await outcome(waiting)
        assert len(bench.spawner.runners) == 1
        second = bench.call(bounded)
        bench.spawner.runners[1].release()
        assert (await outcome(held)).body == (await outcome(second)).body == OK


async def test_a_lowered_bound_drains_what_is_beyond_it() -> None:
    async with a_bench(max_calls=1) as bench:
        calls = [bench.call(a_workload(), "/hold", timeout_s=60.0) for _ in range(3)]
        await bench.until(lambda: sum(len(r.held) for r in bench.spawner.runners.values()) == 3)
        bench.pool.keep([(a_workload(max_instances=1), 0)])
        assert usable(bench) == 1
        for runner in bench.spawner.runners.values():
            runner.release()
        assert {(await outcome(call)).body for call in calls} == {OK}
        await bench.until(lambda: len(bench.pool._groups["a"].members) == 1)


async def test_a_bound_that_is_lifted_lets_waiting_calls_go_on() -> None:
    async with a_bench(max_calls=1) as bench:
        held = bench.call(a_workload(max_instances=1), "/hold", timeout_s=60.0)
        await bench.until(lambda: bool(bench.spawner.runners.get(1)))
        await bench.until(lambda: bool(bench.spawner.runners[1].held))
        waiting = bench.call(a_workload(max_instances=1))
        bench.pool.keep([])
        bench.pool.tick()
        assert (await outcome(waiting)).body == OK
        bench.spawner.runners[1].release()
        await outcome(held)


def test_a_function_that_dies_at_once_is_started_ever_more_rarely() -> None:
    kept = Kept(a_workload(), 2)
    starts = [second for second in range(100) if kept.to_start(0, float(second))]
    assert starts == [0, 1, 3, 7, 15, 31, 63]
    assert kept.to_start(2, 200.0) == 0  # alive for a while: the pauses begin anew
    assert kept.to_start(1, 201.0) == 1
    assert kept.to_start(1, 202.0) == 1
