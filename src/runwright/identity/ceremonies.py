"""Challenges for passkeys: random, for a few minutes, and good for one answer.

Anybody may ask for one to sign in, so a project holds a bounded number of them: those that are
over go first, then the oldest.
"""

import os
from datetime import datetime, timedelta
from typing import Final

from runwright.clock import iso_millis
from runwright.identity.factor_errors import PasskeyRefused
from runwright.ids import new_id
from runwright.model.factors import PasskeyCeremony
from runwright.model.query import Filter, ListQuery, Order
from runwright.ports.storage import UnitOfWork
from runwright.values import dataclass

LIFETIME: Final = timedelta(minutes=5)
CHALLENGE_BYTES: Final = 32
MAX_OPEN: Final = 1000  # of one project
SWEPT_AT_ONCE: Final = 100

_OLDEST_FIRST: Final = (Order("$sequence"),)


@dataclass(frozen=True, slots=True)
class Registration:
    """What a registration is for, beside a challenge."""

    user_id: str
    session_id: str
    passkey_id: str
    name: str


def begin(
    uow: UnitOfWork,
    project_id: str,
    rp_id: str,
    now: datetime,
    registration: Registration | None = None,
) -> PasskeyCeremony:
    """A new challenge. A registration takes the place of the user's earlier ones of the same
    passkey."""
    _sweep(uow, project_id, now)
    wanted = registration or Registration("", "", "", "")
    if registration is not None:
        uow.ceremonies.remove_where(
            project_id, user_id=wanted.user_id, passkey_id=wanted.passkey_id
        )
    ceremony = PasskeyCeremony(
        id=new_id(),
        project_id=project_id,
        created_at=now,
        updated_at=now,
        challenge=os.urandom(CHALLENGE_BYTES),
        rp_id=rp_id,
        expires_at=now + LIFETIME,
        user_id=wanted.user_id,
        session_id=wanted.session_id,
        passkey_id=wanted.passkey_id,
        name=wanted.name,
    )
    uow.ceremonies.add(ceremony)
    return ceremony


def take(
    uow: UnitOfWork, ceremony: PasskeyCeremony | None, now: datetime
) -> PasskeyCeremony | None:
    """Use a challenge up, whatever its answer turns out to be; None for one that is over."""
    if ceremony is None:
        return None
    uow.ceremonies.remove(ceremony.project_id, ceremony.id)
    return ceremony if ceremony.expires_at > now else None


def required(ceremony: PasskeyCeremony | None) -> PasskeyCeremony:
    """Raises PasskeyRefused."""
    if ceremony is None:
        raise PasskeyRefused()
    return ceremony


def _sweep(uow: UnitOfWork, project_id: str, now: datetime) -> None:
    over = ListQuery(
        filters=(Filter("lessThanEqual", "expire", (iso_millis(now),)),),
        orders=_OLDEST_FIRST,
        limit=SWEPT_AT_ONCE,
        with_total=False,
    )
    newest_first = (Order("$sequence", is_descending=True),)
    surplus = ListQuery(
        orders=newest_first, offset=MAX_OPEN - 1, limit=SWEPT_AT_ONCE, with_total=False
    )
    for query in (over, surplus):
        for old in uow.ceremonies.page(project_id, query).items:
            uow.ceremonies.remove(project_id, old.id)
