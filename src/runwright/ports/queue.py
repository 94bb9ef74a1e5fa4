"""Durable jobs. Every call is part of a unit of work, so that a job and its execution change
together or not at all.

A claimed job belongs to its holder until the lease ends. `Job.attempt` and `Job.owner`, as
`claim` gave them, are the holder's proof: when somebody else has claimed the job since, the
proof is void, and what the former holder wants to store is refused.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from runwright.model.job import Job
from runwright.ports.storage import UnitOfWork

# (project id, function id) -> how many more jobs of the function may be held now
RoomFor = Callable[[str, str], int]


def unbounded(project_id: str, function_id: str) -> int:
    return sys.maxsize


class Queue(Protocol):
    """The jobs of one kind: runs, deliveries to webhooks, or letters."""

    def put(self, uow: UnitOfWork, jobs: Sequence[Job]) -> None:
        """Store new jobs, of any kind, and, after the commit, announce `job`, `delivery` or
        `letter` for those that may be claimed now, `delayed` for those that will be due."""

    def put_copies(
        self, uow: UnitOfWork, first: Job, copies: Sequence[tuple[str, str, str]]
    ) -> None:
        """`put` for jobs that differ from `first` in project, id and function only; `copies`
        holds these, those of `first` included."""

    def is_empty(self, uow: UnitOfWork) -> bool:
        """Whether there is no job at all: none that is held, and none for later."""

    def promote(self, uow: UnitOfWork, *, now: datetime, limit: int) -> list[Job]:
        """Delayed jobs that have become due, now ordinary ones."""

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
        """Up to `limit` ready jobs, leased to `owner` until `until`, attempt counted.

        Projects take turns, and functions within a project, so a long queue of one does not
        delay another's. A project gets at most `project_limit` together with those that
        `held` says are running already, a function as many as there is room for. Within a
        function the job that was ready first goes first. When `now` has gone back since the last
        claim, waits do not get longer by that.
        """

    def extend(self, uow: UnitOfWork, jobs: Sequence[Job], *, until: datetime) -> list[Job]:
        """Those of `jobs` whose lease was still theirs and now ends at `until`."""

    def ack(self, uow: UnitOfWork, jobs: Sequence[Job]) -> list[Job]:
        """Remove jobs that have ended; those of them that were still their holder's."""

    def release(
        self, uow: UnitOfWork, jobs: Sequence[Job], *, now: datetime, has_started: bool
    ) -> None:
        """Give back held jobs at once. One that has not started does not count as an attempt."""

    def put_back(self, uow: UnitOfWork, jobs: Sequence[Job]) -> list[Job]:
        """End the leases of held jobs and store their kind, `ready_at`, `failures` and, where it
        is given, the request as it is sealed now; those that were still their holder's.

        For what is tried again later, and for what is kept after the end.
        """

    def release_all(self, uow: UnitOfWork, *, now: datetime) -> None:
        """Give back what anybody holds, and undo what a clock that was ahead has put off. Only
        for a server that knows that it is alone."""

    def cancel(self, uow: UnitOfWork, project_id: str, job_id: str) -> None:
        """Remove a job, whoever holds it."""

    def size(self, uow: UnitOfWork) -> int:
        """All jobs of the kind: ready, held and, for runs, delayed."""

    def epochs(self, uow: UnitOfWork) -> frozenset[str]:
        """The epochs under which some job is sealed, of whatever kind."""
