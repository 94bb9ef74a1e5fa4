"""Running functions: records, the queue and its workers."""

from contextlib import AsyncExitStack
from pathlib import Path

from runwright.executions.cancelling import Cancelling
from runwright.executions.dispatcher import Dispatcher
from runwright.executions.eviction import Eviction
from runwright.executions.instances import Instances
from runwright.executions.records import Recorder
from runwright.executions.repeats import Repeats
from runwright.executions.replays import Replays
from runwright.executions.retention import Retention
from runwright.executions.service import Executions
from runwright.executions.tails import Tails
from runwright.executor.host import ExecutorConfig
from runwright.executor.languages import LANGUAGES
from runwright.ports.executor import Executor
from runwright.sealing import derive
from runwright.settings import Settings
from runwright.values import dataclass
from runwright.wiring.core import Core
from runwright.wiring.functions import SANDBOX_API, Functions
from runwright.wiring.network import check_network
from runwright.wiring.waiting import Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionParts:
    executions: Executions
    dispatcher: Dispatcher
    cancelling: Cancelling
    tails: Tails
    replays: Replays


def executor_config(settings: Settings, data_dir: Path, api_port: int) -> ExecutorConfig:
    """Raises BadSetting."""
    check_network(settings)
    return ExecutorConfig(
        data_dir=data_dir,
        api_port=api_port,
        is_isolated=settings.executor == "bubblewrap",
        pool_sizes={
            **dict.fromkeys(LANGUAGES, settings.pool_other),
            "node": settings.pool_node,
            "python": settings.pool_python,
        },
        pool_most=settings.pool_max,
        sandboxes=settings.sandboxes,
        idle_s=settings.pool_idle_s,
        templates=settings.templates,
        template_idle_s=settings.template_idle_s,
        max_calls=settings.concurrency,
        max_waiting=settings.execution_queue,
        wait_s=settings.sync_timeout_s,
        tmp_mib=settings.tmp_mib,
        build_disk_mib=settings.build_disk_mib,
        uid_base=settings.uid_base,
        network_allow=settings.network_allow,
        network_refuse=settings.network_refuse,
        allows_host_network=settings.network_host == "on",
        resolvers=settings.network_dns,
    )


async def make_executions(
    settings: Settings,
    core: Core,
    functions: Functions,
    executor: Executor,
    api_port: int,
    waiting: Waiting,
    stack: AsyncExitStack,
) -> ExecutionParts:
    recorder = Recorder(core.storage, wants=waiting.interest.wants)
    recorder.start()
    stack.push_async_callback(recorder.stop)
    executions = Executions(
        storage=core.storage,
        signals=core.signals,
        clock=core.clock,
        projects=core.authenticator.project,
        known_project=core.authenticator.known_project,
        catalog=functions.catalog,
        tokens=core.tokens,
        executor=executor,
        recorder=recorder,
        acceptance=waiting.acceptance,
        repeats=Repeats(core.storage, core.clock, derive(core.token_key, "idempotency")),
        artifact_path=functions.deployments.artifact_path,
        endpoint=SANDBOX_API.format(port=api_port),
        sync_timeout_s=settings.sync_timeout_s,
    )
    await executions.start()
    stack.push_async_callback(executions.stop, settings.drain_s)
    instances = Instances(
        storage=core.storage,
        signals=core.signals,
        executions=executions,
        executor=executor,
        most=settings.kept_instances,
    )
    instances.start()
    stack.push_async_callback(instances.stop)
    retention = Retention(
        core.storage,
        core.clock,
        keep_s=settings.execution_retention_s,
        keep_count=settings.execution_retention_count,
    )
    retention.start()
    stack.push_async_callback(retention.stop)
    dispatcher = Dispatcher(
        storage=core.storage,
        signals=core.signals,
        clock=core.clock,
        queue=waiting.queue,
        vault=waiting.vault,
        executor=executor,
        executions=executions,
        acceptance=waiting.acceptance,
        workers=settings.workers,
        wants=waiting.interest.wants,
        is_alone=True,  # the lock on the data folder says so
    )
    eviction = Eviction(core.signals, core.authenticator.project, (executions.runs, dispatcher))
    stack.push_async_callback(eviction.stop)
    cancelling = Cancelling(
        storage=core.storage,
        clock=core.clock,
        queue=waiting.queue,
        history=executions.history,
        recorder=recorder,
        acceptance=waiting.acceptance,
        carriers=(dispatcher, executions.runs),
    )
    return ExecutionParts(
        executions=executions,
        dispatcher=dispatcher,
        cancelling=cancelling,
        tails=Tails(executions.history, executor, core.clock),
        replays=Replays(
            storage=core.storage,
            clock=core.clock,
            vault=waiting.vault,
            acceptance=waiting.acceptance,
            catalog=functions.catalog,
        ),
    )
