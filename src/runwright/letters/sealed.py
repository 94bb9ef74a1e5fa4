"""A letter in the queue. It holds secrets, so nobody can read it there."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from runwright.model.execution import Trigger
from runwright.model.job import Job, JobKind
from runwright.ports.mailer import Letter, Occasion
from runwright.sealing import CannotOpen, Sealer


class _Stored(msgspec.Struct, frozen=True):
    occasion: Occasion
    kind: Literal["email", "sms"]
    to: str
    name: str
    locale: str
    facts: dict[str, Any]


def letter_job(letter_id: str, project_id: str, letter: Letter, now: datetime) -> Job:
    """Its job, without the letter."""
    return Job(
        id=letter_id,
        project_id=project_id,
        created_at=now,
        updated_at=now,
        function_id=letter.kind,
        kind=JobKind.LETTER,
        trigger=Trigger.HTTP,
        due_at=now,
        ready_at=now,
        epoch="",
        sealed=b"",
    )


def seal(letter: Letter, sealer: Sealer, job: Job) -> bytes:
    stored = _Stored(
        letter.occasion, letter.kind, letter.to, letter.name, letter.locale, dict(letter.facts)
    )
    return sealer.seal(msgspec.json.encode(stored), _context(job))


def unseal(job: Job, sealer: Sealer) -> Letter:
    """Raises CannotOpen."""
    plain = sealer.open(job.sealed, _context(job))
    try:
        stored = msgspec.json.decode(plain, type=_Stored)
    except (msgspec.DecodeError, msgspec.ValidationError) as exc:
        raise CannotOpen("the sealed letter is of another version") from exc
    return Letter(
        occasion=stored.occasion,
        kind=stored.kind,
        to=stored.to,
        name=stored.name,
        locale=stored.locale,
        facts=tuple(stored.facts.items()),
    )


def _context(job: Job) -> str:
    return f"letter:{job.project_id}:{job.id}"
