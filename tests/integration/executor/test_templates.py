"""Instances that are forked from a process with the function loaded, in real sandboxes."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runwright.executor.sandbox import State
from runwright.executor.templates import Template
from runwright.model.execution import ErrorClass, Workload
from tests.integration.executor.conftest import PYTHON, Bench, Gate

pytestmark = pytest.mark.anyio

# Loading takes processor time, as large packages do.
SLOW = """
import os, time
while time.process_time() < 0.2:
    pass
LOADED_BY = os.getpid()
"""
FUNCTION = (
    SLOW
    + """
import json, random, socket, sys, threading
TOKEN = random.random()
count = 0
def main(context):
    global count
    count += 1
    path = context.req.path
    if path == "/exit":
        os._exit(7)
    if path == "/eat":
        bytearray(700 * 1024 * 1024)
    if path == "/kill":
        os.kill(LOADED_BY, 9)
        time.sleep(20)
    if path == "/orphan":
        if os.fork() == 0:
            os.setsid()
            time.sleep(60)
            os._exit(0)
    print("printed")
    context.log("logged")
    return context.res.json({
        "pid": os.getpid(), "loadedBy": LOADED_BY, "count": count, "token": TOKEN,
        "random": random.random(), "uid": os.getuid(), "secret": os.environ.get("SECRET"),
        "files": sorted(os.readlink(f"/proc/self/fd/{name}").split(":")[0]
                        for name in os.listdir("/proc/self/fd") if name != "3"
                        and os.path.exists(f"/proc/self/fd/{name}")),
        "main": threading.current_thread() is threading.main_thread(),
    })
"""
)


def template_of(bench: Bench, workload: Workload) -> Template | None:
    pool = bench.executor._pool
    assert pool is not None
    return pool._templates._by_key.get(workload.key)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def has_parked(bench: Bench, workload: Workload) -> Template:
    """Wait for the template of a function, with a fork ready."""
    await until(lambda: (found := template_of(bench, workload)) is not None and found.parked)
    found = template_of(bench, workload)
    assert found is not None
    return found


def needs_groups(bench: Bench) -> None:
    if not bench.control.can_adopt:
        pytest.skip("without cgroups nothing bounds a fork")


async def end_instances(bench: Bench, workload: Workload) -> None:
    """As if they had been idle for long."""
    pool = bench.executor._pool
    assert pool is not None
    group = pool._groups[workload.key]
    for sandbox in list(group.members):
        sandbox.end()
    await until(lambda: not group.members)


async def test_after_a_slow_start_the_next_ones_are_forks(bench: Bench) -> None:
    needs_groups(bench)
    workload = bench.deploy(PYTHON, FUNCTION, env={"SECRET": "mine"})
    first = json.loads((await bench.run(workload)).body)
    assert first["loadedBy"] == first["pid"]
    await has_parked(bench, workload)
    found = []
    for _ in range(2):
        await end_instances(bench, workload)
        outcome = await bench.run(workload)
        assert outcome.is_cold, outcome.errors
        assert outcome.logs == first_logs(), outcome.logs
        found.append(json.loads(outcome.body))
        await has_parked(bench, workload)
    one, other = found
    assert one["loadedBy"] == other["loadedBy"] != one["pid"] != other["pid"]
    assert one["count"] == other["count"] == 1  # nothing of one is in the other
    assert one["token"] == other["token"]  # made while loading
    assert one["random"] != other["random"]  # made by each
    assert one["uid"] == first["uid"]
    assert (one["main"], other["main"]) == (True, True)
    assert one["secret"] == "mine"
    assert one["files"] == first["files"]  # none of the template's, none of another fork's


def first_logs() -> str:
    return (
        "Native logs detected. Use context.log() or context.error() for better experience.\n"
        "printed\nlogged\n"
    )


async def test_an_async_function_is_forked_too(bench: Bench) -> None:
    needs_groups(bench)
    source = SLOW + (
        "import asyncio\nasync def main(context):\n    await asyncio.sleep(0)\n"
        "    return context.res.text(str(os.getpid() == LOADED_BY))\n"
    )
    workload = bench.deploy(PYTHON, source)
    assert (await bench.run(workload)).body == b"True"
    await has_parked(bench, workload)
    await end_instances(bench, workload)
    assert (await bench.run(workload)).body == b"False"


async def test_each_fork_has_limits_and_an_end_of_its_own(bench: Bench) -> None:
    needs_groups(bench)
    bench.needs_memory_groups()
    workload = bench.deploy(PYTHON, FUNCTION, memory_mib=256)
    await bench.run(workload)
    template = await has_parked(bench, workload)
    await end_instances(bench, workload)
    assert (await bench.run(workload)).body
    ended = await bench.run(workload, "/exit")
    assert (ended.error_class, ended.errors) == (ErrorClass.EXIT, "process exited (code 7)")
    eaten = await bench.run(workload, "/eat")
    assert eaten.error_class is ErrorClass.OUT_OF_MEMORY, eaten.errors
    assert template_of(bench, workload) is template  # which neither has touched
    assert (await bench.run(workload)).status_code == 200


async def test_what_a_fork_started_ends_with_it(bench: Bench) -> None:
    needs_groups(bench)
    workload = bench.deploy(PYTHON, FUNCTION)
    await bench.run(workload)
    template = await has_parked(bench, workload)
    await end_instances(bench, workload)
    await bench.run(workload, "/orphan")
    pool = bench.executor._pool
    assert pool is not None
    fork = next(iter(pool._groups[workload.key].members))
    folders = [
        Path(at)
        for at, _, _ in os.walk("/sys/fs/cgroup")
        if at.endswith(f"-{bench.control._config.instance}/s{fork.id}")
    ]
    assert folders
    assert all(len((at / "cgroup.procs").read_text().split()) == 2 for at in folders)
    await end_instances(bench, workload)
    await until(lambda: not any(at.exists() for at in folders))
    assert template_of(bench, workload) is template


async def test_a_template_that_ends_takes_its_forks_along_and_nobody_elses(bench: Bench) -> None:
    needs_groups(bench)
    workload, other = bench.deploy(PYTHON, FUNCTION), bench.deploy(PYTHON, FUNCTION)
    for each in (workload, other):
        await bench.run(each)
        await has_parked(bench, each)
        await end_instances(bench, each)
        assert (await bench.run(each)).status_code == 200
    killed = template_of(bench, workload)
    ended = await bench.run(workload, "/kill")
    assert ended.error_class is ErrorClass.EXIT
    # Its siblings end one after another, and one that is about to could get the next call.
    await until(lambda: template_of(bench, workload) is not killed)
    assert (await bench.run(workload)).status_code == 200
    kept = await bench.run(other)
    assert (kept.status_code, kept.is_cold) == (200, False)


async def test_a_retired_deployment_leaves_no_template(bench: Bench) -> None:
    needs_groups(bench)
    source = SLOW + (
        "async def main(context):\n    async for part in context.req.stream: pass\n"
        "    return context.res.empty()\n"
    )
    workload = bench.deploy(PYTHON, source)
    await bench.run(workload)
    template = await has_parked(bench, workload)
    await end_instances(bench, workload)
    gate = Gate()
    running = asyncio.create_task(bench.run(workload, source=gate))
    pool = bench.executor._pool
    assert pool is not None
    await until(
        lambda: (
            (group := pool._groups.get(workload.key)) is not None
            and any(item.calls for item in group.members)
        )
    )
    bench.executor.retire(workload.deployment_id)
    gate.open()
    assert (await running).status_code == 204
    box = template.box
    assert box is not None
    await until(lambda: box.state is State.GONE)
    assert template_of(bench, workload) is None


UNFIT = {
    "thread": "import _thread\n_thread.start_new_thread(time.sleep, (60,))",
    "file": "held = open(__file__)",
    "socket": "import socket\nheld = socket.socket()",
    "process": "if os.fork() == 0:\n    time.sleep(60)\n    os._exit(0)",
    "memory": "import mmap\nheld = mmap.mmap(-1, 4096)",
    "timer": "import signal\nsignal.setitimer(signal.ITIMER_REAL, 3600)",
}


@pytest.mark.parametrize("name", UNFIT)
async def test_what_a_fork_would_break_starts_the_ordinary_way(bench: Bench, name: str) -> None:
    needs_groups(bench)
    workload = bench.deploy(PYTHON, SLOW + UNFIT[name] + FUNCTION)
    assert (await bench.run(workload)).status_code == 200
    pool = bench.executor._pool
    assert pool is not None
    await until(lambda: workload.key in pool._templates._refused)
    await end_instances(bench, workload)
    again = json.loads((await bench.run(workload)).body)
    assert again["pid"] == again["loadedBy"]
    assert template_of(bench, workload) is None


async def test_a_function_may_refuse_to_be_forked_and_quick_ones_are_not(bench: Bench) -> None:
    refusing = bench.deploy(PYTHON, FUNCTION, env={"RUNWRIGHT_PYTHON_TEMPLATE": "off"})
    quick = bench.deploy(PYTHON, "def main(context):\n    return context.res.text('')\n")
    for workload in (refusing, quick):
        assert (await bench.run(workload)).status_code == 200
        assert template_of(bench, workload) is None
