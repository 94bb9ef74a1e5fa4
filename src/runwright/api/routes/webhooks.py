"""Webhooks of a project."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from runwright.api.lists import Listing, cursor_errors, listed
from runwright.api.params import Bool, Checked, CustomId, Id, ListOf, OrEmpty, Text
from runwright.api.queries import Attributes
from runwright.api.routing import USUAL_STATUS, Answer, Call, Route, empty
from runwright.api.shapes import webhooks as shapes
from runwright.model import address
from runwright.model.event import MAX_CHARS, is_pattern
from runwright.triggers.webhooks import ShownWebhook, Webhooks, WebhookSettings
from runwright.values import dataclass

# Some attributes have the names that older servers gave them, too.
FILTERS: Final = Attributes(
    "name url authUsername httpUser tls security events enabled logs attempts", arrays=("events",)
)


def _checked_event(text: str) -> str:
    if not is_pattern(text):
        raise ValueError(f"'{text}' is no event of the catalogue, such as users.*.create")
    return text


_Credential = Annotated[str, OrEmpty(Text(256))]
_Secret = Annotated[str | None, Text(256, least=8)]


@dataclass(frozen=True, kw_only=True)
class _Decided:
    name: Annotated[str, Text(128)]
    url: Annotated[str, Text(address.MAX_CHARS)]
    events: Annotated[tuple[str, ...], ListOf(Checked(Text(MAX_CHARS), _checked_event))]
    enabled: Annotated[bool, Bool()] = True
    tls: Annotated[bool, Bool()] = False
    auth_username: _Credential = ""
    auth_password: Annotated[str | None, OrEmpty(Text(256))] = None
    description: Annotated[str | None, Text(2048, least=0)] = None

    def settings(self, *, keeps_password: bool) -> WebhookSettings:
        """`keeps_password`: one that is not sent is left, else cleared."""
        password = self.auth_password
        return WebhookSettings(
            name=self.name,
            url=self.url,
            events=self.events,
            is_enabled=self.enabled,
            is_tls_verified=self.tls,
            auth_username=self.auth_username,
            auth_password=password if password or keeps_password else "",
            description=self.description,
        )


@dataclass(frozen=True, kw_only=True)
class _NewWebhook:
    webhook_id: Annotated[str, CustomId()]


@dataclass(frozen=True, kw_only=True)
class CreateWebhook(_Decided, _NewWebhook):
    secret: _Secret = None


@dataclass(frozen=True, kw_only=True)
class OneWebhook:
    webhook_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class UpdateWebhook(_Decided, OneWebhook):
    pass


@dataclass(frozen=True, kw_only=True)
class RenewSecret(OneWebhook):
    secret: _Secret = None


class WebhookHandlers:
    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    async def create(self, call: Call, params: CreateWebhook) -> Answer:
        made = await self._webhooks.create(
            call.project_id,
            params.webhook_id,
            params.settings(keeps_password=False),
            params.secret,
        )
        return _shown(call, made)

    async def list(self, call: Call, params: Listing) -> Answer:
        with cursor_errors("Webhook"):
            page = await self._webhooks.list(call.project_id, params.query(FILTERS))
        return listed(
            "webhookList",
            "webhooks",
            page,
            lambda item: shapes.webhook(item, with_password=_reads_password(call)),
        )

    async def get(self, call: Call, params: OneWebhook) -> Answer:
        return _shown(call, await self._webhooks.get(call.project_id, params.webhook_id))

    async def update(self, call: Call, params: UpdateWebhook) -> Answer:
        settings = params.settings(keeps_password=not _reads_password(call))
        changed = await self._webhooks.update(call.project_id, params.webhook_id, settings)
        return _shown(call, changed)

    async def renew_secret(self, call: Call, params: RenewSecret) -> Answer:
        changed = await self._webhooks.renew_secret(
            call.project_id, params.webhook_id, params.secret
        )
        return _shown(call, changed)

    async def delete(self, call: Call, params: OneWebhook) -> Answer:
        await self._webhooks.delete(call.project_id, params.webhook_id)
        return empty()


def _reads_password(call: Call) -> bool:
    """Clients of format 2 and above only write the password, and so cannot send it again with
    an update; older ones read it."""
    return call.response_format is None or call.response_format < (2, 0, 0)


def _shown(call: Call, webhook: ShownWebhook) -> Answer:
    return Answer(content=shapes.webhook(webhook, with_password=_reads_password(call)))


def webhook_routes(webhooks: Webhooks) -> list[Route]:
    of = WebhookHandlers(webhooks)
    all_of_them = ("/webhooks", "/projects/{projectId}/webhooks")
    one = tuple(f"{path}/{{webhookId}}" for path in all_of_them)
    secret = tuple(f"{path}/{word}" for word in ("secret", "signature") for path in one)
    return [
        _route("create", "POST", all_of_them, of.create, CreateWebhook),
        _route("list", "GET", all_of_them, of.list, Listing, "webhookList"),
        _route("get", "GET", one, of.get, OneWebhook),
        _route("update", "PUT", one, of.update, UpdateWebhook),
        _route("updateSecret", "PATCH", secret, of.renew_secret, RenewSecret),
        _route("delete", "DELETE", one, of.delete, OneWebhook, ""),
    ]


def _route(
    name: str,
    method: str,
    paths: tuple[str, ...],
    handler: Callable[[Call, Any], Awaitable[Answer]],
    params: type[Any],
    model: str = "webhook",
) -> Route:
    return Route(
        name=f"webhooks.{name}",
        method=method,
        paths=tuple(f"/v1{path}" for path in paths),
        scopes=("webhooks.read" if method == "GET" else "webhooks.write",),
        handler=handler,
        params=params,
        status=USUAL_STATUS[method],
        model=model,
        group="project",
    )
