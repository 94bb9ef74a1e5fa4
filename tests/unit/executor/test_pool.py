"""Lending, growing, stalling and evicting, with runners that live in this process."""

import asyncio
import signal

import pytest

from runwright.executor.call import NOT_BEGUN
from runwright.executor.cgroups import Limits
from runwright.executor.expecting import EXPECTED_S
from runwright.executor.sandbox import State
from runwright.executor.spawn import Exit
from runwright.model.execution import ErrorClass
from runwright.ports.executor import NoSlot
from tests.unit.executor.pools import (
    OK,
    a_bench,
    a_workload,
    outcome,
)

pytestmark = pytest.mark.anyio


async def test_a_second_call_finds_the_sandbox_warm() -> None:
    async with a_bench() as bench:
        first, second = await bench.run(a_workload()), await bench.run(a_workload())
        assert (first.body, first.is_cold, second.is_cold) == (OK, True, False)
        assert len(bench.spawner.runners) == 1


async def test_the_code_and_the_limits_of_the_workload_are_assigned() -> None:
    async with a_bench() as bench:
        await bench.run(a_workload(memory_mib=256, cpus=0.25))
        assert bench.spawner.assigned == [(1, "/artifacts/a", Limits(256, 128, 0.25, 128, 512))]
        heap = int(bench.spawner.runners[1].launch.argv[1])
        assert 128 < heap < 256


async def test_every_sandbox_has_a_user_of_its_own_while_it_lives() -> None:
    async with a_bench() as bench:
        for name in "abc":
            await bench.run(a_workload(name))
        users = [runner.launch.uid for runner in bench.spawner.runners.values()]
        assert users == [70000, 70001, 70002]


async def test_the_pool_is_filled_and_lent_from() -> None:
    async with a_bench(sizes={"node": 1}) as bench:
        await bench.until(bench.pool.is_full)
        assert len(bench.spawner.runners) == 1
        await bench.run(a_workload())
        assert bench.spawner.assigned[0][0] == 1


async def test_functions_that_were_just_built_are_expected_to_be_called() -> None:
    async with a_bench(sizes={"node": 2}, most_ready=4, sandboxes=20) as bench:
        await bench.until(bench.pool.is_full)
        assert len(bench.spawner.runners) == 1  # of a runtime that nobody uses
        bench.pool.foresee("node-22", "first")
        await bench.until(lambda: len(bench.spawner.runners) == 2)
        for deployment_id in ("first", "second", "second", "third"):
            bench.pool.foresee("node-22", deployment_id)
        await bench.until(lambda: len(bench.spawner.runners) == 3)
        for number in range(9):
            bench.pool.foresee("node-22", f"more-{number}")
        await bench.until(lambda: len(bench.spawner.runners) == 4)
        await bench.until(bench.pool.is_full)
        assert len(bench.spawner.runners) == 4


async def test_a_ready_sandbox_is_given_the_code_before_the_loop_turns() -> None:
    async with a_bench(sizes={"node": 1}) as bench:
        await bench.until(bench.pool.is_full)
        call = bench.call(a_workload())
        assert [sandbox_id for sandbox_id, *_ in bench.spawner.assigned] == [1]
        assert (await outcome(call)).is_cold


async def test_an_expected_call_finds_its_start_begun() -> None:
    async with a_bench(sizes={"node": 1}) as bench:
        await bench.until(bench.pool.is_full)
        bench.pool.expect(a_workload())
        assert len(bench.spawner.assigned) == 1
        first = await bench.run(a_workload())
        assert (first.body, first.is_cold) == (OK, True)
        bench.pool.expect(a_workload())
        assert not (await bench.run(a_workload())).is_cold
        assert len(bench.spawner.assigned) == 1


async def test_what_was_expected_in_vain_is_soon_given_up() -> None:
    async with a_bench(sizes={"node": 1}) as bench:
        await bench.until(bench.pool.is_full)
        bench.pool.expect(a_workload())
        await bench.until(lambda: any(item.is_loaded for item in bench.spawner.runners.values()))
        bench.time.now += EXPECTED_S - 1
        bench.pool.evict_idle()
        assert bench.spawner.runners[1].signals == []
        bench.time.now += 1
        bench.pool.evict_idle()
        await bench.until(lambda: bench.spawner.runners[1].signals == [signal.SIGTERM])
        await bench.until(bench.pool.is_full)
        assert (await bench.run(a_workload())).is_cold


async def test_what_was_expected_and_called_stays_warm_as_any_other() -> None:
    async with a_bench() as bench:
        bench.pool.expect(a_workload())
        await bench.until(lambda: any(item.is_loaded for item in bench.spawner.runners.values()))
        assert not (await bench.run(a_workload())).is_cold
        bench.time.now += 299
        bench.pool.evict_idle()
        assert bench.spawner.runners[1].signals == []
        bench.time.now += 2
        bench.pool.evict_idle()
        await bench.until(lambda: bench.spawner.runners[1].signals == [signal.SIGTERM])


async def test_what_was_expected_and_starts_slowly_is_given_up_as_long_after_it_is_ready() -> None:
    async with a_bench() as bench:
        bench.pool.expect(a_workload())
        bench.time.now += EXPECTED_S
        bench.pool.evict_idle()
        await bench.until(lambda: any(item.is_loaded for item in bench.spawner.runners.values()))
        bench.time.now += EXPECTED_S - 1
        bench.pool.evict_idle()
        assert bench.spawner.runners[1].signals == []
        bench.time.now += 1
        bench.pool.evict_idle()
        await bench.until(lambda: bench.spawner.runners[1].signals == [signal.SIGTERM])


async def test_what_starts_after_the_expected_call_came_stays_warm_as_any_other() -> None:
    async with a_bench() as bench:
        bench.pool.expect(a_workload())
        assert (await bench.run(a_workload())).body == OK
        bench.time.now += EXPECTED_S - 1
        bench.pool.keep([(a_workload(), 2)])
        await bench.until(
            lambda: sum(item.is_loaded for item in bench.spawner.runners.values()) == 2
        )
        bench.pool.keep([])
        bench.time.now += EXPECTED_S
        bench.pool.evict_idle()
        assert [item.signals for item in bench.spawner.runners.values()] == [[], []]


async def test_what_is_kept_ready_stays_though_the_expected_call_never_came() -> None:
    async with a_bench() as bench:
        bench.pool.expect(a_workload())
        await bench.until(lambda: any(item.is_loaded for item in bench.spawner.runners.values()))
        bench.pool.keep([(a_workload(), 1)])
        bench.time.now += EXPECTED_S
        bench.pool.evict_idle()
        assert (bench.spawner.runners[1].signals, len(bench.spawner.runners)) == ([], 1)


@pytest.mark.parametrize("is_called", [False, True])
async def test_what_starts_for_a_retired_deployment_serves_who_waits_and_ends(
    is_called: bool,
) -> None:
    async with a_bench(sizes={"node": 1}) as bench:
        await bench.until(bench.pool.is_full)
        workload = a_workload()
        bench.pool.expect(workload)
        call = bench.call(workload) if is_called else None
        bench.pool.retire(workload.deployment_id)
        if call is not None:
            assert (await outcome(call)).body == OK
        await bench.until(lambda: bench.spawner.runners[1].signals == [signal.SIGTERM])


async def test_a_retired_deployment_that_is_called_again_is_kept_again() -> None:
    async with a_bench(sizes={"node": 1}) as bench:
        await bench.until(bench.pool.is_full)
        bench.pool.expect(a_workload())
        bench.pool.retire(a_workload().deployment_id)
        assert (await bench.run(a_workload())).is_cold
        assert not (await bench.run(a_workload())).is_cold


async def test_nothing_is_started_for_a_call_that_will_be_refused() -> None:
    async with a_bench(max_waiting=0) as bench:
        bench.pool.expect(a_workload())
        with pytest.raises(NoSlot):
            bench.call(a_workload())
    bench.pool.expect(a_workload())
    assert bench.spawner.runners == {}


async def test_a_sandbox_that_cannot_be_given_the_code_is_replaced() -> None:
    async with a_bench(sizes={"node": 1}) as bench:
        await bench.until(bench.pool.is_full)
        bench.spawner.refuses = 1
        assert (await bench.run(a_workload())).body == OK
        assert bench.spawner.runners[1].signals == [signal.SIGKILL]


async def test_a_spare_is_lent_only_after_its_rehearsal() -> None:
    async with a_bench(sizes={"node": 1}) as bench:
        bench.spawner.are_deaf = True
        await bench.until(lambda: any(runner.pings for runner in bench.spawner.runners.values()))
        bench.spawner.are_deaf = False
        await bench.run(a_workload())
        assert bench.spawner.assigned[0][0] == 2


async def test_what_a_call_waits_for_rehearses_nothing() -> None:
    async with a_bench() as bench:
        await bench.run(a_workload())
        assert bench.spawner.runners[1].pings == 0


async def test_calls_beyond_one_sandboxs_share_get_another() -> None:
    async with a_bench() as bench:
        await bench.run(a_workload())
        calls = [bench.call(a_workload(), "/hold") for _ in range(3)]
        await bench.until(lambda: sum(len(r.held) for r in bench.spawner.runners.values()) == 3)
        assert [len(runner.held) for runner in bench.spawner.runners.values()] == [2, 1]
        for runner in bench.spawner.runners.values():
            runner.release()
        assert {(await outcome(call)).body for call in calls} == {OK}


async def test_one_cold_start_serves_all_that_wait_for_it() -> None:
    async with a_bench(max_calls=8) as bench:
        outcomes = await asyncio.gather(*(bench.run(a_workload()) for _ in range(8)))
        assert {item.body for item in outcomes} == {OK}
        assert len(bench.spawner.runners) == 1


async def test_a_busy_silent_sandbox_is_asked_before_it_gets_more() -> None:
    async with a_bench() as bench:
        await bench.run(a_workload())
        waiting = bench.call(a_workload(), "/hold")
        runner = bench.spawner.runners[1]
        await bench.until(lambda: bool(runner.held))
        bench.time.now += 1.0  # silent, but its loop turns
        assert (await bench.run(a_workload())).body == OK
        assert runner.seen == ["/", "/hold", "/"]
        runner.release()
        await outcome(waiting)


async def test_a_stalled_sandbox_gets_no_more_while_another_can_be_had() -> None:
    async with a_bench() as bench:
        await bench.run(a_workload())
        spinning = bench.call(a_workload(), "/spin")
        first = bench.spawner.runners[1]
        await bench.until(lambda: bool(first.held))
        bench.time.now += 1.0
        assert (await bench.run(a_workload())).body == OK
        assert first.seen == ["/", "/spin"]
        assert bench.spawner.runners[2].seen == ["/"]
        first.release()
        assert (await outcome(spinning)).body == OK


async def test_a_missed_deadline_ends_the_call_and_later_the_sandbox() -> None:
    async with a_bench() as bench:
        await bench.run(a_workload())
        late = bench.call(a_workload(), "/hold", timeout_s=1.0)
        other = bench.call(a_workload(), "/hold", timeout_s=9.0)
        runner = bench.spawner.runners[1]
        await bench.until(lambda: len(runner.held) == 2)
        bench.time.now += 2.0
        bench.pool.tick()
        ended = await outcome(late)
        assert (ended.status_code, ended.error_class) == (500, ErrorClass.TIMEOUT)
        assert ended.errors == "Execution timed out."
        assert runner.signals == []  # the other call may finish
        runner.release()
        assert (await outcome(other)).body == OK
        await bench.until(lambda: runner.signals == [signal.SIGTERM])
        assert (await bench.run(a_workload())).is_cold


async def test_an_exit_fails_every_call_in_the_sandbox() -> None:
    async with a_bench() as bench:
        await bench.run(a_workload())
        held = bench.call(a_workload(), "/hold")
        ended = await bench.run(a_workload(), "/exit")
        assert (ended.error_class, ended.errors) == (ErrorClass.EXIT, "process exited (code 3)")
        assert (await outcome(held)).error_class is ErrorClass.EXIT


@pytest.mark.parametrize(
    ("is_unlimited", "said"), [(False, "not the function's fault"), (True, "a limit")]
)
async def test_calls_of_a_sandbox_that_the_platform_ended_are_told_why(
    is_unlimited: bool, said: str
) -> None:
    async with a_bench() as bench:
        await bench.run(a_workload())
        held = bench.call(a_workload(), "/hold")
        runner = bench.spawner.runners[1]
        await bench.until(lambda: bool(runner.held))
        runner.transport.close()
        runner.on_exit(Exit(code=137, is_platform=True, is_unlimited=is_unlimited))
        ended = await outcome(held)
        assert ended.error_class is ErrorClass.PLATFORM
        assert said in ended.errors


@pytest.mark.parametrize("target", ["/garbage", "/other"])
async def test_a_sandbox_that_breaks_the_rules_dies_alone(target: str) -> None:
    async with a_bench() as bench:
        await bench.run(a_workload("neighbour"))
        broken = await bench.run(a_workload(), target)
        assert broken.error_class is ErrorClass.EXIT
        assert "not a response" in broken.errors
        assert not (await bench.run(a_workload("neighbour"))).is_cold


async def test_at_the_bound_the_longest_idle_sandbox_makes_room() -> None:
    async with a_bench(sandboxes=2) as bench:
        for name in "ab":
            await bench.run(a_workload(name))
            bench.time.now += 1.0
        await bench.run(a_workload("c"))
        assert bench.spawner.runners[1].signals == [signal.SIGTERM]
        assert not (await bench.run(a_workload("b"))).is_cold


async def test_a_busy_sandbox_never_makes_room() -> None:
    async with a_bench(sandboxes=1, wait_s=3.0) as bench:
        await bench.run(a_workload())
        held = bench.call(a_workload(), "/hold")
        await bench.until(lambda: bool(bench.spawner.runners[1].held))
        waiting = bench.call(a_workload("b"))
        bench.time.now += 1.0
        bench.pool.tick()
        assert not waiting.future.done()
        bench.time.now += 3.0
        bench.pool.tick()
        with pytest.raises(NoSlot):
            await outcome(waiting)
        bench.spawner.runners[1].release()
        assert (await outcome(held)).body == OK


async def test_the_queue_is_bounded() -> None:
    async with a_bench(sandboxes=1, max_waiting=1) as bench:
        await bench.run(a_workload())
        held = bench.call(a_workload(), "/hold")
        waiting = bench.call(a_workload("b"))
        with pytest.raises(NoSlot):
            bench.call(a_workload("c"))
        await bench.until(lambda: bool(bench.spawner.runners[1].held))
        bench.spawner.runners[1].release()
        assert (await outcome(held)).body == OK
        bench.pool.tick()
        assert (await outcome(waiting)).body == OK


async def test_a_start_that_fails_is_an_outcome() -> None:
    async with a_bench() as bench:
        bench.spawner.is_broken = True
        ended = await bench.run(a_workload())
        assert (ended.status_code, ended.error_class) == (500, ErrorClass.COLD_START)
        bench.spawner.is_broken = False
        assert (await bench.run(a_workload())).body == OK


async def test_an_idle_sandbox_is_ended_after_its_time() -> None:
    async with a_bench(idle_s=10.0) as bench:
        await bench.run(a_workload())
        bench.time.now += 9.0
        bench.pool.evict_idle()
        assert bench.spawner.runners[1].signals == []
        bench.time.now += 2.0
        bench.pool.evict_idle()
        assert bench.spawner.runners[1].signals == [signal.SIGTERM]


async def test_new_settings_drain_the_sandboxes_of_the_old_ones() -> None:
    async with a_bench() as bench:
        await bench.run(a_workload("d", key="old"))
        held = bench.call(a_workload("d", key="old"), "/hold")
        runner = bench.spawner.runners[1]
        await bench.until(lambda: bool(runner.held))
        assert (await bench.run(a_workload("d", key="new"))).is_cold
        assert runner.signals == []
        runner.release()
        assert (await outcome(held)).body == OK
        await bench.until(lambda: runner.signals == [signal.SIGTERM])


async def test_a_cancelled_caller_leaves_its_call_running() -> None:
    async with a_bench() as bench:
        await bench.run(a_workload())
        call = bench.call(a_workload(), "/hold")
        runner = bench.spawner.runners[1]
        await bench.until(lambda: bool(runner.held))
        call.cancel()
        bench.pool.abandon(call)
        runner.release()
        again = await bench.run(a_workload())
        assert (again.body, again.is_cold) == (OK, False)
        assert bench.pool._groups["a"].members[0].state is State.ASSIGNED


async def test_a_cancelled_run_ends_its_process_when_its_neighbours_are_done() -> None:
    async with a_bench() as bench:
        await bench.run(a_workload())
        calls = [bench.call(a_workload(), "/hold") for _ in range(2)]
        runner = bench.spawner.runners[1]
        await bench.until(lambda: len(runner.held) == 2)
        bench.pool.cancel(calls[0])
        assert (await outcome(calls[0])).error_class is ErrorClass.CANCELLED
        assert (await bench.run(a_workload())).is_cold  # it takes nothing new
        assert runner.signals == []
        runner.release()
        assert (await outcome(calls[1])).body == OK
        await bench.until(lambda: runner.signals == [signal.SIGTERM])


async def test_a_call_that_is_cancelled_while_it_waits_never_begins() -> None:
    async with a_bench(sandboxes=1) as bench:
        held = bench.call(a_workload(), "/hold")
        await bench.until(
            lambda: 1 in bench.spawner.runners and bool(bench.spawner.runners[1].held)
        )
        waiting = bench.call(a_workload("b"), "/never")
        bench.pool.cancel(waiting)
        ended = await outcome(waiting)
        assert (ended.error_class, ended.errors) == (ErrorClass.CANCELLED, NOT_BEGUN)
        bench.spawner.runners[1].release()
        await outcome(held)
        await bench.run(a_workload("b"))
        assert all("/never" not in runner.seen for runner in bench.spawner.runners.values())


async def test_after_the_stop_nothing_is_taken() -> None:
    async with a_bench() as bench:
        await bench.run(a_workload())
        await bench.pool.stop(0)
        with pytest.raises(NoSlot):
            bench.call(a_workload())
        assert bench.spawner.runners[1].signals[-1] == signal.SIGKILL


async def test_an_ended_user_id_is_used_again() -> None:
    async with a_bench(sandboxes=1) as bench:
        for name in "abcdefgh":
            await bench.run(a_workload(name))
            await bench.until(lambda: len(bench.pool._stock.all()) == 1)
        users = {runner.launch.uid for runner in bench.spawner.runners.values()}
        assert len(users) <= 64
        assert bench.uids.take() is not None
