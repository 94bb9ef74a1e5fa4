"""A claimed job is the same job with another holder."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

from runwright.model.execution import Trigger
from runwright.model.job import Job, JobKind

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WHOLE = Job(
    id="j",
    project_id="shop",
    created_at=NOW,
    updated_at=NOW + timedelta(seconds=1),
    function_id="fn",
    kind=JobKind.DELIVERY,
    trigger=Trigger.EVENT,
    due_at=NOW + timedelta(seconds=2),
    ready_at=NOW + timedelta(seconds=3),
    attempt=4,
    failures=2,
    owner="one",
    epoch="e",
    sealed=b"sealed",
)


def test_a_claim_changes_holder_lease_and_attempt_and_nothing_else() -> None:
    until = NOW + timedelta(seconds=12)
    assert WHOLE.claimed("two", until) == replace(WHOLE, owner="two", ready_at=until, attempt=5)
    optional = {item.name: item.default for item in fields(Job)}
    assert all(getattr(WHOLE, name) != default for name, default in optional.items())
