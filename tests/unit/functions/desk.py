"""The functions part over an empty database in memory, with fakes around it."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from runwright.functions.catalog import FunctionCatalog, ShownFunction
from runwright.functions.domains import Domains
from runwright.functions.hostnames import Zones
from runwright.functions.settings import FunctionLimits, FunctionSettings
from runwright.functions.variables import Variables, VariableSeal
from runwright.functions.verification import DnsTargets, DomainVerification
from runwright.identity.scopes import KEY_SCOPES
from runwright.model.execution import Execution, Invocation, Outcome, Workload
from runwright.model.function import Deployment, DeploymentStatus, Function
from runwright.model.identity import Project
from runwright.ports.dns import LookupFailed
from runwright.ports.executor import (
    BuildJob,
    BuildResult,
    CancelSignal,
    Output,
    ResponseSink,
    RuntimeStatus,
)
from runwright.ports.storage import UnitOfWork
from runwright.sealing import Sealer
from runwright.signals.local import LocalSignals
from runwright.storage.database import Database, open_memory
from tests.fakes.beginning import Begins

START = datetime(2026, 10, 5, 8, 0, tzinfo=UTC)
PROJECT = "p1"
OTHER_PROJECT = "p2"


class HandClock:
    """Moves only when told to."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return (self.moment - START).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class IdleExecutor(Begins):
    """Knows runtimes, runs nothing, remembers what it was told to retire."""

    def __init__(self) -> None:
        self.ready = ["node-22", "python-3.11"]
        self.retired: list[str] = []

    async def run(
        self, workload: Workload, invocation: Invocation, *, sink: ResponseSink | None = None
    ) -> Outcome:
        raise NotImplementedError

    def cancel(self, execution_id: str) -> bool:
        raise NotImplementedError

    async def output(self, execution_id: str, *, wait_s: float) -> Output | None:
        raise NotImplementedError

    async def build(
        self, job: BuildJob, on_log: Callable[[str], None], cancelled: CancelSignal
    ) -> BuildResult:
        raise NotImplementedError

    def retire(self, deployment_id: str) -> None:
        self.retired.append(deployment_id)

    def keep(self, wanted: Sequence[tuple[Workload, int]]) -> None: ...

    def runtimes(self) -> Sequence[RuntimeStatus]:
        return [
            RuntimeStatus(id=item, interpreter_version="1.0.0", source="host")
            for item in self.ready
        ]


@dataclass
class ZoneFile:
    """A resolver that answers from a table."""

    table: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    is_down: bool = False

    async def records(self, name: str, kind: str) -> list[str]:
        self.asked.append((name, kind))
        if self.is_down:
            raise LookupFailed("192.0.2.53 did not answer in time")
        return self.table.get((name, kind), [])


@dataclass
class Desk:
    database: Database
    clock: HandClock
    executor: IdleExecutor
    resolver: ZoneFile
    zones: Zones
    catalog: FunctionCatalog
    variables: Variables
    domains: Domains
    certificates: set[str]
    discarded: list[str]

    async def create(
        self, function_id: str = "f1", project_id: str = PROJECT, **settings: Any
    ) -> ShownFunction:
        wanted: dict[str, Any] = {"name": "Mail", "runtime": "node-22", **settings}
        return await self.catalog.create(project_id, function_id, FunctionSettings(**wanted))

    async def update(self, function_id: str = "f1", **settings: Any) -> Function:
        wanted: dict[str, Any] = {"name": "Mail", **settings}
        shown = await self.catalog.update(PROJECT, function_id, FunctionSettings(**wanted))
        return shown.function

    async def add_deployment(
        self,
        deployment_id: str = "d1",
        function_id: str = "f1",
        status: DeploymentStatus = DeploymentStatus.READY,
        project_id: str = PROJECT,
    ) -> Deployment:
        deployment = Deployment(
            id=deployment_id,
            project_id=project_id,
            created_at=self.clock.now(),
            updated_at=self.clock.now(),
            function_id=function_id,
            entrypoint="main.js",
            status=status,
        )
        await self.database.write(lambda uow: uow.deployments.add(deployment))
        return deployment

    async def add_executions(self, count: int, function_id: str = "f1") -> None:
        rows = [
            Execution(
                id=f"{function_id}-e{number}",
                project_id=PROJECT,
                created_at=self.clock.now(),
                updated_at=self.clock.now(),
                function_id=function_id,
            )
            for number in range(count)
        ]
        await self.database.write(lambda uow: uow.executions.add_all(rows))

    async def stored(self, function_id: str = "f1") -> Function | None:
        return await self.database.read(lambda uow: uow.functions.get(PROJECT, function_id))


@asynccontextmanager
async def open_desk(
    *,
    limits: FunctionLimits | None = None,
    targets: DnsTargets | None = None,
    with_certificates: bool = False,
) -> AsyncIterator[Desk]:
    clock, executor, resolver = HandClock(), IdleExecutor(), ZoneFile()
    zones = Zones(functions_domain="functions.localhost", api_hosts=("localhost", "api.test"))
    certificates: set[str] = set()
    discarded: list[str] = []

    async def discard(deployments: Sequence[Deployment]) -> None:
        discarded.extend(deployment.id for deployment in deployments)

    async with open_memory() as database:
        signals = LocalSignals()
        database.listen(signals.announce)
        seal = VariableSeal(Sealer(b"k" * 32))
        variables = Variables(database, seal, clock)
        verification = DomainVerification(
            zones,
            targets if targets is not None else DnsTargets(cname="in.example.com", a="192.0.2.7"),
            resolver,
            certificates.__contains__ if with_certificates else None,
        )
        desk = Desk(
            database=database,
            clock=clock,
            executor=executor,
            resolver=resolver,
            zones=zones,
            catalog=FunctionCatalog(
                database,
                signals,
                clock,
                seal=seal,
                variables=variables,
                zones=zones,
                limits=limits or FunctionLimits(timeout_s=900, scopes=KEY_SCOPES),
                executor=executor,
                discard=discard,
            ),
            variables=variables,
            domains=Domains(database, signals, clock, zones=zones, verification=verification),
            certificates=certificates,
            discarded=discarded,
        )
        await database.write(_add_projects)
        yield desk


def _add_projects(uow: UnitOfWork) -> None:
    for project_id in (PROJECT, OTHER_PROJECT):
        uow.projects.add(
            Project(
                id=project_id, created_at=START, updated_at=START, name=project_id, team_id="t1"
            )
        )
