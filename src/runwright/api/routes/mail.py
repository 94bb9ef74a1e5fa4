"""The mail server of a project."""

from typing import Annotated

from runwright.api.params import Bool, Email, ListOf, OneOf, OrEmpty, Range, Text
from runwright.api.routing import Answer, Call, Route, empty
from runwright.api.shapes import projects as shapes
from runwright.identity.mail import SECURE, MailChange
from runwright.letters.servers import MOST_TESTED, MailServers
from runwright.values import dataclass

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


@dataclass(frozen=True, kw_only=True)
class CreateSmtpTest:
    emails: Annotated[tuple[str, ...], ListOf(Email(), MOST_TESTED)]


class MailHandlers:
    def __init__(self, servers: MailServers) -> None:
        self._servers = servers

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
        return Answer(content=shapes.project(await self._servers.update(call.project_id, change)))

    async def test(self, call: Call, params: CreateSmtpTest) -> Answer:
        await self._servers.test(call.project_id, params.emails)
        return empty()


def mail_routes(servers: MailServers) -> list[Route]:
    of = MailHandlers(servers)
    return [
        Route(
            name="project.updateSMTP",
            method="PATCH",
            paths=("/v1/project/smtp", "/v1/projects/{projectId}/smtp"),
            scopes=("project.write",),
            handler=of.update,
            params=UpdateSmtp,
            model="project",
            group="project",
            service="project",
        ),
        Route(
            name="project.createSMTPTest",
            method="POST",
            paths=("/v1/project/smtp/tests", "/v1/projects/{projectId}/smtp/tests"),
            scopes=("project.write",),
            handler=of.test,
            params=CreateSmtpTest,
            status=204,
            group="project",
            service="project",
        ),
    ]
