"""A small installation: two projects, people of three kinds, and an application to call."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import httpx

from runwright.api.app import ApiOptions, build_app
from runwright.api.limits import Limiter
from runwright.api.routing import Answer, Call, Route
from runwright.identity.authentication import Authenticator
from runwright.identity.tokens import Tokens, encode_session, hash_secret
from runwright.model.identity import (
    CONSOLE,
    ApiKey,
    Membership,
    Platform,
    Project,
    Session,
    Team,
    User,
)
from runwright.ports.storage import UnitOfWork
from runwright.signals.local import LocalSignals
from runwright.storage.database import Database, open_memory
from tests.fakes.declared import as_declared

R = TypeVar("R")

START: Final = datetime(2026, 8, 21, 13, 42, 57, tzinfo=UTC)
SIGNING_KEY: Final = b"k" * 32
PROJECT: Final = "shop"
OTHER_PROJECT: Final = "bakery"
TEAM: Final = "org"
KEY: Final = "standard_" + "ab" * 128
SECRET: Final = "cd" * 128


class HandClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return (self.moment - START).total_seconds()

    def move(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        self.move(seconds)


class CountingStorage:
    """Counts how often the database is asked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.reads = 0
        self.writes = 0

    async def read(self, work: Callable[[UnitOfWork], R]) -> R:
        self.reads += 1
        return await self._database.read(work)

    async def write(self, work: Callable[[UnitOfWork], R]) -> R:
        self.writes += 1
        return await self._database.write(work)


def a_user(user_id: str, project_id: str = PROJECT, **changes: Any) -> User:
    user = User(
        id=user_id,
        project_id=project_id,
        created_at=START,
        updated_at=START,
        email=f"{user_id}@example.com",
    )
    return replace(user, **changes)


def a_session(
    user_id: str, project_id: str = PROJECT, *, secret: str = SECRET, **changes: Any
) -> Session:
    session = Session(
        id=f"session-{user_id}",
        project_id=project_id,
        created_at=START,
        updated_at=START,
        user_id=user_id,
        secret_hash=hash_secret(secret + user_id),
        expires_at=START + timedelta(days=1),
    )
    return replace(session, **changes)


def session_value(user_id: str, secret: str = SECRET) -> str:
    return encode_session(user_id, secret + user_id)


def a_membership(user_id: str, project_id: str, team_id: str, *roles: str) -> Membership:
    return Membership(
        id=f"member-{user_id}",
        project_id=project_id,
        created_at=START,
        updated_at=START,
        team_id=team_id,
        user_id=user_id,
        roles=roles,
        invited_at=START,
        joined_at=START,
        is_confirmed=True,
    )


def a_project(project_id: str, **changes: Any) -> Project:
    project = Project(
        id=project_id, created_at=START, updated_at=START, name=project_id, team_id=TEAM
    )
    return replace(project, **changes)


def a_key(*scopes: str, secret: str = KEY, **changes: Any) -> ApiKey:
    key = ApiKey(
        id="key",
        project_id=PROJECT,
        created_at=START,
        updated_at=START,
        name="key",
        scopes=scopes,
        secret_hash=hash_secret(secret),
        accessed_at=START,
    )
    return replace(key, **changes)


@dataclass
class Seen:
    """Calls that reached a handler, newest last."""

    calls: list[Call] = field(default_factory=list)
    params: list[Any] = field(default_factory=list)
    answer: Callable[[], Answer] = lambda: Answer(content={"ok": True})

    async def handler(self, call: Call, params: Any) -> Answer:
        self.calls.append(call)
        self.params.append(params)
        return self.answer()

    @property
    def last(self) -> Call:
        return self.calls[-1]


def a_route(seen: Seen, path: str = "/v1/things", **changes: Any) -> Route:
    route = Route(name="things.get", method="GET", paths=(path,), scopes=(), handler=seen.handler)
    return replace(route, **changes)


@dataclass
class World:
    database: Database
    storage: CountingStorage
    signals: LocalSignals
    clock: HandClock
    tokens: Tokens
    authenticator: Authenticator
    seen: Seen
    upload_dir: str

    async def put(self, *items: Any) -> None:
        """Store values of the model; replaces what has the same id."""

        def work(uow: UnitOfWork) -> None:
            for item in items:
                name, kind = _PLACES[type(item)]
                repository: Any = getattr(uow, name)
                if repository.get(item.project_id, item.id) is None:
                    repository.add(item)
                else:
                    repository.put(item)
                _touch(uow, kind, item)

        await self.database.write(work)

    async def remove(self, *items: Any) -> None:
        def work(uow: UnitOfWork) -> None:
            for item in items:
                name, kind = _PLACES[type(item)]
                getattr(uow, name).remove(item.project_id, item.id)
                _touch(uow, kind, item)

        await self.database.write(work)

    def app(self, *routes: Route, **options: Any) -> Any:
        limiter = options.pop("limiter", Limiter(self.clock))
        return build_app(
            routes or (a_route(self.seen),),
            self.authenticator,
            limiter,
            ApiOptions(upload_dir=self.upload_dir, **options),
        )

    def client(self, *routes: Route, **options: Any) -> httpx.AsyncClient:
        peer = options.pop("peer", ("203.0.113.9", 4242))
        app = self.app(*routes, **options)
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app, client=peer),
            base_url="http://localhost",
            event_hooks={"response": [as_declared(routes)]},
        )


_PLACES: Final[dict[type[Any], tuple[str, str]]] = {
    Project: ("projects", "project"),
    Platform: ("platforms", "project"),
    ApiKey: ("keys", "key"),
    User: ("users", "user"),
    Session: ("sessions", "user"),
    Membership: ("memberships", "user"),
    Team: ("teams", ""),
}


def _touch(uow: UnitOfWork, kind: str, item: Any) -> None:
    if kind == "user":
        uow.touch(kind, item.project_id, item.id if isinstance(item, User) else item.user_id)
    elif kind:
        uow.touch(kind, item.project_id, item.id)


@asynccontextmanager
async def a_world(upload_dir: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_memory())
        storage, signals, clock = CountingStorage(database), LocalSignals(), HandClock()
        database.listen(signals.announce)
        tokens = Tokens(SIGNING_KEY, clock)
        authenticator = Authenticator(storage, signals, tokens, clock)
        await stack.enter_async_context(authenticator)
        world = World(database, storage, signals, clock, tokens, authenticator, Seen(), upload_dir)
        await world.put(a_project(PROJECT), a_project(OTHER_PROJECT))
        yield world


def cookie(user_id: str, project_id: str = PROJECT) -> dict[str, str]:
    return {"cookie": f"a_session_{project_id}={session_value(user_id)}"}


def about(project_id: str = PROJECT, **headers: str) -> dict[str, str]:
    """Headers that name the project; underscores stand for hyphens."""
    return {
        "x-appwrite-project": project_id,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }


def as_admin(user_id: str, project_id: str = PROJECT) -> dict[str, str]:
    return {**about(project_id, x_appwrite_mode="admin"), **cookie(user_id, CONSOLE)}


def problem(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert body["code"] == response.status_code
    assert body["version"] == "1.9.6"
    assert list(body) == ["message", "code", "type", "version"]
    return response.status_code, body["type"]
