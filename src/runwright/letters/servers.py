"""The mail server of a project, as its owner sets it.

What is switched on is tried first: a connection, encryption, a sign-in. Hosts that the operator
has listed are taken at their word, as they may be there later, and in a network of their own.
The password is sealed and never shown.
"""

from dataclasses import replace
from typing import Any, Final

import msgspec

from runwright.clock import Clock
from runwright.errors import BadArgument
from runwright.identity.mail import MailChange, MailServer, mail_of
from runwright.identity.projects import required_project, touch_project
from runwright.letters.errors import SmtpConfigInvalid
from runwright.letters.ways import Ways
from runwright.model.identity import Project
from runwright.ports.carrier import Carrier, NotCarried, Relay
from runwright.ports.mailer import Letter, Mailer
from runwright.ports.storage import Storage, UnitOfWork
from runwright.sealing import Sealer

MOST_TESTED: Final = 10


class MailServers:
    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        *,
        sealer: Sealer,
        ways: Ways,
        carrier: Carrier,
        mailer: Mailer,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._sealer = sealer
        self._ways = ways
        self._carrier = carrier
        self._mailer = mailer

    async def update(self, project_id: str, change: MailChange) -> Project:
        """Raises ProjectNotFound, BadArgument (enabled without what mail needs),
        SmtpConfigInvalid."""
        project = await self._storage.read(lambda uow: required_project(uow, project_id))
        server = _checked(_changed(mail_of(project), change))
        if server.is_enabled:
            await self._try(self._ways.relay_of(project, server, change.password))

        def work(uow: UnitOfWork) -> Project:
            project = required_project(uow, project_id)
            server = _checked(_changed(mail_of(project), change))
            changed = replace(
                project,
                updated_at=self._clock.now(),
                mail=msgspec.to_builtins(server),
                sealed_mail_password=self._sealed(project, change.password),
            )
            uow.projects.put(changed)
            touch_project(uow, project_id)
            return changed

        return await self._storage.write(work)

    async def test(self, project_id: str, emails: tuple[str, ...]) -> None:
        """Send a letter to each address, by whatever way letters of the project go.

        Raises ProjectNotFound, SmtpDisabled, SmtpConfigInvalid, TooManyLetters.
        """
        project = await self._storage.read(lambda uow: required_project(uow, project_id))
        self._mailer.require(project, "email")
        way = self._ways.of(project, "email")
        if way is not None and way.is_own and way.relay is not None:
            await self._try(way.relay)

        def work(uow: UnitOfWork) -> None:
            for email in dict.fromkeys(emails):
                letter = Letter(occasion="smtpTest", kind="email", to=email)
                self._mailer.post(uow, project, letter)

        await self._storage.write(work)

    async def _try(self, relay: Relay) -> None:
        if relay.is_trusted:
            return
        try:
            await self._carrier.greet(relay)
        except NotCarried as exc:
            raise SmtpConfigInvalid(str(exc)) from exc

    def _sealed(self, project: Project, password: str | None) -> bytes:
        if password is None:
            return project.sealed_mail_password
        return self._sealer.seal(password.encode(), f"mail:{project.id}") if password else b""


def _changed(server: MailServer, change: MailChange) -> MailServer:
    given: dict[str, Any] = {
        name: value
        for name in MailServer.__dataclass_fields__
        if (value := getattr(change, name)) is not None
    }
    return replace(server, **given)


def _checked(server: MailServer) -> MailServer:
    if server.is_enabled and not (server.host and server.port and server.sender_email):
        raise BadArgument(
            "Mail can be enabled only with `host`, `port` and `senderEmail`. Send them "
            "along, or send `enabled` as false."
        )
    return server
