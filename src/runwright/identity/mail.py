"""The mail server of a project, as it is stored."""

from typing import Final

import msgspec

from runwright.model.identity import Project
from runwright.values import dataclass

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


def mail_of(project: Project) -> MailServer:
    return msgspec.convert(dict(project.mail), MailServer)
