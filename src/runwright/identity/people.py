"""Rows that belong to one person, and how they go together.

These are steps of a unit of work, shared by the services: a user with an e-mail address has
a target of it, a user who goes takes sessions, tokens, targets and memberships along, and
whatever changes what a user may do is told to the caches.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from runwright.identity.errors import (
    EmailExists,
    TargetExists,
    UserCountExceeded,
    UserExists,
    UserNotFound,
)
from runwright.identity.owner_keys import remove_keys, user_owner
from runwright.ids import new_id
from runwright.model.event import Event
from runwright.model.identity import CONSOLE, Session, Target, User
from runwright.model.query import ListQuery
from runwright.ports.storage import AlreadyStored, UnitOfWork
from runwright.values import dataclass

EMAIL: Final = "email"
SMS: Final = "sms"


@dataclass(frozen=True, slots=True)
class Person:
    """A user with the addresses that answers show beside it."""

    user: User
    targets: tuple[Target, ...] = ()


def touch_user(uow: UnitOfWork, project_id: str, user_id: str) -> None:
    uow.touch("user", project_id, user_id)


def required_user(uow: UnitOfWork, project_id: str, user_id: str) -> User:
    user = uow.users.get(project_id, user_id)
    if user is None:
        raise UserNotFound(user_id)
    return user


def by_email(uow: UnitOfWork, project_id: str, email: str) -> User | None:
    return next(iter(uow.users.find(project_id, email=email)), None)


def by_phone(uow: UnitOfWork, project_id: str, phone: str) -> User | None:
    return next(iter(uow.users.find(project_id, phone=phone)), None)


def person(uow: UnitOfWork, user: User) -> Person:
    return Person(user, tuple(uow.targets.find(user.project_id, user_id=user.id)))


def persons(uow: UnitOfWork, project_id: str, users: Sequence[User]) -> tuple[Person, ...]:
    """Like `person` for many, with one look-up."""
    targets: dict[str, list[Target]] = defaultdict(list)
    if users:
        for target in uow.targets.find(project_id, user_id=[user.id for user in users]):
            targets[target.user_id].append(target)
    return tuple(Person(user, tuple(targets[user.id])) for user in users)


def announce_user(uow: UnitOfWork, user: User, action: str) -> Person:
    """Emit what happened to a user, e.g. `update.email`; the user as it is shown."""
    shown = person(uow, user)
    uow.emit(user.project_id, Event.of(action, "users", user.id), shown)
    return shown


def check_room(uow: UnitOfWork, project_id: str, limit: int) -> None:
    """Raises UserCountExceeded when the project holds `limit` users already; 0 = no limit."""
    if limit == 0:
        return
    last = ListQuery(limit=1, offset=limit - 1, with_total=False)
    if uow.users.page(project_id, last).items:
        raise UserCountExceeded(limit)


def is_identity_of_others(
    uow: UnitOfWork, project_id: str, email: str | None, user_id: str = ""
) -> bool:
    """Whether an address stands in an identity of somebody else than this user: whoever has it
    at the provider signs in as that one."""
    if not email:
        return False
    found = uow.identities.find(project_id, provider_email=email)
    return any(item.user_id != user_id for item in found)


def add_user(uow: UnitOfWork, user: User) -> User:
    """Store a new user with targets of its addresses, and say so. Raises EmailExists (in an
    identity of another user), UserExists.

    An address that is another user's target already does not stand in the way of signing up.
    """
    if is_identity_of_others(uow, user.project_id, user.email):
        raise EmailExists()
    try:
        uow.users.add(user)
    except AlreadyStored as exc:
        raise UserExists() from exc
    for kind, address in ((EMAIL, user.email), (SMS, user.phone)):
        if address and not uow.targets.find(user.project_id, identifier=address):
            _claim(uow, user, kind, address, user.created_at)
    touch_user(uow, user.project_id, user.id)
    announce_user(uow, user, "create")
    return user


def save_user(uow: UnitOfWork, user: User, now: datetime, **changes: Any) -> User:
    """Replace fields of a user. Raises AlreadyStored."""
    changed = replace(user, updated_at=now, **changes)
    uow.users.put(changed)
    touch_user(uow, user.project_id, user.id)
    return changed


def move_target(
    uow: UnitOfWork, user: User, kind: str, old: str | None, new: str | None, now: datetime
) -> None:
    """Let the target of an address follow the address. Raises TargetExists."""
    existing = [
        target
        for target in uow.targets.find(user.project_id, user_id=user.id, provider_type=kind)
        if old and target.identifier == old
    ]
    if old == new and existing:
        return
    if not new:
        for target in existing:
            uow.targets.remove(target.project_id, target.id)
        return
    if not existing:
        _claim(uow, user, kind, new, now)
        return
    try:
        uow.targets.put(replace(existing[0], identifier=new, updated_at=now))
    except AlreadyStored as exc:
        raise TargetExists() from exc


def _claim(uow: UnitOfWork, user: User, kind: str, address: str, now: datetime) -> None:
    """Make the target of an address; one that the user has already is used as it is."""
    present = uow.targets.find(user.project_id, identifier=address)
    if present:
        if present[0].user_id != user.id:
            raise TargetExists()
        return
    uow.targets.add(
        Target(
            id=new_id(),
            project_id=user.project_id,
            created_at=now,
            updated_at=now,
            user_id=user.id,
            provider_type=kind,
            identifier=address,
        )
    )


def end_sessions(uow: UnitOfWork, user: User, *, but: str = "") -> None:
    """Delete the user's sessions, except the one with the id `but`."""
    for session in uow.sessions.find(user.project_id, user_id=user.id):
        if session.id != but:
            remove_session(uow, session)
    touch_user(uow, user.project_id, user.id)


def remove_session(uow: UnitOfWork, session: Session) -> None:
    """Delete a session, and the devices that were registered in it."""
    project_id = session.project_id
    uow.sessions.remove(project_id, session.id)
    uow.targets.remove_where(project_id, user_id=session.user_id, session_id=session.id)


def remove_user(uow: UnitOfWork, user: User, now: datetime) -> None:
    """Delete a user with all that is theirs; the teams they were in count one member less.

    Only the user's own end is announced.
    """
    project_id = user.project_id
    announce_user(uow, user, "delete")
    for membership in uow.memberships.find(project_id, user_id=user.id):
        uow.memberships.remove(project_id, membership.id)
        if membership.is_confirmed:
            change_total(uow, project_id, membership.team_id, -1, now)
    if project_id == CONSOLE:
        remove_keys(uow, user_owner(user.id))
    for rows in (uow.sessions, uow.tokens, uow.targets, uow.identities, uow.mfa_challenges):
        rows.remove_where(project_id, user_id=user.id)
    for proofs in (uow.passkeys, uow.ceremonies):
        proofs.remove_where(project_id, user_id=user.id)
    uow.factors.remove(project_id, user.id)
    uow.activities.remove_where(project_id, user_id=user.id)
    uow.users.remove(project_id, user.id)
    touch_user(uow, project_id, user.id)


def change_total(uow: UnitOfWork, project_id: str, team_id: str, by: int, now: datetime) -> None:
    """Count confirmed members of a team; nothing happens when the team is gone."""
    team = uow.teams.get(project_id, team_id)
    if team is not None:
        uow.teams.put(replace(team, total=max(0, team.total + by), updated_at=now))
