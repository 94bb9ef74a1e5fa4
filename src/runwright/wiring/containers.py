"""Runtimes in containers, beside those in sandboxes."""

from contextlib import AsyncExitStack
from pathlib import Path

from runwright.clock import Clock
from runwright.executor.control import Control
from runwright.executor.docker.driver import DockerConfig, DockerExecutor
from runwright.executor.host import BubblewrapExecutor
from runwright.executor.routing import ByRuntime
from runwright.ports.executor import Executor
from runwright.settings import Settings


def docker_config(settings: Settings, data_dir: Path, api_port: int) -> DockerConfig:
    return DockerConfig(
        data_dir=data_dir,
        api_port=api_port,
        socket=settings.docker_socket,
        repository=settings.docker_repository,
        has_own_user=settings.docker_user == "own",
        containers=settings.docker_containers,
        idle_s=settings.pool_idle_s,
        max_calls=settings.concurrency,
        max_waiting=settings.execution_queue,
        wait_s=settings.sync_timeout_s,
        tmp_mib=settings.tmp_mib,
        build_disk_mib=settings.build_disk_mib,
    )


async def with_containers(
    settings: Settings,
    data_dir: Path,
    clock: Clock,
    local: BubblewrapExecutor,
    api_port: int,
    stack: AsyncExitStack,
) -> Executor:
    """The executor that the server uses: `local` alone, or with Docker's runtimes too."""
    if settings.docker == "off":
        return local
    spawner = local.spawner
    carrier = spawner if isinstance(spawner, Control) else None
    docker = DockerExecutor(docker_config(settings, data_dir, api_port), clock, carrier)
    await docker.start()
    stack.push_async_callback(docker.stop, 0.0)
    return ByRuntime(local, docker)
