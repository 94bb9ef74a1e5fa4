"""Receiving a source archive: checks in their public order, chunks, and the submission.

The transfer of a chunk runs beside others of the same upload; what comes before (the row) and
after it (counting, assembling, submitting) runs alone. Only the first completion counts, which
the database decides.
"""

import os
from dataclasses import replace

from runwright import ids
from runwright.clock import Clock
from runwright.errors import RunwrightError
from runwright.functions import lifecycle
from runwright.functions.deployment_errors import (
    EntrypointMissing,
    FileEmpty,
    FileTypeUnsupported,
    InvalidFile,
    InvalidUploadId,
    NotWritten,
    SourceTooLarge,
)
from runwright.functions.errors import DeploymentNotFound
from runwright.functions.folders import source_name
from runwright.functions.lookup import load_function
from runwright.functions.uploads import Chunk, Uploads, parse_content_range, whole
from runwright.model.function import Deployment, DeploymentStatus
from runwright.ports.storage import AlreadyStored, BlobStore, Storage, UnitOfWork
from runwright.values import dataclass


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


class Receiver:
    def __init__(
        self,
        storage: Storage,
        blobs: BlobStore,
        clock: Clock,
        uploads: Uploads,
        *,
        source_bytes: int,
    ) -> None:
        """`source_bytes` is the largest source archive; 0 = any size."""
        self._storage = storage
        self._blobs = blobs
        self._clock = clock
        self._uploads = uploads
        self._source_bytes = source_bytes

    async def receive(self, project_id: str, function_id: str, request: NewUpload) -> Deployment:
        """Take one request of an upload; the one that completes it queues the build.

        A chunk that was sent before, or after the end, changes nothing. Entrypoint, commands
        and claim of the completing request count.

        Raises FunctionNotFound, EntrypointMissing, FileEmpty, FileTypeUnsupported,
        InvalidContentRange, InvalidUploadId, SourceTooLarge, InvalidFile, DeploymentNotFound,
        UploadBusy, NotWritten.
        """
        function = await self._storage.read(lambda uow: load_function(uow, project_id, function_id))
        wanted = lifecycle.blank(
            function,
            self._clock.now(),
            entrypoint=request.entrypoint or function.entrypoint,
            commands=function.commands if request.commands is None else request.commands,
            is_activating=request.is_activating,
            type="cli" if request.is_from_cli else "manual",
        )
        if not wanted.entrypoint:
            raise EntrypointMissing
        file, chunk = self._checked(request)
        wanted = replace(wanted, chunks_total=chunk.count)
        if request.content_range is None:
            return await self._receive_whole(wanted, chunk, file)
        if request.deployment_id:
            if not ids.is_id(request.deployment_id):
                raise InvalidUploadId
            wanted = replace(wanted, id=request.deployment_id)
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

    async def _receive_whole(
        self, wanted: Deployment, chunk: Chunk, file: SourceFile
    ) -> Deployment:
        name = source_name(wanted.project_id, wanted.id)
        try:
            await self._blobs.put_file(name, file.path)
        except FileNotFoundError as exc:
            raise InvalidFile from exc
        except OSError as exc:
            raise NotWritten from exc
        return await add_complete(
            self._storage,
            self._blobs,
            replace(wanted, source_bytes=chunk.total_bytes, chunks_uploaded=1, is_uploaded=True),
        )

    async def _open(self, wanted: Deployment, chunk: Chunk) -> Deployment:
        """The stored row of the upload, made by its first request."""

        def add(uow: UnitOfWork) -> Deployment:
            load_function(uow, wanted.project_id, wanted.function_id)
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


async def add_complete(
    storage: Storage, blobs: BlobStore, deployment: Deployment, event_action: str = "create"
) -> Deployment:
    """Store the row of a deployment whose source is in place; refused, the source goes.

    After any other failure it stays: the row may be stored, or the housekeeper finds the source.
    """

    def add(uow: UnitOfWork) -> None:
        load_function(uow, deployment.project_id, deployment.function_id)
        lifecycle.add(uow, deployment, event_action)

    try:
        await storage.write(add)
    except RunwrightError:
        await blobs.remove(source_name(deployment.project_id, deployment.id))
        raise
    return deployment


def _takes_chunks(deployment: Deployment) -> bool:
    return not deployment.is_uploaded and deployment.status is DeploymentStatus.WAITING


def _submit(uow: UnitOfWork, complete: Deployment) -> Deployment | None:
    """The stored row afterwards; None when it was deleted. Only the first completion counts."""
    stored = uow.deployments.get(complete.project_id, complete.id)
    if stored is None or not _takes_chunks(stored):
        return stored
    return lifecycle.submit(uow, complete)
