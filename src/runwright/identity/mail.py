"""The mail server of a project, as its owner describes it. Mail is not sent yet.

The password is sealed and never shown. Nothing is called when settings are stored: whether the
server answers will be seen when there is something to send.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from runwright.clock import Clock
from runwright.errors import BadArgument
from runwright.identity.projects import required_project, touch_project
from runwright.model.identity import Project
from runwright.ports.storage import Storage, UnitOfWork
from runwright.sealing import Sealer

SECURE: Final = ("tls", "ssl")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """As stored in `Project.mail`; the password is beside it."""

    is_enabled: bool = False
    sender_name: str = ""
    sender_email: str = ""
    reply_to_name: str = ""
    reply_to_email: str = ""
    host: str = ""
    port: int = 0
    username: str = ""
    secure: str = ""  # one of SECURE, or "" for whatever the server offers


@dataclass(frozen=True, slots=True, kw_only=True)
class MailChange:
    """None leaves a field as it is, "" clears it."""

    is_enabled: bool | None = None
    sender_name: str | None = None
    sender_email: str | None = None
    reply_to_name: str | None = None
    reply_to_email: str | None = None
    host: str | None = None
    port: int | None = None
    username: str | None = None
    secure: str | None = None
    password: str | None = None


class MailSettings:
    def __init__(self, storage: Storage, clock: Clock, sealer: Sealer) -> None:
        self._storage = storage
        self._clock = clock
        self._sealer = sealer

    async def update(self, project_id: str, change: MailChange) -> Project:
        """Raises ProjectNotFound, BadArgument (enabled without what mail needs)."""

        def work(uow: UnitOfWork) -> Project:
            project = required_project(uow, project_id)
            server = _changed(mail_of(project), change)
            if server.is_enabled and not (server.host and server.port and server.sender_email):
                raise BadArgument(
                    "Mail can be enabled only with `host`, `port` and `senderEmail`. Send them "
                    "along, or send `enabled` as false."
                )
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

    def _sealed(self, project: Project, password: str | None) -> bytes:
        if password is None:
            return project.sealed_mail_password
        return self._sealer.seal(password.encode(), f"mail:{project.id}") if password else b""


def mail_of(project: Project) -> MailServer:
    return msgspec.convert(dict(project.mail), MailServer)


def _changed(server: MailServer, change: MailChange) -> MailServer:
    given: dict[str, Any] = {
        name: value
        for name in MailServer.__dataclass_fields__
        if (value := getattr(change, name)) is not None
    }
    return replace(server, **given)
