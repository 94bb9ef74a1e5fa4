"""What takes longer ends with the right to it: streamed answers and uploads."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

import pytest

from runwright.api.app import Api, ApiOptions
from runwright.api.limits import Limiter
from runwright.api.routing import Answer, Route
from runwright.model.identity import CONSOLE, Platform
from tests.unit.api.world import (
    KEY,
    OTHER_PROJECT,
    PROJECT,
    START,
    TEAM,
    World,
    a_key,
    a_membership,
    a_project,
    a_session,
    a_user,
    about,
    as_admin,
    cookie,
)
from tests.unit.executions.bench import until

pytestmark = pytest.mark.anyio

SOON: Final = START + timedelta(seconds=0.02)
PAGE: Final = "https://shop.example.com"
PLATFORM: Final = Platform(
    id="web",
    project_id=PROJECT,
    created_at=START,
    updated_at=START,
    name="page",
    type="web",
    identifier="shop.example.com",
)
BOUNDARY: Final = "xxx"
UPLOAD: Final = (
    f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="code"; filename="a"\r\n\r\nhalf'
).encode()


@dataclass
class Talk:
    """One request, whose body goes on and whose answer goes on until the test ends them."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    body: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    task: asyncio.Task[None] | None = None

    def open(self, api: Api, method: str, path: str, headers: dict[str, str]) -> None:
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "scheme": "http",
            "client": ("198.51.100.7", 1),
        }
        self.task = asyncio.create_task(api(scope, self.body.get, self._take))

    async def _take(self, message: Any) -> None:
        self.messages.append(message)

    async def over(self) -> None:
        assert self.task is not None
        async with asyncio.timeout(60):
            await self.task

    @property
    def is_over(self) -> bool:
        return self.task is not None and self.task.done()

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"]) if self.messages else 0

    @property
    def text(self) -> str:
        return b"".join(item.get("body", b"") for item in self.messages[1:]).decode()

    @property
    def is_whole(self) -> bool:
        return len(self.messages) > 1 and not self.messages[-1].get("more_body")

    @property
    def problem(self) -> tuple[int, str]:
        return self.status, json.loads(self.text)["type"]


@dataclass
class Place:
    """A route that answers a part and then waits, and one that takes files."""

    world: World
    api: Api
    may_end: asyncio.Event
    talk: Talk = field(default_factory=Talk)

    async def read(self, headers: dict[str, str]) -> Talk:
        """Somebody reads; returns when the first part has come."""
        self.talk.open(self.api, "GET", "/v1/stream", headers)
        await until(lambda: self.talk.is_over or self.talk.text == "part")
        assert (self.talk.status, self.talk.is_over) == (200, False), self.talk.text
        return self.talk

    async def send(self, headers: dict[str, str]) -> Talk:
        """Somebody uploads; returns when half of it has been taken."""
        kind = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
        self.talk.open(self.api, "POST", "/v1/files", headers | kind)
        self.talk.body.put_nowait({"type": "http.request", "body": UPLOAD, "more_body": True})
        await until(lambda: self.talk.is_over or len(self.world.authenticator.standing) == 1)
        assert not self.talk.is_over, self.talk.text
        return self.talk

    def send_rest(self) -> None:
        rest = f"\r\n--{BOUNDARY}--\r\n".encode()
        self.talk.body.put_nowait({"type": "http.request", "body": rest, "more_body": False})


@pytest.fixture
async def place(world: World) -> AsyncIterator[Place]:
    may_end = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        yield b"part"
        await may_end.wait()

    async def stream(call: Any, params: Any) -> Answer:
        return Answer(parts=parts())

    def route(name: str, method: str, handler: Any) -> Route:
        scopes = ("executions.write",)
        return Route(
            name=f"things.{name}",
            method=method,
            paths=(f"/v1/{name}",),
            scopes=scopes,
            service="functions",
            handler=handler,
        )

    routes = [route("stream", "GET", stream), route("files", "POST", world.seen.handler)]
    options = ApiOptions(upload_dir=world.upload_dir)
    api = Api(routes, world.authenticator, Limiter(world.clock, is_on=False), options)
    await world.put(
        a_user("ann", labels=("vip",)),
        a_session("ann"),
        a_membership("ann", PROJECT, "crew", "boss"),
        a_user("olivia", CONSOLE),
        a_session("olivia", CONSOLE),
        a_membership("olivia", CONSOLE, TEAM, "owner"),
        a_key("executions.write"),
        PLATFORM,
    )
    opened = Place(world, api, may_end)
    yield opened
    if opened.talk.task is not None:
        opened.talk.task.cancel()
        await asyncio.wait({opened.talk.task})
    assert len(world.authenticator.standing) == 0


def session(world: World) -> dict[str, str]:
    return about() | cookie("ann")


def fallback(world: World) -> dict[str, str]:
    kept = cookie("ann")["cookie"].partition("=")
    return about(x_fallback_cookies=json.dumps({kept[0]: kept[2]}))


def jwt(world: World) -> dict[str, str]:
    token = world.tokens.user_jwt("ann", "session-ann", 900, project_id=PROJECT)
    return about(x_appwrite_jwt=token)


def short_jwt(world: World) -> dict[str, str]:
    return about(x_appwrite_jwt=world.tokens.user_jwt("ann", "", 1, project_id=PROJECT))


def key(world: World) -> dict[str, str]:
    return about(x_appwrite_key=KEY)


def short_key(world: World) -> dict[str, str]:
    return about(x_appwrite_key=world.tokens.execution_key(PROJECT, ("executions.write",), 1))


def execution_key(world: World) -> dict[str, str]:
    return about(x_appwrite_key=world.tokens.execution_key(PROJECT, ("executions.write",), 900))


def admin(world: World) -> dict[str, str]:
    return as_admin("olivia")


def on_a_page(world: World) -> dict[str, str]:
    return session(world) | {"origin": PAGE}


async def later(world: World, *items: Any) -> None:
    """Store, then let the time of what was stored run out."""
    await world.put(*items)
    world.clock.move(2)


Caller = Callable[[World], dict[str, str]]
Change = Callable[[World], Awaitable[None]]
GUEST: Final = (401, "user_unauthorized")  # may do less than before
# What happens -> who was at it, what is done, how an upload is refused.
ENDS: Final[dict[str, tuple[Caller, Change, tuple[int, str]]]] = {
    "a key is deleted": (key, lambda w: w.remove(a_key()), (401, "user_unauthorized")),
    "a key is made to end": (
        key,
        lambda w: w.put(a_key("executions.write", expires_at=START)),
        (401, "project_key_expired"),
    ),
    "a key reaches its end": (
        key,
        lambda w: later(w, a_key("executions.write", expires_at=SOON)),
        (401, "project_key_expired"),
    ),
    "a key loses its scope": (
        key,
        lambda w: w.put(a_key("users.read")),
        (401, "general_unauthorized_scope"),
    ),
    "an ephemeral key reaches its end": (short_key, later, GUEST),
    "a session is deleted": (session, lambda w: w.remove(a_session("ann")), GUEST),
    "a session of a fallback cookie is deleted": (
        fallback,
        lambda w: w.remove(a_session("ann")),
        GUEST,
    ),
    "a session reaches its end": (
        session,
        lambda w: later(w, a_session("ann", expires_at=SOON)),
        GUEST,
    ),
    "the session of a JWT is deleted": (jwt, lambda w: w.remove(a_session("ann")), GUEST),
    "a JWT reaches its end": (short_jwt, later, (401, "user_jwt_invalid")),
    "a user is blocked": (
        session,
        lambda w: w.put(a_user("ann", is_active=False)),
        (403, "user_blocked"),
    ),
    "the user of a JWT is blocked": (
        jwt,
        lambda w: w.put(a_user("ann", is_active=False)),
        (403, "user_blocked"),
    ),
    "a user is deleted": (session, lambda w: w.remove(a_user("ann")), GUEST),
    "a user loses a label": (session, lambda w: w.put(a_user("ann")), GUEST),
    "a user leaves a team": (
        session,
        lambda w: w.remove(a_membership("ann", PROJECT, "crew")),
        GUEST,
    ),
    "a user loses a role in a team": (
        session,
        lambda w: w.put(a_membership("ann", PROJECT, "crew")),
        GUEST,
    ),
    "a user must set a password": (
        session,
        lambda w: w.put(a_user("ann", labels=("vip",), needs_reset=True)),
        (412, "user_password_reset_required"),
    ),
    "an admin leaves the organization": (
        admin,
        lambda w: w.remove(a_membership("olivia", CONSOLE, TEAM)),
        (401, "user_unauthorized"),
    ),
    "an admin signs out": (admin, lambda w: w.remove(a_session("olivia", CONSOLE)), GUEST),
    "an admin is blocked": (
        admin,
        lambda w: w.put(a_user("olivia", CONSOLE, is_active=False)),
        (403, "user_blocked"),
    ),
    "the project moves to another organization": (
        admin,
        lambda w: w.put(a_project(PROJECT, team_id="others")),
        (401, "user_unauthorized"),
    ),
    "the project is deleted under a key": (
        key,
        lambda w: w.remove(a_project(PROJECT)),
        (404, "project_not_found"),
    ),
    "the project is deleted under an execution key": (
        execution_key,
        lambda w: w.remove(a_project(PROJECT)),
        (404, "project_not_found"),
    ),
    "the project is deleted under a user": (
        session,
        lambda w: w.remove(a_project(PROJECT)),
        (404, "project_not_found"),
    ),
    "the service is switched off": (
        session,
        lambda w: w.put(a_project(PROJECT, disabled_services=("functions",))),
        (403, "general_service_disabled"),
    ),
    "the page is no platform any more": (
        on_a_page,
        lambda w: w.remove(PLATFORM),
        (403, "general_unknown_origin"),
    ),
}


@pytest.mark.parametrize("what", ENDS)
async def test_a_streamed_answer_is_cut(place: Place, what: str) -> None:
    caller, change, _ = ENDS[what]
    talk = await place.read(caller(place.world))
    await change(place.world)
    await talk.over()
    assert not talk.is_whole


@pytest.mark.parametrize("what", ENDS)
async def test_an_upload_is_refused_before_its_end(place: Place, what: str) -> None:
    caller, change, refusal = ENDS[what]
    talk = await place.send(caller(place.world))
    await change(place.world)
    await talk.over()
    assert talk.problem == refusal
    assert place.world.seen.calls == []


CALLERS: Final = (session, jwt, key, execution_key, admin)
HARMLESS: Final[dict[str, Change]] = {
    "a user gets another name and a label": lambda w: w.put(
        a_user("ann", name="Ann", labels=("vip", "more"))
    ),
    "a user joins a team": lambda w: w.put(
        replace(a_membership("ann", PROJECT, "club"), id="other")
    ),
    "another user is blocked": lambda w: w.put(a_user("bob", is_active=False)),
    "a key gets a scope and an end": lambda w: w.put(
        a_key("executions.write", "users.read", expires_at=START + timedelta(hours=1))
    ),
    "a session is extended": lambda w: w.put(
        a_session("ann", expires_at=START + timedelta(days=9))
    ),
    "another project is deleted": lambda w: w.remove(a_project(OTHER_PROJECT)),
    "the project gets another name": lambda w: w.put(a_project(PROJECT, name="Shop")),
}


@pytest.mark.parametrize("caller", CALLERS)
async def test_what_takes_nothing_away_ends_nothing(place: Place, caller: Caller) -> None:
    talk = await place.read(caller(place.world))
    for change in HARMLESS.values():
        await change(place.world)
        await until(lambda: place.world.authenticator.standing.is_settled)
        assert not talk.is_over
    place.may_end.set()
    await talk.over()
    assert talk.is_whole


async def test_an_upload_of_who_may_go_on_arrives_whole(place: Place) -> None:
    talk = await place.send(key(place.world))
    await place.world.put(a_key("executions.write", "users.read"))
    await until(lambda: place.world.authenticator.standing.is_settled)
    place.send_rest()
    await talk.over()
    assert talk.status == 200
    assert [upload.size for upload in place.world.seen.last.uploads.values()] == [4]
