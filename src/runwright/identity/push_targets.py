"""Push targets: the devices that people register for themselves.

A device belongs to the session that it was registered in and goes with it. A session has one
device per provider, so one that changes its token is never told twice.
"""

from dataclasses import replace

from runwright.clock import Clock
from runwright.identity.errors import TargetExists, TargetNotFound
from runwright.identity.people import required_user, touch_user
from runwright.identity.targets import announce_target, check_provider
from runwright.ids import resolve
from runwright.model.identity import Target, User
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork

PUSH = "push"


class PushTargets:
    """Methods raise UserNotFound when the user is gone."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def register(
        self,
        user: User,
        *,
        session_id: str,
        target_id: str,
        identifier: str,
        provider_id: str,
        name: str,
    ) -> Target:
        """A new target, or the one that the session has, with what is new about it. An id that
        is taken is refused even then: whoever knows it can update it.

        Raises ProviderNotFound, TargetExists.
        """
        check_provider(provider_id)

        def work(uow: UnitOfWork) -> Target:
            required_user(uow, user.project_id, user.id)
            now = self._clock.now()
            if uow.targets.get(user.project_id, target_id) is not None:
                raise TargetExists()
            present = _of_session(uow, user, session_id)
            if present is not None:
                return self._put(uow, present, identifier, name)
            target = Target(
                id=resolve(target_id),
                project_id=user.project_id,
                created_at=now,
                updated_at=now,
                user_id=user.id,
                provider_type=PUSH,
                identifier=identifier,
                name=name,
                session_id=session_id,
            )
            try:
                uow.targets.add(target)
            except AlreadyStored as exc:
                raise TargetExists() from exc
            touch_user(uow, user.project_id, user.id)
            announce_target(uow, target, "create")
            return target

        return await self._storage.write(work)

    async def update(self, user: User, target_id: str, *, identifier: str, name: str) -> Target:
        """Raises TargetNotFound, TargetExists."""

        def work(uow: UnitOfWork) -> Target:
            return self._put(uow, _required(uow, user, target_id), identifier, name)

        return await self._storage.write(work)

    async def delete(self, user: User, target_id: str) -> None:
        """Raises TargetNotFound."""

        def work(uow: UnitOfWork) -> None:
            target = _required(uow, user, target_id)
            uow.targets.remove(target.project_id, target.id)
            touch_user(uow, user.project_id, user.id)
            announce_target(uow, target, "delete")

        await self._storage.write(work)

    def _put(self, uow: UnitOfWork, target: Target, identifier: str, name: str) -> Target:
        changed = replace(
            target,
            identifier=identifier,
            name=name,
            is_expired=target.is_expired and identifier == target.identifier,
            updated_at=self._clock.now(),
        )
        try:
            uow.targets.put(changed)
        except AlreadyStored as exc:
            raise TargetExists() from exc
        touch_user(uow, target.project_id, target.user_id)
        announce_target(uow, changed, "update")
        return changed


def _of_session(uow: UnitOfWork, user: User, session_id: str) -> Target | None:
    if not session_id:  # a JWT that is bound to none
        return None
    found = uow.targets.find(user.project_id, user_id=user.id, session_id=session_id)
    return found[0] if found else None


def _required(uow: UnitOfWork, user: User, target_id: str) -> Target:
    """Only devices: the targets of a user's addresses follow the addresses."""
    required_user(uow, user.project_id, user.id)
    target = uow.targets.get(user.project_id, target_id)
    if target is None or target.user_id != user.id or target.provider_type != PUSH:
        raise TargetNotFound(target_id)
    return target
