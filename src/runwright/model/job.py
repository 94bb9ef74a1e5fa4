"""A job: the queued half of an execution, kept until the execution has ended and, where the
function asks for that, for a while after.

`ready_at` is the moment from which a job may be claimed: its due time at first, later the end
of the lease of whoever holds it. So a lease that nobody extends is a job that is ready again.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

from runwright.model.execution import Trigger
from runwright.values import dataclass


class JobKind(StrEnum):
    DELAYED = "delayed"  # due later; its execution is `scheduled`
    RUN = "run"  # may be claimed from `ready_at` on
    DELIVERY = "delivery"  # of an event to a webhook, claimed like a run; has no execution
    LETTER = "letter"  # an e-mail or a text message, claimed like a run; has no execution
    DEAD = "dead"  # its execution failed for good; kept until it is redriven or `ready_at`
    KEPT = "kept"  # its execution has ended; kept for a replay until `ready_at`


# Those that belong to a function; what the others belong to may have the same id.
OF_FUNCTIONS: Final = tuple(
    kind for kind in JobKind if kind not in (JobKind.DELIVERY, JobKind.LETTER)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    id: str  # of the execution; of a delivery and a letter, its own
    project_id: str
    created_at: datetime
    updated_at: datetime
    function_id: str  # of a delivery, the webhook; of a letter, `email` or `sms`
    kind: JobKind
    trigger: Trigger
    due_at: datetime
    ready_at: datetime
    attempt: int = 0  # how often it was claimed
    failures: int = 0  # attempts that ended by a failure that is tried again
    owner: str = ""  # who holds it; "" = nobody
    epoch: str  # under whose key the request is sealed
    sealed: bytes

    @property
    def takeovers(self) -> int:
        """Of a claimed one, the attempts before this that were lost with their hosts."""
        return self.attempt - 1 - self.failures

    def claimed(self, owner: str, until: datetime) -> "Job":
        """As its new holder has it. Each field by itself: `replace` costs twice as much."""
        return Job(
            id=self.id,
            project_id=self.project_id,
            created_at=self.created_at,
            updated_at=self.updated_at,
            function_id=self.function_id,
            kind=self.kind,
            trigger=self.trigger,
            due_at=self.due_at,
            ready_at=until,
            attempt=self.attempt + 1,
            failures=self.failures,
            owner=owner,
            epoch=self.epoch,
            sealed=self.sealed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """How much of one project waits for what, at a moment."""

    ready: int = 0  # would start if a worker were free
    running: int = 0
    retrying: int = 0  # wait for their next attempt
    delayed: int = 0
    deliveries: int = 0
    letters: int = 0
    dead: int = 0
    kept: int = 0
    events: int = 0  # not handed to their subscribers yet
    oldest_ready_at: datetime | None = None
