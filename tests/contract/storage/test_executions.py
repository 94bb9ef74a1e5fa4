"""Executions: batches, final states that stay, deletion by age."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from runwright.model.execution import Execution, Status
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork
from tests.contract.storage.rows import NOW, PROJECT, a_function, adding, an_execution

pytestmark = pytest.mark.anyio

LATER = NOW + timedelta(minutes=1)
OPEN = (Status.SCHEDULED, Status.WAITING, Status.PROCESSING)
FINAL = (Status.COMPLETED, Status.FAILED)
_BEGUN = ("event", "chain_id", "replay_of")


def finish(row: Execution, work: UnitOfWork) -> None:
    work.executions.finish_all([row])


async def stored(storage: Storage) -> list[Execution]:
    return await storage.read(lambda work: work.executions.find())


async def test_a_batch_is_added_in_its_order(storage: Storage) -> None:
    rows = [an_execution(f"e{at}") for at in range(700)]
    await storage.write(lambda work: work.executions.add_all(rows))
    assert await stored(storage) == rows


async def test_a_batch_with_a_known_id_adds_nothing(storage: Storage) -> None:
    await storage.write(lambda work: work.executions.add(an_execution("e1")))
    rows = [an_execution(f"e{at}") for at in range(3)]
    with pytest.raises(AlreadyStored) as caught:
        await storage.write(lambda work: work.executions.add_all(rows))
    assert caught.value.columns == ("id",)
    assert await stored(storage) == [an_execution("e1")]


async def test_empty_batches_are_fine(storage: Storage) -> None:
    await storage.write(lambda work: work.executions.add_all([]))
    await storage.write(lambda work: work.executions.finish_all([]))
    assert await stored(storage) == []


@pytest.mark.parametrize("before", OPEN)
async def test_finishing_keeps_when_a_run_was_made_and_planned(
    storage: Storage, before: Status
) -> None:
    row = an_execution("e", status=before, error_class=None, event="users.a.create")
    row = replace(row, chain_id="chain", replay_of="other")
    await storage.write(lambda work: work.executions.add(row))
    done = replace(
        row,
        status=Status.COMPLETED,
        created_at=LATER,
        scheduled_at=None,
        event="",
        chain_id="",
        replay_of="",
        updated_at=LATER,
        response_status_code=204,
        logs="said",
        duration_s=1.25,
    )
    await storage.write(lambda work: work.executions.finish_all([done]))
    began = {name: getattr(row, name) for name in ("created_at", "scheduled_at", *_BEGUN)}
    expected = replace(done, **began)
    assert await stored(storage) == [expected]


@pytest.mark.parametrize("final", FINAL)
async def test_a_final_state_never_changes(storage: Storage, final: Status) -> None:
    first = an_execution("e", status=final, logs="first")
    await storage.write(lambda work: work.executions.finish_all([first]))
    for status in Status:
        late = replace(first, status=status, logs="late", updated_at=LATER)
        await storage.write(partial(finish, late))
    assert await stored(storage) == [first]


async def test_finishing_inserts_what_is_missing_next_to_what_is_known(storage: Storage) -> None:
    known = an_execution("known", status=Status.PROCESSING)
    final = an_execution("final", status=Status.FAILED)
    await storage.write(lambda work: work.executions.add_all([known, final]))
    batch = [
        an_execution("new", status=Status.COMPLETED),
        replace(final, status=Status.COMPLETED),
        replace(known, status=Status.FAILED),
        an_execution("known", "other", status=Status.COMPLETED),
    ]
    await storage.write(lambda work: work.executions.finish_all(batch))
    assert await stored(storage) == [batch[2], final, batch[0], batch[3]]


async def test_the_first_of_two_ends_in_one_batch_stands(storage: Storage) -> None:
    first = an_execution("e", status=Status.COMPLETED)
    second = replace(first, status=Status.FAILED)
    await storage.write(lambda work: work.executions.finish_all([first, second]))
    assert await stored(storage) == [first]


async def test_large_batches_with_every_field_come_back_whole(storage: Storage) -> None:
    rows = [
        an_execution(
            f"e{at}",
            status=FINAL[at % 2],
            logs="x" * (at % 50),
            request_headers=(("h", str(at)),),
            created_at=NOW + timedelta(microseconds=at),
        )
        for at in range(2500)
    ]
    await storage.write(lambda work: work.executions.finish_all(rows))
    assert await stored(storage) == rows


async def test_old_finished_runs_are_deleted_oldest_first_and_bounded(storage: Storage) -> None:
    rows = [
        an_execution(
            f"e{at}",
            status=Status.WAITING if at == 1 else FINAL[at % 2],
            created_at=NOW + timedelta(seconds=at),
        )
        for at in (5, 4, 3, 2, 1, 0)
    ]
    await storage.write(lambda work: work.executions.add_all(rows))
    before = NOW + timedelta(seconds=5)

    async def remove(limit: int) -> int:
        return await storage.write(lambda work: work.executions.remove_before(before, limit=limit))

    assert await remove(3) == 3
    assert sorted(row.id for row in await stored(storage)) == ["e1", "e4", "e5"]
    assert await remove(3) == 1
    assert await remove(3) == 0
    assert sorted(row.id for row in await stored(storage)) == ["e1", "e5"]


async def test_deletion_by_age_covers_every_project(storage: Storage) -> None:
    rows = [an_execution("e", project, status=Status.FAILED) for project in (PROJECT, "other")]
    await storage.write(lambda work: work.executions.add_all(rows))
    assert await storage.write(lambda work: work.executions.remove_before(LATER, limit=10)) == 2


async def test_a_function_keeps_its_newest_runs_and_every_unfinished_one(storage: Storage) -> None:
    rows = [
        an_execution(
            f"e{at}",
            status=Status.PROCESSING if at == 1 else FINAL[at % 2],
            created_at=NOW + timedelta(seconds=at // 2),  # two in the same moment
        )
        for at in range(7)
    ]
    other = an_execution("other", status=Status.FAILED, function_id="other")
    await storage.write(lambda work: work.executions.add_all([*rows, other]))

    async def remove(limit: int) -> int:
        ids = await storage.read(
            lambda work: work.executions.beyond(PROJECT, rows[0].function_id, keep=3, limit=limit)
        )
        return await storage.write(lambda work: work.executions.remove_ended(PROJECT, ids))

    assert await remove(2) == 2
    assert sorted(row.id for row in await stored(storage)) == [
        "e1",
        "e3",
        "e4",
        "e5",
        "e6",
        "other",
    ]
    assert await remove(2) == 1
    assert await remove(2) == 0
    everything = [row.id for row in rows]  # of another project, or not ended
    assert await storage.write(lambda work: work.executions.remove_ended("other", everything)) == 0
    assert sorted(row.id for row in await stored(storage)) == ["e1", "e4", "e5", "e6", "other"]
    assert await storage.write(lambda work: work.executions.remove_ended(PROJECT, everything)) == 3
    assert sorted(row.id for row in await stored(storage)) == ["e1", "other"]


async def test_functions_with_more_executions_than_they_may_keep_are_found(
    storage: Storage,
) -> None:
    many = [an_execution(f"a{at}", function_id="a") for at in range(3)]
    few = [an_execution(f"b{at}", function_id="b") for at in range(2)]
    other = [an_execution(f"a{at}", "other", function_id="a") for at in range(2)]
    await storage.write(lambda work: work.executions.add_all([*many, *few, *other]))
    functions = a_function("a"), a_function("b"), a_function("a", "other")
    await storage.write(adding("functions", *functions))
    assert await storage.read(lambda work: work.executions.overfull(keep=2)) == [("shop", "a")]
    assert await storage.read(lambda work: work.executions.overfull(keep=3)) == []
