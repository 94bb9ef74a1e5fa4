"""Which workloads the executor is told to keep, and when it is told."""

from dataclasses import replace

import pytest

from runwright.executions import instances as looking
from runwright.executions.instances import Instances
from runwright.model.function import DeploymentStatus
from tests.unit.executions.bench import Bench, a_bench, a_deployment, a_function, until

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_PAUSE_S", 0.005)


def the_instances(bench: Bench, most: int = 8) -> Instances:
    return Instances(
        storage=bench.storage,
        signals=bench.signals,
        executions=bench.executions,
        executor=bench.code,
        most=most,
    )


async def test_functions_that_ask_for_instances_are_kept_from_the_start_on() -> None:
    async with a_bench() as bench:
        await bench.put(replace(a_function(), min_instances=2))
        instances = the_instances(bench)
        instances.start()
        await until(lambda: [*bench.code.kept.values()] == [2])
        await bench.put(replace(a_function(), min_instances=0))
        await until(lambda: not bench.code.kept)
        await instances.stop()


async def test_a_new_deployment_is_kept_instead_of_the_old_one() -> None:
    async with a_bench() as bench:
        await bench.put(replace(a_function(), min_instances=1))
        instances = the_instances(bench)
        instances.start()
        await until(lambda: any("/d1/" in key for _, key in bench.code.kept))
        second = replace(a_deployment(), id="d2")
        await bench.put(second, replace(a_function(), min_instances=1, deployment_id="d2"))
        await until(lambda: ["/d2/" in key for _, key in bench.code.kept] == [True])
        await instances.stop()


async def test_what_cannot_run_is_not_kept() -> None:
    async with a_bench() as bench:
        await bench.put(
            replace(a_function(), min_instances=1),
            a_deployment(DeploymentStatus.FAILED),
            replace(a_function("bare"), min_instances=1, deployment_id=""),
            replace(a_function("off"), min_instances=1, is_enabled=False),
        )
        assert await the_instances(bench).wanted() == []


async def test_the_servers_bound_is_shared_oldest_functions_first() -> None:
    async with a_bench() as bench:
        others = [replace(a_function(f"f{number}"), min_instances=2) for number in range(3)]
        await bench.put(
            *others,
            *(replace(a_deployment(), id=f"d-{item.id}", function_id=item.id) for item in others),
        )
        await bench.put(*(replace(item, deployment_id=f"d-{item.id}") for item in others))
        found = await the_instances(bench, most=3).wanted()
        assert [(item.function_id, count) for item, count in found] == [
            ("f0", 2),
            ("f1", 1),
            ("f2", 0),
        ]
