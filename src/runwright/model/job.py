"""A job: the queued half of an execution, kept until the execution has ended.

`ready_at` is the moment from which a job may be claimed: its due time at first, later the end
of the lease of whoever holds it. So a lease that nobody extends is a job that is ready again.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from runwright.model.execution import Trigger


class JobKind(StrEnum):
    DELAYED = "delayed"  # due later; its execution is `scheduled`
    RUN = "run"  # may be claimed from `ready_at` on


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    id: str  # of the execution
    project_id: str
    created_at: datetime
    updated_at: datetime
    function_id: str
    kind: JobKind
    trigger: Trigger
    due_at: datetime
    ready_at: datetime
    attempt: int = 0  # how often it was claimed
    owner: str = ""  # who holds it; "" = nobody
    epoch: str  # under whose key the request is sealed
    sealed: bytes
