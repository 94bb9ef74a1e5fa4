"""The mail server of a project."""

from dataclasses import dataclass
from typing import Annotated

from runwright.api.params import Bool, Email, OneOf, OrEmpty, Range, Text
from runwright.api.routing import Answer, Call, Route
from runwright.api.shapes import identity as shapes
from runwright.identity.mail import SECURE, MailChange, MailSettings

_Words = Annotated[str | None, Text(256, least=0)]
_Email = Annotated[str | None, OrEmpty(Email())]


@dataclass(frozen=True, kw_only=True)
class UpdateSmtp:
    host: _Words = None
    port: Annotated[int | None, Range(0, 65535)] = None
    username: _Words = None
    password: _Words = None
    sender_email: _Email = None
    sender_name: _Words = None
    reply_to_email: _Email = None
    reply_to_name: _Words = None
    secure: Annotated[str | None, OrEmpty(OneOf(SECURE))] = None
    enabled: Annotated[bool | None, Bool()] = None


class MailHandlers:
    def __init__(self, mail: MailSettings) -> None:
        self._mail = mail

    async def update(self, call: Call, params: UpdateSmtp) -> Answer:
        change = MailChange(
            is_enabled=params.enabled,
            sender_name=params.sender_name,
            sender_email=params.sender_email,
            reply_to_name=params.reply_to_name,
            reply_to_email=params.reply_to_email,
            host=params.host,
            port=params.port,
            username=params.username,
            secure=params.secure,
            password=params.password,
        )
        return Answer(content=shapes.project(await self._mail.update(call.project_id, change)))


def mail_routes(mail: MailSettings) -> list[Route]:
    return [
        Route(
            name="project.updateSMTP",
            method="PATCH",
            paths=("/v1/project/smtp", "/v1/projects/{projectId}/smtp"),
            scopes=("project.write",),
            handler=MailHandlers(mail).update,
            params=UpdateSmtp,
            model="project",
            group="project",
            service="project",
        )
    ]
