"""The log of a user is bounded, and that of nobody else is touched by it."""

import pytest

from runwright.ports.storage import Storage, UnitOfWork
from tests.contract.storage.rows import PROJECT, an_activity

pytestmark = pytest.mark.anyio


async def test_the_newest_entries_of_one_user_are_kept(storage: Storage) -> None:
    rows = [an_activity(f"a{at}") for at in range(5)]
    rows += [an_activity("b", user_id="bob"), an_activity("c", "other")]

    def work(uow: UnitOfWork) -> list[str]:
        for row in rows:
            uow.activities.add(row)
        uow.activities.keep_newest(PROJECT, "ann", 5)
        assert len(uow.activities.find()) == len(rows)
        uow.activities.keep_newest(PROJECT, "ann", 2)
        return [row.id for row in uow.activities.find()]

    assert await storage.write(work) == ["a3", "a4", "b", "c"]
