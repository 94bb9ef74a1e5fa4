"""Idempotency keys: a call that was answered once is not carried out again."""

from datetime import datetime

from runwright.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatKey:
    """`id` is a digest of who called what with which `Idempotency-Key`."""

    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    function_id: str  # "" = an event that was sent in
    result_id: str  # of the execution or event that the first call made
    fingerprint: str  # digest of the request; another request must not share the key
    expires_at: datetime
