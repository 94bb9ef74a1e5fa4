"""What goes along when a user, a team or a project goes, and who is told."""

from collections.abc import Awaitable, Callable

import pytest

from runwright.identity.memberships import Invitee
from runwright.identity.platforms import PlatformFields
from runwright.identity.policies import Policies
from runwright.identity.scopes import key_scopes
from runwright.identity.sessions import Device
from runwright.model.identity import CallerKind, Principal
from runwright.ports.storage import UnitOfWork
from tests.fakes.identity import PASSWORD, PROJECT_ID, Bench

pytestmark = pytest.mark.anyio

SERVER = Principal(
    kind=CallerKind.KEY,
    project_id=PROJECT_ID,
    scopes=key_scopes(("teams.write",)),
    roles=frozenset({"any", "keys"}),
)


async def furnish(bench: Bench) -> list[tuple[str, str, str]]:
    """A user with everything, in a team, in a project with everything. What is touched from
    then on is in the list."""
    project, identity = await bench.project(), bench.identity
    await identity.accounts.create(
        project, user_id="ann", email="ann@example.com", password=PASSWORD, name="Ann"
    )
    await identity.accounts.sign_in(
        project, email="ann@example.com", password=PASSWORD, device=Device()
    )
    await identity.users.create_token(PROJECT_ID, "ann", hex_chars=6, lifetime_s=60)
    await identity.teams.create(SERVER, team_id="crew", name="Crew", roles=())
    await identity.memberships.create(SERVER, "crew", Invitee(user_id="ann"), ("dev",))
    web = PlatformFields(type="web", name="Web", identifier="example.com")
    await identity.platforms.create(PROJECT_ID, "web", web)
    touched: list[tuple[str, str, str]] = []
    bench.storage.listen(lambda *thing: touched.append(thing))
    return touched


def rows(uow: UnitOfWork) -> dict[str, int]:
    """How many rows of each kind of identity the project holds."""
    return {
        "users": len(uow.users.find(PROJECT_ID)),
        "sessions": len(uow.sessions.find(PROJECT_ID)),
        "tokens": len(uow.tokens.find(PROJECT_ID)),
        "targets": len(uow.targets.find(PROJECT_ID)),
        "teams": len(uow.teams.find(PROJECT_ID)),
        "memberships": len(uow.memberships.find(PROJECT_ID)),
        "keys": len(uow.keys.find(PROJECT_ID)),
        "platforms": len(uow.platforms.find(PROJECT_ID)),
    }


async def test_everything_is_there_before(bench: Bench) -> None:
    await furnish(bench)
    assert set((await bench.storage.read(rows)).values()) == {1}


async def test_a_user_takes_along_what_is_theirs(bench: Bench) -> None:
    touched = await furnish(bench)
    await bench.identity.users.delete(PROJECT_ID, "ann")
    left = await bench.storage.read(rows)
    assert {kind for kind, count in left.items() if count} == {"teams", "keys", "platforms"}
    assert (await bench.identity.teams.get(SERVER, "crew")).total == 0
    assert ("user", PROJECT_ID, "ann") in touched


async def test_a_team_takes_along_its_memberships_and_its_members_are_told(bench: Bench) -> None:
    touched = await furnish(bench)
    await bench.identity.teams.delete(SERVER, "crew")
    left = await bench.storage.read(rows)
    assert (left["teams"], left["memberships"], left["users"]) == (0, 0, 1)
    assert touched == [("user", PROJECT_ID, "ann")]


async def test_a_project_takes_along_everything(bench: Bench) -> None:
    touched = await furnish(bench)
    await bench.identity.projects.delete(PROJECT_ID)
    assert set((await bench.storage.read(rows)).values()) == {0}
    assert {kind for kind, project_id, _ in touched if project_id == PROJECT_ID} == {
        "project",
        "key",
        "user",
        "rule",
        "function",
    }
    console = await bench.storage.read(lambda uow: uow.users.find("console"))
    assert len(console) == 1


async def test_sessions_that_are_over_go_when_the_next_one_opens(bench: Bench) -> None:
    await furnish(bench)
    project = await bench.project()
    bench.clock.move(Policies().session_duration_s + 1)
    opened = await bench.identity.accounts.sign_in(
        project, email="ann@example.com", password=PASSWORD, device=Device()
    )
    kept = await bench.storage.read(lambda uow: uow.sessions.find(PROJECT_ID))
    assert [session.id for session in kept] == [opened.session.id]


async def test_changes_of_memberships_and_sessions_are_told(bench: Bench) -> None:
    touched = await furnish(bench)
    project, identity = await bench.project(), bench.identity
    (membership,) = await bench.storage.read(
        lambda uow: uow.memberships.find(PROJECT_ID, team_id="crew")
    )
    steps: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: identity.memberships.set_roles(SERVER, "crew", membership.id, ("qa",)),
        lambda: identity.sessions.open(PROJECT_ID, "ann", Policies(), Device()),
        lambda: identity.sessions.end_all(PROJECT_ID, "ann"),
        lambda: identity.users.set_labels(PROJECT_ID, "ann", ("vip",)),
        lambda: identity.memberships.delete(SERVER, "crew", membership.id),
    )
    for step in steps:
        touched.clear()
        await step()
        assert ("user", project.id, "ann") in touched
