"""The words of a project's letters."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final

from runwright.api.lists import Listing, cursor_errors, listed
from runwright.api.locales import TEMPLATE_LOCALES
from runwright.api.params import Email, OneOf, OrEmpty, Text
from runwright.api.queries import Attributes
from runwright.api.routing import Answer, Call, Route
from runwright.letters.templates import (
    DEFAULT_LOCALE,
    MAX_MESSAGE_CHARS,
    OCCASIONS,
    MailTemplates,
    TemplateChange,
)
from runwright.model.mail import MailTemplate
from runwright.ports.mailer import Occasion
from runwright.values import dataclass

FILTERS: Final = Attributes("")

_Email = Annotated[str | None, OrEmpty(Email())]
_Name = Annotated[str | None, Text(255, least=0)]


@dataclass(frozen=True, kw_only=True)
class OneTemplate:
    template_id: Annotated[Occasion, OneOf(OCCASIONS)]
    locale: Annotated[str, OrEmpty(OneOf(TEMPLATE_LOCALES, is_strict=False))] = ""

    @property
    def language(self) -> str:
        return self.locale or DEFAULT_LOCALE


@dataclass(frozen=True, kw_only=True)
class UpdateTemplate(OneTemplate):
    subject: Annotated[str | None, Text(255, least=0)] = None
    message: Annotated[str | None, Text(MAX_MESSAGE_CHARS, least=0)] = None
    sender_name: _Name = None
    sender_email: _Email = None
    reply_to_email: _Email = None
    reply_to_name: _Name = None


class TemplateHandlers:
    def __init__(self, templates: MailTemplates) -> None:
        self._templates = templates

    async def list(self, call: Call, params: Listing) -> Answer:
        with cursor_errors("Template"):
            page = await self._templates.list(call.project_id, params.query(FILTERS))
        return listed("emailTemplateList", "templates", page, _shape)

    async def get(self, call: Call, params: OneTemplate) -> Answer:
        found = await self._templates.get(call.project_id, params.template_id, params.language)
        return Answer(content=_shape(found))

    async def update(self, call: Call, params: UpdateTemplate) -> Answer:
        change = TemplateChange(
            subject=params.subject,
            message=params.message,
            sender_name=params.sender_name,
            sender_email=params.sender_email,
            reply_to_name=params.reply_to_name,
            reply_to_email=params.reply_to_email,
        )
        changed = await self._templates.update(
            call.project_id, params.template_id, params.language, change
        )
        return Answer(content=_shape(changed))

    async def reset(self, call: Call, params: OneTemplate) -> Answer:
        made = await self._templates.reset(call.project_id, params.template_id, params.language)
        return Answer(content=_shape(made))


def _shape(template: MailTemplate) -> Mapping[str, Any]:
    return {
        "templateId": template.occasion,
        "locale": template.locale,
        "message": template.message,
        "senderName": template.sender_name,
        "senderEmail": template.sender_email,
        "replyToEmail": template.reply_to_email,
        "replyToName": template.reply_to_name,
        "subject": template.subject,
    }


def mail_template_routes(templates: MailTemplates) -> list[Route]:
    of = TemplateHandlers(templates)
    one = ("/{templateId}", "/{templateId}/{locale}")
    kind = "emailTemplate"
    return [
        _route("listEmailTemplates", "GET", ("",), of.list, Listing, f"{kind}List"),
        _route("getEmailTemplate", "GET", one, of.get, OneTemplate, kind),
        _route("updateEmailTemplate", "PATCH", ("", *one), of.update, UpdateTemplate, kind),
        _route("deleteEmailTemplate", "DELETE", one, of.reset, OneTemplate, kind),
    ]


def _route(
    name: str,
    method: str,
    places: tuple[str, ...],
    handler: Callable[[Call, Any], Awaitable[Answer]],
    params: type[Any],
    model: str,
) -> Route:
    roots = ("/v1/project/templates/email", "/v1/projects/{projectId}/templates/email")
    return Route(
        name=f"project.{name}",
        method=method,
        paths=tuple(root + place for root in roots for place in places),
        scopes=("templates.read" if method == "GET" else "templates.write",),
        handler=handler,
        params=params,
        model=model,
        group="project",
        service="project",
    )
