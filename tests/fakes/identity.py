"""The identity services and the management API over storage in memory, and people to use them.

Clocks stand still until a test moves them; passwords are hashed at the least cost there is.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import httpx
from argon2 import PasswordHasher

from runwright.api.app import ApiOptions, build_app
from runwright.api.limits import Limiter
from runwright.api.redirects import Redirects
from runwright.api.routes.identity import identity_routes
from runwright.api.routes.mail import mail_routes
from runwright.api.routes.mail_templates import mail_template_routes
from runwright.api.routes.webhooks import webhook_routes
from runwright.api.routing import Route
from runwright.identity.authentication import Authenticator
from runwright.identity.console_guests import ConsoleGuests
from runwright.identity.factors import FactorSeal
from runwright.identity.first_start import FirstLogin, bootstrap
from runwright.identity.passwords import Passwords
from runwright.identity.services import Identity
from runwright.identity.tokens import Tokens
from runwright.letters.servers import MailServers
from runwright.letters.templates import MailTemplates
from runwright.letters.ways import Sender, Ways
from runwright.model.identity import Project
from runwright.ports.breaches import BreachList
from runwright.sealing import Sealer
from runwright.signals.local import LocalSignals
from runwright.storage.database import Database, open_memory
from runwright.triggers.webhooks import Webhooks, WebhookSeal
from tests.fakes.declared import as_declared
from tests.fakes.mailer import FakeCarrier, KeptLetters
from tests.fakes.oauth import FakePoster, oauth_parts, oauth_table
from tests.fakes.origins import clients_of

START = datetime(2026, 8, 21, 13, 42, 57, tzinfo=UTC)
KEY = b"k" * 32
PROJECT_ID = "default"
PASSWORD = "correct horse"


class HandClock:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - START).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.move(seconds)

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def cheap_passwords(breaches: BreachList | None = None) -> Passwords:
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return Passwords(hasher, breaches=breaches)


class KnownBreaches:
    """A list of breached passwords in memory; with `is_down` nobody can ask it."""

    def __init__(self, *passwords: str) -> None:
        self.passwords = set(passwords)
        self.is_down = False
        self.asked: list[str] = []

    async def holds(self, password: str) -> bool | None:
        self.asked.append(password)
        return None if self.is_down else password in self.passwords


@dataclass(kw_only=True)
class Bench:
    """An installation after its first start: a console account, a project, a key."""

    storage: Database
    clock: HandClock
    identity: Identity
    passwords: Passwords
    login: FirstLogin
    letters: KeptLetters
    carrier: FakeCarrier
    providers: FakePoster

    async def project(self) -> Project:
        return await self.identity.projects.get(PROJECT_ID)

    def mail_servers(self) -> MailServers:
        sealer = Sealer(KEY)
        ways = Ways(
            sender=Sender(email="no-reply@localhost"), hosts=frozenset({"maildev"}), sealer=sealer
        )
        return MailServers(
            self.storage,
            self.clock,
            sealer=sealer,
            ways=ways,
            carrier=self.carrier,
            mailer=self.letters,
        )

    def webhooks(self, *, allows_private: bool = False) -> Webhooks:
        seal = WebhookSeal(Sealer(KEY))
        return Webhooks(self.storage, self.clock, seal, allows_private=allows_private)


@asynccontextmanager
async def open_bench(
    *,
    console_signup: Literal["first", "open"] = "first",
    console_guests: ConsoleGuests | None = None,
    breaches: BreachList | None = None,
) -> AsyncIterator[Bench]:
    clock, passwords, letters = HandClock(), cheap_passwords(breaches), KeptLetters()
    async with open_memory() as storage:
        tokens, providers = Tokens(KEY, clock), FakePoster()
        identity = Identity.over(
            storage,
            passwords=passwords,
            tokens=tokens,
            clock=clock,
            factor_seal=FactorSeal(KEY),
            mailer=letters,
            oauth=oauth_parts(storage, clock, tokens, providers, letters),
            console_signup=console_signup,
            console_guests=console_guests,
        )
        login = FirstLogin(password=PASSWORD, api_key="standard_" + "f" * 256)
        await bootstrap(storage, passwords, clock, login)
        yield Bench(
            storage=storage,
            clock=clock,
            identity=identity,
            passwords=passwords,
            login=login,
            letters=letters,
            carrier=FakeCarrier(),
            providers=providers,
        )


@dataclass
class Reply:
    status: int
    body: Any
    headers: httpx.Headers

    @property
    def type(self) -> str:
        """The error's name, or "" when it is none."""
        return str(self.body.get("type", "")) if self.status >= 400 else ""

    @property
    def cookies(self) -> dict[str, str]:
        """Name -> value as it came over the wire."""
        pairs = [line.partition(";")[0] for line in self.headers.get_list("set-cookie")]
        return dict(pair.split("=", 1) for pair in pairs)


@dataclass
class Person:
    """Somebody with headers that say who they are."""

    client: httpx.AsyncClient
    headers: dict[str, str] = field(default_factory=dict)
    id: str = ""

    async def call(
        self, method: str, path: str, params: dict[str, Any] | None = None, **headers: str
    ) -> Reply:
        """`path` without /v1; parameters go where the method wants them. Header names are
        given with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        query = _query(params or {}) if method in ("GET", "HEAD") else None
        body = None if method in ("GET", "HEAD") else json.dumps(params or {})
        answer = await self.client.request(
            method,
            f"/v1{path}",
            params=httpx.QueryParams(query) if query else None,
            content=body,
            headers={"content-type": "application/json", **self.headers, **sent},
        )
        self.client.cookies.clear()  # each person brings their own
        is_json = answer.headers["content-type"].startswith("application/json")
        return Reply(answer.status_code, answer.json() if is_json else None, answer.headers)

    async def get(self, path: str, params: dict[str, Any] | None = None, **headers: str) -> Reply:
        return await self.call("GET", path, params, **headers)

    async def post(self, path: str, params: dict[str, Any] | None = None, **headers: str) -> Reply:
        return await self.call("POST", path, params, **headers)

    async def put(self, path: str, params: dict[str, Any] | None = None, **headers: str) -> Reply:
        return await self.call("PUT", path, params, **headers)

    async def patch(self, path: str, params: dict[str, Any] | None = None, **headers: str) -> Reply:
        return await self.call("PATCH", path, params, **headers)

    async def delete(self, path: str, **headers: str) -> Reply:
        return await self.call("DELETE", path, None, **headers)

    def also(self, **headers: str) -> "Person":
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return Person(self.client, self.headers | sent, self.id)


def _query(params: dict[str, Any]) -> list[tuple[str, str | int | float | bool | None]]:
    pairs: list[tuple[str, str | int | float | bool | None]] = []
    for name, value in params.items():
        if isinstance(value, list):
            pairs += [(f"{name}[{index}]", str(item)) for index, item in enumerate(value)]
        else:
            pairs.append((name, str(value).lower() if isinstance(value, bool) else str(value)))
    return pairs


def query(method: str, attribute: str = "", *values: object) -> str:
    parts: dict[str, object] = {"method": method}
    if attribute:
        parts["attribute"] = attribute
    if values:
        parts["values"] = list(values)
    return json.dumps(parts)


@dataclass
class World:
    """The API as its callers see it."""

    bench: Bench
    client: httpx.AsyncClient
    signals: LocalSignals
    authenticator: Authenticator

    @property
    def clock(self) -> HandClock:
        return self.bench.clock

    @property
    def guest(self) -> Person:
        return Person(self.client, {"x-appwrite-project": PROJECT_ID})

    @property
    def console_guest(self) -> Person:
        return Person(self.client, {"x-appwrite-project": "console"})

    @property
    def server(self) -> Person:
        """Holds the key with every scope."""
        return self.guest.also(x_appwrite_key=self.bench.login.api_key)

    async def owner(self) -> Person:
        """The console account, on the console."""
        return await self.signed_in(self.console_guest, self.bench.login.email, PASSWORD)

    async def admin(self) -> Person:
        """The console account, acting on the project."""
        owner = await self.owner()
        return owner.also(x_appwrite_project=PROJECT_ID, x_appwrite_mode="admin")

    async def user(self, name: str) -> Person:
        """A new user of the project, signed in."""
        email = f"{name}@example.com"
        await self.guest.post(
            "/account", {"userId": name, "email": email, "password": PASSWORD, "name": name}
        )
        return await self.signed_in(self.guest, email, PASSWORD)

    async def signed_in(self, guest: Person, email: str, password: str) -> Person:
        reply = await guest.post("/account/sessions/email", {"email": email, "password": password})
        assert reply.status == 201, reply.body
        name = f"a_session_{guest.headers['x-appwrite-project']}"
        person = guest.also(cookie=f"{name}={reply.cookies[name]}")
        person.id = reply.body["userId"]
        return person

    async def key(self, *scopes: str) -> Person:
        """A key of the project with these scopes."""
        admin = await self.admin()
        made = await admin.post(
            "/project/keys", {"keyId": "unique()", "name": "test", "scopes": list(scopes)}
        )
        assert made.status == 201, made.body
        return self.guest.also(x_appwrite_key=made.body["secret"])


@asynccontextmanager
async def open_world(
    *,
    console_signup: Literal["first", "open"] = "first",
    console_guests: ConsoleGuests | None = None,
    breaches: BreachList | None = None,
    limits: bool = False,
    allows_private: bool = False,
    more_routes: Sequence[Route] = (),
) -> AsyncIterator[World]:
    async with open_bench(
        console_signup=console_signup, console_guests=console_guests, breaches=breaches
    ) as bench:
        signals = LocalSignals()
        bench.storage.listen(signals.announce)
        authenticator = Authenticator(bench.storage, signals, bench.identity.tokens, bench.clock)
        redirects = Redirects(clients_of(authenticator))
        routes = [
            *identity_routes(bench.identity, redirects),
            *oauth_table(bench.storage, bench.clock, bench.identity, redirects),
            *webhook_routes(bench.webhooks(allows_private=allows_private)),
            *mail_routes(bench.mail_servers()),
            *mail_template_routes(MailTemplates(bench.storage, bench.clock)),
            *more_routes,
        ]
        app = build_app(
            routes,
            authenticator,
            Limiter(bench.clock, is_on=limits),
            ApiOptions(upload_dir="/nonexistent"),
        )
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport,
            base_url="http://localhost",
            event_hooks={"response": [as_declared(routes)]},
        ) as client:
            authenticator.standing.start()
            try:
                yield World(bench, client, signals, authenticator)
            finally:
                await authenticator.standing.stop()
