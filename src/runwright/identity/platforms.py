"""Platforms: the client applications whose origins a project accepts."""

import re
from dataclasses import replace
from typing import Final

from runwright.clock import Clock
from runwright.identity.errors import PlatformExists, PlatformMismatch, PlatformNotFound
from runwright.identity.projects import touch_project
from runwright.ids import resolve
from runwright.model.identity import Platform
from runwright.model.query import ListQuery, Page
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork
from runwright.values import dataclass

WEB: Final = "web"
ANDROID: Final = "android"
APPLE: Final = "apple"
WINDOWS: Final = "windows"
LINUX: Final = "linux"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformFields:
    """What a client sets on a platform; fingerprints are for Android alone."""

    type: str
    name: str
    identifier: str
    fingerprints: tuple[str, ...] = ()


class Platforms:
    """Methods that name a platform raise PlatformNotFound when there is none."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def create(self, project_id: str, platform_id: str, fields: PlatformFields) -> Platform:
        """Raises PlatformExists."""
        now = self._clock.now()
        platform = Platform(
            id=resolve(platform_id),
            project_id=project_id,
            created_at=now,
            updated_at=now,
            name=fields.name,
            type=fields.type,
            identifier=fields.identifier,
            fingerprints=fields.fingerprints,
        )

        def work(uow: UnitOfWork) -> Platform:
            try:
                uow.platforms.add(platform)
            except AlreadyStored as exc:
                raise PlatformExists() from exc
            touch_project(uow, project_id)
            return platform

        return await self._storage.write(work)

    async def list(self, project_id: str, query: ListQuery) -> Page[Platform]:
        return await self._storage.read(lambda uow: uow.platforms.page(project_id, query))

    async def get(self, project_id: str, platform_id: str) -> Platform:
        return await self._storage.read(lambda uow: self._required(uow, project_id, platform_id))

    async def update(self, project_id: str, platform_id: str, fields: PlatformFields) -> Platform:
        """Raises PlatformMismatch when the platform is of another type."""

        def work(uow: UnitOfWork) -> Platform:
            platform = self._required(uow, project_id, platform_id)
            if platform.type != fields.type:
                raise PlatformMismatch(platform.type)
            changed = replace(
                platform,
                updated_at=self._clock.now(),
                name=fields.name,
                identifier=fields.identifier,
                fingerprints=fields.fingerprints,
            )
            uow.platforms.put(changed)
            touch_project(uow, project_id)
            return changed

        return await self._storage.write(work)

    async def delete(self, project_id: str, platform_id: str) -> None:
        def work(uow: UnitOfWork) -> None:
            if not uow.platforms.remove(project_id, platform_id):
                raise PlatformNotFound(platform_id)
            touch_project(uow, project_id)

        await self._storage.write(work)

    def _required(self, uow: UnitOfWork, project_id: str, platform_id: str) -> Platform:
        platform = uow.platforms.get(project_id, platform_id)
        if platform is None:
            raise PlatformNotFound(platform_id)
        return platform


_LABEL: Final = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOSTNAME: Final = re.compile(rf"(\*|(\*\.)?{_LABEL}(\.{_LABEL})*|\[[0-9a-f:]+\])")


def check_hostname(text: str) -> str:
    """A host name without scheme, port or path, in lower case; a leading `*.` is allowed.

    Raises ValueError.
    """
    name = text.lower()
    if len(name) > 253 or not _HOSTNAME.fullmatch(name):
        raise ValueError(
            "Value must be a host name without scheme, port and path, such as app.example.com "
            "or *.example.com"
        )
    return name
