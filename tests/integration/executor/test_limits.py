"""Limits that the kernel refuses: nothing runs without them, and the operator is told."""

import asyncio
import logging
import os
import socket

import pytest

from runwright.executor.cgroups import Limits
from runwright.executor.spawn import Exit, Launch, SpawnFailed
from runwright.model.execution import ErrorClass
from runwright.model.network import Network
from tests.integration.executor.conftest import NODE, PYTHON, Bench

pytestmark = pytest.mark.anyio

REFUSED = -1  # as a number of processes
BEYOND = 1e15  # processors: more microseconds than the kernel can read


@pytest.fixture
def bench(isolated_bench: Bench) -> Bench:
    if not {"cpu", "pids"} <= set(isolated_bench.control.controllers):
        pytest.skip("no cgroups can be made here")
    return isolated_bench


async def test_a_start_without_one_of_its_limits_is_none(bench: Bench) -> None:
    ours, theirs = socket.socketpair()
    read, write = os.pipe()
    ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
    launch = Launch(
        id=bench.control.next_id(),
        root=NODE,
        argv=["/bin/true"],
        limits=Limits(memory_mib=64, pids=REFUSED),
    )
    try:
        await bench.control.launch(launch, theirs, write, ended.set_result)
        async with asyncio.timeout(60):
            end = await ended
    finally:
        ours.close()
        os.close(read)
    assert end.code == 127
    assert "pids.max cannot be set to -1" in end.reason


async def test_code_is_not_given_to_a_sandbox_that_cannot_be_bounded(bench: Bench) -> None:
    await bench.run(bench.deploy(NODE, "module.exports = ({ res }) => res.text('well');"))
    running = next(iter(bench.control._alive))
    with pytest.raises(SpawnFailed) as refusal:
        await bench.control.assign(running, [], Limits(512, REFUSED), Network.EGRESS)
    assert "pids.max cannot be set to -1" in refusal.value.reason


async def test_a_run_whose_share_of_processors_is_refused_is_ended(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    source = "import time\ndef main(context):\n    time.sleep(60)\n"
    with caplog.at_level(logging.ERROR):
        outcome = await bench.run(bench.deploy(PYTHON, source, cpus=BEYOND), timeout_s=50)
    assert outcome.error_class is ErrorClass.PLATFORM
    assert "could not set a limit" in outcome.errors
    told = [item for item in caplog.records if "a limit of its specification" in item.message]
    assert len(told) == 1
    assert "cannot be set to" in vars(told[0])["reason"]
