"""Memberships: who is in a team, and as what."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from runwright.clock import Clock
from runwright.errors import BadArgument, Unauthorized
from runwright.identity.errors import (
    InviteNotFound,
    LastOwnerLeaves,
    LastOwnerSteps,
    MembershipConfirmed,
    MembershipNotFound,
    TeamMismatch,
    UserExists,
    UserNotFound,
)
from runwright.identity.passwords import Passwords
from runwright.identity.people import (
    add_user,
    by_email,
    by_phone,
    change_total,
    required_user,
    touch_user,
)
from runwright.identity.teams import OWNER, owned_team, sees_all_teams, visible_team
from runwright.ids import new_id, new_secret
from runwright.model.event import Event
from runwright.model.identity import CONSOLE, Membership, Principal, Team, User
from runwright.model.query import ListQuery, Page
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork
from runwright.values import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """A membership with the names that answers show beside it."""

    membership: Membership
    user: User
    team: Team


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitee:
    """Whom to add; at least one of id, email and phone."""

    user_id: str = ""
    email: str = ""
    phone: str = ""
    name: str = ""


class Memberships:
    """Methods raise TeamNotFound when the caller cannot see the team."""

    def __init__(self, storage: Storage, passwords: Passwords, clock: Clock) -> None:
        self._storage = storage
        self._passwords = passwords
        self._clock = clock

    async def create(
        self, principal: Principal, team_id: str, invitee: Invitee, roles: tuple[str, ...]
    ) -> Member:
        """Make somebody a member at once; for keys and admins, others invite. A person whose
        address is new becomes a user.

        Raises BadArgument (nobody named), UserNotFound, UserExists, MembershipConfirmed.
        """
        check_named(invitee)
        if not sees_all_teams(principal):
            raise Unauthorized("People are invited to a team; a server may add them.")
        # Nobody knows this password: the account is entered by other ways until it sets one.
        fields = await self._passwords.renewed(new_secret(64))

        def work(uow: UnitOfWork) -> Member:
            now = self._clock.now()
            team = visible_team(uow, principal, team_id)
            user = invited(uow, principal.project_id, invitee)
            if user is None:
                user = add_user(uow, newcomer(principal.project_id, invitee, fields, now))
            membership = _join(uow, team, user, roles, now)
            team = visible_team(uow, principal, team_id)
            return announced(uow, "create", Member(membership, user, team))

        return await self._storage.write(work)

    async def list(self, principal: Principal, team_id: str, query: ListQuery) -> Page[Member]:
        def work(uow: UnitOfWork) -> Page[Member]:
            team = visible_team(uow, principal, team_id)
            page = uow.memberships.page(team.project_id, query, team_id=team.id)
            users = _users(uow, team.project_id, [item.user_id for item in page.items])
            members = tuple(Member(item, users[item.user_id], team) for item in page.items)
            return Page(members, page.total)

        return await self._storage.read(work)

    async def of_user(self, project_id: str, user_id: str, query: ListQuery) -> Page[Member]:
        """Memberships of one user. Raises UserNotFound."""

        def work(uow: UnitOfWork) -> Page[Member]:
            user = required_user(uow, project_id, user_id)
            page = uow.memberships.page(project_id, query, user_id=user_id)
            wanted = [item.team_id for item in page.items]
            teams = {team.id: team for team in uow.teams.find(project_id, id=wanted)}
            members = tuple(Member(item, user, teams[item.team_id]) for item in page.items)
            return Page(members, page.total)

        return await self._storage.read(work)

    async def get(self, principal: Principal, team_id: str, membership_id: str) -> Member:
        """Raises MembershipNotFound, TeamMismatch."""

        def work(uow: UnitOfWork) -> Member:
            team = visible_team(uow, principal, team_id)
            membership = self._required(uow, team, membership_id)
            user = required_user(uow, team.project_id, membership.user_id)
            return Member(membership, user, team)

        return await self._storage.read(work)

    async def set_roles(
        self, principal: Principal, team_id: str, membership_id: str, roles: tuple[str, ...]
    ) -> Member:
        """Raises MembershipNotFound, TeamMismatch, Unauthorized, LastOwnerSteps."""

        def work(uow: UnitOfWork) -> Member:
            team = visible_team(uow, principal, team_id)
            membership = self._required(uow, team, membership_id)
            user = required_user(uow, team.project_id, membership.user_id)
            owned_team(uow, principal, team_id)
            if OWNER not in roles and self._is_last_owner(uow, membership):
                raise LastOwnerSteps()
            changed = replace(membership, roles=roles, updated_at=self._clock.now())
            uow.memberships.put(changed)
            touch_user(uow, team.project_id, user.id)
            return announced(uow, "update", Member(changed, user, team))

        return await self._storage.write(work)

    async def delete(self, principal: Principal, team_id: str, membership_id: str) -> Member:
        """Members may leave; owners may send others away.

        Raises InviteNotFound, TeamMismatch, Unauthorized, LastOwnerLeaves.
        """

        def work(uow: UnitOfWork) -> Member:
            team = visible_team(uow, principal, team_id)
            membership = uow.memberships.get(team.project_id, membership_id)
            if membership is None:
                raise InviteNotFound(membership_id)
            if membership.team_id != team.id:
                raise TeamMismatch()
            user = required_user(uow, team.project_id, membership.user_id)
            if membership.user_id != principal.user_id or sees_all_teams(principal):
                owned_team(uow, principal, team_id)
            if self._is_last_owner(uow, membership):
                raise LastOwnerLeaves()
            uow.memberships.remove(team.project_id, membership.id)
            if membership.is_confirmed:
                change_total(uow, team.project_id, team.id, -1, self._clock.now())
            touch_user(uow, team.project_id, user.id)
            return announced(uow, "delete", Member(membership, user, team))

        return await self._storage.write(work)

    def _required(self, uow: UnitOfWork, team: Team, membership_id: str) -> Membership:
        membership = uow.memberships.get(team.project_id, membership_id)
        if membership is None:
            raise MembershipNotFound(membership_id)
        if membership.team_id != team.id:
            raise TeamMismatch()
        return membership

    def _is_last_owner(self, uow: UnitOfWork, membership: Membership) -> bool:
        """An organization without an owner could never be managed again."""
        if membership.project_id != CONSOLE:
            return False
        if OWNER not in membership.roles or not membership.is_confirmed:
            return False
        confirmed = uow.memberships.find(CONSOLE, team_id=membership.team_id, is_confirmed=True)
        return not any(OWNER in item.roles and item.id != membership.id for item in confirmed)


def announced(uow: UnitOfWork, action: str, member: Member) -> Member:
    item = member.membership
    event = Event.of(action, "teams", item.team_id, "memberships", item.id)
    uow.emit(item.project_id, event, member)
    return member


def check_named(invitee: Invitee) -> None:
    """Raises BadArgument."""
    if not (invitee.user_id or invitee.email or invitee.phone):
        raise BadArgument("At least one of userId, email, or phone is required")


def membership_of(uow: UnitOfWork, team: Team, user: User) -> Membership | None:
    found = uow.memberships.find(team.project_id, team_id=team.id, user_id=user.id)
    return next(iter(found), None)


def _users(uow: UnitOfWork, project_id: str, ids: list[str]) -> dict[str, User]:
    return {user.id: user for user in uow.users.find(project_id, id=ids)} if ids else {}


def invited(uow: UnitOfWork, project_id: str, invitee: Invitee) -> User | None:
    """The user whom all given values name; None when an address is new.

    Raises UserNotFound (id), UserExists (the values name different people).
    """
    if invitee.user_id:
        user = uow.users.get(project_id, invitee.user_id)
        if user is None:
            raise UserNotFound(invitee.user_id)
        is_other_email = invitee.email and user.email != invitee.email
        is_other_phone = invitee.phone and user.phone != invitee.phone
        if is_other_email or is_other_phone:
            raise UserExists()
        return user
    if invitee.email:
        user = by_email(uow, project_id, invitee.email)
        if user is not None and invitee.phone and user.phone != invitee.phone:
            raise UserExists()
        if user is None and invitee.phone and by_phone(uow, project_id, invitee.phone):
            raise UserExists()
        return user
    return by_phone(uow, project_id, invitee.phone)


def newcomer(project_id: str, invitee: Invitee, fields: dict[str, Any], now: datetime) -> User:
    user = User(
        id=new_id(),
        project_id=project_id,
        created_at=now,
        updated_at=now,
        name=invitee.name or invitee.email or invitee.phone,
        email=invitee.email or None,
        phone=invitee.phone or None,
        registration=now,
    )
    return replace(user, **fields)


def _join(
    uow: UnitOfWork, team: Team, user: User, roles: tuple[str, ...], now: datetime
) -> Membership:
    """Raises MembershipConfirmed. An open invitation is accepted."""
    open_one = membership_of(uow, team, user)
    if open_one is not None and open_one.is_confirmed:
        raise MembershipConfirmed()
    membership = Membership(
        id=open_one.id if open_one else new_id(),
        project_id=team.project_id,
        created_at=open_one.created_at if open_one else now,
        updated_at=now,
        team_id=team.id,
        user_id=user.id,
        roles=roles,
        invited_at=open_one.invited_at if open_one else now,
        joined_at=now,
        is_confirmed=True,
        # Who follows the link of an older invitation is told that all is done.
        secret_hash=open_one.secret_hash if open_one else "",
        sent_to=open_one.sent_to if open_one else "",
    )
    try:
        if open_one:
            uow.memberships.put(membership)
        else:
            uow.memberships.add(membership)
    except AlreadyStored as exc:
        raise MembershipConfirmed() from exc
    change_total(uow, team.project_id, team.id, 1, now)
    touch_user(uow, team.project_id, user.id)
    return membership
