"""Start, loss of a helper, loss of the server, stop: what is left, and what goes on."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from runwright.clock import SystemClock
from runwright.executor.host import BubblewrapExecutor
from runwright.executor.leftovers import end_leftovers
from runwright.model.execution import ErrorClass, Workload
from runwright.ports.executor import NoSlot
from tests.integration.executor.conftest import (
    NODE,
    PYTHON,
    Bench,
    a_config,
    can_isolate,
    descendants,
)

pytestmark = pytest.mark.anyio

HELLO = "module.exports = ({ res }) => res.text('well');"
HOLD = (
    "let release;\n"
    "const held = new Promise((done) => { release = done; });\n"
    "module.exports = async ({ req, res }) => {\n"
    "  if (req.path === '/hold') await held;\n"
    "  if (req.path === '/go') release();\n"
    "  return res.text('done');\n};"
)
SLEEP = (
    "module.exports = async ({ req, res }) => {\n"
    "  await new Promise((done) => setTimeout(done, Number(req.path.slice(1))));\n"
    "  return res.text('done');\n};"
)


@asynccontextmanager
async def an_executor(folder: Path, **changes: object) -> AsyncIterator[Bench]:
    if not can_isolate():
        pytest.skip("this machine allows no user namespaces")
    executor = BubblewrapExecutor(a_config(folder / "data", **changes), SystemClock())
    await executor.start()
    try:
        yield Bench(executor, folder)
    finally:
        await executor.stop()


def processes_of(data_dir: Path) -> list[int]:
    """The helpers of a server and everything below them."""
    note = data_dir / "run/helpers.json"
    try:
        found = [entry["pid"] for entry in json.loads(note.read_text())]
    except (OSError, ValueError):
        return []
    for pid in found:
        found += descendants(pid)
    return found


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def groups_of(instance: str) -> list[Path]:
    root = Path("/sys/fs/cgroup")
    return [
        Path(at) / name
        for at, folders, _ in os.walk(root)
        for name in folders
        if name == f"runwright-{instance}"
    ]


async def until(condition: Callable[[], bool], wait_s: float = 60.0) -> None:
    async with asyncio.timeout(wait_s):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_stop_leaves_nothing(tmp_path: Path) -> None:
    async with an_executor(tmp_path) as bench:
        await bench.run(bench.deploy(NODE, HELLO))
        instance = bench.control._config.instance
        processes = processes_of(tmp_path / "data")
        assert len(processes) >= 4
        assert bench.control.controllers == () or groups_of(instance)
    await until(lambda: not [pid for pid in processes if is_alive(pid)])
    assert groups_of(instance) == []
    # Mounts of other tests come and go.
    mounts = Path("/proc/self/mountinfo").read_text()
    assert not [name for name in (str(tmp_path), instance) if name in mounts]
    assert not (tmp_path / "data/run/helpers.json").exists()


async def test_a_stop_lets_running_calls_finish(tmp_path: Path) -> None:
    executor = BubblewrapExecutor(a_config(tmp_path / "data"), SystemClock())
    await executor.start()
    bench = Bench(executor, tmp_path)
    workload = bench.deploy(NODE, SLEEP)
    await bench.run(workload, "/0")
    call = asyncio.create_task(bench.run(workload, "/500"))
    await asyncio.sleep(0.05)
    await executor.stop(60.0)
    assert (await call).body == b"done"


async def test_a_call_that_outlives_the_drain_is_told(tmp_path: Path) -> None:
    executor = BubblewrapExecutor(a_config(tmp_path / "data"), SystemClock())
    await executor.start()
    bench = Bench(executor, tmp_path)
    workload = bench.deploy(NODE, SLEEP)
    await bench.run(workload, "/0")
    call = asyncio.create_task(bench.run(workload, "/600000", timeout_s=600))
    await asyncio.sleep(0.05)
    await executor.stop(0.1)
    assert (await call).error_class is ErrorClass.PLATFORM


async def test_the_launcher_is_replaced_when_it_dies(tmp_path: Path) -> None:
    async with an_executor(tmp_path) as bench:
        workload = bench.deploy(NODE, SLEEP)
        await bench.run(workload, "/0")
        control = bench.control
        old, sandboxes = control.launcher_pid, list(descendants(control.launcher_pid))
        call = asyncio.create_task(bench.run(workload, "/600000", timeout_s=600))
        await asyncio.sleep(0.1)
        os.kill(old, signal.SIGKILL)
        outcome = await call
        assert (outcome.status_code, outcome.error_class) == (500, ErrorClass.PLATFORM)
        await until(lambda: not [pid for pid in sandboxes if is_alive(pid)])
        again = await bench.run(workload, "/0")
        assert (again.body, again.is_cold) == (b"done", True)
        assert control.launcher_pid != old


async def test_the_forwarder_is_replaced_when_it_dies(tmp_path: Path) -> None:
    source = (
        "import socket\ndef main(context):\n"
        "    port = int(context.req.body_text)\n"
        "    with socket.create_connection(('127.0.0.1', port), timeout=30) as link:\n"
        "        link.sendall(b'x')\n        return context.res.text(link.recv(1).decode())\n"
    )

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(1))
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, an_executor(tmp_path, api_port=port) as bench:
        workload = bench.deploy(PYTHON, source)
        first = await bench.run(workload, body=str(port).encode())
        assert first.body == b"x", first.errors
        control = bench.control
        old = control.forwarder_pid
        os.kill(old, signal.SIGKILL)
        await until(lambda: control.forwarder_pid != old)
        async with asyncio.timeout(60):
            while (await bench.run(workload, body=str(port).encode())).body != b"x":
                await asyncio.sleep(0.05)


SERVER = """
import asyncio, sys
from pathlib import Path
from runwright.clock import SystemClock
from runwright.executor.host import BubblewrapExecutor, ExecutorConfig
async def main():
    executor = BubblewrapExecutor(
        ExecutorConfig(data_dir=Path(sys.argv[1]), api_port=8080, runtimes=("node-22",),
                       pool_sizes={"node": 1, "python": 0}), SystemClock())
    await executor.start()
    while not executor._pool.is_full():
        await asyncio.sleep(0.02)
    print("up", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def a_server(data_dir: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SERVER), str(data_dir)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def _wait(server: subprocess.Popen[str]) -> None:
    server.wait(60)
    assert server.stdout is not None
    server.stdout.close()


@pytest.mark.skipif(not can_isolate(), reason="this machine allows no user namespaces")
async def test_a_killed_server_takes_everything_with_it(tmp_path: Path) -> None:
    server = await asyncio.to_thread(a_server, tmp_path)
    try:
        processes = processes_of(tmp_path)
        assert len(processes) >= 5
    finally:
        server.kill()
        await asyncio.to_thread(_wait, server)
    await until(lambda: not [pid for pid in processes if is_alive(pid)])


@pytest.mark.skipif(not can_isolate(), reason="this machine allows no user namespaces")
async def test_the_next_start_cleans_up_after_killed_helpers(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    server = await asyncio.to_thread(a_server, data_dir)
    processes = processes_of(data_dir)
    helpers = processes[:2]
    try:
        for pid in helpers:  # they cannot react to the end of their server
            os.kill(pid, signal.SIGSTOP)
        server.kill()
        await asyncio.to_thread(_wait, server)
        assert all(is_alive(pid) for pid in helpers)
        async with an_executor(tmp_path) as bench:
            await until(lambda: not [pid for pid in processes if is_alive(pid)])
            assert (await bench.run(bench.deploy(NODE, HELLO))).body == b"well"
            instance = bench.control._config.instance
    finally:
        for pid in helpers:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
    assert groups_of(instance) == []


def test_only_the_process_that_was_noted_is_ended(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        note = tmp_path / "helpers.json"
        note.write_text(json.dumps([{"pid": stranger.pid, "started": 1}]))
        assert end_leftovers(note) == 0
        assert stranger.poll() is None
        stranger.kill()


async def test_an_idle_sandbox_is_ended(tmp_path: Path) -> None:
    async with an_executor(tmp_path, idle_s=0.2) as bench:
        workload = bench.deploy(NODE, HELLO)
        await bench.run(workload)
        pool = bench.executor._pool
        assert pool is not None
        await until(lambda: workload.key not in pool._groups)
        assert (await bench.run(workload)).is_cold


async def test_the_longest_idle_sandbox_makes_room(tmp_path: Path) -> None:
    async with an_executor(tmp_path, sandboxes=3, pool_sizes={"node": 0, "python": 0}) as bench:
        first, *others = [bench.deploy(NODE, HELLO) for _ in range(4)]
        for workload in [first, *others]:
            assert (await bench.run(workload)).body == b"well"
        assert not (await bench.run(others[-1])).is_cold
        assert (await bench.run(first)).is_cold


async def test_calls_wait_for_a_slot_and_are_refused_when_none_comes(tmp_path: Path) -> None:
    async with an_executor(
        tmp_path, sandboxes=1, pool_sizes={"node": 0, "python": 0}, wait_s=1.0, max_waiting=2
    ) as bench:
        busy, other = bench.deploy(NODE, HOLD), bench.deploy(NODE, HELLO)
        await first_answer(bench, busy)
        call = asyncio.create_task(bench.run(busy, "/hold"))
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(bench.run(other)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(NoSlot):  # the queue is full
            await bench.run(other)
        for task in waiting:
            with pytest.raises(NoSlot):  # waited long enough
                await task
        assert await first_answer(bench, busy, "/go") == b"done"
        assert (await call).body == b"done"
        assert await first_answer(bench, other) == b"well"


async def first_answer(bench: Bench, workload: Workload, target: str = "/") -> bytes:
    """On a busy machine a cold start may take longer than calls wait in these tests."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(NoSlot):
                return (await bench.run(workload, target)).body


async def test_a_burst_of_cold_functions_is_served(tmp_path: Path) -> None:
    async with an_executor(tmp_path) as bench:
        workloads = [bench.deploy(PYTHON, PY_HELLO) for _ in range(12)]
        outcomes = await asyncio.gather(*(bench.run(item) for item in workloads))
        assert {item.body for item in outcomes} == {b"well"}


PY_HELLO = "def main(context):\n    return context.res.text('well')\n"


@pytest.mark.parametrize(("runtime", "source"), [(NODE, HELLO), (PYTHON, PY_HELLO)])
async def test_the_process_driver_runs_without_isolation_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, runtime: str, source: str
) -> None:
    config = a_config(tmp_path / "data", is_isolated=False)
    executor = BubblewrapExecutor(config, SystemClock())
    await executor.start()
    bench = Bench(executor, tmp_path)
    try:
        assert (await bench.run(bench.deploy(runtime, source))).body == b"well"
    finally:
        await executor.stop()
    warnings = [item for item in caplog.records if item.levelname == "WARNING"]
    assert any("WITHOUT isolation" in item.getMessage() for item in warnings)
