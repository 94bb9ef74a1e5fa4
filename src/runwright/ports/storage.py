"""Stored state: units of work over repositories, and blobs.

A unit of work is a plain function over a `UnitOfWork`. The adapter runs it in one
transaction on a thread of its own; so no transaction can stay open across a wait of ours.
It may be run again (after a serialization failure, or when a neighbour in the same
transaction had to be undone), so it must not have effects outside.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from runwright.model.activity import Activity
from runwright.model.event import Event
from runwright.model.execution import Execution
from runwright.model.factors import MfaChallenge, Passkey, PasskeyCeremony, SecondFactors
from runwright.model.function import Deployment, Function, Rule, Variable
from runwright.model.identity import (
    ApiKey,
    Identity,
    Membership,
    Platform,
    Project,
    Session,
    Target,
    Team,
    Token,
    User,
)
from runwright.model.job import Job, JobKind, QueueState
from runwright.model.mail import MailTemplate
from runwright.model.outbox import OutboxEvent
from runwright.model.query import ListQuery, Page
from runwright.model.repeat import RepeatKey
from runwright.model.timer import Timer
from runwright.model.webhook import EventSource, Webhook

T = TypeVar("T")
R = TypeVar("R")


class AlreadyStored(Exception):
    """A unique rule refused a row.

    `columns` names the model fields that clash, without `project_id`: `("id",)`,
    `("email",)`, `("team_id", "user_id")`. When several rules are broken, `id` goes first.
    """

    def __init__(self, columns: tuple[str, ...]) -> None:
        super().__init__(f"already stored: {', '.join(columns)}")
        self.columns = columns


class CursorMissing(Exception):
    """The row that a cursor names does not exist (any more)."""

    def __init__(self, item_id: str) -> None:
        super().__init__(item_id)
        self.item_id = item_id


class CursorOrderNull(Exception):
    """The cursor row has null in the attribute that orders the list."""

    def __init__(self, attribute: str) -> None:
        super().__init__(attribute)
        self.attribute = attribute


class Repository(Protocol[T]):
    """Rows of one kind. Every row has `id`, unique within its `project_id`."""

    def get(self, project_id: str, item_id: str) -> T | None: ...

    def add(self, item: T) -> None:
        """Insert. Raises AlreadyStored."""

    def put(self, item: T) -> None:
        """Replace the row with the same project_id and id. Raises AlreadyStored, KeyError."""

    def remove(self, project_id: str, item_id: str) -> bool:
        """Delete; False when there was nothing."""

    def find(self, project_id: str | None = None, **equals: object) -> list[T]:
        """Rows whose model fields equal the given values, in creation order.

        `project_id=None` looks in every project. A list or tuple value means "any of".
        """

    def page(self, project_id: str, query: ListQuery, **equals: object) -> Page[T]:
        """One page. Raises CursorMissing, CursorOrderNull, InvalidQuery."""

    def remove_where(self, project_id: str, **equals: object) -> int:
        """Delete rows that match; at least one condition. Returns how many."""


class FunctionRepository(Repository[Function], Protocol):
    def listening(self, project_id: str) -> list[Function]:
        """Those of a project that are enabled and subscribe to some event, oldest first."""

    def with_instances(self) -> list[Function]:
        """Those of every project that are enabled and bound the number of their instances
        from below or above, oldest first."""


class ExecutionRepository(Repository[Execution], Protocol):
    def add_all(self, items: Sequence[Execution]) -> None:
        """Insert a batch of new executions; one statement."""

    def add_copies(self, first: Execution, copies: Sequence[tuple[str, str, str, str]]) -> None:
        """Insert executions that differ from `first` in project, id, function and deployment
        only; `copies` holds these, those of `first` included. For thousands at a time: the
        values are not made one by one."""

    def finish_all(self, items: Sequence[Execution]) -> None:
        """Store final states, and those of attempts after which there is another. A row that
        is already final is left as it is; a missing one is inserted."""

    def remove_before(self, moment: datetime, *, limit: int) -> int:
        """Delete up to `limit` finished executions created before `moment`."""

    def overfull(self, *, keep: int) -> list[tuple[str, str]]:
        """(project id, function id) of functions with more than `keep` executions."""

    def beyond(self, project_id: str, function_id: str, *, keep: int, limit: int) -> list[str]:
        """The ids of up to `limit` finished executions of a function that has more than
        `keep` in all; of none of its newest `keep`, nor of one that is a dead letter."""

    def remove_ended(self, project_id: str, ids: Sequence[str]) -> int:
        """Delete those of these that are finished. How many."""

    def await_turn(self, jobs: Sequence[Job], at: datetime) -> None:
        """`scheduled` -> `waiting` for the executions of these jobs."""

    def with_open_tick(self, project_id: str, function_ids: Sequence[str]) -> frozenset[str]:
        """Which of these functions have a run that a schedule started and that has not ended;
        delayed executions are no such runs."""

    def begin_all(self, jobs: Sequence[Job], at: datetime) -> frozenset[tuple[str, str]]:
        """`waiting` -> `processing` for the executions of claimed jobs, with their attempt.

        One that is `processing` already stays so. Returns (project id, id) of those that are
        `processing` now; others have ended or are gone.
        """


class JobRepository(Repository[Job], Protocol):
    """Statements of the durable queue (ports/queue.py), which decides how they are used."""

    def add_all(self, items: Sequence[Job]) -> None:
        """Insert a batch of new jobs."""

    def add_copies(self, first: Job, copies: Sequence[tuple[str, str, str]]) -> None:
        """The same as for executions; jobs differ in project, id and function."""

    def projects(self, kind: JobKind, after: str, *, limit: int, last: str = "") -> list[str]:
        """Ids of projects that have jobs of a kind, held ones included, in order. What comes
        behind `last` need not be looked for."""

    def functions(
        self, kind: JobKind, project_id: str, after: str, *, limit: int, last: str = ""
    ) -> list[str]:
        """The same for the functions of one project."""

    def ready(
        self,
        kind: JobKind,
        project_id: str,
        function_id: str,
        moment: datetime,
        *,
        limit: int,
        offset: int = 0,
    ) -> list[Job]:
        """Jobs of a function that are ready and that nobody else looks at now, longest ready
        first."""

    def due(self, moment: datetime, *, limit: int) -> list[Job]:
        """Delayed jobs whose time has come."""

    def make_runnable(self, items: Sequence[Job], *, at: datetime) -> None: ...

    def set_back(self, kind: JobKind, *, now: datetime) -> None:
        """Jobs that nobody holds and that were changed after `now`, by a clock that has been set
        back since: move both of their moments back by as much."""

    def hold(self, items: Sequence[Job], *, owner: str, until: datetime) -> None:
        """Lease jobs to `owner` and count the attempt."""

    def extend_held(self, items: Sequence[Job], *, until: datetime) -> list[Job]:
        """Those of `items` that their owner still held, by owner and attempt."""

    def remove_held(self, items: Sequence[Job]) -> list[Job]: ...

    def give_back(self, items: Sequence[Job], *, at: datetime, attempts: int) -> None:
        """End leases at `at`; `attempts` is added to the count."""

    def give_back_all(self, kind: JobKind, *, at: datetime) -> None: ...

    def put_back_held(self, items: Sequence[Job]) -> list[Job]:
        """Replace kind, `ready_at`, `failures` and, where there is a new one, the sealed request
        of jobs that `owner` and `attempt` prove to be held; which ones were. They have no owner
        then."""

    def held(self, kind: JobKind, project_id: str, function_id: str, moment: datetime) -> int:
        """How many jobs of a function are leased at `moment`, by anybody."""

    def kept(
        self,
        project_id: str,
        kind: JobKind,
        *,
        function_id: str = "",
        limit: int,
        offset: int = 0,
    ) -> list[Job]:
        """Without what is sealed in them; those that are dropped next go first."""

    def count_kept(self, project_id: str, kind: JobKind, *, function_id: str = "") -> int: ...

    def remove_kept(self, kinds: Sequence[JobKind], before: datetime, *, limit: int) -> int:
        """Delete up to `limit` jobs whose time ends at `before` or sooner; how many."""

    def has_any(self, kinds: Sequence[JobKind]) -> bool: ...

    def has_orphans(self, kinds: Sequence[JobKind]) -> bool:
        """Whether there are jobs whose executions are gone."""

    def remove_orphans(self, kinds: Sequence[JobKind], *, limit: int) -> int:
        """Delete up to `limit` jobs whose executions are gone; how many."""

    def remove_soonest(self, kinds: Sequence[JobKind], *, limit: int) -> int:
        """Delete the `limit` jobs whose time ends first; how many."""

    def count(self, kinds: Sequence[JobKind]) -> int: ...

    def count_of(self, kind: JobKind, project_id: str, function_id: str, *, most: int) -> int:
        """The jobs of a function, or of a webhook, counted no further than `most`."""

    def epochs(self) -> frozenset[str]: ...

    def state(self, project_id: str, moment: datetime) -> QueueState:
        """How many jobs of a project wait for what; its `events` are not counted here."""


class TimerRepository(Repository[Timer], Protocol):
    def due(self, moment: datetime, *, limit: int, since: datetime | None = None) -> list[Timer]:
        """Timers whose tick has come, the longest due first; none that came before `since`."""

    def first_due(self) -> datetime | None:
        """The earliest tick of all."""

    def move_on(self, moves: Sequence[tuple[Timer, datetime]]) -> list[bool]:
        """Set each timer's next tick, if it still has the one that the given value says.

        Whether it had: only then the tick is the caller's to fire.
        """


class RepeatKeyRepository(Repository[RepeatKey], Protocol):
    def remove_expired(self, moment: datetime, *, limit: int) -> int:
        """Delete up to `limit` keys that are over at `moment`; how many."""


class ActivityRepository(Repository[Activity], Protocol):
    def keep_newest(self, project_id: str, user_id: str, keep: int) -> None:
        """Delete all entries of a user but the newest `keep`."""


class OutboxRepository(Repository[OutboxEvent], Protocol):
    def oldest(
        self, *, limit: int, most_bytes: int = 0, but: Collection[str] = ()
    ) -> list[OutboxEvent]:
        """In the order in which they were written, without those whose ids are in `but`.

        `most_bytes` bounds what they hold together, apart from the first; 0 = no bound.
        """

    def take(self, items: Sequence[OutboxEvent]) -> list[OutboxEvent]:
        """Remove rows; those of `items` that were still there."""

    def count(self, project_id: str | None = None) -> int:
        """Of one project, or of all."""

    def epochs(self) -> frozenset[str]: ...


class UnitOfWork(Protocol):
    projects: Repository[Project]
    keys: Repository[ApiKey]
    platforms: Repository[Platform]
    users: Repository[User]
    sessions: Repository[Session]
    tokens: Repository[Token]
    identities: Repository[Identity]
    targets: Repository[Target]
    factors: Repository[SecondFactors]
    mfa_challenges: Repository[MfaChallenge]
    passkeys: Repository[Passkey]
    ceremonies: Repository[PasskeyCeremony]
    teams: Repository[Team]
    memberships: Repository[Membership]
    functions: FunctionRepository
    deployments: Repository[Deployment]
    variables: Repository[Variable]
    rules: Repository[Rule]
    executions: ExecutionRepository
    jobs: JobRepository
    timers: TimerRepository
    outbox: OutboxRepository
    webhooks: Repository[Webhook]
    event_sources: Repository[EventSource]
    mail_templates: Repository[MailTemplate]
    repeat_keys: RepeatKeyRepository
    activities: ActivityRepository

    def remove_project_rows(self, project_id: str) -> None:
        """Delete whatever a project holds, of every kind; its own row stays."""

    def emit(self, project_id: str, event: Event, subject: object) -> None:
        """Announce an event about `subject`, a value of the model or of a service.

        It is stored with this transaction and handed to its subscribers after the commit.
        """

    def touch(self, kind: str, project_id: str, item_id: str) -> None:
        """Say that something changed: caches hear of it after the commit (see Changed)."""


class Emit(Protocol):
    """What `UnitOfWork.emit` does, on the thread of the transaction."""

    def __call__(self, uow: UnitOfWork, project_id: str, event: Event, subject: object) -> None: ...


class Storage(Protocol):
    async def write(self, work: Callable[[UnitOfWork], R]) -> R:
        """Run `work` in one durable transaction; returns after the commit is on disk.

        Many callers share one flush. An exception from `work` rolls back its changes only
        and is raised here.
        """

    async def read(self, work: Callable[[UnitOfWork], R]) -> R:
        """Run `work` on a consistent snapshot; it must not change anything."""


class Changed(Protocol):
    """What storage calls after a commit, once per touched thing, from the event loop."""

    def __call__(self, kind: str, project_id: str, item_id: str) -> None: ...


class BlobMissing(Exception):
    """No blob of that name."""


class BlobStore(Protocol):
    """Named byte strings: source archives, build outputs. Names are `/`-separated ids."""

    async def put_file(self, name: str, path: str) -> None:
        """Store the file at `path` under `name`, replacing; visible only when complete."""

    async def fetch_file(self, name: str, path: str) -> None:
        """Write the blob to `path`. Raises BlobMissing."""

    async def size(self, name: str) -> int:
        """Bytes. Raises BlobMissing."""

    def read(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes start (inclusive) to end (exclusive), in parts. Raises BlobMissing."""

    async def copy(self, source: str, target: str) -> None: ...

    async def remove(self, name: str) -> None:
        """Delete; nothing happens when there is none."""

    async def names(self, prefix: str) -> Sequence[str]: ...
