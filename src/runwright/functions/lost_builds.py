"""Builds that nobody works on: their server died, or its last word never reached the database.

None stays `building` for ever. At a start it begins again, once; while the server runs, one
that is past every deadline has failed.
"""

import asyncio
from collections.abc import Collection
from datetime import timedelta
from typing import Final

from runwright.clock import Clock
from runwright.functions import lifecycle
from runwright.functions.buildlog import error, step, with_line
from runwright.functions.folders import Folders, source_name
from runwright.model.function import Deployment
from runwright.ports.storage import BlobMissing, BlobStore, Storage, UnitOfWork

MAX_ATTEMPTS: Final = 2
_SPARE_S: Final = 300.0  # beyond a build's own deadline


class LostBuilds:
    def __init__(
        self,
        storage: Storage,
        blobs: BlobStore,
        clock: Clock,
        folders: Folders,
        *,
        timeout_s: float,
    ) -> None:
        self._storage = storage
        self._blobs = blobs
        self._clock = clock
        self._folders = folders
        self._timeout_s = timeout_s

    async def recover(self) -> None:
        """Before the first build of this server: begin again what another one left."""
        await asyncio.to_thread(self._folders.discard, self._folders.builds)
        left = await self._storage.read(
            lambda uow: uow.deployments.find(None, status=lifecycle.UNFINISHED)
        )
        for deployment in left:
            await self._recover(deployment, has_source=await self._has_source(deployment))

    async def _has_source(self, deployment: Deployment) -> bool:
        try:
            await self._blobs.size(source_name(deployment.project_id, deployment.id))
        except BlobMissing:
            return False
        return True

    async def _recover(self, deployment: Deployment, *, has_source: bool) -> None:
        now = self._clock.now()
        line = step("The server ended during this build. It begins again.", now)

        def work(uow: UnitOfWork) -> None:
            stored = lifecycle.under_way(uow, deployment)
            if stored is None:
                return
            if has_source and stored.build_attempts < MAX_ATTEMPTS:
                lifecycle.requeue(uow, stored, line, now)
            else:
                self._give_up(uow, stored)

        await self._storage.write(work)

    async def sweep(self, known: Collection[tuple[str, str]]) -> int:
        """Fail builds that are past every deadline. Returns how many.

        `known` are project and deployment ids of those that somebody works on here.
        """
        oldest = self._clock.now() - timedelta(seconds=self._timeout_s + _SPARE_S)

        def work(uow: UnitOfWork) -> int:
            lost = [
                item
                for item in uow.deployments.find(None, status=lifecycle.UNFINISHED)
                if (item.build_started_at or item.updated_at) < oldest
                and (item.project_id, item.id) not in known
            ]
            for item in lost:
                self._give_up(uow, item)
            return len(lost)

        return await self._storage.write(work)

    def _give_up(self, uow: UnitOfWork, deployment: Deployment) -> None:
        now = self._clock.now()
        line = error("The server ended during this build. Deploy again.", now)
        logs = with_line(deployment.build_logs, line)
        lifecycle.fail(uow, deployment, logs=logs, now=now)
