"""What a round leaves behind, as values: what the client was promised, what the functions said
of themselves, what was done to the server, and what its database says at the end.

Moments are seconds since 1970 by the rig's own clock, which nothing jumps.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

RANKS: Mapping[str, int] = {
    "scheduled": 0,
    "waiting": 1,
    "processing": 2,
    "completed": 3,
    "failed": 3,
}
FINAL = ("completed", "failed")


class Kind(StrEnum):
    """What a request asks for."""

    RUN = "run"  # an asynchronous execution
    DELAYED = "delayed"  # an execution with a moment
    USER = "user"  # a user, whose creation is an event
    EVENT = "event"  # an event of a name of our own


class Fault(StrEnum):
    KILL = "kill"  # KILL of the server
    TEAR = "tear"  # damage to what was not yet on disk; right after a KILL
    STOP = "stop"  # TERM of the server
    SANDBOX = "sandbox"  # KILL of one process that runs user code
    HELPER = "helper"  # KILL of a process that makes sandboxes or carries their connections
    FULL = "full"  # the disk takes nothing more, from `at` to `until`
    JUMP = "jump"  # the server's clock is set; `shift_s` is the new distance to ours
    START = "start"  # the server's process was started
    UP = "up"  # and has greeted


# After these, and only these, somebody else may take over what the server held.
CRASHES = (Fault.KILL, Fault.STOP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A request that was answered with 202 or 201 and was in the client's log by then."""

    number: int
    kind: Kind
    at: float
    id: str  # of the execution or the user; of an event, the one that the answer names
    function_id: str = ""
    path: str = ""
    due_at: float = 0.0  # by the server's clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A function says that it begins."""

    execution_id: str
    attempt: int
    function_id: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What a GET of an execution answered; `status` is "" when it was not found."""

    execution_id: str
    sent_at: float
    at: float
    status: str
    attempt: int = 0
    code: int = 0
    error_class: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A request that was sent a second time with the same Idempotency-Key, and both answers."""

    number: int
    first: str  # id of the execution or event
    second: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Something that was done to the server."""

    fault: Fault
    at: float
    until: float = 0.0
    shift_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An execution in the database."""

    id: str
    function_id: str
    trigger: str
    status: str
    attempt: int
    path: str
    code: int = 0
    error_class: str = ""
    errors: str = ""
    event: str = ""
    due_at: float = 0.0  # of a tick, by the server's clock; 0 = none


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    promises: list[Promise]
    unanswered: frozenset[int] = frozenset()  # numbers of requests whose fate is unknown
    refused: Mapping[int, int] = field(default_factory=dict)  # number -> status code
    starts: list[Start] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    repeats: list[Repeat] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    users: frozenset[str] = frozenset()  # ids that the database holds
    listeners: Mapping[Kind, tuple[str, ...]] = field(default_factory=dict)  # functions
    jobs: list[str] = field(default_factory=list)  # ids of jobs that are left
    outbox: int = 0  # events that are left
    keys: list[str] = field(default_factory=list)  # sealing keys that are left
    crons: frozenset[str] = frozenset()  # functions with a schedule of every minute
