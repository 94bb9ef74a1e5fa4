"""The queue port over the storage's unit of work.

A job is a row in the database of its execution, so both are in one transaction by
construction. This module holds the rules; `JobRepository` holds the statements.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from runwright.model.job import Job, JobKind
from runwright.ports.queue import RoomFor, unbounded
from runwright.ports.storage import UnitOfWork

K = TypeVar("K")

# Projects, and functions of one, that a claim looks at beyond those that may have nothing but
# held jobs; the next claim goes on behind them.
SPARE: Final = 16
_REMEMBERED: Final = 1024
# Claims that put waits right after the clock was set back: the first ones may be undone.
_SET_BACKS: Final = 5


SIGNALS: Final = {
    JobKind.RUN: "job",
    JobKind.DELAYED: "delayed",
    JobKind.DELIVERY: "delivery",
    JobKind.LETTER: "letter",
}
_COUNTED: Final = {
    JobKind.RUN: (JobKind.RUN, JobKind.DELAYED),
    JobKind.DELIVERY: (JobKind.DELIVERY,),
    JobKind.LETTER: (JobKind.LETTER,),
}


class RowQueue:
    """Answers the `Queue` port for the jobs of one kind; `put` takes those of any kind.

    Keeps nothing but the place where turns go on.
    """

    def __init__(self, kind: JobKind = JobKind.RUN) -> None:
        self._kind = kind
        # Only hints: losing one, or moving it in a unit of work that is undone, costs a turn.
        self._project = ""  # that was served last
        self._functions: dict[str, str] = {}  # by project: the function that was served last
        self._claimed_at = datetime.min.replace(tzinfo=UTC)
        self._set_backs = 0  # that the next claims still make

    def put(self, uow: UnitOfWork, jobs: Sequence[Job]) -> None:
        uow.jobs.add_all(jobs)
        for kind, project_id in {(job.kind, job.project_id) for job in jobs}:
            if kind in SIGNALS:
                uow.touch(SIGNALS[kind], project_id, "")

    def put_copies(
        self, uow: UnitOfWork, first: Job, copies: Sequence[tuple[str, str, str]]
    ) -> None:
        uow.jobs.add_copies(first, copies)
        if first.kind in SIGNALS:
            for project_id in {copy[0] for copy in copies}:
                uow.touch(SIGNALS[first.kind], project_id, "")

    def is_empty(self, uow: UnitOfWork) -> bool:
        return not uow.jobs.has_any(_COUNTED[self._kind])

    def promote(self, uow: UnitOfWork, *, now: datetime, limit: int) -> list[Job]:
        due = uow.jobs.due(now, limit=limit)
        uow.jobs.make_runnable(due, at=now)
        return [replace(job, kind=JobKind.RUN) for job in due]

    def claim(
        self,
        uow: UnitOfWork,
        *,
        owner: str,
        limit: int,
        now: datetime,
        until: datetime,
        project_limit: int,
        held: Mapping[str, int],
        room_for: RoomFor = unbounded,
    ) -> list[Job]:
        if now < self._claimed_at:
            self._set_backs = _SET_BACKS
        if self._set_backs:
            uow.jobs.set_back(self._kind, now=now)
            self._set_backs -= 1
        self._claimed_at = now
        busy = sum(held.values()) + SPARE
        projects = _from(
            self._project,
            limit + busy,
            lambda after, most, last: uow.jobs.projects(self._kind, after, limit=most, last=last),
        )
        room = {name: max(0, project_limit - held.get(name, 0)) for name in projects}
        functions: dict[str, list[str]] = {}
        taken: Counter[tuple[str, str]] = Counter()
        found: list[Job] = []

        def from_function(project_id: str, function_id: str, most: int) -> int:
            lane = (project_id, function_id)
            most = min(most, room_for(*lane) - taken[lane])
            if most <= 0:
                return 0
            jobs = uow.jobs.ready(self._kind, *lane, now, limit=most, offset=taken[lane])
            taken[lane] += len(jobs)
            found.extend(jobs)
            if jobs:
                self._served(*lane)
            return len(jobs)

        def from_project(project_id: str, most: int) -> int:
            if project_id not in functions:
                functions[project_id] = _from(
                    self._functions.get(project_id, ""),
                    limit + busy,
                    lambda after, most, last: uow.jobs.functions(
                        self._kind, project_id, after, limit=most, last=last
                    ),
                )
            got = _shared(
                functions[project_id],
                min(most, room[project_id]),
                lambda function_id, most: from_function(project_id, function_id, most),
            )
            room[project_id] -= got
            return got

        _shared(projects, limit, from_project)
        if not found and projects:  # else the same ones would be looked at for ever
            self._project = projects[-1]
        uow.jobs.hold(found, owner=owner, until=until)
        return [job.claimed(owner, until) for job in found]

    def extend(self, uow: UnitOfWork, jobs: Sequence[Job], *, until: datetime) -> list[Job]:
        return uow.jobs.extend_held(jobs, until=until)

    def ack(self, uow: UnitOfWork, jobs: Sequence[Job]) -> list[Job]:
        return uow.jobs.remove_held(jobs)

    def release(
        self, uow: UnitOfWork, jobs: Sequence[Job], *, now: datetime, has_started: bool
    ) -> None:
        uow.jobs.give_back(jobs, at=now, attempts=0 if has_started else -1)
        for project_id in {job.project_id for job in jobs}:
            uow.touch(SIGNALS[self._kind], project_id, "")

    def put_back(self, uow: UnitOfWork, jobs: Sequence[Job]) -> list[Job]:
        return uow.jobs.put_back_held(jobs)

    def release_all(self, uow: UnitOfWork, *, now: datetime) -> None:
        uow.jobs.give_back_all(self._kind, at=now)
        uow.jobs.set_back(self._kind, now=now)  # the clock may have been, while nobody was there

    def cancel(self, uow: UnitOfWork, project_id: str, job_id: str) -> None:
        uow.jobs.remove(project_id, job_id)

    def size(self, uow: UnitOfWork) -> int:
        return uow.jobs.count(_COUNTED[self._kind])

    def epochs(self, uow: UnitOfWork) -> frozenset[str]:
        return uow.jobs.epochs()

    def _served(self, project_id: str, function_id: str) -> None:
        if len(self._functions) >= _REMEMBERED:
            self._functions.clear()
        self._project = project_id
        self._functions[project_id] = function_id


def _from(last: str, most: int, steps: Callable[[str, int, str], list[str]]) -> list[str]:
    """Up to `most` names in the order of their turns: those behind the last one go first."""
    names = steps(last, most, "")
    if last and len(names) < most:
        names += [name for name in steps("", most - len(names), last) if name <= last]
    return names


def _shared(keys: Sequence[K], limit: int, take: Callable[[K, int], int]) -> int:
    """Take up to `limit` in equal shares; what some do not use goes to the others."""
    total = 0
    open_keys = list(keys)
    while open_keys and total < limit:
        share = max(1, (limit - total) // len(open_keys))
        still_open = []
        for key in open_keys:
            most = min(share, limit - total)
            if most == 0:
                break
            got = take(key, most)
            total += got
            if got == most:
                still_open.append(key)
        open_keys = still_open
    return total
