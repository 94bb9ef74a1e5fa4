"""Deployments built in real sandboxes: what comes out runs, and nothing of a build escapes."""

import asyncio
import io
import os
import stat
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runwright.clock import SystemClock
from runwright.executor.host import BubblewrapExecutor, ExecutorConfig
from runwright.functions.building import BuildLimits
from runwright.model.execution import Invocation, Outcome, Workload
from runwright.model.function import Deployment, DeploymentStatus
from tests.beside import own_uids
from tests.fakes.archives import source
from tests.unit.functions.yard import PROJECT, Yard, building, open_yard

pytestmark = pytest.mark.anyio

NODE = "node-22"
PYTHON = f"python-3.{sys.version_info.minor}"
WAIT_S = 300.0


@pytest.fixture
async def executor(tmp_path: Path) -> AsyncIterator[BubblewrapExecutor]:
    config = ExecutorConfig(
        data_dir=tmp_path / "data",
        api_port=8080,
        runtimes=(NODE, PYTHON),
        pool_sizes={"node": 1, "python": 1},
        uid_base=own_uids(),
    )
    made = BubblewrapExecutor(config, SystemClock())
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


@pytest.fixture
async def yard(tmp_path: Path, executor: BubblewrapExecutor) -> AsyncIterator[Yard]:
    limits = BuildLimits(timeout_s=300, output_bytes=50_000_000)
    async with open_yard(tmp_path, real=executor, limits=limits) as opened, building(opened):
        await opened.create_function("node", runtime=NODE, entrypoint="main.js")
        await opened.create_function("python", runtime=PYTHON, entrypoint="main.py")
        yield opened


async def built(yard: Yard, made: Deployment) -> Deployment:
    over = (DeploymentStatus.READY, DeploymentStatus.FAILED, DeploymentStatus.CANCELED)
    async with asyncio.timeout(WAIT_S):
        while (row := await yard.row(made.id)).status not in over:
            await asyncio.sleep(0.05)
    return row


async def run(yard: Yard, executor: BubblewrapExecutor, deployment: Deployment) -> Outcome:
    runtime = (await yard.function(deployment.function_id)).runtime
    workload = Workload(
        key=deployment.id,
        project_id=PROJECT,
        function_id=deployment.function_id,
        deployment_id=deployment.id,
        runtime=runtime,
        artifact=yard.deployments.artifact_path(deployment),
        entrypoint=deployment.entrypoint,
    )
    invocation = Invocation(
        execution_id="e1", method="GET", target="/", headers=(("host", "f.test"),), timeout_s=60
    )
    return await executor.run(workload, invocation)


def a_wheel() -> bytes:
    """A Python package that can be installed without any network."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as wheel:
        info = "greeting-1.0.dist-info"
        wheel.writestr("greeting.py", "def hello():\n    return 'hello from a package'\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{info}/RECORD", "")
    return data.getvalue()


async def test_a_node_function_with_a_package_is_built_and_runs(
    yard: Yard, executor: BubblewrapExecutor
) -> None:
    files = {
        "package.json": b'{"dependencies": {"greeting": "file:./greeting"}}',
        "greeting/package.json": b'{"name": "greeting", "version": "1.0.0"}',
        "greeting/index.js": b"module.exports = () => 'hello from a package';",
        "main.js": b"const g = require('greeting'); module.exports = (c) => c.res.text(g());",
    }
    made = await yard.upload(
        source(files), function_id="node", commands="npm install --offline && echo done"
    )
    ready = await built(yard, made)
    assert ready.status is DeploymentStatus.READY, ready.build_logs
    assert "done\n" in ready.build_logs
    outcome = await run(yard, executor, ready)
    assert (outcome.status_code, outcome.body) == (200, b"hello from a package"), outcome.errors


async def test_a_python_function_with_a_package_is_built_compiled_and_runs(
    yard: Yard, executor: BubblewrapExecutor
) -> None:
    files = {
        "main.py": b"import greeting\ndef main(context):\n"
        b"    return context.res.text(greeting.hello())\n",
        "requirements.txt": b"--no-index\n./greeting-1.0-py3-none-any.whl\n",
        "greeting-1.0-py3-none-any.whl": a_wheel(),
    }
    made = await yard.upload(
        source(files),
        function_id="python",
        entrypoint="main.py",
        commands="pip install -r requirements.txt",
    )
    ready = await built(yard, made)
    assert ready.status is DeploymentStatus.READY, ready.build_logs
    assert "Successfully installed greeting-1.0" in ready.build_logs
    (compiled,) = yard.artifact(made.id).glob("__pycache__/main.*.pyc")
    assert compiled.read_bytes()[4:8] == b"\x01\0\0\0"  # by hash, never checked
    outcome = await run(yard, executor, ready)
    assert (outcome.status_code, outcome.body) == (200, b"hello from a package"), outcome.errors


async def test_python_without_commands_is_compiled_and_has_no_environment(
    yard: Yard, executor: BubblewrapExecutor
) -> None:
    files = {"main.py": b"def main(context):\n    return context.res.text('plain')\n"}
    made = await yard.upload(source(files), function_id="python", entrypoint="main.py")
    ready = await built(yard, made)
    assert ready.status is DeploymentStatus.READY, ready.build_logs
    found = {path.name for path in yard.artifact(made.id).iterdir()}
    assert found == {"main.py", "__pycache__"}
    outcome = await run(yard, executor, ready)
    assert (outcome.status_code, outcome.body) == (200, b"plain"), outcome.errors


async def test_sources_that_do_not_compile_are_deployed_and_fail_when_run(
    yard: Yard, executor: BubblewrapExecutor
) -> None:
    made = await yard.upload(
        source({"main.py": b"def main(:\n"}), function_id="python", entrypoint="main.py"
    )
    ready = await built(yard, made)
    assert ready.status is DeploymentStatus.READY
    assert (await run(yard, executor, ready)).status_code >= 500


async def test_a_build_sees_its_environment_and_leaves_a_sealed_tree(yard: Yard) -> None:
    await yard.set_variable("GREETING", "hello", "node")
    commands = (
        'echo "$GREETING $APPWRITE_FUNCTION_ID $APPWRITE_FUNCTION_MEMORY"; '
        "mkdir -p out && touch out/file && chmod 000 out && mkfifo pipe && ln -s / root"
    )
    made = await yard.upload(function_id="node", commands=commands)
    ready = await built(yard, made)
    assert ready.status is DeploymentStatus.READY, ready.build_logs
    assert "hello node 1024\n" in ready.build_logs
    tree = yard.artifact(made.id)
    assert (tree / "out/file").exists()
    assert not (tree / "pipe").exists()
    for path in (tree, tree / "out", tree / "out/file", tree / "main.js"):
        found = path.stat()
        assert found.st_uid == os.geteuid()
        assert stat.S_IMODE(found.st_mode) & 0o222 == 0


async def test_a_failing_command_fails_the_build(yard: Yard) -> None:
    failed = await built(yard, await yard.upload(function_id="node", commands="echo oh; exit 7"))
    assert failed.status is DeploymentStatus.FAILED
    assert "oh\n" in failed.build_logs
    assert "Build failed with exit code 7." in failed.build_logs
    assert str(yard.folder) not in failed.build_logs


async def test_a_cancelled_build_leaves_no_process(yard: Yard) -> None:
    marker = f"86{os.getpid()}"
    made = await yard.upload(
        function_id="node", commands=f"echo begun; (setsid sleep {marker} &); sleep {marker}"
    )
    await yard.until(made.id, log="begun")
    await yard.deployments.cancel(PROJECT, "node", made.id)
    async with asyncio.timeout(WAIT_S):
        while running(marker) or yard.workspaces():
            await asyncio.sleep(0.05)
    assert (await yard.row(made.id)).status is DeploymentStatus.CANCELED


def running(marker: str) -> list[str]:
    """Command lines of processes that sleep for the marker's time."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", marker.encode()]:
            found.append(path.parent.name)
    return found
