"""Deployments: made from an upload, another deployment or a template; listed, cancelled,
downloaded, deleted. The builder takes them from there (see `builds`).

A row is written before or together with what it stands for and never promises files that are
not there: the source is stored first, then the row says so. What a crash leaves behind without
a row is found by the housekeeper.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from runwright import ids
from runwright.clock import Clock
from runwright.errors import ServiceUnavailable
from runwright.functions import buildlog, chores, lifecycle, templates
from runwright.functions.deployment_errors import (
    BuildAlreadyCompleted,
    EntrypointMissing,
    FileEmpty,
    FileTypeUnsupported,
    InvalidFile,
    InvalidUploadId,
    NotWritten,
    SourceTooLarge,
)
from runwright.functions.downloads import Download, FileKind, Span, parse_range
from runwright.functions.errors import (
    DeploymentNotFound,
    FunctionNotFound,
    InstallationNotFound,
    ProviderRepositoryNotFound,
)
from runwright.functions.folders import Folders, output_name, source_name
from runwright.functions.uploads import Chunk, Uploads, parse_content_range, whole
from runwright.model.function import Deployment, DeploymentStatus, Function
from runwright.model.query import Filter, ListQuery, Page
from runwright.ports.executor import Executor
from runwright.ports.storage import AlreadyStored, BlobMissing, BlobStore, Storage, UnitOfWork

log = logging.getLogger(__name__)

PACK_TIMEOUT_S: Final = 600.0
_EXPIRED_AT_ONCE: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """The file part of one request."""

    name: str
    path: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUpload:
    """One request of an upload; most uploads are just one."""

    file: SourceFile | None
    is_activating: bool
    entrypoint: str | None = None  # None = the function's
    commands: str | None = None  # None = the function's
    content_range: str | None = None
    deployment_id: str | None = None  # looked at only together with `content_range`
    is_from_cli: bool = False


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
        self._source_bytes = source_bytes

    def artifact_path(self, deployment: Deployment) -> str:
        """The sealed tree of a ready deployment."""
        return str(self._folders.artifact(deployment.project_id, deployment.id))

    async def get(self, project_id: str, function_id: str, deployment_id: str) -> Deployment:
        """Raises FunctionNotFound, DeploymentNotFound."""
        return await self._storage.read(
            lambda uow: _load(uow, project_id, function_id, deployment_id)
        )

    async def list(self, project_id: str, function_id: str, query: ListQuery) -> Page[Deployment]:
        """Raises FunctionNotFound, CursorMissing, CursorOrderNull."""

        def load(uow: UnitOfWork) -> Page[Deployment]:
            _load_function(uow, project_id, function_id)
            return uow.deployments.page(project_id, query, function_id=function_id)

        return await self._storage.read(load)

    # Uploads

    async def upload(self, project_id: str, function_id: str, request: NewUpload) -> Deployment:
        """Take one request of an upload; the one that completes it queues the build.

        A chunk that was sent before, or after the end, changes nothing. Entrypoint, commands
        and claim of the completing request count.

        Raises FunctionNotFound, EntrypointMissing, FileEmpty, FileTypeUnsupported,
        InvalidContentRange, InvalidUploadId, SourceTooLarge, InvalidFile, DeploymentNotFound,
        UploadBusy, NotWritten.
        """
        function = await self._function(project_id, function_id)
        wanted = self._deployment(
            function,
            entrypoint=request.entrypoint or function.entrypoint,
            commands=function.commands if request.commands is None else request.commands,
            is_activating=request.is_activating,
            type_="cli" if request.is_from_cli else "manual",
        )
        if not wanted.entrypoint:
            raise EntrypointMissing
        file, chunk = self._checked(request)
        if request.content_range is not None and request.deployment_id:
            if not ids.is_id(request.deployment_id):
                raise InvalidUploadId
            wanted = replace(wanted, id=request.deployment_id)
        wanted = replace(wanted, chunks_total=chunk.count)
        async with self._uploads.alone(project_id, wanted.id):
            opened = await self._open(wanted, chunk)
        if _takes_chunks(opened):
            await self._store(opened, chunk, file)
            async with self._uploads.alone(project_id, wanted.id):
                return await self._finish(wanted, chunk)
        return opened

    def _checked(self, request: NewUpload) -> tuple[SourceFile, Chunk]:
        """The checks that need nothing but the request, in their public order."""
        file = request.file
        if file is None or file.size == 0:
            raise FileEmpty
        if not file.name.lower().endswith(".gz"):
            raise FileTypeUnsupported
        chunk = whole(file.size)
        if request.content_range is not None:
            chunk = parse_content_range(request.content_range, file.size)
        if self._source_bytes and chunk.total_bytes > self._source_bytes:
            raise SourceTooLarge(self._source_bytes)
        if not os.access(file.path, os.R_OK):
            raise InvalidFile
        return file, chunk

    async def _open(self, wanted: Deployment, chunk: Chunk) -> Deployment:
        """The stored row of the upload, made by its first request."""

        def add(uow: UnitOfWork) -> Deployment:
            _load_function(uow, wanted.project_id, wanted.function_id)
            stored = uow.deployments.get(wanted.project_id, wanted.id)
            if stored is None:
                lifecycle.add(uow, wanted)
                return wanted
            if stored.function_id != wanted.function_id:
                raise DeploymentNotFound(wanted.id)
            return stored

        # The folder first: its total is checked before a row appears.
        stored = await self._storage.read(
            lambda uow: uow.deployments.get(wanted.project_id, wanted.id)
        )
        if stored is not None and stored.function_id != wanted.function_id:
            raise DeploymentNotFound(wanted.id)
        if stored is not None and not _takes_chunks(stored):
            return stored
        await self._uploads.begin(wanted.project_id, wanted.id, chunk)
        try:
            return await self._storage.write(add)
        except AlreadyStored:  # another server was faster
            return await self._storage.write(add)

    async def _store(self, opened: Deployment, chunk: Chunk, file: SourceFile) -> None:
        try:
            await self._uploads.store(opened.project_id, opened.id, chunk, file.path)
        except FileNotFoundError as exc:
            if not os.path.exists(file.path):  # noqa: ASYNC240  # one stat
                raise InvalidFile from exc
            # Cancelled or deleted meanwhile: the row will tell.
        except OSError as exc:
            raise NotWritten from exc

    async def _finish(self, wanted: Deployment, chunk: Chunk) -> Deployment:
        """Count the chunk; with the last one, store the source and submit the build."""
        project_id, deployment_id = wanted.project_id, wanted.id
        stored = await self._storage.read(
            lambda uow: uow.deployments.get(project_id, deployment_id)
        )
        if stored is None:
            await self._uploads.discard(project_id, deployment_id)
            raise DeploymentNotFound(deployment_id)
        if not _takes_chunks(stored):
            return stored
        arrived = await self._uploads.count(project_id, deployment_id, chunk)
        if arrived < chunk.count:
            return await self._storage.write(lambda uow: self._count(uow, stored, arrived))
        try:
            archive = await self._uploads.assemble(project_id, deployment_id, chunk)
            await self._blobs.put_file(source_name(project_id, deployment_id), archive)
        except OSError as exc:
            raise NotWritten from exc
        complete = replace(
            wanted,
            created_at=stored.created_at,
            source_bytes=chunk.total_bytes,
            chunks_uploaded=arrived,
            is_uploaded=True,
        )
        finished = await self._storage.write(lambda uow: _submit(uow, complete))
        await self._uploads.discard(project_id, deployment_id)
        if finished is None or not finished.is_uploaded:  # deleted or cancelled meanwhile
            await self._blobs.remove(source_name(project_id, deployment_id))
        if finished is None:
            raise DeploymentNotFound(deployment_id)
        return finished

    def _count(self, uow: UnitOfWork, seen: Deployment, arrived: int) -> Deployment:
        stored = uow.deployments.get(seen.project_id, seen.id)
        if stored is None:
            raise DeploymentNotFound(seen.id)
        if not _takes_chunks(stored):
            return stored
        counted = replace(stored, updated_at=self._clock.now(), chunks_uploaded=arrived)
        uow.deployments.put(counted)
        uow.touch("deployment", counted.project_id, counted.id)
        return counted

    # Other origins

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
            self._deployment(
                function,
                entrypoint=function.entrypoint or old.entrypoint,
                commands=function.commands,
                is_activating=True,
                type_="cli" if is_from_cli else "manual",
            ),
            type="vcs" if old.template else "cli" if is_from_cli else "manual",
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
        return await self._add_complete(copy)

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
            self._deployment(
                function,
                entrypoint=function.entrypoint,
                commands=function.commands,
                is_activating=request.is_activating,
                type_="vcs",
            ),
            template=f"{request.root_directory.strip('/')}@{request.reference}",
            chunks_total=1,
            chunks_uploaded=1,
            is_uploaded=True,
        )
        size = await self._pack(str(folder), source_name(project_id, made.id))
        return await self._add_complete(replace(made, source_bytes=size))

    async def from_vcs(self, project_id: str, function_id: str) -> Deployment:
        """No connection to version control exists on this server.

        Raises FunctionNotFound, InstallationNotFound, ProviderRepositoryNotFound.
        """
        function = await self._function(project_id, function_id)
        if not function.installation_id:
            raise InstallationNotFound
        raise ProviderRepositoryNotFound(function.provider_repository_id)

    async def _add_complete(self, deployment: Deployment) -> Deployment:
        """Store the row of a deployment whose source is in place."""

        def add(uow: UnitOfWork) -> None:
            _load_function(uow, deployment.project_id, deployment.function_id)
            lifecycle.add(uow, deployment)

        try:
            await self._storage.write(add)
        except BaseException:
            await self._blobs.remove(source_name(deployment.project_id, deployment.id))
            raise
        return deployment

    # Ends

    async def cancel(self, project_id: str, function_id: str, deployment_id: str) -> Deployment:
        """The builder hears of it and kills what runs.

        Raises FunctionNotFound, DeploymentNotFound, BuildAlreadyCompleted.
        """
        now = self._clock.now()
        line = buildlog.error("The deployment was cancelled.", now)

        def work(uow: UnitOfWork) -> Deployment:
            deployment = _load(uow, project_id, function_id, deployment_id)
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
            deployment = _load(uow, project_id, function_id, deployment_id)
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

    async def expire_uploads(self, age_s: float) -> int:
        """End uploads to which nothing was added for `age_s` seconds. Returns how many."""
        now = self._clock.now()
        line = buildlog.error("The upload was not finished in time. Deploy again.", now)

        def work(uow: UnitOfWork) -> list[Deployment]:
            waiting = uow.deployments.find(None, status=DeploymentStatus.WAITING, is_uploaded=False)
            old = [item for item in waiting if now - item.updated_at > timedelta(seconds=age_s)]
            for item in old:
                lifecycle.fail(uow, item, logs=buildlog.keep_tail(item.build_logs + line), now=now)
            return old

        expired = await self._storage.write(work)
        for item in expired:
            await self._uploads.discard(item.project_id, item.id)
        return len(expired)

    async def expire(self) -> int:
        """Delete deployments that are older than their function keeps them. Returns how many."""
        now = self._clock.now()
        keeping = [
            function
            for function in await self._storage.read(lambda uow: uow.functions.find())
            if function.deployment_retention_days
        ]
        count = 0
        for function in keeping:
            remove = partial(_remove_old, function=function, now=now)
            while expired := await self._storage.write(remove):
                await self.discard(expired)
                count += len(expired)
        return count

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
        return await self._storage.read(lambda uow: _load_function(uow, project_id, function_id))

    def _deployment(
        self,
        function: Function,
        *,
        entrypoint: str,
        commands: str,
        is_activating: bool,
        type_: str,
    ) -> Deployment:
        now = self._clock.now()
        return Deployment(
            id=ids.new_id(),
            project_id=function.project_id,
            created_at=now,
            updated_at=now,
            function_id=function.id,
            type=type_,
            entrypoint=entrypoint,
            commands=commands,
            is_activating=is_activating,
        )


class TemplateRepositoryNotFound(ProviderRepositoryNotFound):
    def __init__(self, owner: str, repository: str) -> None:
        super().__init__()
        self.args = (
            f"Repository '{owner}/{repository}' is not available here. This server builds the "
            "templates that it ships (owner 'runwright', repository 'templates'; see GET "
            "/v1/functions/templates). Upload other code as an archive.",
        )


def _takes_chunks(deployment: Deployment) -> bool:
    return not deployment.is_uploaded and deployment.status is DeploymentStatus.WAITING


def _submit(uow: UnitOfWork, complete: Deployment) -> Deployment | None:
    """The stored row afterwards; None when it was deleted. Only the first completion counts."""
    stored = uow.deployments.get(complete.project_id, complete.id)
    if stored is None or not _takes_chunks(stored):
        return stored
    return lifecycle.submit(uow, complete)


def _load_function(uow: UnitOfWork, project_id: str, function_id: str) -> Function:
    function = uow.functions.get(project_id, function_id)
    if function is None:
        raise FunctionNotFound(function_id)
    return function


def _load(uow: UnitOfWork, project_id: str, function_id: str, deployment_id: str) -> Deployment:
    _load_function(uow, project_id, function_id)
    deployment = uow.deployments.get(project_id, deployment_id)
    if deployment is None or deployment.function_id != function_id:
        raise DeploymentNotFound(deployment_id)
    return deployment


def _remove_old(uow: UnitOfWork, function: Function, now: datetime) -> list[Deployment]:
    """Remove some of the function's deployments that it keeps no longer."""
    oldest = now - timedelta(days=function.deployment_retention_days)
    query = ListQuery(
        filters=(
            Filter("lessThan", "$createdAt", (oldest,)),
            Filter("notEqual", "$id", (function.deployment_id,)),
        ),
        limit=_EXPIRED_AT_ONCE,
        with_total=False,
    )
    page = uow.deployments.page(function.project_id, query, function_id=function.id)
    stored = uow.functions.get(function.project_id, function.id)
    active = stored.deployment_id if stored else ""  # it may have changed since
    expired = [item for item in page.items if item.id != active]
    for item in expired:
        lifecycle.remove(uow, item, now)
    return expired
