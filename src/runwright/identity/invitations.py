"""Invitations: an owner of a team writes to somebody, who joins by the link in the letter.

- The membership is there from the invitation on, gives no rights, and does not count.
- A second invitation has a secret of its own; the first one is void then.
- Whoever shows the secret has read what was sent to the address, so that address is proved, if
  it is still the user's. Who is not signed in is signed in by it.
"""

import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from runwright.clock import Clock
from runwright.identity.emails import check_email
from runwright.identity.errors import (
    InviteMismatch,
    MembershipConfirmed,
    MembershipNotFound,
    TeamMismatch,
    TeamNotFound,
    TeamSecretInvalid,
    UserBlocked,
)
from runwright.identity.links import with_query
from runwright.identity.memberships import (
    Invitee,
    Member,
    announced,
    check_named,
    invited,
    membership_of,
    newcomer,
)
from runwright.identity.passwords import Passwords
from runwright.identity.people import (
    add_user,
    change_total,
    check_room,
    required_user,
    save_user,
    touch_user,
)
from runwright.identity.policies import policies_of
from runwright.identity.sessions import Device, Opened, open_session
from runwright.identity.teams import owned_team
from runwright.identity.tokens import hash_secret
from runwright.ids import new_id, new_secret
from runwright.model.identity import Membership, Principal, Project, Team, User
from runwright.ports.mailer import Letter, Mailer
from runwright.ports.storage import Storage, UnitOfWork
from runwright.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    invitee: Invitee
    roles: tuple[str, ...]
    url: str  # where the link leads; the caller has checked that it is a client of the project
    locale: str = "en"


@dataclass(frozen=True, slots=True)
class Accepted:
    member: Member
    opened: Opened | None  # None: the user was signed in already


class Invitations:
    """`project` is None for the console project throughout."""

    def __init__(
        self, storage: Storage, passwords: Passwords, mailer: Mailer, clock: Clock
    ) -> None:
        self._storage = storage
        self._passwords = passwords
        self._mailer = mailer
        self._clock = clock

    async def invite(
        self, principal: Principal, project: Project | None, team_id: str, invitation: Invitation
    ) -> Member:
        """Raises BadArgument (nobody named), SmtpDisabled, TeamNotFound, Unauthorized,
        UserNotFound, UserExists, UserCountExceeded, MembershipConfirmed, PhoneDisabled,
        TooManyLetters."""
        check_named(invitation.invitee)
        self._mailer.require(project, "email")
        # Nobody knows this password: the account is entered by other ways until it sets one.
        fields = await self._passwords.renewed(new_secret(64))

        def work(uow: UnitOfWork) -> Member:
            team = owned_team(uow, principal, team_id)
            user = self._user(uow, project, team, invitation.invitee, fields)
            secret = new_secret()
            membership = self._invited(uow, team, user, invitation.roles, secret)
            self._write(uow, project, principal, Member(membership, user, team), invitation, secret)
            return announced(uow, "create", Member(membership, user, team))

        return await self._storage.write(work)

    def _user(
        self,
        uow: UnitOfWork,
        project: Project | None,
        team: Team,
        invitee: Invitee,
        fields: dict[str, Any],
    ) -> User:
        user = invited(uow, team.project_id, invitee)
        if user is not None:
            return user
        policies = policies_of(project)
        if invitee.email:
            check_email(policies.emails, invitee.email)
        check_room(uow, team.project_id, policies.user_limit)
        return add_user(uow, newcomer(team.project_id, invitee, fields, self._clock.now()))

    def _invited(
        self, uow: UnitOfWork, team: Team, user: User, roles: tuple[str, ...], secret: str
    ) -> Membership:
        """Raises MembershipConfirmed."""
        now, old = self._clock.now(), membership_of(uow, team, user)
        if old is not None and old.is_confirmed:
            raise MembershipConfirmed()
        membership = Membership(
            id=old.id if old else new_id(),
            project_id=team.project_id,
            created_at=old.created_at if old else now,
            updated_at=now,
            team_id=team.id,
            user_id=user.id,
            roles=roles,
            invited_at=now,
            secret_hash=hash_secret(secret),
            sent_to=user.email or user.phone or "",
        )
        if old is None:
            uow.memberships.add(membership)
        else:
            uow.memberships.put(membership)
        return membership

    def _write(
        self,
        uow: UnitOfWork,
        project: Project | None,
        principal: Principal,
        member: Member,
        invitation: Invitation,
        secret: str,
    ) -> None:
        """Raises PhoneDisabled, TooManyLetters."""
        user, team, owner = member.user, member.team, principal.user
        if not user.email:
            self._mailer.require(project, "sms")
        link = with_query(
            invitation.url,
            membershipId=member.membership.id,
            userId=user.id,
            secret=secret,
            teamId=team.id,
            teamName=team.name,
        )
        inviter = (owner.name or owner.email or owner.phone) if owner else ""
        letter = Letter(
            occasion="invitation",
            kind="email" if user.email else "sms",
            to=member.membership.sent_to,
            name=user.name,
            locale=invitation.locale,
            facts=(("url", link), ("team", team.name), ("owner", inviter or "Somebody")),
        )
        self._mailer.post(uow, project, letter)

    async def accept(
        self,
        principal: Principal,
        project: Project | None,
        team_id: str,
        membership_id: str,
        *,
        user_id: str,
        secret: str,
        device: Device,
    ) -> Accepted:
        """Join, and be signed in when the caller is not.

        Raises MembershipNotFound, TeamNotFound, TeamMismatch, TeamSecretInvalid, InviteMismatch,
        MembershipConfirmed, UserBlocked.
        """

        def work(uow: UnitOfWork) -> Accepted:
            now = self._clock.now()
            member = _asked(uow, principal.project_id, team_id, membership_id)
            _check(member.membership, principal, user_id, secret)
            if not member.user.is_active:
                raise UserBlocked()
            joined = replace(member.membership, updated_at=now, joined_at=now, is_confirmed=True)
            uow.memberships.put(joined)
            change_total(uow, joined.project_id, joined.team_id, 1, now)
            user = save_user(uow, member.user, now, **_proved(member))
            touch_user(uow, user.project_id, user.id)
            opened = None if principal.user else self._open(uow, project, user, device, now)
            team = uow.teams.get(joined.project_id, team_id) or member.team
            announced(uow, "update.status", Member(joined, user, team))
            return Accepted(Member(joined, user, team), opened)

        return await self._storage.write(work)

    def _open(
        self, uow: UnitOfWork, project: Project | None, user: User, device: Device, now: datetime
    ) -> Opened:
        policies = policies_of(project)
        return open_session(uow, user, policies, device, now, provider="email", factor="email")


def _asked(uow: UnitOfWork, project_id: str, team_id: str, membership_id: str) -> Member:
    """Whatever an invitation names; its secret is what the caller has to show for it."""
    membership = uow.memberships.get(project_id, membership_id)
    if membership is None:
        raise MembershipNotFound(membership_id)
    team = uow.teams.get(project_id, team_id)
    if team is None:
        raise TeamNotFound(team_id)
    if membership.team_id != team.id:
        raise TeamMismatch()
    return Member(membership, required_user(uow, project_id, membership.user_id), team)


def _check(membership: Membership, principal: Principal, user_id: str, secret: str) -> None:
    if not hmac.compare_digest(membership.secret_hash, hash_secret(secret)):
        raise TeamSecretInvalid()
    callers = {user_id, principal.user_id or user_id}
    if callers != {membership.user_id}:
        raise InviteMismatch()
    if membership.is_confirmed:
        raise MembershipConfirmed()


def _proved(member: Member) -> Mapping[str, Any]:
    """The address that the letter went to, unless the user has left it since."""
    user, sent_to = member.user, member.membership.sent_to
    if sent_to and sent_to == user.email:
        return {"is_email_verified": True}
    if sent_to and sent_to == user.phone:
        return {"is_phone_verified": True}
    return {}
