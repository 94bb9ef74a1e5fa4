"""An empty installation gets somebody, a project and a key; a used one is left alone."""

import pytest

from runwright.identity.first_start import FirstLogin, bootstrap, new_first_login
from runwright.identity.scopes import KEY_SCOPES
from runwright.identity.sessions import Device
from runwright.identity.tokens import hash_secret
from runwright.model.identity import CONSOLE
from runwright.storage.database import open_memory
from tests.fakes.identity import PROJECT_ID, Bench, HandClock, cheap_passwords

pytestmark = pytest.mark.anyio


async def test_the_first_account_owns_the_organization_of_the_first_project(bench: Bench) -> None:
    opened = await bench.identity.accounts.sign_in(
        None, email=bench.login.email, password=bench.login.password, device=Device()
    )
    (membership,) = await bench.storage.read(
        lambda uow: uow.memberships.find(CONSOLE, user_id=opened.user.id)
    )
    project = await bench.project()
    assert membership.roles == ("owner",)
    assert membership.is_confirmed
    assert project.team_id == membership.team_id
    team = await bench.storage.read(lambda uow: uow.teams.get(CONSOLE, project.team_id))
    assert team is not None
    assert team.total == 1


async def test_the_first_key_has_every_scope_and_no_end(bench: Bench) -> None:
    (key,) = await bench.storage.read(lambda uow: uow.keys.find(PROJECT_ID))
    assert key.secret_hash == hash_secret(bench.login.api_key)
    assert frozenset(key.scopes) == KEY_SCOPES
    assert key.expires_at is None


async def test_a_second_start_changes_nothing(bench: Bench) -> None:
    async def everything() -> list[object]:
        return await bench.storage.read(
            lambda uow: [
                uow.users.find(),
                uow.teams.find(),
                uow.memberships.find(),
                uow.projects.find(),
                uow.keys.find(),
            ]
        )

    before = await everything()
    made = await bootstrap(bench.storage, bench.passwords, bench.clock, new_first_login())
    assert made is False
    assert await everything() == before


async def test_a_deleted_key_does_not_come_back(bench: Bench) -> None:
    (key,) = await bench.storage.read(lambda uow: uow.keys.find(PROJECT_ID))
    await bench.identity.keys.delete(PROJECT_ID, key.id)
    await bootstrap(bench.storage, bench.passwords, bench.clock, bench.login)
    assert await bench.storage.read(lambda uow: uow.keys.find(PROJECT_ID)) == []


async def test_a_failed_first_start_leaves_nothing_half_made() -> None:
    async with open_memory() as storage:
        login = FirstLogin(password="password", api_key="standard_x", project_id="console")
        with pytest.raises(Exception, match="reserved"):
            await bootstrap(storage, cheap_passwords(), HandClock(), login)
        assert await storage.read(lambda uow: uow.users.find()) == []


def test_two_installations_share_no_secret() -> None:
    one, two = new_first_login(), new_first_login()
    assert one.password != two.password
    assert one.api_key != two.api_key
    assert len(one.password) == 24
    assert one.password.isalnum(), "it is pasted into shells"
