"""Users as servers and admins manage them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from runwright.clock import Clock
from runwright.errors import RunwrightError
from runwright.identity.errors import EmailExists, PhoneExists
from runwright.identity.hashes import Hash
from runwright.identity.passwords import CLEARED, Passwords
from runwright.identity.people import (
    EMAIL,
    SMS,
    Person,
    add_user,
    announce_user,
    end_sessions,
    is_identity_of_others,
    move_target,
    person,
    persons,
    remove_user,
    required_user,
    save_user,
)
from runwright.identity.policies import policies_of
from runwright.identity.proofs import FORMS, RECOVERIES, NewToken, Proofs, Purpose, drop
from runwright.identity.tokens import Tokens
from runwright.ids import resolve
from runwright.model.event import Event
from runwright.model.identity import Project, User
from runwright.model.query import ListQuery, Page
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork

RECENT: Final = "recent"


class Users:
    """Methods that name a user raise UserNotFound when there is none."""

    def __init__(
        self, storage: Storage, passwords: Passwords, tokens: Tokens, clock: Clock
    ) -> None:
        self._storage = storage
        self._passwords = passwords
        self._tokens = tokens
        self._proofs = Proofs(tokens, clock)
        self._clock = clock

    async def create(
        self,
        project: Project,
        *,
        user_id: str,
        email: str | None,
        phone: str | None,
        password: str | None,
        name: str,
    ) -> Person:
        """Raises UserExists, TargetExists, and what the project's password rules raise."""
        now = self._clock.now()
        user = User(
            id=resolve(user_id),
            project_id=project.id,
            created_at=now,
            updated_at=now,
            name=name,
            email=email,
            phone=phone,
            registration=now,
        )
        if password:
            chosen = await self._passwords.chosen(policies_of(project), user, password, now)
            user = replace(user, **chosen)
        return await self._storage.write(lambda uow: person(uow, add_user(uow, user)))

    async def bring(
        self, project: Project, *, user_id: str, email: str, password: Hash, name: str
    ) -> Person:
        """Make a user whose password another system hashed. The project's rules for passwords
        cannot judge a hash, so they do not. Raises BadCost, UserExists."""
        password.check_work()
        now = self._clock.now()
        user = User(
            id=resolve(user_id),
            project_id=project.id,
            created_at=now,
            updated_at=now,
            name=name,
            email=email,
            registration=now,
            password_updated_at=now,
            **password.fields(),
        )
        return await self._storage.write(lambda uow: person(uow, add_user(uow, user)))

    async def get(self, project_id: str, user_id: str) -> Person:
        return await self._storage.read(
            lambda uow: person(uow, required_user(uow, project_id, user_id))
        )

    async def list(self, project_id: str, query: ListQuery) -> Page[Person]:
        def work(uow: UnitOfWork) -> Page[Person]:
            page = uow.users.page(project_id, query)
            return Page(persons(uow, project_id, page.items), page.total)

        return await self._storage.read(work)

    async def delete(self, project_id: str, user_id: str) -> User:
        def work(uow: UnitOfWork) -> User:
            user = required_user(uow, project_id, user_id)
            remove_user(uow, user, self._clock.now())
            return user

        return await self._storage.write(work)

    async def rename(self, project_id: str, user_id: str, name: str) -> Person:
        return await self._change(project_id, user_id, "name", name=name)

    async def set_status(self, project_id: str, user_id: str, *, is_active: bool) -> Person:
        return await self._change(project_id, user_id, "status", is_active=is_active)

    async def set_labels(self, project_id: str, user_id: str, labels: tuple[str, ...]) -> Person:
        unique = tuple(dict.fromkeys(labels))
        return await self._change(project_id, user_id, "labels", labels=unique)

    async def set_impersonator(
        self, project_id: str, user_id: str, is_impersonator: bool
    ) -> Person:
        return await self._change(
            project_id, user_id, "impersonator", is_impersonator=is_impersonator
        )

    async def set_prefs(self, project_id: str, user_id: str, prefs: Mapping[str, Any]) -> Person:
        return await self._change(project_id, user_id, "prefs", prefs=prefs)

    async def set_email_verified(self, project_id: str, user_id: str, is_verified: bool) -> Person:
        return await self._change(
            project_id, user_id, "verification", is_email_verified=is_verified
        )

    async def set_phone_verified(self, project_id: str, user_id: str, is_verified: bool) -> Person:
        return await self._change(
            project_id, user_id, "verification", is_phone_verified=is_verified
        )

    async def _change(
        self, project_id: str, user_id: str, attribute: str, **changes: Any
    ) -> Person:
        def work(uow: UnitOfWork) -> Person:
            user = required_user(uow, project_id, user_id)
            saved = save_user(uow, user, self._clock.now(), **changes)
            return announce_user(uow, saved, f"update.{attribute}")

        return await self._storage.write(work)

    async def set_email(self, project_id: str, user_id: str, email: str) -> Person:
        """Empty clears it. Raises EmailExists, TargetExists."""
        return await self._move(
            project_id, user_id, EMAIL, email, EmailExists(), is_email_verified=False
        )

    async def set_phone(self, project_id: str, user_id: str, phone: str) -> Person:
        """Empty clears it. Raises PhoneExists, TargetExists."""
        return await self._move(
            project_id, user_id, SMS, phone, PhoneExists(), is_phone_verified=False
        )

    async def _move(
        self,
        project_id: str,
        user_id: str,
        kind: str,
        address: str,
        taken: RunwrightError,
        **changes: Any,
    ) -> Person:
        field = {EMAIL: "email", SMS: "phone"}[kind]

        def work(uow: UnitOfWork) -> Person:
            now = self._clock.now()
            user = required_user(uow, project_id, user_id)
            if kind == EMAIL and is_identity_of_others(uow, project_id, address, user_id):
                raise taken
            move_target(uow, user, kind, getattr(user, field), address or None, now)
            try:
                saved = save_user(uow, user, now, **{field: address or None}, **changes)
            except AlreadyStored as exc:
                raise taken from exc
            return announce_user(uow, saved, f"update.{field}")

        return await self._storage.write(work)

    async def set_password(self, project: Project, user_id: str, password: str) -> Person:
        """Empty clears it. Ends the user's sessions when the project wants that.

        Raises what the project's password rules raise.
        """
        policies = policies_of(project)
        user = (await self.get(project.id, user_id)).user
        now = self._clock.now()
        changes = CLEARED
        if password:
            changes = await self._passwords.chosen(policies, user, password, now)

        def work(uow: UnitOfWork) -> Person:
            saved = save_user(uow, required_user(uow, project.id, user_id), now, **changes)
            drop(uow, saved, *RECOVERIES)
            if policies.invalidates_sessions:
                end_sessions(uow, saved)
            return announce_user(uow, saved, "update.password")

        return await self._storage.write(work)

    async def create_token(
        self, project_id: str, user_id: str, *, hex_chars: int, lifetime_s: int
    ) -> NewToken:
        """A token that buys its holder a session of the user."""

        def work(uow: UnitOfWork) -> NewToken:
            user = required_user(uow, project_id, user_id)
            usual = FORMS[Purpose.SERVER]
            form = replace(usual, hex_chars=hex_chars, lifetime_s=lifetime_s)
            made = self._proofs.issue(uow, user, Purpose.SERVER, form=form)
            event = Event.of("create", "users", user_id, "tokens", made.token.id)
            uow.emit(project_id, event, made)
            return made

        return await self._storage.write(work)

    async def create_jwt(
        self, project_id: str, user_id: str, *, session_id: str, lifetime_s: int
    ) -> str:
        """A JWT bound to a session: `recent` is the newest one; an unknown id or "" binds it to
        none, so it lives until it expires."""

        def work(uow: UnitOfWork) -> str:
            required_user(uow, project_id, user_id)
            ids = [item.id for item in uow.sessions.find(project_id, user_id=user_id)]
            if session_id == RECENT:
                return ids[-1] if ids else ""
            return session_id if session_id in ids else ""

        bound = await self._storage.read(work)
        return self._tokens.user_jwt(user_id, bound, lifetime_s, project_id=project_id)
