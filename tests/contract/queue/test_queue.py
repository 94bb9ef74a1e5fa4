"""What every queue promises: leases, proofs, turns."""

from dataclasses import replace
from datetime import timedelta

import pytest

from runwright.model.job import Job, JobKind
from runwright.ports.queue import RoomFor
from runwright.ports.storage import UnitOfWork
from runwright.queue.rows import RowQueue
from tests.contract.queue.conftest import LEASE, NOW, QueueBench, a_job

pytestmark = pytest.mark.anyio


def ids(jobs: list[Job]) -> list[str]:
    return [job.id for job in jobs]


async def test_what_was_put_is_claimed_once_and_as_it_was(bench: QueueBench) -> None:
    job = a_job("e1")
    await bench.put(job)
    claimed = await bench.claim("one")
    assert claimed == [replace(job, owner="one", attempt=1, ready_at=NOW + LEASE)]
    assert await bench.claim("two") == []


async def test_a_job_is_put_with_its_unit_of_work_or_not_at_all(bench: QueueBench) -> None:
    def work(uow: UnitOfWork) -> None:
        bench.queue.put(uow, [a_job("e1")])
        raise RuntimeError("after the put")

    with pytest.raises(RuntimeError, match="after the put"):
        await bench.storage.write(work)
    assert await bench.size() == 0
    assert await bench.claim() == []


async def test_the_oldest_goes_first(bench: QueueBench) -> None:
    late, early = NOW - timedelta(seconds=1), NOW - timedelta(seconds=2)
    await bench.put(a_job("a", ready_at=late), a_job("b", ready_at=early), a_job("c"))
    assert ids(await bench.claim(limit=2)) == ["b", "a"]
    assert ids(await bench.claim(limit=2)) == ["c"]


async def test_a_claim_that_nobody_extends_returns_after_its_lease(bench: QueueBench) -> None:
    await bench.put(a_job("e1"))
    await bench.claim("one")
    bench.let_pass(LEASE.total_seconds() - 0.001)
    assert await bench.claim("two") == []
    bench.let_pass(0.001)
    (taken,) = await bench.claim("two")
    assert (taken.owner, taken.attempt) == ("two", 2)


async def test_an_extended_claim_stays(bench: QueueBench) -> None:
    await bench.put(a_job("e1"))
    held = await bench.claim("one")
    for _ in range(5):
        bench.let_pass(LEASE.total_seconds() / 2)
        assert ids(await bench.extend(held)) == ["e1"]
        assert await bench.claim("two") == []
    assert ids(await bench.ack(held)) == ["e1"]


async def test_a_late_holder_can_neither_extend_nor_end_nor_give_back(bench: QueueBench) -> None:
    await bench.put(a_job("e1"))
    late = await bench.claim("one")
    bench.let_pass(LEASE.total_seconds())
    fresh = await bench.claim("two")
    assert await bench.extend(late) == []
    assert await bench.ack(late) == []
    await bench.release(late, has_started=True)
    assert await bench.claim("three") == []
    assert ids(await bench.ack(fresh)) == ["e1"]


async def test_the_proof_is_void_even_when_the_same_owner_claims_again(bench: QueueBench) -> None:
    await bench.put(a_job("e1"))
    first = await bench.claim("one")
    bench.let_pass(LEASE.total_seconds())
    second = await bench.claim("one")
    assert await bench.ack(first) == []
    assert ids(await bench.ack([*first, *second])) == ["e1"]
    assert await bench.size() == 0


async def test_an_ended_job_is_gone(bench: QueueBench) -> None:
    await bench.put(a_job("e1"), a_job("e2"))
    held = await bench.claim("one", limit=1)
    await bench.ack(held)
    assert await bench.ack(held) == []
    bench.let_pass(LEASE.total_seconds())
    assert ids(await bench.claim("two")) == ["e2"]


async def test_what_is_given_back_is_ready_at_once(bench: QueueBench) -> None:
    await bench.put(a_job("e1"))
    held = await bench.claim("one")
    bench.heard.clear()
    await bench.release(held, has_started=False)
    assert bench.heard == [("job", "shop", "")]
    (again,) = await bench.claim("two")
    assert again.attempt == 1  # it never ran
    await bench.release([again], has_started=True)
    (again,) = await bench.claim("three")
    assert again.attempt == 2


async def test_a_lone_server_gets_back_what_the_dead_one_held(bench: QueueBench) -> None:
    delayed = a_job("later", kind=JobKind.DELAYED, ready_at=NOW + timedelta(hours=1))
    await bench.put(a_job("e1"), delayed)
    await bench.claim("dead")
    await bench.storage.write(lambda uow: bench.queue.release_all(uow, now=bench.now))
    (taken,) = await bench.claim("alive")
    assert (taken.id, taken.attempt) == ("e1", 2)


HOUR = 3600.0


@pytest.mark.parametrize("is_alone", [False, True])
async def test_a_clock_that_is_set_back_puts_nothing_off(bench: QueueBench, is_alone: bool) -> None:
    await bench.put(a_job("fresh"), a_job("held"))
    held = await bench.claim("one")
    await bench.release([job for job in held if job.id == "fresh"], has_started=False)
    bench.let_pass(-HOUR)
    if is_alone:  # a new server, which has not seen the old time
        bench.queue = RowQueue()
        await bench.storage.write(lambda uow: bench.queue.release_all(uow, now=bench.now))
    expected = ["fresh", "held"] if is_alone else ["fresh"]
    assert sorted(ids(await bench.claim("two"))) == expected


async def test_a_claim_that_is_undone_forgets_no_clock_that_was_set_back(bench: QueueBench) -> None:
    await bench.put(a_job("fresh"))
    held = await bench.claim("one")
    await bench.release(held, has_started=False)
    bench.let_pass(-HOUR)

    def undone(uow: UnitOfWork) -> None:
        bench.queue.claim(
            uow,
            owner="two",
            limit=1,
            now=bench.now,
            until=bench.now + LEASE,
            project_limit=1,
            held={},
        )
        raise RuntimeError("another unit failed half done")

    with pytest.raises(RuntimeError, match="half done"):
        await bench.storage.write(undone)
    assert ids(await bench.claim("two")) == ["fresh"]


async def test_a_wait_is_as_long_as_before_when_the_clock_is_set_back(bench: QueueBench) -> None:
    await bench.put(a_job("e1"))
    (held,) = await bench.claim("one")
    later = replace(held, ready_at=NOW + timedelta(seconds=30), failures=1, sealed=b"")
    await bench.storage.write(lambda uow: bench.queue.put_back(uow, [later]))
    bench.let_pass(-HOUR)
    assert await bench.claim("one") == []
    bench.let_pass(29.9)
    assert await bench.claim("one") == []
    bench.let_pass(0.1)
    assert ids(await bench.claim("one")) == ["e1"]


async def test_a_delayed_job_that_came_due_is_not_put_off_by_a_clock_that_is_set_back(
    bench: QueueBench,
) -> None:
    await bench.put(a_job("e1", kind=JobKind.DELAYED, ready_at=NOW + timedelta(seconds=HOUR)))
    bench.let_pass(HOUR)
    await bench.storage.write(lambda uow: bench.queue.promote(uow, now=bench.now, limit=10))
    await bench.claim("one", limit=0)
    bench.let_pass(-HOUR)
    assert ids(await bench.claim("one")) == ["e1"]


@pytest.mark.parametrize("is_alone", [False, True])
async def test_what_is_given_back_goes_before_those_who_came_after_it(
    bench: QueueBench, is_alone: bool
) -> None:
    await bench.put(a_job("first"))
    held = await bench.claim("one")
    bench.let_pass(1)
    await bench.put(a_job("second", ready_at=bench.now))
    bench.let_pass(1)
    if is_alone:
        await bench.storage.write(lambda uow: bench.queue.release_all(uow, now=bench.now))
    else:
        await bench.release(held, has_started=True)
    assert ids(await bench.claim("two", limit=1)) == ["first"]


async def test_a_cancelled_job_is_gone_whoever_holds_it(bench: QueueBench) -> None:
    await bench.put(a_job("e1"))
    held = await bench.claim("one")
    await bench.storage.write(lambda uow: bench.queue.cancel(uow, "shop", "e1"))
    assert await bench.extend(held) == []
    assert await bench.ack(held) == []


async def test_jobs_that_may_run_now_and_those_for_later_are_announced(bench: QueueBench) -> None:
    later = NOW + timedelta(minutes=5)
    await bench.put(a_job("d", project="slow", kind=JobKind.DELAYED, ready_at=later))
    assert bench.heard == [("delayed", "slow", "")]
    bench.heard.clear()
    await bench.put(a_job("e1"), a_job("e2"))
    assert bench.heard == [("job", "shop", "")]


async def test_a_queue_is_empty_when_nothing_is_held_or_for_later(bench: QueueBench) -> None:
    async def is_empty() -> bool:
        return await bench.storage.read(lambda uow: bench.queue.is_empty(uow))

    assert await is_empty()
    await bench.put(a_job("d", kind=JobKind.DELAYED, ready_at=NOW + timedelta(minutes=5)))
    assert not await is_empty()
    bench.let_pass(300)
    await bench.promote()
    held = await bench.claim()
    assert not await is_empty()
    await bench.ack(held)
    assert await is_empty()


async def test_a_delayed_job_waits_for_its_moment(bench: QueueBench) -> None:
    moment = NOW + timedelta(minutes=5)
    await bench.put(a_job("d", kind=JobKind.DELAYED, ready_at=moment))
    bench.let_pass(299)
    assert await bench.promote() == []
    bench.let_pass(1)
    assert await bench.claim() == []  # its execution must be `waiting` first
    assert ids(await bench.promote()) == ["d"]
    assert await bench.promote() == []
    (taken,) = await bench.claim()
    assert (taken.kind, taken.due_at) == (JobKind.RUN, moment)


# Turns


async def test_a_long_queue_of_one_project_does_not_delay_another(bench: QueueBench) -> None:
    long = [a_job(f"big-{at}", project="big") for at in range(500)]
    await bench.put(*long)
    await bench.put(a_job("small-1", project="small"))
    claimed = ids(await bench.claim(limit=8))
    assert "small-1" in claimed
    assert len(claimed) == 8


async def test_projects_take_turns_when_one_slot_is_free_at_a_time(bench: QueueBench) -> None:
    projects = ("a", "b", "c")
    await bench.put(*(a_job(f"{name}{at}", project=name) for name in projects for at in range(9)))
    turns = [(await bench.claim(limit=1))[0].project_id for _ in range(9)]
    assert turns == [*projects, *projects, *projects]


async def test_a_project_of_many_functions_gets_no_more_turns(bench: QueueBench) -> None:
    many = [a_job(f"m{at}", project="many", function=f"f{at}") for at in range(20)]
    few = [a_job(f"o{at}", project="one") for at in range(20)]
    await bench.put(*many, *few)
    taken = [(await bench.claim(limit=2)) for _ in range(5)]
    projects = [job.project_id for jobs in taken for job in jobs]
    assert projects.count("many") == projects.count("one") == 5
    functions = [job.function_id for jobs in taken for job in jobs if job.project_id == "many"]
    assert len(set(functions)) == 5  # functions take turns too


async def test_shares_that_are_not_used_go_to_the_others(bench: QueueBench) -> None:
    await bench.put(a_job("s", project="small"))
    await bench.put(*(a_job(f"b{at}", project="big") for at in range(50)))
    claimed = await bench.claim(limit=20)
    assert len({job.id for job in claimed}) == 20


async def test_a_project_gets_no_more_than_its_limit(bench: QueueBench) -> None:
    await bench.put(*(a_job(f"b{at}", project="big") for at in range(50)))
    await bench.put(*(a_job(f"s{at}", project="small") for at in range(3)))
    claimed = await bench.claim(limit=40, project_limit=10, held={"big": 6})
    projects = [job.project_id for job in claimed]
    assert (projects.count("big"), projects.count("small")) == (4, 3)
    assert await bench.claim(limit=40, project_limit=10, held={"big": 10}) == []


async def test_a_function_gets_no_more_than_there_is_room_for(bench: QueueBench) -> None:
    await bench.put(*(a_job(f"s{at}", function="slow") for at in range(9)))
    await bench.put(*(a_job(f"f{at}", function="full") for at in range(9)))
    await bench.put(*(a_job(f"q{at}", function="quick") for at in range(9)))
    room = {"slow": 2, "full": 0, "quick": 100}
    claimed = await bench.claim(limit=20, room_for=lambda project_id, name: room[name])
    functions = [job.function_id for job in claimed]
    assert [functions.count(name) for name in room] == [2, 0, 9]


async def test_deliveries_and_runs_have_queues_of_their_own(bench: QueueBench) -> None:
    await bench.put(a_job("run"), a_job("told", kind=JobKind.DELIVERY, function="hook"))
    assert set(bench.heard) == {("job", "shop", ""), ("delivery", "shop", "")}
    assert await bench.size() == await bench.storage.read(bench.deliveries.size) == 1
    (run,) = await bench.claim()
    (delivery,) = await bench.claim(queue=bench.deliveries)
    assert (run.id, delivery.id, delivery.kind) == ("run", "told", JobKind.DELIVERY)
    await bench.storage.write(lambda uow: bench.queue.release_all(uow, now=bench.now))
    assert ids(await bench.claim("two")) == ["run"]
    assert await bench.claim("two", queue=bench.deliveries) == []


async def test_what_waits_for_a_function_is_counted_up_to_a_bound(bench: QueueBench) -> None:
    await bench.put(*(a_job(f"a{at}") for at in range(5)), a_job("b", function="other"))
    await bench.put(a_job("d", kind=JobKind.DELIVERY), a_job("e", project="other"))
    await bench.claim(limit=1)

    def counted(uow: UnitOfWork) -> list[int]:
        count = uow.jobs.count_of
        return [
            count(JobKind.RUN, "shop", "hello", most=100),
            count(JobKind.RUN, "shop", "hello", most=3),
            count(JobKind.DELIVERY, "shop", "hello", most=100),
            count(JobKind.RUN, "shop", "nobody", most=100),
        ]

    assert await bench.storage.read(counted) == [5, 3, 1, 0]


async def test_the_same_id_may_be_in_two_projects(bench: QueueBench) -> None:
    await bench.put(a_job("e", project="a"), a_job("e", project="b"))
    held = await bench.claim("one")
    assert len(held) == 2
    assert await bench.ack([job for job in held if job.project_id == "b"]) == [held[1]]
    assert await bench.size() == 1


async def test_epochs_that_are_still_needed_are_known(bench: QueueBench) -> None:
    await bench.put(*(a_job(f"x{at}", epoch=f"k{at % 3}") for at in range(9)))
    assert await bench.storage.read(bench.queue.epochs) == {"k0", "k1", "k2"}
    held = await bench.claim()
    await bench.ack([job for job in held if job.epoch != "k1"])
    assert await bench.storage.read(bench.queue.epochs) == {"k1"}
    assert await bench.size() == 3


# Trying again, and keeping what has ended


async def test_a_job_that_is_put_back_comes_at_its_time_and_counts_on(bench: QueueBench) -> None:
    await bench.put(a_job("e1"))
    (job,) = await bench.claim("one")
    later = replace(job, ready_at=NOW + timedelta(seconds=60), failures=1, sealed=b"")
    assert await bench.put_back([later]) == [later]
    bench.let_pass(59)
    assert await bench.claim("two") == []
    bench.let_pass(1)
    (again,) = await bench.claim("two")
    assert (again.attempt, again.failures, again.sealed) == (2, 1, b"e1")
    assert await bench.ack([job]) == []  # the first proof is void


async def test_who_lost_a_lease_puts_nothing_back(bench: QueueBench) -> None:
    await bench.put(a_job("e1"))
    (job,) = await bench.claim("one")
    bench.let_pass(LEASE.total_seconds())
    (taken,) = await bench.claim("two")
    assert await bench.put_back([replace(job, kind=JobKind.DEAD)]) == []
    assert await bench.ack([taken]) == [taken]


async def test_a_request_that_is_sealed_anew_leaves_its_old_epoch(bench: QueueBench) -> None:
    await bench.put(a_job("e1", epoch="short"))
    (job,) = await bench.claim()
    await bench.put_back([replace(job, epoch="long", sealed=b"other", ready_at=bench.now)])
    assert await bench.storage.read(bench.queue.epochs) == {"long"}
    (again,) = await bench.claim()
    assert (again.epoch, again.sealed) == ("long", b"other")


async def test_a_restart_does_not_shorten_a_wait(bench: QueueBench) -> None:
    await bench.put(a_job("held"), a_job("waits"))
    held, waits = await bench.claim()
    await bench.put_back([replace(waits, ready_at=NOW + timedelta(seconds=60), failures=1)])
    await bench.storage.write(lambda uow: bench.queue.release_all(uow, now=bench.now))
    assert ids(await bench.claim("next")) == [held.id]


@pytest.mark.parametrize("kind", [JobKind.DEAD, JobKind.KEPT])
async def test_what_is_kept_is_neither_claimed_nor_counted(
    bench: QueueBench, kind: JobKind
) -> None:
    await bench.put(a_job("e1"), a_job("e2"))
    first, second = await bench.claim()
    week = NOW + timedelta(days=7)
    await bench.put_back([replace(first, kind=kind, ready_at=week)])
    assert await bench.size() == 1
    bench.let_pass(8 * 86_400)
    assert ids(await bench.claim("two")) == [second.id]

    def kept(uow: UnitOfWork) -> list[Job]:
        return uow.jobs.kept("shop", kind, limit=10)

    (found,) = await bench.storage.read(kept)
    assert (found.id, found.owner, found.ready_at, found.sealed) == ("e1", "", week, b"")
    assert await bench.storage.read(lambda uow: uow.jobs.count_kept("shop", kind)) == 1
    assert await bench.storage.read(lambda uow: uow.jobs.count_kept("other", kind)) == 0


async def test_what_is_kept_goes_when_its_time_is_over_a_few_at_a_time(bench: QueueBench) -> None:
    await bench.put(*(a_job(f"e{at}") for at in range(5)))
    for at, job in enumerate(await bench.claim()):
        until = NOW + timedelta(seconds=at)
        await bench.put_back([replace(job, kind=JobKind.DEAD, ready_at=until)])

    async def removed(limit: int) -> int:
        moment = NOW + timedelta(seconds=2)
        return await bench.storage.write(
            lambda uow: uow.jobs.remove_kept((JobKind.DEAD,), moment, limit=limit)
        )

    assert [await removed(2), await removed(2), await removed(2)] == [2, 1, 0]
    soonest = await bench.storage.write(
        lambda uow: uow.jobs.remove_soonest((JobKind.DEAD, JobKind.KEPT), limit=1)
    )
    assert soonest == 1
    left = await bench.storage.read(lambda uow: uow.jobs.kept("shop", JobKind.DEAD, limit=10))
    assert ids(left) == ["e4"]


async def test_leases_of_a_function_are_counted_whoever_holds_them(bench: QueueBench) -> None:
    await bench.put(*(a_job(f"e{at}") for at in range(4)), a_job("x", function="other"))
    first = (await bench.claim("one", 1, room_for=_only("hello")))[0]
    await bench.claim("two", 1, room_for=_only("hello"))

    async def held() -> int:
        return await bench.storage.read(
            lambda uow: uow.jobs.held(JobKind.RUN, "shop", "hello", bench.now)
        )

    assert await held() == 2
    await bench.put_back([replace(first, ready_at=NOW + timedelta(seconds=60), failures=1)])
    assert await held() == 1
    bench.let_pass(LEASE.total_seconds())
    assert await held() == 0


def _only(function_id: str) -> RoomFor:
    return lambda project_id, name: 100 if name == function_id else 0
