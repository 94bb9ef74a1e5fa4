"""Deployments and builds over an empty database, blobs in memory and a fake executor."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from obstore.store import MemoryStore

from runwright.functions import chore, chores
from runwright.functions.archive import BadArchive
from runwright.functions.building import BuildLimits
from runwright.functions.builds import Builder
from runwright.functions.catalog import FunctionCatalog
from runwright.functions.deployments import Deployments
from runwright.functions.folders import Folders
from runwright.functions.hostnames import Zones
from runwright.functions.housekeeping import Housekeeper
from runwright.functions.receiving import NewUpload, SourceFile
from runwright.functions.settings import FunctionLimits, FunctionSettings
from runwright.functions.trees import Unsealable
from runwright.functions.uploads import CHUNK_BYTES, Uploads
from runwright.functions.variables import NewVariable, Variables, VariableSeal
from runwright.identity.scopes import KEY_SCOPES
from runwright.identity.tokens import Tokens
from runwright.model.function import Deployment, DeploymentStatus, Function
from runwright.model.identity import Project
from runwright.ports.executor import Executor
from runwright.ports.storage import UnitOfWork
from runwright.sealing import Sealer
from runwright.signals.local import LocalSignals
from runwright.storage.blobs import StoreBlobs
from runwright.storage.database import Database, open_memory
from tests.fakes.archives import source
from tests.fakes.clock import ManualClock
from tests.fakes.executor import FakeExecutor

PROJECT = "p1"
OTHER_PROJECT = "p2"
WAIT_S = 60.0  # a test that waits longer has failed


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not is_so():
            await asyncio.sleep(0.01)


@dataclass
class Yard:
    folder: Path
    database: Database
    blobs: StoreBlobs
    clock: ManualClock
    signals: LocalSignals
    executor: FakeExecutor
    catalog: FunctionCatalog
    variables: Variables
    uploads: Uploads
    deployments: Deployments
    housekeeper: Housekeeper
    tokens: Tokens
    builder: Builder
    folders: Folders
    make_builder: Callable[[], Builder]
    _files: "itertools.count[int]" = field(default_factory=itertools.count)

    async def create_function(
        self, function_id: str = "f1", project_id: str = PROJECT, **settings: object
    ) -> Function:
        wanted = {
            "name": "Mail",
            "runtime": "node-22",
            "entrypoint": "main.js",
            **settings,
        }
        shown = await self.catalog.create(
            project_id,
            function_id,
            FunctionSettings(**wanted),  # type: ignore[arg-type]  # named by the test
        )
        return shown.function

    async def set_variable(self, key: str, value: str, function_id: str = "f1") -> None:
        wanted = NewVariable(id="unique()", key=key, value=value)
        await self.variables.create(PROJECT, function_id, wanted)

    def file(self, data: bytes, name: str = "code.tar.gz") -> SourceFile:
        path = self.folder / f"received-{next(self._files)}"
        path.write_bytes(data)
        return SourceFile(name=name, path=str(path), size=len(data))

    def request(
        self,
        data: bytes | None = None,
        *,
        activate: bool = True,
        name: str = "code.tar.gz",
        entrypoint: str | None = None,
        commands: str | None = None,
        content_range: str | None = None,
        deployment_id: str | None = None,
    ) -> NewUpload:
        return NewUpload(
            file=self.file(source() if data is None else data, name),
            is_activating=activate,
            entrypoint=entrypoint,
            commands=commands,
            content_range=content_range,
            deployment_id=deployment_id,
        )

    async def upload(
        self,
        data: bytes | None = None,
        *,
        function_id: str = "f1",
        activate: bool = True,
        commands: str | None = None,
        entrypoint: str | None = None,
    ) -> Deployment:
        """One request; each deployment is a second younger than the one before."""
        self.clock.advance(1)
        request = self.request(data, activate=activate, commands=commands, entrypoint=entrypoint)
        return await self.deployments.upload(PROJECT, function_id, request)

    async def upload_chunk(
        self,
        whole: bytes,
        index: int,
        deployment_id: str | None = None,
        *,
        function_id: str = "f1",
        activate: bool = True,
    ) -> Deployment:
        start = index * CHUNK_BYTES
        part = whole[start : start + CHUNK_BYTES]
        request = self.request(
            part,
            activate=activate,
            content_range=f"bytes {start}-{start + len(part) - 1}/{len(whole)}",
            deployment_id=deployment_id,
        )
        return await self.deployments.upload(PROJECT, function_id, request)

    async def function(self, function_id: str = "f1", project_id: str = PROJECT) -> Function:
        found = await self.database.read(lambda uow: uow.functions.get(project_id, function_id))
        assert found is not None
        return found

    async def stored(self, deployment_id: str, project_id: str = PROJECT) -> Deployment | None:
        return await self.database.read(lambda uow: uow.deployments.get(project_id, deployment_id))

    async def row(self, deployment_id: str) -> Deployment:
        found = await self.stored(deployment_id)
        assert found is not None
        return found

    async def put(self, deployment: Deployment) -> None:
        await self.database.write(lambda uow: uow.deployments.put(deployment))

    async def until(
        self, deployment_id: str, *wanted: DeploymentStatus, log: str = ""
    ) -> Deployment:
        """Wait until a deployment has one of the states, and its log holds a text."""
        async with asyncio.timeout(WAIT_S):
            while True:
                found = await self.row(deployment_id)
                if (not wanted or found.status in wanted) and log in found.build_logs:
                    return found
                await asyncio.sleep(0.01)

    async def built(self, deployment: Deployment) -> Deployment:
        return await self.until(
            deployment.id,
            DeploymentStatus.READY,
            DeploymentStatus.FAILED,
            DeploymentStatus.CANCELED,
        )

    def workspaces(self) -> list[Path]:
        return list(self.folders.builds.glob("*/*"))

    def artifact(self, deployment_id: str) -> Path:
        return self.folders.artifact(PROJECT, deployment_id)


async def in_a_thread(name: str, arguments: list[Any], timeout_s: float) -> object:
    """A file chore without its child; the children have tests of their own."""
    try:
        return await asyncio.to_thread(chore.do, name, arguments)
    except (BadArchive, Unsealable) as exc:
        raise chores.Refused(str(exc)) from exc


@asynccontextmanager
async def open_yard(
    folder: Path,
    *,
    source_bytes: int = 30_000_000,
    limits: BuildLimits | None = None,
    builds: int = 2,
    lock_wait_s: float = 120.0,
    real: Executor | None = None,
) -> AsyncIterator[Yard]:
    """The builder is not started. A `real` executor takes the place of the fake one, and file
    chores are then done in children, as in a server."""
    clock, fake, signals = ManualClock(), FakeExecutor(), LocalSignals()
    executor: Executor = real or fake
    folders = Folders(folder / "data")
    blobs = StoreBlobs(MemoryStore())
    childless = nullcontext() if real else patch.object(chores, "_run", in_a_thread)
    async with open_memory() as database:
        database.listen(signals.announce)
        seal = VariableSeal(Sealer(b"k" * 32))
        variables = Variables(database, seal, clock)
        uploads = Uploads(folders, lock_wait_s=lock_wait_s)
        tokens = Tokens(b"t" * 32, clock)
        deployments = Deployments(
            database,
            blobs,
            executor,
            clock,
            folders=folders,
            uploads=uploads,
            source_bytes=source_bytes,
        )
        catalog = FunctionCatalog(
            database,
            signals,
            clock,
            seal=seal,
            variables=variables,
            zones=Zones(functions_domain="functions.localhost", api_hosts=("localhost",)),
            limits=FunctionLimits(timeout_s=900, scopes=KEY_SCOPES),
            executor=executor,
            discard=deployments.discard,
        )

        def make_builder() -> Builder:
            return Builder(
                database,
                blobs,
                executor,
                signals,
                clock,
                functions=catalog,
                tokens=tokens,
                folders=folders,
                limits=limits or BuildLimits(timeout_s=60, output_bytes=1_000_000),
                builds=builds,
                endpoint="http://api.internal/v1",
            )

        await database.write(_add_projects)
        yard = Yard(
            folder=folder,
            database=database,
            blobs=blobs,
            clock=clock,
            signals=signals,
            executor=fake,
            catalog=catalog,
            variables=variables,
            uploads=uploads,
            deployments=deployments,
            housekeeper=Housekeeper(
                database, blobs, deployments, clock, folders=folders, upload_age_s=3600
            ),
            tokens=tokens,
            builder=make_builder(),
            folders=folders,
            make_builder=make_builder,
        )
        with childless:
            yield yard


@asynccontextmanager
async def building(yard: Yard) -> AsyncIterator[Yard]:
    """With the builder at work."""
    await yard.builder.start()
    try:
        yield yard
    finally:
        await yard.builder.stop()


def _add_projects(uow: UnitOfWork) -> None:
    for project_id in (PROJECT, OTHER_PROJECT):
        moment = ManualClock().now()
        uow.projects.add(
            Project(
                id=project_id, created_at=moment, updated_at=moment, name=project_id, team_id="t1"
            )
        )
