"""Settings -> running parts; the only module that knows adapters by name.

`running` enters the parts in the order in which they depend on each other and leaves them
in reverse: what accepts work stops first, what stores its results stops last.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from runwright import welcome
from runwright.api.app import Api, ApiOptions
from runwright.api.cors import Origins
from runwright.api.health import Health
from runwright.api.limits import Limiter
from runwright.api.routes.console import ConsoleFacts, console_routes
from runwright.api.routes.deployments import deployment_routes
from runwright.api.routes.executions import ExecutionRoutes
from runwright.api.routes.functions import function_routes
from runwright.api.routes.identity import identity_routes
from runwright.api.routes.locale import locale_routes
from runwright.api.routes.proxy import proxy_routes
from runwright.api.routes.system import system_routes
from runwright.api.routes.variables import variable_routes
from runwright.api.routing import Route
from runwright.clock import SystemClock
from runwright.dns.resolver import DnsResolver
from runwright.epochs import Epochs
from runwright.executions.acceptance import Acceptance
from runwright.executions.dispatcher import Dispatcher
from runwright.executions.records import Recorder
from runwright.executions.retention import Retention
from runwright.executions.service import Executions
from runwright.executions.upkeep import QueueUpkeep
from runwright.executor import checks, runtimes
from runwright.executor.host import BubblewrapExecutor, ExecutorConfig
from runwright.executor.spawn import SpawnFailed
from runwright.functions.building import BuildLimits
from runwright.functions.builds import Builder
from runwright.functions.catalog import FunctionCatalog
from runwright.functions.deployments import Deployments
from runwright.functions.domains import Domains
from runwright.functions.downloads import DownloadTokens
from runwright.functions.folders import Folders
from runwright.functions.hostnames import Zones
from runwright.functions.housekeeping import Housekeeper
from runwright.functions.rule_verifier import RuleVerifier
from runwright.functions.settings import FunctionLimits
from runwright.functions.uploads import Uploads
from runwright.functions.variables import Variables, VariableSeal
from runwright.functions.verification import DnsTargets, DomainVerification
from runwright.gateway.asgi import DomainFirst
from runwright.gateway.domain import Gateway
from runwright.gateway.hosts import Hosts
from runwright.gateway.protocol import DomainProtocol, Door
from runwright.gateway.router import Router
from runwright.gateway.tls import Certificates
from runwright.identity import first_start
from runwright.identity.authentication import Authenticator, Credentials
from runwright.identity.passwords import Passwords
from runwright.identity.pings import Pings
from runwright.identity.scopes import KEY_SCOPES
from runwright.identity.services import Identity
from runwright.identity.tokens import Tokens
from runwright.ports.executor import Executor, RuntimeStatus
from runwright.proxies import Proxies
from runwright.queue.rows import RowQueue
from runwright.sealing import Sealer, derive, master_key
from runwright.settings import BadSetting, Settings
from runwright.signals.local import LocalSignals
from runwright.storage.blobs import StoreBlobs
from runwright.storage.database import Database, open_database
from runwright.storage.errors import StorageRefused
from runwright.storage.lock import locked

log = logging.getLogger(__name__)

# Where functions and builds find the API: a listener inside each sandbox leads to this server.
SANDBOX_API: Final = "http://127.0.0.1:{port}/v1"


# What adapters raise when this machine or this data folder cannot be used; the text says why.
CANNOT_START: Final = (StorageRefused, SpawnFailed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the server process needs from the wiring."""

    app: Any  # the ASGI application
    http: Any  # makes the protocol of one connection, for uvicorn
    tls: ssl.SSLContext | None
    credentials: welcome.Credentials
    drain: Callable[[float], Awaitable[None]]  # ends executions within that many seconds


@asynccontextmanager
async def running(settings: Settings, *, api_port: int) -> AsyncIterator[Parts]:
    """Every part of one server process, started; `api_port` is where it listens."""
    data_dir = _private_folder(settings)
    async with AsyncExitStack() as stack:
        stack.enter_context(locked(data_dir))
        core = await _core(data_dir, stack)
        executor = BubblewrapExecutor(_executor_config(settings, data_dir, api_port), core.clock)
        await executor.start()
        stack.push_async_callback(executor.stop, 0.0)
        functions = await _functions(settings, data_dir, core, executor, api_port, stack)
        runs = await _executions(settings, data_dir, core, functions, executor, api_port, stack)
        executions, dispatcher = runs
        certificates = functions.certificates
        await _start_workers(core, functions, stack)
        await dispatcher.start()
        stack.push_async_callback(dispatcher.stop, settings.drain_s)
        app, door = _application(settings, data_dir, core, functions, executions)
        credentials = await _credentials(settings, data_dir, core, api_port)

        async def drain(drain_s: float) -> None:
            await asyncio.gather(executions.stop(drain_s), dispatcher.stop(drain_s))

        yield Parts(
            app=app,
            http=partial(DomainProtocol, door=door),
            tls=certificates.context() if certificates is not None else None,
            credentials=credentials,
            drain=drain,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Core:
    storage: Database
    signals: LocalSignals
    clock: SystemClock
    tokens: Tokens
    token_key: bytes
    passwords: Passwords
    authenticator: Authenticator
    sealer: Sealer


async def _core(data_dir: Path, stack: AsyncExitStack) -> _Core:
    master = await asyncio.to_thread(master_key, data_dir / "master.key")
    clock, signals = SystemClock(), LocalSignals()
    storage = await stack.enter_async_context(open_database(data_dir / "runwright.db"))
    storage.listen(signals.announce)
    token_key = derive(master, "tokens")
    tokens = Tokens(token_key, clock)
    authenticator = Authenticator(storage, signals, tokens, clock)
    await stack.enter_async_context(authenticator)
    return _Core(
        storage=storage,
        signals=signals,
        clock=clock,
        tokens=tokens,
        token_key=token_key,
        passwords=Passwords(),
        authenticator=authenticator,
        sealer=Sealer(derive(master, "variables")),
    )


def _executor_config(settings: Settings, data_dir: Path, api_port: int) -> ExecutorConfig:
    return ExecutorConfig(
        data_dir=data_dir,
        api_port=api_port,
        is_isolated=settings.executor == "bubblewrap",
        pool_sizes={"node": settings.pool_node, "python": settings.pool_python},
        sandboxes=settings.sandboxes,
        idle_s=settings.pool_idle_s,
        max_calls=settings.concurrency,
        max_waiting=settings.execution_queue,
        wait_s=settings.sync_timeout_s,
        tmp_mib=settings.tmp_mib,
        uid_base=settings.uid_base,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Functions:
    zones: Zones
    catalog: FunctionCatalog
    variables: Variables
    domains: Domains
    deployments: Deployments
    builder: Builder
    housekeeper: Housekeeper
    certificates: Certificates | None


async def _functions(
    settings: Settings,
    data_dir: Path,
    core: _Core,
    executor: Executor,
    api_port: int,
    stack: AsyncExitStack,
) -> _Functions:
    folders = Folders(data_dir)
    blobs = StoreBlobs.open_folder(data_dir / "blobs")
    zones = Zones(functions_domain=settings.functions_domain, api_hosts=settings.domain)
    seal = VariableSeal(core.sealer)
    variables = Variables(core.storage, seal, core.clock)
    deployments = Deployments(
        core.storage,
        blobs,
        executor,
        core.clock,
        folders=folders,
        uploads=Uploads(folders),
        source_bytes=settings.source_bytes,
    )
    limits = FunctionLimits(
        timeout_s=settings.function_timeout_s,
        scopes=KEY_SCOPES,
        cpus=settings.compute_cpus,
        memory_mib=settings.compute_memory_mib,
    )
    catalog = FunctionCatalog(
        core.storage,
        core.signals,
        core.clock,
        seal=seal,
        variables=variables,
        zones=zones,
        limits=limits,
        executor=executor,
        discard=deployments.discard,
    )
    certificates = await _certificates(settings, stack)
    targets = DnsTargets(
        cname=settings.domain_target_cname,
        a=settings.domain_target_a,
        aaaa=settings.domain_target_aaaa,
    )
    has_certificate = certificates.has if certificates is not None else None
    verification = DomainVerification(zones, targets, DnsResolver(settings.dns), has_certificate)
    builder = Builder(
        core.storage,
        blobs,
        executor,
        core.signals,
        core.clock,
        functions=catalog,
        tokens=core.tokens,
        folders=folders,
        limits=BuildLimits(timeout_s=settings.build_timeout_s, output_bytes=settings.build_bytes),
        builds=settings.builds,
        endpoint=SANDBOX_API.format(port=api_port),
    )
    return _Functions(
        zones=zones,
        catalog=catalog,
        variables=variables,
        domains=Domains(
            core.storage, core.signals, core.clock, zones=zones, verification=verification
        ),
        deployments=deployments,
        builder=builder,
        housekeeper=Housekeeper(
            core.storage,
            blobs,
            deployments,
            core.clock,
            folders=folders,
            upload_age_s=settings.upload_retention_s,
        ),
        certificates=certificates,
    )


async def _certificates(settings: Settings, stack: AsyncExitStack) -> Certificates | None:
    if not settings.tls_port:
        return None
    if not settings.tls_dir:
        raise BadSetting("RUNWRIGHT_TLS_PORT needs RUNWRIGHT_TLS_DIR, the folder of certificates")
    certificates = Certificates(Path(settings.tls_dir))
    await certificates.start()
    stack.push_async_callback(certificates.stop)
    return certificates


async def _executions(
    settings: Settings,
    data_dir: Path,
    core: _Core,
    functions: _Functions,
    executor: Executor,
    api_port: int,
    stack: AsyncExitStack,
) -> tuple[Executions, Dispatcher]:
    queue, epochs = RowQueue(), Epochs(data_dir / "keys", core.clock)
    acceptance = Acceptance(core.storage, queue, epochs, queue_jobs=settings.queue_jobs)
    upkeep = QueueUpkeep(core.storage, core.clock, queue, epochs, acceptance)
    await upkeep.start()
    stack.push_async_callback(upkeep.stop)
    recorder = Recorder(core.storage)
    recorder.start()
    stack.push_async_callback(recorder.stop)
    executions = Executions(
        storage=core.storage,
        signals=core.signals,
        clock=core.clock,
        projects=core.authenticator.project,
        catalog=functions.catalog,
        tokens=core.tokens,
        executor=executor,
        recorder=recorder,
        acceptance=acceptance,
        artifact_path=functions.deployments.artifact_path,
        endpoint=SANDBOX_API.format(port=api_port),
        sync_timeout_s=settings.sync_timeout_s,
    )
    await executions.start()
    stack.push_async_callback(executions.stop, settings.drain_s)
    retention = Retention(core.storage, core.clock, keep_s=settings.execution_retention_s)
    retention.start()
    stack.push_async_callback(retention.stop)
    dispatcher = Dispatcher(
        storage=core.storage,
        signals=core.signals,
        clock=core.clock,
        queue=queue,
        epochs=epochs,
        executor=executor,
        executions=executions,
        acceptance=acceptance,
        workers=settings.workers,
        is_alone=True,  # the lock on the data folder says so
    )
    return executions, dispatcher


async def _start_workers(core: _Core, functions: _Functions, stack: AsyncExitStack) -> None:
    verifier = RuleVerifier(functions.domains, core.clock)
    verifier.start()
    stack.push_async_callback(verifier.stop)
    await functions.housekeeper.start()
    stack.push_async_callback(functions.housekeeper.stop)
    await functions.builder.start()
    stack.push_async_callback(functions.builder.stop)


def _application(
    settings: Settings,
    data_dir: Path,
    core: _Core,
    functions: _Functions,
    executions: Executions,
) -> tuple[DomainFirst, Door]:
    upload_dir = data_dir / "uploads"
    upload_dir.mkdir(exist_ok=True)

    async def rule_project(domain: str) -> str | None:
        rule = await functions.domains.by_host(domain)
        return rule.project_id if rule is not None else None

    api = Api(
        routes(settings, data_dir, core, functions, executions),
        core.authenticator,
        Limiter(core.clock, is_on=settings.rate_limits == "on"),
        ApiOptions(
            upload_dir=str(upload_dir),
            hostnames=settings.domain,
            trusted_proxies=settings.trusted_proxies,
            rule_project=rule_project,
        ),
    )
    origins = Origins(settings.domain, rule_project)

    async def allows_origin(project_id: str, origin: str) -> bool:
        found = await core.authenticator.resolve(Credentials(project_id=project_id))
        return await origins.allows(origin, project_id, found.platforms)

    proxies = Proxies(settings.trusted_proxies)
    router = Router(
        api_hosts=settings.domain,
        functions_domain=settings.functions_domain,
        is_protected=settings.router_protection == "on",
    )
    gateway = Gateway(
        executions=executions,
        authenticator=core.authenticator,
        tokens=core.tokens,
        allows_origin=allows_origin,
        proxies=proxies,
        forces_https=settings.force_https == "on",
    )
    hosts = Hosts(router, functions.domains, core.signals)
    app = DomainFirst(api, gateway=gateway, hosts=hosts, domains=functions.domains, proxies=proxies)
    return app, Door(gateway, hosts, proxies)


def routes(
    settings: Settings,
    data_dir: Path,
    core: _Core,
    functions: _Functions,
    executions: Executions,
) -> Sequence[Route]:
    identity = Identity.over(
        core.storage,
        passwords=core.passwords,
        tokens=core.tokens,
        clock=core.clock,
        console_signup=settings.console_signup,
    )
    facts = ConsoleFacts(
        functions_domain=settings.functions_domain,
        target_cname=settings.domain_target_cname,
        target_a=settings.domain_target_a,
        target_aaaa=settings.domain_target_aaaa,
        build_timeout_s=settings.build_timeout_s,
        source_bytes=settings.source_bytes,
        is_https_forced=settings.force_https == "on",
    )
    downloads = DownloadTokens(core.token_key, core.clock, build_timeout_s=settings.build_timeout_s)

    async def is_taken(domain: str) -> bool:
        return await functions.domains.by_host(domain) is not None

    return [
        *system_routes(
            Health(core.storage, core.signals, core.clock, str(data_dir)),
            Pings(core.storage, core.clock),
        ),
        *locale_routes(),
        *console_routes(facts, is_taken),
        *identity_routes(identity),
        *function_routes(functions.catalog),
        *variable_routes(functions.variables),
        *deployment_routes(functions.deployments, downloads),
        *ExecutionRoutes(executions).routes(),
        *proxy_routes(functions.domains),
    ]


async def _credentials(
    settings: Settings, data_dir: Path, core: _Core, api_port: int
) -> welcome.Credentials:
    """Those of an earlier start with today's endpoint, else new ones.

    New secrets are on disk before the database knows them: a crash between the two loses none.
    """
    kept = welcome.Credentials.load(data_dir)
    login = first_start.new_first_login()
    if kept is not None:
        login = first_start.FirstLogin(
            email=kept.consoleEmail,
            password=kept.consolePassword,
            project_id=kept.projectId,
            api_key=kept.apiKey,
        )
    credentials = welcome.Credentials(
        endpoint=welcome.endpoint(settings, api_port),
        projectId=login.project_id,
        apiKey=login.api_key,
        consoleEmail=login.email,
        consolePassword=login.password,
        functions=kept.functions if kept is not None else [],
    )
    credentials.prepare(data_dir)
    made = await first_start.bootstrap(core.storage, core.passwords, core.clock, login)
    if kept is None and not made:
        log.warning(
            "the credentials file is gone and its secrets cannot be shown again",
            extra={"action": "credentials_missing"},
        )
    return credentials


def _private_folder(settings: Settings) -> Path:
    """The data folder, which nobody else on this machine may look into."""
    folder = Path(settings.data_dir).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


# What the command line asks about this machine


def installed_runtimes(settings: Settings) -> list[RuntimeStatus]:
    return [_status(item) for item in runtimes.discover(Path(settings.data_dir).absolute())]


def examine(settings: Settings) -> list[checks.Finding]:
    return checks.examine(Path(settings.data_dir).absolute())


def add_runtime(settings: Settings, runtime: str) -> RuntimeStatus:
    return _status(runtimes.add(runtime, Path(settings.data_dir).absolute()))


def _status(found: runtimes.Interpreter) -> RuntimeStatus:
    return RuntimeStatus(id=found.runtime, interpreter_version=found.version, source=found.source)
