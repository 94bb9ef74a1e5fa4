"""What ages: unfinished uploads, old deployments, trees that nobody runs any more."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from runwright.clock import Clock
from runwright.functions import chores, lifecycle
from runwright.functions.buildlog import error, with_line
from runwright.functions.deployments import Deployments
from runwright.functions.folders import Folders
from runwright.model.function import Deployment, DeploymentStatus, Function
from runwright.model.identity import CONSOLE
from runwright.model.query import Filter, ListQuery, Page
from runwright.ports.storage import BlobStore, Repository, Storage, UnitOfWork

log = logging.getLogger(__name__)

Key = tuple[str, str]
Row = TypeVar("Row", Function, Deployment)

_PAGE: Final = 100
_EXPIRED_AT_ONCE: Final = 20
_ROUND_S: Final = 300.0
_DAY_S: Final = 86_400.0
# A deleted tree may still be mounted in a sandbox that is busy with its longest run.
_TRASH_AGE_S: Final = 3_600.0
_CACHE_BYTES: Final = 2_000_000_000  # of one function's packages
# Files appear before their rows do; younger ones are left alone.
_ORPHAN_AGE_S: Final = 86_400.0


class Housekeeper:
    """Owns one task. `start` once, then `stop` once."""

    def __init__(
        self,
        storage: Storage,
        blobs: BlobStore,
        deployments: Deployments,
        clock: Clock,
        *,
        folders: Folders,
        upload_age_s: float,
    ) -> None:
        self._storage = storage
        self._blobs = blobs
        self._deployments = deployments
        self._clock = clock
        self._folders = folders
        self._upload_age_s = upload_age_s
        self._task: asyncio.Task[None] | None = None
        self._suspects: set[str] = set()  # blobs that had no row in the last round

    async def start(self) -> None:
        # Nothing of an earlier server is mounted or being received any more.
        left = await asyncio.to_thread(_older, self._folders.trash, 1, 0.0)
        await asyncio.to_thread(_remove_files, self._folders.uploads)
        self._task = asyncio.create_task(self._run(left), name="housekeeper")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, left: Iterable[Path]) -> None:
        for path in left:
            await _remove(path)
        next_daily_s = self._clock.monotonic()
        while True:
            try:
                await self.expire_uploads()
                await self.empty_trash(older_than_s=_TRASH_AGE_S)
                if self._clock.monotonic() >= next_daily_s:
                    next_daily_s = self._clock.monotonic() + _DAY_S
                    await self.daily()
            except Exception:  # the next round tries again
                log.exception("housekeeping failed")
            await self._clock.sleep(_ROUND_S)

    async def daily(self) -> None:
        expired = await self.expire_deployments()
        if expired:
            log.info("deployments expired", extra={"action": "expired", "count": expired})
        await self.remove_orphans(older_than_s=_ORPHAN_AGE_S)
        await self._trim_caches()

    async def expire_uploads(self) -> int:
        """End uploads to which nothing was added for a long time. Returns how many."""
        now = self._clock.now()
        line = error("The upload was not finished in time. Deploy again.", now)

        def work(uow: UnitOfWork) -> list[Deployment]:
            waiting = uow.deployments.find(None, status=DeploymentStatus.WAITING, is_uploaded=False)
            old = [
                item
                for item in waiting
                if now - item.updated_at > timedelta(seconds=self._upload_age_s)
            ]
            for item in old:
                lifecycle.fail(uow, item, logs=with_line(item.build_logs, line), now=now)
            return old

        expired = await self._storage.write(work)
        for item in expired:
            await self._deployments.discard_upload(item)
        return len(expired)

    async def expire_deployments(self) -> int:
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
                await self._deployments.discard(expired)
                count += len(expired)
        return count

    async def empty_trash(self, *, older_than_s: float) -> None:
        for path in await asyncio.to_thread(_older, self._folders.trash, 1, older_than_s):
            await _remove(path)

    async def remove_orphans(self, *, older_than_s: float) -> None:
        """Remove files of deployments and functions that no row knows: left by a crash between
        the one and the other. A source that appears a moment before its row does is safe: only
        what was without a row in the round before, too, is removed."""
        names = [
            *await self._blobs.names("sources"),
            *await self._blobs.names("outputs"),
        ]
        folders = {
            kind: await asyncio.to_thread(_older, kind, 2, older_than_s)
            for kind in (self._folders.artifacts, self._folders.uploads, self._folders.caches)
        }
        functions, deployments = await self._known()
        for kind, paths in folders.items():
            known = functions if kind == self._folders.caches else deployments
            for path in paths:
                if (path.parent.name, path.name) not in known:
                    await asyncio.to_thread(self._folders.discard, path)
        orphans = {name for name in names if _owner(name) not in deployments}
        for name in orphans & self._suspects:
            await self._blobs.remove(name)
        self._suspects = orphans - self._suspects

    async def _known(self) -> tuple[set[Key], set[Key]]:
        """(project id, id) of every function and of every deployment."""
        functions, deployments = set[Key](), set[Key]()
        for project in await self._storage.read(lambda uow: uow.projects.find(CONSOLE)):
            async for function in self._all(project.id, lambda uow: uow.functions):
                functions.add((project.id, function.id))
            async for deployment in self._all(project.id, lambda uow: uow.deployments):
                deployments.add((project.id, deployment.id))
        return functions, deployments

    async def _all(
        self, project_id: str, of: Callable[[UnitOfWork], Repository[Row]]
    ) -> AsyncIterator[Row]:
        """Every row of a project, a few at a time: deployments carry their logs."""
        cursor = ""
        while True:
            query = ListQuery(limit=_PAGE, cursor=cursor, with_total=False)
            page = await self._storage.read(
                partial(_page, of=of, project_id=project_id, query=query)
            )
            for item in page.items:
                yield item
            if len(page.items) < _PAGE:
                return
            cursor = page.items[-1].id

    async def _trim_caches(self) -> None:
        """A package cache that has grown too large starts anew."""
        for path in await asyncio.to_thread(_older, self._folders.caches, 2, 0.0):
            if await asyncio.to_thread(_tree_bytes, path) > _CACHE_BYTES:
                await asyncio.to_thread(self._folders.discard, path)


async def _remove(path: Path) -> None:
    try:
        if await asyncio.to_thread(path.is_dir):
            await chores.remove(str(path))
        else:
            await asyncio.to_thread(path.unlink, missing_ok=True)
    except (chores.ChoreFailed, chores.TooSlow, OSError):
        log.warning("a discarded tree could not be removed")


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


def _page(
    uow: UnitOfWork, of: Callable[[UnitOfWork], Repository[Row]], project_id: str, query: ListQuery
) -> Page[Row]:
    return of(uow).page(project_id, query)


def _owner(name: str) -> Key:
    """Project and deployment of a blob; see `folders`."""
    _, project_id, file = name.split("/", 2)
    return project_id, file.removesuffix(".tar.gz")


def _older(folder: Path, depth: int, age_s: float) -> list[Path]:
    """Entries `depth` levels below a folder that were last made or moved that long ago."""
    if not folder.is_dir() or folder.is_symlink():
        return []
    if depth > 1:
        return [path for item in folder.iterdir() for path in _older(item, depth - 1, age_s)]
    youngest = time.time() - age_s
    return [item for item in folder.iterdir() if item.lstat().st_ctime <= youngest]


def _remove_files(folder: Path) -> None:
    """Beside the chunks, request bodies lie here while they are received."""
    if folder.is_dir():
        for path in folder.iterdir():
            if path.is_file():
                path.unlink(missing_ok=True)


def _tree_bytes(folder: Path) -> int:
    total = 0
    for _, _, names, here in os.fwalk(folder, follow_symlinks=False):
        total += sum(os.lstat(name, dir_fd=here).st_size for name in names)
    return total
