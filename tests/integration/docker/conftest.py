"""One daemon, one image and one executor for all tests of this folder."""

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runwright.clock import SystemClock
from runwright.executor.docker.driver import DockerConfig, DockerExecutor
from runwright.model.execution import Invocation, Outcome, Workload
from runwright.ports.executor import BuildJob, BuildResult, ResponseSink
from tests.integration.docker import daemon

_ids = itertools.count(1)


@pytest.fixture(scope="package")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="package")
def docker_socket() -> Iterator[str]:
    """The socket of a daemon of our own that has the image."""
    if daemon.program() is None:
        if os.environ.get("CI") == "true":
            raise LookupError("no dockerd; tools/test-packages.sh brings it")
        pytest.skip("no dockerd here; `make test` brings it")
    if os.geteuid() != 0:
        pytest.skip("a daemon can be started by root only")
    with daemon.daemon() as socket_path:
        daemon.import_image(socket_path, daemon.IMAGE)
        yield socket_path


@dataclass
class Bench:
    executor: DockerExecutor
    folder: Path
    socket: str

    async def deploy(
        self,
        source: str | Path,
        *,
        commands: str = "",
        entrypoint: str = "main.py",
        env: Mapping[str, str] | None = None,
        cpus: float = 1.0,
        memory_mib: int = 256,
    ) -> Workload:
        """Build a function from one file, or from a folder."""
        number = next(_ids)
        result, log = await self.build(source, number, commands=commands, entrypoint=entrypoint)
        assert result.exit_code == 0, log + result.message
        return Workload(
            key=f"key-{number}",
            project_id="project",
            function_id=f"function-{number}",
            deployment_id=f"deployment-{number}",
            runtime=daemon.RUNTIME,
            artifact=str(self.folder / f"build-{number}"),
            entrypoint=entrypoint,
            env=env or {},
            cpus=cpus,
            memory_mib=memory_mib,
        )

    async def build(
        self,
        source: str | Path,
        number: int = 0,
        *,
        commands: str = "",
        entrypoint: str = "main.py",
        timeout_s: float = 60.0,
        memory_mib: int = 512,
        cancelled: asyncio.Event | None = None,
    ) -> tuple[BuildResult, str]:
        number = number or next(_ids)
        workspace = self.folder / f"build-{number}"
        if isinstance(source, Path):
            shutil.copytree(source, workspace)
        else:
            workspace.mkdir()
            (workspace / "main.py").write_text(source)
        log: list[str] = []
        job = BuildJob(
            deployment_id=f"deployment-{number}",
            project_id="project",
            function_id=f"function-{number}",
            runtime=daemon.RUNTIME,
            workspace=str(workspace),
            cache=str(self.folder / f"cache-{number}"),
            commands=commands,
            env={"OPEN_RUNTIMES_ENTRYPOINT": entrypoint},
            memory_mib=memory_mib,
            timeout_s=timeout_s,
        )
        result = await self.executor.build(job, log.append, cancelled or asyncio.Event())
        return result, "".join(log)

    async def call(
        self,
        workload: Workload,
        target: str = "/",
        *,
        execution_id: str = "",
        method: str = "GET",
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        timeout_s: float = 60.0,
        is_logging: bool = True,
        sink: ResponseSink | None = None,
    ) -> Outcome:
        invocation = Invocation(
            execution_id=execution_id or f"execution-{next(_ids)}",
            method=method,
            target=target,
            headers=headers,
            body=body,
            timeout_s=timeout_s,
            is_logging=is_logging,
        )
        return await self.executor.run(workload, invocation, sink=sink)

    def containers(self) -> list[str]:
        """Names of all that the daemon has, running or not."""
        return [name for item in self._listed() for name in item["Names"]]

    def ids(self) -> list[str]:
        return [item["Id"] for item in self._listed()]

    def _listed(self) -> list[dict[str, Any]]:
        with daemon.client(self.socket) as http:
            found: list[dict[str, Any]] = http.get("/containers/json", params={"all": "1"}).json()
        return found


def a_config(data_dir: Path, socket_path: str, **changes: object) -> DockerConfig:
    values: dict[str, object] = {"data_dir": data_dir, "api_port": 8080, "socket": socket_path}
    return DockerConfig(**{**values, **changes})  # type: ignore[arg-type]  # fields by name


@asynccontextmanager
async def started(config: DockerConfig, folder: Path) -> AsyncIterator[Bench]:
    executor = DockerExecutor(config, SystemClock())
    await executor.start()
    try:
        yield Bench(executor, folder, config.socket)
    finally:
        await executor.stop()


@pytest.fixture(scope="package")
async def bench(
    anyio_backend: object, docker_socket: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bench]:
    folder = tmp_path_factory.mktemp("docker")
    async with started(a_config(folder / "data", docker_socket), folder) as bench:
        yield bench
