"""Targets: the addresses at which messages reach a user."""

import re
from dataclasses import replace

from runwright.clock import Clock
from runwright.identity.errors import (
    MalformedEmail,
    MalformedPhone,
    ProviderNotFound,
    TargetExists,
    TargetNotFound,
)
from runwright.identity.people import EMAIL, SMS, required_user, touch_user
from runwright.ids import resolve
from runwright.model.event import Event
from runwright.model.identity import Target
from runwright.model.query import ListQuery, Page
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork


class Targets:
    """Methods raise UserNotFound when there is no such user."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def create(
        self,
        project_id: str,
        user_id: str,
        *,
        target_id: str,
        provider_type: str,
        identifier: str,
        provider_id: str,
        name: str,
    ) -> Target:
        """Raises ProviderNotFound, MalformedEmail, MalformedPhone, TargetExists."""
        check_provider(provider_id)
        check_identifier(provider_type, identifier)
        now = self._clock.now()
        target = Target(
            id=resolve(target_id),
            project_id=project_id,
            created_at=now,
            updated_at=now,
            user_id=user_id,
            provider_type=provider_type,
            identifier=identifier,
            name=name,
        )

        def work(uow: UnitOfWork) -> Target:
            required_user(uow, project_id, user_id)
            try:
                uow.targets.add(target)
            except AlreadyStored as exc:
                raise TargetExists() from exc
            touch_user(uow, project_id, user_id)
            announce_target(uow, target, "create")
            return target

        return await self._storage.write(work)

    async def list(self, project_id: str, user_id: str, query: ListQuery) -> Page[Target]:
        def work(uow: UnitOfWork) -> Page[Target]:
            required_user(uow, project_id, user_id)
            return uow.targets.page(project_id, query, user_id=user_id)

        return await self._storage.read(work)

    async def get(self, project_id: str, user_id: str, target_id: str) -> Target:
        """Raises TargetNotFound."""
        return await self._storage.read(
            lambda uow: self._required(uow, project_id, user_id, target_id)
        )

    async def update(
        self,
        project_id: str,
        user_id: str,
        target_id: str,
        *,
        identifier: str | None,
        provider_id: str,
        name: str | None,
    ) -> Target:
        """None leaves a field as it is. Raises TargetNotFound and what `create` raises."""

        def work(uow: UnitOfWork) -> Target:
            target = self._required(uow, project_id, user_id, target_id)
            check_provider(provider_id)
            if identifier is not None:
                check_identifier(target.provider_type, identifier)
                target = replace(target, identifier=identifier, is_expired=False)
            if name is not None:
                target = replace(target, name=name)
            target = replace(target, updated_at=self._clock.now())
            try:
                uow.targets.put(target)
            except AlreadyStored as exc:
                raise TargetExists() from exc
            touch_user(uow, project_id, user_id)
            announce_target(uow, target, "update")
            return target

        return await self._storage.write(work)

    async def delete(self, project_id: str, user_id: str, target_id: str) -> Target:
        """Raises TargetNotFound."""

        def work(uow: UnitOfWork) -> Target:
            target = self._required(uow, project_id, user_id, target_id)
            uow.targets.remove(project_id, target.id)
            touch_user(uow, project_id, user_id)
            announce_target(uow, target, "delete")
            return target

        return await self._storage.write(work)

    def _required(self, uow: UnitOfWork, project_id: str, user_id: str, target_id: str) -> Target:
        required_user(uow, project_id, user_id)
        target = uow.targets.get(project_id, target_id)
        if target is None or target.user_id != user_id:
            raise TargetNotFound(target_id)
        return target


def announce_target(uow: UnitOfWork, target: Target, action: str) -> None:
    event = Event.of(action, "users", target.user_id, "targets", target.id)
    uow.emit(target.project_id, event, target)


def check_provider(provider_id: str) -> None:
    """Projects have no messaging providers yet, so none can be named. Raises ProviderNotFound."""
    if provider_id:
        raise ProviderNotFound(provider_id)


def check_identifier(provider_type: str, identifier: str) -> None:
    """Raises MalformedEmail, MalformedPhone. Push identifiers are the provider's business."""
    if provider_type == EMAIL and not re.fullmatch(r"[^@\s]+@[^@\s]+", identifier):
        raise MalformedEmail()
    if provider_type == SMS and not re.fullmatch(r"\+[1-9]\d{6,14}", identifier):
        raise MalformedPhone()
