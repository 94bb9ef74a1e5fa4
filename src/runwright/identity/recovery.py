"""Getting back in: a new password for who can read the mail of an account."""

from collections.abc import Callable
from dataclasses import replace

from runwright.clock import Clock
from runwright.identity.errors import UserBlocked, UserNotFound
from runwright.identity.letters import email_letter, link_values
from runwright.identity.links import with_query
from runwright.identity.passwords import Passwords
from runwright.identity.people import by_email, end_sessions, required_user, save_user
from runwright.identity.phrases import new_phrase
from runwright.identity.policies import policies_of
from runwright.identity.proofs import RECOVERIES, NewToken, Proofs, Purpose, drop, required
from runwright.model.event import Event
from runwright.model.identity import CONSOLE, Project, User
from runwright.ports.mailer import Letter, Mailer
from runwright.ports.storage import Storage, UnitOfWork


class Recovery:
    """`project` is None for the console project throughout."""

    def __init__(
        self,
        storage: Storage,
        proofs: Proofs,
        passwords: Passwords,
        mailer: Mailer,
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._proofs = proofs
        self._passwords = passwords
        self._mailer = mailer
        self._clock = clock

    async def send_link(
        self, project: Project | None, *, email: str, url: str, locale: str
    ) -> NewToken:
        """Raises SmtpDisabled, UserNotFound, UserBlocked, TooManyLetters."""

        def letter(user: User, made: NewToken) -> Letter:
            link = with_query(url, **link_values(made))
            return email_letter("recovery", user, made, locale, url=link)

        return await self._send(project, email, Purpose.RECOVERY, letter)

    async def send_code(
        self, project: Project | None, *, email: str, with_phrase: bool, locale: str
    ) -> NewToken:
        """Raises what `send_link` raises."""
        phrase = new_phrase() if with_phrase else ""

        def letter(user: User, made: NewToken) -> Letter:
            return email_letter("otpRecovery", user, made, locale, otp=made.secret)

        return await self._send(project, email, Purpose.RECOVERY_CODE, letter, phrase)

    async def _send(
        self,
        project: Project | None,
        email: str,
        purpose: Purpose,
        letter: Callable[[User, NewToken], Letter],
        phrase: str = "",
    ) -> NewToken:
        self._mailer.require(project, "email")
        project_id = project.id if project else CONSOLE

        def work(uow: UnitOfWork) -> NewToken:
            user = by_email(uow, project_id, email)
            if user is None:
                raise UserNotFound()
            if not user.is_active:
                raise UserBlocked()
            issued = self._proofs.issue(uow, user, purpose, sent_to=email)
            made = replace(issued, phrase=phrase, is_told=True)
            self._mailer.post(uow, project, letter(user, made))
            _announce(uow, made, "create")
            return made

        return await self._storage.write(work)

    async def complete(
        self,
        project: Project | None,
        *,
        user_id: str,
        secret: str,
        password: str,
        by: Purpose,
    ) -> NewToken:
        """Set the password; the secret, one of RECOVERIES, is used up, and whoever read it has
        proved the address.

        Raises UserNotFound, InvalidToken, and what the project's password rules raise; these
        leave the secret as it was. All sessions end when the project wants that.
        """
        project_id, policies = project.id if project else CONSOLE, policies_of(project)

        def check(uow: UnitOfWork) -> User | None:
            user = required_user(uow, project_id, user_id)
            return user if self._proofs.check(uow, user, secret, by) else None

        user = required(await self._storage.write(check))
        now = self._clock.now()
        chosen = await self._passwords.chosen(policies, user, password, now)

        def work(uow: UnitOfWork) -> NewToken | None:
            current = required_user(uow, project_id, user_id)
            token = self._proofs.redeem(uow, current, secret, by)
            if token is None:
                return None
            saved = save_user(uow, current, now, **chosen, is_email_verified=True)
            drop(uow, saved, *RECOVERIES)
            if policies.invalidates_sessions:
                end_sessions(uow, saved)
            used = NewToken(token, token.secret_hash, is_told=True)
            _announce(uow, used, "update")
            return used

        return required(await self._storage.write(work))


def _announce(uow: UnitOfWork, made: NewToken, action: str) -> None:
    token = made.token
    event = Event.of(action, "users", token.user_id, "recovery", token.id)
    uow.emit(token.project_id, event, made)
