"""How many sandboxes are kept without code, as calls ask for them."""

from pathlib import Path

import pytest

from runwright.executor.demand import Demand, has_spare_memory
from tests.unit.executor.pools import Bench, a_bench, a_workload

pytestmark = pytest.mark.anyio


def ready(bench: Bench) -> int:
    return sum(len(found) for found in bench.pool._stock._ready.values())


async def ask_for(bench: Bench, count: int) -> None:
    for number in range(count):
        await bench.run(a_workload(f"w{number}"))


def test_demand_is_the_most_cold_starts_in_ten_seconds() -> None:
    demand = Demand[str]()
    for second in (1, 2, 3, 11, 12, 899):
        demand.note("node", float(second))
    demand.note("python", 5.0)
    assert [demand.peak(kind, 900.0) for kind in ("node", "python", "ruby")] == [3, 1, 0]
    assert demand.peak("node", 911.0) == 2  # the first ten seconds are forgotten
    assert demand.peak("node", 2000.0) == 0


def test_old_windows_are_not_kept() -> None:
    demand = Demand[str]()
    for second in range(0, 100_000, 10):
        demand.note("node", float(second))
    assert len(demand._counts["node"]) <= 92


def test_memory_is_spare_above_a_quarter(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 251 kB\n")
    assert has_spare_memory(meminfo)
    meminfo.write_text("MemTotal: 1000 kB\nMemAvailable: 250 kB\n")
    assert not has_spare_memory(meminfo)
    assert not has_spare_memory(tmp_path / "none")


async def test_the_pool_grows_to_what_was_asked_for_at_once_and_shrinks_again() -> None:
    async with a_bench(sizes={"node": 1}, most_ready=8, sandboxes=64) as bench:
        bench.pool._stock._has_memory = lambda: True
        await bench.until(bench.pool.is_full)
        assert ready(bench) == 1
        await ask_for(bench, 4)
        await bench.until(lambda: ready(bench) == 4)
        assert bench.pool.is_full()
        bench.time.now += 1000.0
        for _ in range(5):
            bench.pool._stock.shrink()
        assert ready(bench) == 1


async def test_the_pool_grows_no_further_than_it_may() -> None:
    async with a_bench(sizes={"node": 1}, most_ready=2, sandboxes=64) as bench:
        bench.pool._stock._has_memory = lambda: True
        await ask_for(bench, 5)
        await bench.until(bench.pool.is_full)
        assert ready(bench) == 2


async def test_without_spare_memory_the_pool_keeps_its_fixed_size() -> None:
    async with a_bench(sizes={"node": 1}, most_ready=8, sandboxes=64) as bench:
        bench.pool._stock._has_memory = lambda: False
        await ask_for(bench, 5)
        await bench.until(bench.pool.is_full)
        assert ready(bench) == 1


async def test_the_fixed_size_is_kept_up_while_there_is_no_memory_for_more() -> None:
    async with a_bench(sizes={"node": 1}, most_ready=8, sandboxes=64) as bench:
        bench.pool._stock._has_memory = lambda: False
        await ask_for(bench, 5)
        await bench.until(lambda: ready(bench) == 1)
        await bench.until(bench.pool.is_full)  # it has seen that there can be no more
        await bench.run(a_workload("another"))
        await bench.until(lambda: ready(bench) == 1)


async def test_nothing_is_kept_of_a_language_whose_size_is_none() -> None:
    async with a_bench(sizes={"node": 0}, most_ready=8, sandboxes=64) as bench:
        await ask_for(bench, 3)
        assert bench.pool.is_full()
        assert ready(bench) == 0
