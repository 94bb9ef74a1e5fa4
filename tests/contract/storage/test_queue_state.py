"""How many jobs and events of a project wait for what."""

from dataclasses import replace
from datetime import timedelta

import pytest

from runwright.model.job import JobKind, QueueState
from runwright.ports.storage import Storage, UnitOfWork
from tests.contract.storage.rows import NOW, a_job, an_outbox_event

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)


async def test_the_jobs_of_one_project_are_counted_by_what_they_wait_for(storage: Storage) -> None:
    run = replace(a_job(), kind=JobKind.RUN, owner="")
    jobs = [
        replace(run, id="r1", ready_at=NOW - 3 * SECOND),
        replace(run, id="r2", ready_at=NOW - 2 * SECOND),
        replace(run, id="r3", ready_at=NOW - SECOND, owner="a host that died"),
        replace(run, id="held", ready_at=NOW + SECOND, owner="host"),
        replace(run, id="again", ready_at=NOW + SECOND),
        replace(run, id="other", project_id="elsewhere", ready_at=NOW),
        *(replace(run, id=kind.value, kind=kind) for kind in JobKind if kind is not JobKind.RUN),
    ]

    def work(uow: UnitOfWork) -> tuple[QueueState, int, int]:
        uow.jobs.add_all(jobs)
        uow.outbox.add(an_outbox_event("e1"))
        uow.outbox.add(an_outbox_event("e2", "elsewhere"))
        return uow.jobs.state("shop", NOW), uow.outbox.count("shop"), uow.outbox.count()

    state, events, all_events = await storage.write(work)
    assert state == QueueState(
        ready=3,
        running=1,
        retrying=1,
        delayed=1,
        deliveries=1,
        letters=1,
        dead=1,
        kept=1,
        oldest_ready_at=NOW - 3 * SECOND,
    )
    assert (events, all_events) == (1, 2)
    assert await storage.read(lambda uow: uow.jobs.state("empty", NOW)) == QueueState()


async def test_the_oldest_events_are_bounded_in_bytes_and_some_can_be_left_out(
    storage: Storage,
) -> None:
    rows = [an_outbox_event(f"e{at}", sealed=b"x" * 100) for at in range(5)]

    def work(uow: UnitOfWork) -> list[list[str]]:
        for row in rows:
            uow.outbox.add(row)
        return [
            [row.id for row in uow.outbox.oldest(**bounds)]
            for bounds in (
                {"limit": 3},
                {"limit": 9, "most_bytes": 250},
                {"limit": 9, "most_bytes": 1},
                {"limit": 2, "most_bytes": 300, "but": ["e0", "e2"]},
            )
        ]

    found = await storage.write(work)
    assert found == [["e0", "e1", "e2"], ["e0", "e1"], ["e0"], ["e1", "e3"]]
