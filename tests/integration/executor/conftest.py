"""A real executor with real sandboxes, shared by the modules of this folder."""

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from runwright.clock import SystemClock
from runwright.executor.control import Control
from runwright.executor.host import BubblewrapExecutor, ExecutorConfig
from runwright.model.execution import Invocation, Outcome, Workload
from runwright.model.network import Network
from runwright.ports.executor import RequestSource, ResponseSink
from tests.beside import own_uids

NODE = "node-22"
PYTHON = f"python-3.{sys.version_info.minor}"
_FILES = {NODE: "main.js", PYTHON: "main.py"}
# Of what ends whatever it finds, how far that may have come: one after another.
DEADLINES_S = (1.0, 4.0, 16.0, 64.0)
_ids = itertools.count(1)
Ended = TypeVar("Ended")


def a_config(data_dir: Path, **changes: object) -> ExecutorConfig:
    values: dict[str, object] = {
        "data_dir": data_dir,
        "api_port": 8080,
        "runtimes": (NODE, PYTHON),
        "pool_sizes": {"node": 1, "python": 1},
        "uid_base": own_uids(),
        "wait_s": 120.0,  # on a busy machine cold starts are slow
    }
    return ExecutorConfig(**{**values, **changes})  # type: ignore[arg-type]  # fields by name


@dataclass
class Bench:
    executor: BubblewrapExecutor
    folder: Path
    files: dict[str, Path] = field(default_factory=dict)

    @property
    def control(self) -> Control:
        spawner = self.executor._spawner
        assert isinstance(spawner, Control)
        return spawner

    def needs_memory_groups(self) -> None:
        if "memory" not in self.control.controllers:
            pytest.skip("without cgroups a process is refused memory instead of being ended")

    def needs_steering(self) -> None:
        if not self.control.is_transparent:
            pytest.skip("without bpf only programs that use the proxy get out")

    def deploy(
        self,
        runtime: str,
        source: str,
        *,
        entrypoint: str = "",
        env: Mapping[str, str] | None = None,
        cpus: float = 1.0,
        memory_mib: int = 512,
        network: Network = Network.EGRESS,
    ) -> Workload:
        """A function whose entrypoint is `source`."""
        number = next(_ids)
        artifact = self.folder / f"artifact-{number}"
        artifact.mkdir()
        name = entrypoint or _FILES[runtime]
        (artifact / name).write_text(source)
        return Workload(
            key=f"key-{number}",
            project_id="project",
            function_id=f"function-{number}",
            deployment_id=f"deployment-{number}",
            runtime=runtime,
            artifact=str(artifact),
            entrypoint=name,
            env=env or {},
            cpus=cpus,
            memory_mib=memory_mib,
            network=network,
        )

    async def run(
        self,
        workload: Workload,
        target: str = "/",
        *,
        body: bytes = b"",
        timeout_s: float = 60.0,
        is_logging: bool = True,
        sink: ResponseSink | None = None,
        source: RequestSource | None = None,
    ) -> Outcome:
        invocation = Invocation(
            execution_id=f"execution-{next(_ids)}",
            method="POST" if body else "GET",
            target=target,
            headers=(("host", "function.test"), ("x-test", "1")),
            body=body,
            timeout_s=timeout_s,
            is_logging=is_logging,
        )
        return await self.executor.run(workload, invocation, sink=sink, source=source)


class Gate:
    """The body of a request that ends when it is opened: user code that reads it waits so long."""

    def __init__(self) -> None:
        self._is_open = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return self._is_open.is_set()

    async def read(self) -> bytes:
        await self._is_open.wait()
        return b""

    def open(self) -> None:
        self._is_open.set()


async def cut_short(
    work: Callable[[float], Awaitable[Ended]], has_begun: Callable[[Ended], bool]
) -> Ended:
    """What came of work that a deadline ended, the first of them that was late enough for it to
    have begun."""
    for deadline_s in DEADLINES_S:
        ended = await work(deadline_s)
        if has_begun(ended):
            break
    return ended


@pytest.fixture(scope="package")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="package")
async def isolated_bench(
    anyio_backend: object, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bench]:
    if not can_isolate():
        pytest.skip("this machine allows no user namespaces")
    async with running(tmp_path_factory.mktemp("executor")) as bench:
        await _has_zygote(bench)
        yield bench


async def _has_zygote(bench: Bench) -> None:
    """From here on every Python sandbox is forked, so that every test is one of forked ones.

    Node's, and those of `test_zygote.py` and `test_life.py`, are started by bubblewrap.
    """
    source = "def main(context):\n    return context.res.text(open('/proc/1/cmdline').read())\n"
    async with asyncio.timeout(180):  # after a failure it takes a minute to the next one
        while os.geteuid() == 0:
            outcome = await bench.run(bench.deploy(PYTHON, source))
            if outcome.error_class is None and b"bwrap" not in outcome.body:
                return
            await asyncio.sleep(0.05)


@pytest.fixture(scope="package")
async def plain_bench(
    anyio_backend: object, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bench]:
    """The same without isolation."""
    async with running(tmp_path_factory.mktemp("plain"), is_isolated=False) as bench:
        yield bench


@pytest.fixture(scope="package")
def bench(isolated_bench: Bench) -> Bench:
    return isolated_bench


@asynccontextmanager
async def running(folder: Path, **changes: object) -> AsyncIterator[Bench]:
    config = a_config(folder / "data", **changes)
    executor = BubblewrapExecutor(config, SystemClock())
    await executor.start()
    try:
        yield Bench(executor, folder)
    finally:
        await executor.stop()


def can_isolate() -> bool:
    """In CI a machine that cannot isolate fails; at home its tests are skipped."""
    limit = Path("/proc/sys/user/max_user_namespaces")
    has_namespaces = limit.exists() and int(limit.read_text()) > 0
    return has_namespaces or os.environ.get("CI") == "true"


def descendants(pid: int) -> Iterator[int]:
    try:
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return  # it has just ended
    for word in words:
        yield int(word)
        yield from descendants(int(word))
