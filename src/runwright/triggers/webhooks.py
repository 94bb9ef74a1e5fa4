"""Webhooks of a project: addresses that are told of its events.

The signing secret is shown when it is made, and never again; it and the password are sealed at
rest. Deleting a webhook drops what still waits to be delivered to it.
"""

from dataclasses import replace
from functools import cache
from typing import Final

from publicsuffixlist import PublicSuffixList

from runwright import ids
from runwright.clock import Clock
from runwright.errors import Conflict, InvalidParam, NotFound
from runwright.functions.hostnames import is_hostname
from runwright.model.address import WebAddress
from runwright.model.job import JobKind
from runwright.model.query import ListQuery, Page
from runwright.model.webhook import Webhook
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork
from runwright.sealing import Sealer
from runwright.values import dataclass

SECRET_CHARS: Final = 128


class WebhookNotFound(NotFound):
    type, noun = "webhook_not_found", "Webhook"


class WebhookAlreadyExists(Conflict):
    type, noun = "webhook_already_exists", "Webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """What the owner decides, all of it at once."""

    name: str
    url: str
    events: tuple[str, ...]
    is_enabled: bool = True
    is_tls_verified: bool = False
    auth_username: str = ""
    auth_password: str | None = None  # None leaves the stored one
    description: str | None = None  # likewise


@dataclass(frozen=True, slots=True)
class ShownWebhook:
    """A webhook as its owner may see it."""

    webhook: Webhook
    auth_password: str
    secret: str = ""  # of the signature; only when it was just made


class WebhookSeal:
    """Seals the secrets of a webhook so that each opens only in its own place."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def sealed_secret(self, project_id: str, webhook_id: str, secret: str) -> bytes:
        return self._sealer.seal(secret.encode(), _context("secret", project_id, webhook_id))

    def sealed_password(self, project_id: str, webhook_id: str, password: str) -> bytes:
        if not password:
            return b""
        return self._sealer.seal(password.encode(), _context("password", project_id, webhook_id))

    def secret(self, webhook: Webhook) -> str:
        context = _context("secret", webhook.project_id, webhook.id)
        return self._sealer.open(webhook.sealed_secret, context).decode()

    def password(self, webhook: Webhook) -> str:
        if not webhook.sealed_auth_password:
            return ""
        context = _context("password", webhook.project_id, webhook.id)
        return self._sealer.open(webhook.sealed_auth_password, context).decode()


def _context(what: str, project_id: str, webhook_id: str) -> str:
    return f"webhook-{what}:{project_id}:{webhook_id}"


class Webhooks:
    """Methods that name a webhook raise WebhookNotFound when there is none."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        seal: WebhookSeal,
        *,
        allows_private: bool,
        hosts: tuple[str, ...] = (),
    ) -> None:
        """`allows_private`: any host may be named, not only those with a public domain and
        `hosts`. What is sent is checked again, by address, when it is sent."""
        self._storage = storage
        self._clock = clock
        self._seal = seal
        self._allows_private = allows_private
        self._hosts = frozenset(hosts)

    async def create(
        self, project_id: str, webhook_id: str, wanted: WebhookSettings, secret: str | None
    ) -> ShownWebhook:
        """`webhook_id` may be `unique()`; without a secret one is made.

        Raises InvalidParam (the url), WebhookAlreadyExists.
        """
        self._check(wanted.url)
        secret = secret or ids.new_secret(SECRET_CHARS)
        webhook_id, now = ids.resolve(webhook_id), self._clock.now()
        webhook = self._with(
            Webhook(
                id=webhook_id,
                project_id=project_id,
                created_at=now,
                updated_at=now,
                name=wanted.name,
                url=wanted.url,
                events=(),
                sealed_secret=self._seal.sealed_secret(project_id, webhook_id, secret),
            ),
            wanted,
        )

        def add(uow: UnitOfWork) -> None:
            uow.webhooks.add(webhook)
            _touch(uow, webhook)

        try:
            await self._storage.write(add)
        except AlreadyStored as exc:
            raise WebhookAlreadyExists from exc
        return self._shown(webhook, secret)

    async def list(self, project_id: str, query: ListQuery) -> Page[ShownWebhook]:
        """Raises CursorMissing, CursorOrderNull."""
        page = await self._storage.read(lambda uow: uow.webhooks.page(project_id, query))
        return Page(tuple(self._shown(item) for item in page.items), page.total)

    async def get(self, project_id: str, webhook_id: str) -> ShownWebhook:
        return self._shown(
            await self._storage.read(lambda uow: _required(uow, project_id, webhook_id))
        )

    async def update(
        self, project_id: str, webhook_id: str, wanted: WebhookSettings
    ) -> ShownWebhook:
        """Replace what the owner decides; enabled webhooks start to count failures anew.

        Raises InvalidParam (the url).
        """
        self._check(wanted.url)

        def change(uow: UnitOfWork) -> Webhook:
            stored = _required(uow, project_id, webhook_id)
            attempts = 0 if wanted.is_enabled else stored.attempts
            return _put(uow, replace(self._with(stored, wanted), attempts=attempts))

        return self._shown(await self._storage.write(change))

    async def renew_secret(
        self, project_id: str, webhook_id: str, secret: str | None
    ) -> ShownWebhook:
        """Sign with another secret from now on, deliveries that wait already included."""
        secret = secret or ids.new_secret(SECRET_CHARS)
        sealed = self._seal.sealed_secret(project_id, webhook_id, secret)

        def change(uow: UnitOfWork) -> Webhook:
            stored = _required(uow, project_id, webhook_id)
            return _put(uow, replace(stored, updated_at=self._clock.now(), sealed_secret=sealed))

        return self._shown(await self._storage.write(change), secret)

    async def delete(self, project_id: str, webhook_id: str) -> None:
        def remove(uow: UnitOfWork) -> None:
            webhook = _required(uow, project_id, webhook_id)
            uow.webhooks.remove(project_id, webhook_id)
            uow.jobs.remove_where(project_id, function_id=webhook_id, kind=JobKind.DELIVERY)
            _touch(uow, webhook)

        await self._storage.write(remove)

    def _check(self, url: str) -> None:
        try:
            host = WebAddress.parse(url).host
        except ValueError as exc:
            raise InvalidParam("url", str(exc)) from exc
        if not (self._allows_private or host in self._hosts or is_public_name(host)):
            raise InvalidParam(
                "url",
                "Value must be a URL on a public domain, such as https://hooks.example.com/in. "
                "IP addresses and names of private networks are refused by this server.",
            )

    def _with(self, webhook: Webhook, wanted: WebhookSettings) -> Webhook:
        return replace(
            webhook,
            updated_at=self._clock.now(),
            name=wanted.name,
            url=wanted.url,
            events=tuple(dict.fromkeys(wanted.events)),
            is_enabled=wanted.is_enabled,
            is_tls_verified=wanted.is_tls_verified,
            auth_username=wanted.auth_username,
            sealed_auth_password=webhook.sealed_auth_password
            if wanted.auth_password is None
            else self._seal.sealed_password(webhook.project_id, webhook.id, wanted.auth_password),
            description=webhook.description if wanted.description is None else wanted.description,
        )

    def _shown(self, webhook: Webhook, secret: str = "") -> ShownWebhook:
        return ShownWebhook(webhook, self._seal.password(webhook), secret)


def is_public_name(host: str) -> bool:
    """Whether `host` is a name below a public suffix: not an address, nor a reserved name."""
    return is_hostname(host) and _suffixes().privatesuffix(host) is not None


@cache
def _suffixes() -> PublicSuffixList:
    """Without the names below which hosting companies let others register: `a.github.io` is public.

    Reading the list takes a while, and few servers need it.
    """
    return PublicSuffixList(accept_unknown=False, only_icann=True)


def _required(uow: UnitOfWork, project_id: str, webhook_id: str) -> Webhook:
    webhook = uow.webhooks.get(project_id, webhook_id)
    if webhook is None:
        raise WebhookNotFound(webhook_id)
    return webhook


def _put(uow: UnitOfWork, webhook: Webhook) -> Webhook:
    uow.webhooks.put(webhook)
    _touch(uow, webhook)
    return webhook


def _touch(uow: UnitOfWork, webhook: Webhook) -> None:
    uow.touch("webhook", webhook.project_id, webhook.id)
