"""What a unit of work promises: all or nothing, durable when told, one snapshot."""

import asyncio
import threading

import pytest

from runwright.ports.storage import AlreadyStored, UnitOfWork
from runwright.storage.database import Database
from tests.contract.storage.rows import PROJECT, a_team, a_user

pytestmark = pytest.mark.anyio


class Refused(Exception):
    pass


async def test_write_returns_what_the_work_returns(storage: Database) -> None:
    assert await storage.write(lambda work: "answer") == "answer"


async def test_a_work_that_raises_changes_nothing(storage: Database) -> None:
    def work(unit: UnitOfWork) -> None:
        unit.users.add(a_user())
        unit.teams.add(a_team())
        raise Refused("no")

    with pytest.raises(Refused, match="no"):
        await storage.write(work)
    assert await storage.read(lambda unit: (unit.users.find(), unit.teams.find())) == ([], [])


async def test_a_failing_work_does_not_touch_its_neighbours(storage: Database) -> None:
    """All of them share one transaction: they are submitted while the writer is busy."""
    gate = threading.Event()
    blocked = asyncio.ensure_future(storage.write(lambda unit: gate.wait(60)))

    async def add(at: int) -> int:
        def work(unit: UnitOfWork) -> int:
            unit.users.add(a_user(f"u{at}"))
            if at % 3 == 1:
                raise Refused(str(at))
            if at % 3 == 2:
                unit.users.add(a_user(f"u{at}"))
            return at

        return await storage.write(work)

    waiting = [asyncio.ensure_future(add(at)) for at in range(30)]
    await asyncio.sleep(0)
    gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    await blocked
    for at, result in enumerate(results):
        expected = [int, Refused, AlreadyStored][at % 3]
        assert isinstance(result, expected), result
    stored = await storage.read(lambda unit: [user.id for user in unit.users.find()])
    assert stored == [f"u{at}" for at in range(0, 30, 3)]


async def test_a_work_may_catch_a_clash_and_go_on(storage: Database) -> None:
    await storage.write(lambda unit: unit.users.add(a_user("a")))

    def work(unit: UnitOfWork) -> str:
        unit.users.add(a_user("b"))
        try:
            unit.users.add(a_user("a"))
        except AlreadyStored:
            unit.users.add(a_user("c"))
        return "done"

    assert await storage.write(work) == "done"
    assert [user.id for user in await storage.read(lambda unit: unit.users.find())] == [*"abc"]


async def test_a_work_sees_its_own_changes(storage: Database) -> None:
    def work(unit: UnitOfWork) -> object:
        unit.users.add(a_user())
        return unit.users.get(PROJECT, "ann")

    assert await storage.write(work) == a_user()


async def test_a_read_cannot_change_anything(storage: Database) -> None:
    with pytest.raises(Exception, match="could not be read"):
        await storage.read(lambda unit: unit.users.add(a_user()))
    assert await storage.read(lambda unit: unit.users.find()) == []
    await storage.write(lambda unit: unit.users.add(a_user()))


async def test_an_error_of_a_read_comes_to_the_caller(storage: Database) -> None:
    def work(unit: UnitOfWork) -> None:
        raise Refused("read")

    for _ in range(10):
        with pytest.raises(Refused, match="read"):
            await storage.read(work)
    assert await storage.read(lambda unit: unit.users.find()) == []


async def test_a_work_that_raises_stop_iteration_does_not_hang_its_caller(
    storage: Database,
) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await storage.write(lambda unit: next(iter([])))


async def test_touched_things_are_told_once_before_the_caller_goes_on(storage: Database) -> None:
    heard: list[tuple[str, str, str]] = []
    storage.listen(lambda kind, project_id, item_id: heard.append((kind, project_id, item_id)))

    def work(unit: UnitOfWork) -> None:
        unit.touch("function", PROJECT, "fn")
        unit.touch("rule", PROJECT, "r")
        unit.touch("function", PROJECT, "fn")

    await storage.write(work)
    assert heard == [("function", PROJECT, "fn"), ("rule", PROJECT, "r")]


async def test_a_failed_work_tells_nobody(storage: Database) -> None:
    heard: list[str] = []
    storage.listen(lambda kind, project_id, item_id: heard.append(item_id))

    def failing(unit: UnitOfWork) -> None:
        unit.touch("function", PROJECT, "never")
        raise Refused

    with pytest.raises(Refused):
        await storage.write(failing)
    await storage.write(lambda unit: unit.touch("function", PROJECT, "told"))
    assert heard == ["told"]


async def test_a_listener_runs_on_the_event_loop_and_its_fault_stays_its_own(
    storage: Database, caplog: pytest.LogCaptureFixture
) -> None:
    loops = []

    def broken(kind: str, project_id: str, item_id: str) -> None:
        raise Refused

    storage.listen(broken)
    storage.listen(lambda *touched: loops.append(asyncio.get_running_loop()))
    await storage.write(lambda unit: unit.touch("function", PROJECT, "fn"))
    assert loops == [asyncio.get_running_loop()]
    assert "change listener failed" in caplog.text


async def test_many_writers_at_once_all_get_their_own_answer(storage: Database) -> None:
    async def add(at: int) -> int:
        def work(unit: UnitOfWork) -> int:
            unit.users.add(a_user(f"u{at}"))
            return at

        return await storage.write(work)

    assert await asyncio.gather(*(add(at) for at in range(500))) == list(range(500))
    assert len(await storage.read(lambda unit: unit.users.find())) == 500
