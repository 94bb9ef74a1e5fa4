"""Accounts: what people do for themselves - sign up, sign in, change their own data."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from runwright.clock import Clock
from runwright.identity.alerts import Alerts
from runwright.identity.console_guests import ConsoleGuests
from runwright.identity.emails import check_email
from runwright.identity.errors import (
    AnonymousOnConsole,
    ConsoleSignupClosed,
    DeletionProhibited,
    EmailUnavailable,
    InvalidCredentials,
    PhoneExists,
    UserBlocked,
)
from runwright.identity.passwords import Passwords
from runwright.identity.people import (
    EMAIL,
    SMS,
    Person,
    add_user,
    announce_user,
    by_email,
    check_room,
    end_sessions,
    is_identity_of_others,
    move_target,
    person,
    remove_user,
    required_user,
    save_user,
)
from runwright.identity.policies import Policies, policies_of
from runwright.identity.proofs import RECOVERIES, drop
from runwright.identity.refusals import PasswordResetRequired
from runwright.identity.sessions import Device, Opened, open_session
from runwright.identity.stand_ins import StandIns
from runwright.ids import new_id, resolve
from runwright.model.identity import CONSOLE, Project, User
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork


class Accounts:
    """`project` is None for the console project throughout."""

    def __init__(
        self,
        storage: Storage,
        passwords: Passwords,
        clock: Clock,
        *,
        alerts: Alerts,
        console_signup: Literal["first", "open"] = "first",
        console_guests: ConsoleGuests | None = None,
    ) -> None:
        self._storage = storage
        self._passwords = passwords
        self._clock = clock
        self._alerts = alerts
        self._console_signup = console_signup
        self._console_guests = console_guests or ConsoleGuests()
        self._stand_ins = StandIns(storage, clock)

    async def create(
        self,
        project: Project | None,
        *,
        user_id: str,
        email: str,
        password: str,
        name: str,
        ip: str = "",
    ) -> Person:
        """Sign up. Raises EmailUnavailable (it is in an identity of somebody), UserExists,
        UserCountExceeded, ConsoleSignupClosed, and what `check_address` and the project's rules
        for passwords raise."""
        policies = policies_of(project)
        self.check_address(project, email, ip)
        now = self._clock.now()
        user = User(
            id=resolve(user_id),
            project_id=project.id if project else CONSOLE,
            created_at=now,
            updated_at=now,
            name=name,
            email=email,
            registration=now,
            accessed_at=now,
        )
        chosen = await self._passwords.chosen(policies, user, password, now)

        def work(uow: UnitOfWork) -> Person:
            self.admit(uow, project, email=email, ip=ip)
            if is_identity_of_others(uow, user.project_id, email):
                raise EmailUnavailable()
            return person(uow, add_user(uow, replace(user, **chosen)))

        return await self._storage.write(work)

    def admit(
        self, uow: UnitOfWork, project: Project | None, *, email: str | None = None, ip: str = ""
    ) -> None:
        """Raises what keeps a new user out: what `check_address` raises, UserCountExceeded,
        ConsoleSignupClosed."""
        self.check_address(project, email, ip)
        if project is not None:
            check_room(uow, project.id, policies_of(project).user_limit)
        elif self._console_signup == "first" and uow.users.find(CONSOLE):
            raise ConsoleSignupClosed()

    def check_address(self, project: Project | None, email: str | None, ip: str) -> None:
        """Whether somebody at `ip` may sign up with this address. Raises ConsoleEmailRefused,
        ConsoleIpRefused, and what `check_email` raises."""
        if project is None:
            self._console_guests.check(email or "", ip)
        elif email:
            check_email(policies_of(project).emails, email)

    async def get(self, user: User) -> Person:
        """The account as stored now. Raises UserNotFound."""
        return await self._storage.read(
            lambda uow: person(uow, required_user(uow, user.project_id, user.id))
        )

    async def sign_in(
        self, project: Project | None, *, email: str, password: str, device: Device
    ) -> Opened:
        """Open a session by password.

        Raises InvalidCredentials and UserBlocked; PasswordResetRequired when the password is
        right and the project does not take it any more.
        """
        project_id = project.id if project else CONSOLE
        policies = policies_of(project)
        found = await self._storage.read(lambda uow: by_email(uow, project_id, email))
        stand_in = await self._stand_ins.of(project_id, email)
        if not await self._passwords.fits(password, found, stand_in) or found is None:
            raise InvalidCredentials()
        is_outdated = self._passwords.is_outdated(found)
        changes = await self._passwords.renewed(password) if is_outdated else {}
        is_breached = await self._passwords.is_breached(policies, password)
        if is_breached not in (None, found.password_pwned):
            changes["password_pwned"] = is_breached

        def work(uow: UnitOfWork) -> Opened | None:
            now = self._clock.now()
            user = uow.users.get(project_id, found.id)
            if user is None or not _is_same_password(user, found):
                raise InvalidCredentials()
            if not user.is_active:
                raise UserBlocked()
            if changes:
                user = save_user(uow, user, user.updated_at, **changes)
            if _must_reset(policies, user, now):
                return None  # and keep what was learned
            opened = open_session(
                uow, user, policies, device, now, provider="email", factor="password"
            )
            self._alerts.tell(uow, project, opened, device)
            return opened

        opened = await self._storage.write(work)
        if opened is None:
            raise PasswordResetRequired()
        return opened

    async def sign_in_anonymously(self, project: Project | None, device: Device) -> Opened:
        """Make a user without name or address and sign it in. Raises AnonymousOnConsole,
        UserCountExceeded."""
        if project is None:
            raise AnonymousOnConsole()
        policies = policies_of(project)

        def work(uow: UnitOfWork) -> Opened:
            now = self._clock.now()
            self.admit(uow, project)
            user = add_user(
                uow,
                User(
                    id=new_id(),
                    project_id=project.id,
                    created_at=now,
                    updated_at=now,
                    registration=now,
                    accessed_at=now,
                ),
            )
            return open_session(
                uow, user, policies, device, now, provider="anonymous", factor="anonymous"
            )

        return await self._storage.write(work)

    async def rename(self, user: User, name: str) -> Person:
        return await self._change(user, "name", name=name)

    async def set_prefs(self, user: User, prefs: Mapping[str, Any]) -> Person:
        return await self._change(user, "prefs", prefs=prefs)

    async def block(self, user: User) -> Person:
        """Close one's own account; only a project admin can open it again."""
        return await self._change(user, "status", is_active=False)

    async def _change(self, user: User, attribute: str, **changes: Any) -> Person:
        def work(uow: UnitOfWork) -> Person:
            stored = required_user(uow, user.project_id, user.id)
            saved = save_user(uow, stored, self._clock.now(), **changes)
            return announce_user(uow, saved, f"update.{attribute}")

        return await self._storage.write(work)

    async def set_email(
        self, project: Project | None, user: User, *, email: str, password: str
    ) -> Person:
        """A user without a password (anonymous until now) gets this one.

        Raises InvalidCredentials, TargetExists, EmailUnavailable, and what `check_email` raises.
        """
        check_email(policies_of(project).emails, email)
        changes = await self._proved(project, user, password)

        def work(uow: UnitOfWork) -> Person:
            now = self._clock.now()
            stored = required_user(uow, user.project_id, user.id)
            if is_identity_of_others(uow, user.project_id, email, user.id):
                raise EmailUnavailable()
            move_target(uow, stored, EMAIL, stored.email, email, now)
            try:
                saved = save_user(uow, stored, now, email=email, is_email_verified=False, **changes)
            except AlreadyStored as exc:
                raise EmailUnavailable() from exc
            return announce_user(uow, saved, "update.email")

        return await self._storage.write(work)

    async def set_phone(
        self, project: Project | None, user: User, *, phone: str, password: str
    ) -> Person:
        """Raises InvalidCredentials, TargetExists, PhoneExists."""
        changes = await self._proved(project, user, password)

        def work(uow: UnitOfWork) -> Person:
            now = self._clock.now()
            stored = required_user(uow, user.project_id, user.id)
            move_target(uow, stored, SMS, stored.phone, phone, now)
            try:
                saved = save_user(uow, stored, now, phone=phone, is_phone_verified=False, **changes)
            except AlreadyStored as exc:
                raise PhoneExists() from exc
            return announce_user(uow, saved, "update.phone")

        return await self._storage.write(work)

    async def _proved(
        self, project: Project | None, user: User, password: str
    ) -> Mapping[str, Any]:
        """Check the password; for a user who has none, the fields that set it."""
        stored = (await self.get(user)).user
        if stored.password_hash:
            if not await self._passwords.fits(password, stored):
                raise InvalidCredentials()
            return {}
        return await self._passwords.chosen(
            policies_of(project), stored, password, self._clock.now()
        )

    async def set_password(
        self,
        project: Project | None,
        user: User,
        *,
        password: str,
        old_password: str,
        session_id: str,
    ) -> Person:
        """Ends the other sessions when the project wants that and the caller has one.

        Raises InvalidCredentials, and what the project's password rules raise.
        """
        policies = policies_of(project)
        stored = (await self.get(user)).user
        if stored.password_hash and not await self._passwords.fits(old_password, stored):
            raise InvalidCredentials()
        now = self._clock.now()
        changes = await self._passwords.chosen(policies, stored, password, now)

        def work(uow: UnitOfWork) -> Person:
            current = required_user(uow, user.project_id, user.id)
            saved = save_user(uow, current, now, **changes)
            drop(uow, saved, *RECOVERIES)
            if policies.invalidates_sessions and session_id:
                end_sessions(uow, saved, but=session_id)
            return announce_user(uow, saved, "update.password")

        return await self._storage.write(work)

    async def delete(self, user: User) -> None:
        """Raises DeletionProhibited for a console account that is in an organization."""

        def work(uow: UnitOfWork) -> None:
            stored = required_user(uow, user.project_id, user.id)
            if stored.project_id == CONSOLE:
                member = uow.memberships.find(CONSOLE, user_id=stored.id, is_confirmed=True)
                if member:
                    raise DeletionProhibited()
            remove_user(uow, stored, self._clock.now())

        await self._storage.write(work)


def _is_same_password(user: User, known: User) -> bool:
    """Whether the password is the one that was checked. Another sign-in may have stored a newer
    hash of it meanwhile; only who changes the password changes its age."""
    if user.password_hash == known.password_hash:
        return True
    return bool(user.password_hash) and user.password_updated_at == known.password_updated_at


def _must_reset(policies: Policies, user: User, now: datetime) -> bool:
    """Whether a right password does not sign in any more."""
    set_at, most = user.password_updated_at, timedelta(seconds=policies.rotation.max_age_s)
    is_old = policies.rotation.is_on and set_at is not None and now - set_at > most
    breaches = policies.breaches
    is_refused = breaches.is_on and breaches.refuses_sign_ins and user.password_pwned is True
    return is_old or is_refused
