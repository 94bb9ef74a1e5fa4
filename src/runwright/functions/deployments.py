"""Deployments: made from an upload, another deployment or a template; listed, cancelled,
downloaded, deleted. The builder takes them from there (see `builds`).

A row is written before or together with what it stands for and never promises files that are
not there: the source is stored first, then the row says so. What a crash leaves behind without
a row is found by the housekeeper.
"""

import asyncio
import os
import secrets
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from runwright.clock import Clock
from runwright.errors import ServiceUnavailable
from runwright.functions import buildlog, chores, lifecycle, templates
from runwright.functions.deployment_errors import BuildAlreadyCompleted
from runwright.functions.downloads import Download, FileKind, Span, parse_range
from runwright.functions.errors import (
    DeploymentNotFound,
    InstallationNotFound,
    ProviderRepositoryNotFound,
)
from runwright.functions.folders import Folders, output_name, source_name
from runwright.functions.lookup import load_deployment, load_function
from runwright.functions.receiving import NewUpload, Receiver, add_complete
from runwright.functions.uploads import Uploads
from runwright.model.function import Deployment, DeploymentStatus, Function
from runwright.model.query import ListQuery, Page
from runwright.ports.executor import Executor
from runwright.ports.storage import BlobMissing, BlobStore, Storage, UnitOfWork
from runwright.values import dataclass

PACK_TIMEOUT_S: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFromTemplate:
    owner: str
    repository: str
    root_directory: str
    reference: str
    is_activating: bool = False


class Deployments:
    def __init__(
        self,
        storage: Storage,
        blobs: BlobStore,
        executor: Executor,
        clock: Clock,
        *,
        folders: Folders,
        uploads: Uploads,
        source_bytes: int,
    ) -> None:
        """`source_bytes` is the largest source archive; 0 = any size."""
        self._storage = storage
        self._blobs = blobs
        self._executor = executor
        self._clock = clock
        self._folders = folders
        self._uploads = uploads
        self._receiver = Receiver(storage, blobs, clock, uploads, source_bytes=source_bytes)

    def artifact_path(self, deployment: Deployment) -> str:
        """The sealed tree of a ready deployment."""
        return str(self._folders.artifact(deployment.project_id, deployment.id))

    async def get(self, project_id: str, function_id: str, deployment_id: str) -> Deployment:
        """Raises FunctionNotFound, DeploymentNotFound."""
        return await self._storage.read(
            lambda uow: load_deployment(uow, project_id, function_id, deployment_id)
        )

    async def list(self, project_id: str, function_id: str, query: ListQuery) -> Page[Deployment]:
        """Raises FunctionNotFound, CursorMissing, CursorOrderNull."""

        def load(uow: UnitOfWork) -> Page[Deployment]:
            load_function(uow, project_id, function_id)
            return uow.deployments.page(project_id, query, function_id=function_id)

        return await self._storage.read(load)

    # Origins

    async def upload(self, project_id: str, function_id: str, request: NewUpload) -> Deployment:
        """See `Receiver.receive`, also for what it raises."""
        return await self._receiver.receive(project_id, function_id, request)

    async def duplicate(
        self, project_id: str, function_id: str, deployment_id: str, *, is_from_cli: bool = False
    ) -> Deployment:
        """Build the same source again with the function's present settings.

        Raises FunctionNotFound, DeploymentNotFound.
        """
        function = await self._function(project_id, function_id)
        old = await self.get(project_id, function_id, deployment_id)
        if not old.is_uploaded:
            raise DeploymentNotFound(deployment_id)
        copy = replace(
            lifecycle.blank(
                function,
                self._clock.now(),
                entrypoint=function.entrypoint or old.entrypoint,
                commands=function.commands,
                is_activating=True,
                type="vcs" if old.template else "cli" if is_from_cli else "manual",
            ),
            template=old.template,
            source_bytes=old.source_bytes,
            chunks_total=1,
            chunks_uploaded=1,
            is_uploaded=True,
        )
        try:
            await self._blobs.copy(
                source_name(project_id, old.id), source_name(project_id, copy.id)
            )
        except BlobMissing as exc:
            raise DeploymentNotFound(deployment_id) from exc
        # Upstream announces a copy as an update, so that is what subscribers expect.
        return await add_complete(self._storage, self._blobs, copy, "update")

    async def from_template(
        self, project_id: str, function_id: str, request: NewFromTemplate
    ) -> Deployment:
        """Build one of the templates that are shipped with the server.

        Raises FunctionNotFound, ProviderRepositoryNotFound.
        """
        function = await self._function(project_id, function_id)
        folder = templates.source(
            request.owner, request.repository, request.root_directory, request.reference
        )
        if folder is None:
            raise TemplateRepositoryNotFound(request.owner, request.repository)
        made = replace(
            lifecycle.blank(
                function,
                self._clock.now(),
                entrypoint=function.entrypoint,
                commands=function.commands,
                is_activating=request.is_activating,
                type="vcs",
            ),
            template=f"{request.root_directory.strip('/')}@{request.reference}",
            chunks_total=1,
            chunks_uploaded=1,
            is_uploaded=True,
        )
        size = await self._pack(str(folder), source_name(project_id, made.id))
        return await add_complete(self._storage, self._blobs, replace(made, source_bytes=size))

    async def from_vcs(self, project_id: str, function_id: str) -> Deployment:
        """No connection to version control exists on this server.

        Raises FunctionNotFound, InstallationNotFound, ProviderRepositoryNotFound.
        """
        function = await self._function(project_id, function_id)
        if not function.installation_id:
            raise InstallationNotFound
        raise ProviderRepositoryNotFound(function.provider_repository_id)

    # Ends

    async def cancel(self, project_id: str, function_id: str, deployment_id: str) -> Deployment:
        """The builder hears of it and kills what runs.

        Raises FunctionNotFound, DeploymentNotFound, BuildAlreadyCompleted.
        """
        now = self._clock.now()
        line = buildlog.error("The deployment was cancelled.", now)

        def work(uow: UnitOfWork) -> Deployment:
            deployment = load_deployment(uow, project_id, function_id, deployment_id)
            if deployment.status in (DeploymentStatus.READY, DeploymentStatus.FAILED):
                raise BuildAlreadyCompleted(deployment_id, deployment.status)
            return lifecycle.cancel(uow, deployment, line, now)

        canceled = await self._storage.write(work)
        await self._uploads.discard(project_id, deployment_id)
        return canceled

    async def delete(self, project_id: str, function_id: str, deployment_id: str) -> None:
        """In any state, the active one too. Raises FunctionNotFound, DeploymentNotFound."""
        now = self._clock.now()

        def work(uow: UnitOfWork) -> Deployment:
            deployment = load_deployment(uow, project_id, function_id, deployment_id)
            lifecycle.remove(uow, deployment, now)
            return deployment

        await self.discard([await self._storage.write(work)])

    async def discard(self, deployments: Iterable[Deployment]) -> None:
        """Let go of everything that is kept outside the database for deleted deployments."""
        for deployment in deployments:
            project_id, deployment_id = deployment.project_id, deployment.id
            self._executor.retire(deployment_id)
            await self._blobs.remove(source_name(project_id, deployment_id))
            await self._blobs.remove(output_name(project_id, deployment_id))
            await self._uploads.discard(project_id, deployment_id)
            artifact = self._folders.artifact(project_id, deployment_id)
            await asyncio.to_thread(self._folders.discard, artifact)

    async def discard_upload(self, deployment: Deployment) -> None:
        """Let go of the chunks of an upload that will not go on."""
        await self._uploads.discard(deployment.project_id, deployment.id)

    # Downloads

    async def download(
        self,
        project_id: str,
        function_id: str,
        deployment_id: str,
        kind: FileKind,
        byte_range: str | None = None,
    ) -> Download:
        """Raises FunctionNotFound, DeploymentNotFound, InvalidRange."""
        deployment = await self.get(project_id, function_id, deployment_id)
        try:
            if kind is FileKind.SOURCE:
                name, saved_as = source_name(project_id, deployment_id), "source.tar.gz"
                size = await self._blobs.size(name)
            else:
                name, saved_as = output_name(project_id, deployment_id), "output-code.tar.gz"
                size = await self._packed(deployment)
        except BlobMissing as exc:
            raise DeploymentNotFound(deployment_id) from exc
        span = parse_range(byte_range, size) if byte_range is not None else Span(0, size)
        return Download(
            name=f"{deployment_id}-{saved_as}",
            kind=kind,
            total_bytes=size,
            span=span,
            is_partial=byte_range is not None,
            parts=self._blobs.read(name, span.start, span.end),
        )

    async def _packed(self, deployment: Deployment) -> int:
        """Size of the packed build. Packing waits for the first download, as most builds are
        never downloaded. Raises BlobMissing when there is no build."""
        name = output_name(deployment.project_id, deployment.id)
        async with self._uploads.alone(deployment.project_id, deployment.id):
            try:
                return await self._blobs.size(name)
            except BlobMissing:
                if deployment.status is not DeploymentStatus.READY:
                    raise
            return await self._pack(self.artifact_path(deployment), name)

    async def _pack(self, tree: str, name: str) -> int:
        """Store a folder as a packed blob; its bytes."""
        archive = self._scratch()
        try:
            await chores.pack(tree, archive, timeout_s=PACK_TIMEOUT_S)
            await self._blobs.put_file(name, archive)
            return await asyncio.to_thread(os.path.getsize, archive)
        except (chores.ChoreFailed, chores.TooSlow) as exc:
            raise ServiceUnavailable("The files could not be packed. Try again.") from exc
        finally:
            await asyncio.to_thread(Path(archive).unlink, missing_ok=True)

    # Shared

    def _scratch(self) -> str:
        """A path for a file of ours; the housekeeper removes what a crash leaves there."""
        self._folders.trash.mkdir(mode=0o700, parents=True, exist_ok=True)
        return str(self._folders.trash / secrets.token_hex(16))

    async def _function(self, project_id: str, function_id: str) -> Function:
        return await self._storage.read(lambda uow: load_function(uow, project_id, function_id))


class TemplateRepositoryNotFound(ProviderRepositoryNotFound):
    def __init__(self, owner: str, repository: str) -> None:
        super().__init__()
        self.args = (
            f"Repository '{owner}/{repository}' is not available here. This server builds the "
            "templates that it ships (owner 'runwright', repository 'templates'; see GET "
            "/v1/functions/templates). Upload other code as an archive.",
        )
