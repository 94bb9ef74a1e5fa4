"""Execution: its record, its states and legal moves, and one run of user code.

States only move forward (see MOVES); a final state never changes. Response bodies and
headers are part of an `Outcome`, which lives in memory, and never of an `Execution`,
which is stored.
"""

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from runwright.model.network import Network
from runwright.values import dataclass

Headers = tuple[tuple[str, str], ...]  # lower-case name, value; repeats allowed, order kept


class Status(StrEnum):
    SCHEDULED = "scheduled"  # due later; not queued yet
    WAITING = "waiting"  # queued; nobody holds it
    PROCESSING = "processing"  # one executor holds it
    COMPLETED = "completed"
    FAILED = "failed"


MOVES: Final[Mapping[Status, frozenset[Status]]] = {
    Status.SCHEDULED: frozenset({Status.WAITING, Status.FAILED}),
    Status.WAITING: frozenset({Status.PROCESSING, Status.FAILED}),
    Status.PROCESSING: frozenset({Status.COMPLETED, Status.FAILED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
}

# Members of an enum are looked up at each use, which shows where it is done for every run.
_COMPLETED: Final = Status.COMPLETED
_FAILED: Final = Status.FAILED


class Trigger(StrEnum):
    HTTP = "http"
    SCHEDULE = "schedule"
    EVENT = "event"


class ErrorClass(StrEnum):
    """Whose fault a failed run was, in one word; public as the `errorClass` field."""

    USER_EXCEPTION = "user_exception"
    EXIT = "exit"  # the process ended by itself, with a code or a signal
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    COLD_START = "cold_start"  # the runtime could not be started
    ENTRYPOINT = "entrypoint"  # missing file, bad export, syntax or import error
    PAYLOAD = "payload"  # body too large, or a response that is not one
    CANCELLED = "cancelled"
    LOOP = "loop"
    EXPIRED = "expired"
    PLATFORM = "platform"  # ours


class IllegalMove(Exception):
    def __init__(self, execution_id: str, before: Status, to: Status) -> None:
        super().__init__(f"execution {execution_id} cannot go from {before} to {to}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """Where the time of one run went; seconds."""

    queue_s: float = 0.0  # waiting for a slot
    start_s: float = 0.0  # getting a sandbox ready; 0 when warm
    user_s: float = 0.0  # inside user code


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    function_id: str
    deployment_id: str = ""
    user_id: str = ""  # who may read it; "" = keys and admins only
    trigger: Trigger = Trigger.HTTP
    status: Status = Status.WAITING
    request_method: str = ""
    request_path: str = ""
    request_headers: Headers = ()  # allowlisted ones only
    response_status_code: int = 0
    logs: str = ""
    errors: str = ""
    duration_s: float = 0.0
    scheduled_at: datetime | None = None
    error_class: ErrorClass | None = None
    is_cold: bool = False
    queue_s: float = 0.0
    start_s: float = 0.0
    user_s: float = 0.0
    attempt: int = 0  # 0 = not started; above 1 = taken over from a host that ended, or retried
    event: str = ""  # full name of the event that started it
    chain_id: str = ""  # of the chain of runs that it belongs to; see model/lineage.py
    replay_of: str = ""  # the execution whose request it repeats

    def moved(self, to: Status) -> Self:
        if to not in MOVES[self.status]:
            raise IllegalMove(self.id, self.status, to)
        return replace(self, status=to)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Code and configuration that a sandbox can be made ready for.

    Two workloads with the same `key` are interchangeable: a sandbox that holds one may
    serve the other. `key` therefore changes with every setting that user code can see
    (deployment, variables, limits).
    """

    key: str
    project_id: str
    function_id: str
    deployment_id: str
    runtime: str  # runtime id, such as node-22
    artifact: str  # absolute path of the extracted, read-only tree
    entrypoint: str  # relative to the tree
    env: Mapping[str, str] = field(default_factory=dict)
    cpus: float = 0.5
    memory_mib: int = 512
    max_instances: int = 0  # 0 = any number; no part of the key, user code cannot see it
    network: Network = Network.EGRESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One request to user code."""

    execution_id: str
    method: str
    target: str  # path with query, percent-encoding untouched
    headers: Headers
    body: bytes = b""
    timeout_s: float = 15.0
    is_logging: bool = True
    # Method, target and headers once more, as runners read them (see `request_head`), from who
    # had most of it at hand already; b"" = whoever needs it makes it.
    head: bytes = b""


def request_head(method: str, target: str, headers: Headers) -> bytes:
    """`METHOD target` and one `name:value` per header, a line each."""
    lines = [f"{method} {target}", *[f"{name}:{value}" for name, value in headers]]
    return "\n".join(lines).encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run came to. A failure of user code is an outcome, never an exception."""

    status_code: int
    headers: Headers = ()
    body: bytes = b""  # empty when it was streamed to a sink
    logs: str = ""
    errors: str = ""
    duration_s: float = 0.0  # wall time from lending a slot to the last byte
    error_class: ErrorClass | None = None
    is_cold: bool = False
    phases: Phases = Phases()

    @property
    def status(self) -> Status:
        """The API's rule: an answer of 500 or more, or any failure class, has failed."""
        failed = self.error_class is not None or self.status_code >= 500
        return _FAILED if failed else _COMPLETED
