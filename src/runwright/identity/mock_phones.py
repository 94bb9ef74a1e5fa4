"""Numbers for trying out sign-in by phone: each has a fixed code, and nothing is sent to it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from runwright.clock import Clock
from runwright.errors import BadRequest
from runwright.identity.errors import MockPhoneExists, MockPhoneNotFound
from runwright.identity.policies import MockPhone, Policies, policies_of
from runwright.identity.projects import Projects
from runwright.model.identity import Project

MOST: Final = 10


def mock_code(policies: Policies, number: str | None) -> str:
    """The code of a number that nothing is sent to; "" for a real one."""
    phones = (phone for phone in policies.mock_phones if phone.number == number)
    return next((phone.code for phone in phones), "")


class MockPhones:
    def __init__(self, projects: Projects, clock: Clock) -> None:
        self._projects = projects
        self._clock = clock

    async def list(self, project_id: str) -> tuple[MockPhone, ...]:
        return policies_of(await self._projects.get(project_id)).mock_phones

    async def get(self, project_id: str, number: str) -> MockPhone:
        """Raises MockPhoneNotFound."""
        return _required(await self.list(project_id), number)

    async def create(self, project_id: str, number: str, code: str) -> MockPhone:
        """Raises MockPhoneExists, BadRequest (too many)."""
        now = self._clock.now()

        def change(phones: tuple[MockPhone, ...]) -> tuple[MockPhone, ...]:
            if any(phone.number == number for phone in phones):
                raise MockPhoneExists()
            if len(phones) >= MOST:
                raise BadRequest(
                    f"A project takes no more than {MOST} mock phones. Delete one first."
                )
            return (*phones, MockPhone(number, code, created_at=now, updated_at=now))

        return _required(await self._change(project_id, change), number)

    async def update(self, project_id: str, number: str, code: str) -> MockPhone:
        """Raises MockPhoneNotFound."""
        now = self._clock.now()

        def change(phones: tuple[MockPhone, ...]) -> tuple[MockPhone, ...]:
            _required(phones, number)
            return tuple(
                replace(phone, code=code, updated_at=now) if phone.number == number else phone
                for phone in phones
            )

        return _required(await self._change(project_id, change), number)

    async def delete(self, project_id: str, number: str) -> None:
        """Raises MockPhoneNotFound."""

        def change(phones: tuple[MockPhone, ...]) -> tuple[MockPhone, ...]:
            gone = _required(phones, number)
            return tuple(phone for phone in phones if phone is not gone)

        await self._change(project_id, change)

    async def replace_all(self, project_id: str, codes: dict[str, str]) -> Project:
        """Set all of them at once; those that stay as they were keep their dates."""
        now = self._clock.now()

        def change(policies: Policies) -> Policies:
            kept = {(phone.number, phone.code): phone for phone in policies.mock_phones}
            phones = [
                kept.get(pair) or MockPhone(*pair, created_at=now, updated_at=now)
                for pair in codes.items()
            ]
            return replace(policies, mock_phones=tuple(phones))

        return await self._projects.set_policies(project_id, change)

    async def _change(
        self,
        project_id: str,
        change: Callable[[tuple[MockPhone, ...]], tuple[MockPhone, ...]],
    ) -> tuple[MockPhone, ...]:
        changed = await self._projects.set_policies(
            project_id, lambda rules: replace(rules, mock_phones=change(rules.mock_phones))
        )
        return policies_of(changed).mock_phones


def _required(phones: tuple[MockPhone, ...], number: str) -> MockPhone:
    found = next((phone for phone in phones if phone.number == number), None)
    if found is None:
        raise MockPhoneNotFound(number)
    return found
