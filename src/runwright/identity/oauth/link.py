"""From a person at a provider to a user of the project. Steps of a unit of work.

Whoever holds the provider's account is the user whom its identity belongs to; that is looked at
first and does not depend on addresses. Without an identity, an address leads to a user only when
the provider has verified it. A user with the same address whose own was never verified may have
been made by anybody, to wait for the address's owner; so what would let such a maker in again is
taken away: the password, sessions, tokens, and identities that rest on the same address.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec

from runwright.errors import BadRequest
from runwright.identity.emails import check_email
from runwright.identity.errors import EmailExists, UserBlocked, UserExists
from runwright.identity.passwords import CLEARED
from runwright.identity.people import (
    EMAIL,
    add_user,
    by_email,
    check_room,
    end_sessions,
    is_identity_of_others,
    move_target,
    required_user,
    save_user,
)
from runwright.identity.policies import Policies
from runwright.ids import new_id
from runwright.model.identity import Identity, User
from runwright.ports.storage import UnitOfWork
from runwright.values import dataclass

MAX_NAME: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A person as a provider describes them, with its tokens."""

    provider: str
    uid: str
    email: str = ""  # lower case
    name: str = ""
    is_verified: bool = False  # the provider has verified the address
    sealed_grant: bytes = b""
    grant_expires_at: datetime | None = None

    def stored(self) -> Mapping[str, Any]:
        """For a token that carries it until it is traded."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "Link":
        return msgspec.convert(dict(stored), cls)


class AddressTaken(BadRequest):
    """Does not tell a signed-in caller whose the address is."""

    def __init__(self) -> None:
        super().__init__("This account of the provider cannot be added to yours.")


def find_identity(uow: UnitOfWork, project_id: str, link: Link) -> Identity | None:
    found = uow.identities.find(project_id, provider=link.provider, provider_uid=link.uid)
    return found[0] if found else None


def user_of(
    uow: UnitOfWork, project_id: str, link: Link, policies: Policies, now: datetime
) -> User:
    """The user that a person is who is not signed in yet; new ones are made.

    Raises UserBlocked, EmailExists, UserExists, UserCountExceeded, and what `check_email`
    raises.
    """
    identity = find_identity(uow, project_id, link)
    if identity is not None:
        user = required_user(uow, project_id, identity.user_id)
    else:
        present = by_email(uow, project_id, link.email) if link.email else None
        if present is not None:
            user = _taken_over(uow, present, link, now)
        else:
            user = _made(uow, project_id, link, policies, now)
    if not user.is_active:
        raise UserBlocked()
    return attach(uow, user, link, now)


def _taken_over(uow: UnitOfWork, user: User, link: Link, now: datetime) -> User:
    """A user with the same address. Raises EmailExists unless it is the same person's.

    Whoever reads the mail of an address can have a provider verify it. Who has switched MFA on
    wants more than that to be shown: they sign in and add the provider to their account.
    """
    if not link.is_verified or user.is_mfa:
        raise EmailExists()
    if user.is_email_verified:
        return user
    identities = uow.identities.find(user.project_id, user_id=user.id)
    is_proved_otherwise = user.is_phone_verified or _has_passkeys(uow, user)
    if is_proved_otherwise or any(item.provider_email != user.email for item in identities):
        raise EmailExists()
    end_sessions(uow, user)
    uow.tokens.remove_where(user.project_id, user_id=user.id)
    for item in identities:
        uow.identities.remove(user.project_id, item.id)
    return save_user(uow, user, now, is_email_verified=True, **CLEARED)


def _has_passkeys(uow: UnitOfWork, user: User) -> bool:
    return bool(uow.passkeys.find(user.project_id, user_id=user.id))


def _made(uow: UnitOfWork, project_id: str, link: Link, policies: Policies, now: datetime) -> User:
    if link.email:
        check_email(policies.emails, link.email)
    check_room(uow, project_id, policies.user_limit)
    return add_user(
        uow,
        User(
            id=new_id(),
            project_id=project_id,
            created_at=now,
            updated_at=now,
            name=link.name[:MAX_NAME],
            email=link.email or None,
            is_email_verified=link.is_verified and bool(link.email),
            registration=now,
            accessed_at=now,
        ),
    )


def check_free(uow: UnitOfWork, user: User, link: Link, policies: Policies) -> None:
    """Whether a signed-in user may add the person. Raises UserExists, AddressTaken, and what
    `check_email` raises for the address of a user who has none yet."""
    if link.email and not user.email:
        check_email(policies.emails, link.email)
    identity = find_identity(uow, user.project_id, link)
    if identity is not None:
        if identity.user_id != user.id:
            raise UserExists()
        return
    other = by_email(uow, user.project_id, link.email) if link.email else None
    if other is not None and other.id != user.id:
        raise UserExists()
    if is_identity_of_others(uow, user.project_id, link.email, user.id):
        raise AddressTaken()


def attach(uow: UnitOfWork, user: User, link: Link, now: datetime) -> User:
    """Make the person an identity of the user, or renew its tokens; what the user lacks is
    taken over. Raises AddressTaken."""
    identity = find_identity(uow, user.project_id, link)
    if identity is None:
        if is_identity_of_others(uow, user.project_id, link.email, user.id):
            raise AddressTaken()
        uow.identities.add(
            Identity(
                id=new_id(),
                project_id=user.project_id,
                created_at=now,
                updated_at=now,
                user_id=user.id,
                provider=link.provider,
                provider_uid=link.uid,
                provider_email=link.email,
                sealed_grant=link.sealed_grant,
                grant_expires_at=link.grant_expires_at,
            )
        )
    else:
        uow.identities.put(
            replace(
                identity,
                updated_at=now,
                provider_email=link.email or identity.provider_email,
                sealed_grant=link.sealed_grant,
                grant_expires_at=link.grant_expires_at,
            )
        )
    return _completed(uow, user, link, now)


def _is_free(uow: UnitOfWork, project_id: str, email: str) -> bool:
    is_target = uow.targets.find(project_id, identifier=email)
    return not is_target and by_email(uow, project_id, email) is None


def _completed(uow: UnitOfWork, user: User, link: Link, now: datetime) -> User:
    changes: dict[str, Any] = {}
    if not user.name and link.name:
        changes["name"] = link.name[:MAX_NAME]
    if not user.email and link.email and _is_free(uow, user.project_id, link.email):
        changes |= {"email": link.email, "is_email_verified": link.is_verified}
        move_target(uow, user, EMAIL, None, link.email, now)
    elif user.email == link.email and link.is_verified and not user.is_email_verified:
        changes["is_email_verified"] = True
    return save_user(uow, user, now, **changes) if changes else user
