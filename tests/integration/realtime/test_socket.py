"""The conversation on one connection, without a network."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from runwright.executions.interest import Interest
from runwright.model.identity import CONSOLE
from runwright.realtime.hub import Hub
from runwright.realtime.socket import Realtime
from runwright.settings import Settings
from runwright.wiring.core import Core
from runwright.wiring.realtime import start_realtime
from tests.fakes.identity import PROJECT_ID, HandClock, Person, World, open_world, query

pytestmark = pytest.mark.anyio


class Client:
    """One connection, seen from the other end."""

    def __init__(self, app: Realtime, address: str, headers: dict[str, str]) -> None:
        self.closed: int | None = None
        self.status = 101
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        path, _, text = address.partition("?")
        scope = {
            "type": "websocket",
            "scheme": "ws",
            "path": path,
            "query_string": text.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
        }
        self._in.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(app(scope, self._in.get, self._send))

    async def _send(self, message: Any) -> None:
        if message["type"] == "websocket.send":
            self._out.put_nowait(json.loads(message["text"]))
        elif message["type"] == "websocket.close":
            self._out.put_nowait({"type": "close", "data": message["code"]})
        elif message["type"] == "websocket.http.response.start":
            self.status = message["status"]

    async def hear(self) -> tuple[str, Any]:
        with anyio.fail_after(60):
            message = await self._out.get()
        return message["type"], message.get("data")

    async def say(self, kind: str, data: Any = None) -> tuple[str, Any]:
        """The answer to a message."""
        return await self.raw(json.dumps({"type": kind, "data": data}))

    async def raw(self, text: str) -> tuple[str, Any]:
        self._in.put_nowait({"type": "websocket.receive", "text": text})
        return await self.hear()

    async def leave(self) -> None:
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1000})
        with anyio.fail_after(60):
            await self.task


class Paced:
    """The world's clock; who sleeps by it wakes when the test says so."""

    def __init__(self, clock: HandClock) -> None:
        self.now, self.monotonic = clock.now, clock.monotonic
        self.tick = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        await self.tick.wait()
        self.tick.clear()


class Place:
    """A world whose connections are open to clients."""

    def __init__(self, world: World, app: Realtime, hub: Hub, clock: Paced) -> None:
        self.world = world
        self.clock = clock
        self.hub = hub
        self.app = app
        self._clients: list[Client] = []

    def connect(self, who: Person | None = None, *asked: str, **headers: str) -> Client:
        """`asked` are parts of the address beside the project."""
        sent = {"host": "localhost", **(who.headers if who else {}), **headers}
        project = sent.get("x-appwrite-project", PROJECT_ID)
        address = "&".join((f"/v1/realtime?project={project}", *asked))
        client = Client(self.app, address, sent)
        self._clients.append(client)
        return client

    async def leave(self) -> None:
        for client in self._clients:
            await client.leave()

    async def until(self, role: str, *, is_held: bool = True) -> None:
        """Return when the only connection has the role, or has lost it."""
        [connection] = self.hub.connections()
        with anyio.fail_after(60):
            while (role in connection.principal.roles) is not is_held:
                await anyio.sleep(0.001)


@asynccontextmanager
async def open_place(*, limits: str = "off") -> AsyncIterator[Place]:
    async def nobody(domain: str) -> str | None:
        return None

    async with open_world() as world, AsyncExitStack() as stack:
        clock = Paced(world.clock)
        core = SimpleNamespace(
            storage=world.bench.storage,
            signals=world.signals,
            clock=clock,
            authenticator=world.authenticator,
        )
        interest = Interest(world.bench.storage, world.signals)
        stack.push_async_callback(interest.stop)
        settings = Settings(rate_limits=cast(Any, limits))
        listening = await start_realtime(settings, cast(Core, core), interest, nobody, stack)
        place = Place(world, listening.sockets, listening.hub, clock)
        yield place
        await place.leave()


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with open_place() as opened:
        yield opened


async def test_a_guest_is_greeted_and_subscribes_by_message(place: Place) -> None:
    client = place.connect()
    greeting: dict[str, Any] = {"channels": [], "subscriptions": [], "user": None}
    assert await client.hear() == ("connected", greeting)
    kind, told = await client.say("subscribe", [{"channels": ["files"], "subscriptionId": "s"}])
    made = {"subscriptionId": "s", "channels": ["files"], "queries": []}
    assert kind == "response"
    assert told == {"to": "subscribe", "success": True, "subscriptions": [made]}
    wanted = [{"subscriptionId": "s"}, {"subscriptionId": "gone"}]
    _, told = await client.say("unsubscribe", wanted)
    assert [item["removed"] for item in told["subscriptions"]] == [True, False]
    assert await client.say("ping") == ("pong", None)


async def test_a_user_is_greeted_by_name_and_gets_its_own_account(place: Place) -> None:
    ann = await place.world.user("ann")
    kind, told = await place.connect(ann, "channels[]=account", "channels[]=teams").hear()
    assert kind == "connected"
    assert told["channels"] == ["account", "account.ann", "teams"]
    assert len(told["subscriptions"]) == 1
    assert told["user"]["$id"] == "ann"
    assert "password" not in told["user"]


async def test_a_token_may_come_in_the_address(place: Place) -> None:
    ann = await place.world.user("ann")
    jwt = (await ann.post("/account/jwts")).body["jwt"]
    kind, told = await place.connect(None, f"jwt={jwt}").hear()
    assert (kind, told["user"]["$id"]) == ("connected", "ann")


async def test_a_key_hears_what_its_scopes_let_it_read(place: Place) -> None:
    key = await place.world.key("executions.read")
    kind, told = await place.connect(key, "channels[]=executions").hear()
    assert (kind, told["user"]) == ("connected", None)
    [connection] = place.hub.connections()
    assert connection.principal.is_trusted


async def test_a_console_account_connects_to_a_project_as_its_admin(place: Place) -> None:
    admin = await place.world.admin()
    await place.connect(admin, "mode=admin", "channels[]=account.ann").hear()
    [connection] = place.hub.connections(PROJECT_ID)
    assert "executions.read" in connection.principal.scopes
    assert connection.channels == ("account.ann",)


@pytest.mark.parametrize(
    ("asked", "headers", "code"),
    [
        ((), {"x-appwrite-project": "nowhere"}, 1008),
        (("jwt=nonsense",), {}, 401),
        ((), {"x-appwrite-project": PROJECT_ID, "x-appwrite-key": "standard_" + "0" * 256}, 401),
        ((), {"origin": "https://evil.example.com"}, 1008),
        ((), {"x-appwrite-project": CONSOLE, "origin": "https://evil.example.com"}, 1008),
        (("mode=admin",), {"origin": "https://evil.example.com"}, 1008),
        (("channels[]=a", "a[0][]=%7B%22method%22:%22near%22%7D"), {}, 1008),
    ],
)
async def test_who_may_not_connect_is_told_why_and_closed(
    place: Place, asked: tuple[str, ...], headers: dict[str, str], code: int
) -> None:
    client = place.connect(None, *asked, **headers)
    kind, told = await client.hear()
    assert (kind, told["code"]) == ("error", code)
    assert told["message"]
    assert await client.hear() == ("close", 1008)
    assert place.hub.connections() == []


async def test_a_page_of_the_api_itself_may_connect(place: Place) -> None:
    assert (await place.connect(None, origin="http://localhost:3000").hear())[0] == "connected"


async def test_there_is_no_other_socket(place: Place) -> None:
    client = place.connect()
    other = Client(place.app, "/v1/other", {"host": "localhost"})
    await other.task
    assert other.status == 404
    assert (await client.hear())[0] == "connected"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Message format is not valid."),
        ("[]", "Message format is not valid."),
        ('{"type":7}', "Message format is not valid."),
        ('{"type":"presence","data":{}}', "Message type is not valid."),
        ('{"type":"authentication","data":{}}', "Payload is not valid. Session is required"),
        ('{"type":"authentication","data":{"session":"x"}}', "Session is not valid."),
        ('{"type":"subscribe"}', "Payload is not valid. A list of subscriptions is required"),
        ('{"type":"subscribe","data":[{}]}', "Payload is not valid. Channels are required"),
        (
            '{"type":"unsubscribe","data":[{}]}',
            "Payload is not valid. SubscriptionId is required",
        ),
    ],
)
async def test_a_message_that_cannot_be_followed_is_answered(
    place: Place, text: str, message: str
) -> None:
    client = place.connect()
    await client.hear()
    assert await client.raw(text) == ("error", {"code": 1003, "message": message})
    assert await client.say("ping") == ("pong", None)


async def test_a_bad_query_leaves_nothing_of_its_message(place: Place) -> None:
    client = place.connect()
    await client.hear()
    wanted = [{"channels": ["a"]}, {"channels": ["b"], "queries": [query("near", "x", 1)]}]
    kind, told = await client.say("subscribe", wanted)
    assert (kind, told["code"]) == ("error", 1003)
    [connection] = place.hub.connections()
    assert connection.subscriptions == {}


async def test_a_guest_signs_in_on_the_open_connection(place: Place) -> None:
    ann = await place.world.user("ann")
    client = place.connect(None, "channels[]=account")
    await client.hear()
    session = ann.headers["cookie"].partition("=")[2]
    kind, told = await client.say("authentication", {"session": session})
    assert (kind, told["to"], told["success"]) == ("response", "authentication", True)
    assert told["user"]["$id"] == "ann"
    await place.until("user:ann")
    assert place.hub.connections()[0].channels == ("account", "account.ann")


async def test_a_new_membership_is_a_new_role_at_once(place: Place) -> None:
    ann = await place.world.user("ann")
    await place.connect(ann).hear()
    await place.world.server.post("/teams", {"teamId": "crew", "name": "Crew"})
    made = await place.world.server.post(
        "/teams/crew/memberships", {"roles": ["dev"], "userId": "ann"}
    )
    await place.until("team:crew/dev")
    await place.world.server.delete(f"/teams/crew/memberships/{made.body['$id']}")
    await place.until("team:crew", is_held=False)


async def test_the_end_of_a_session_makes_a_guest(place: Place) -> None:
    ann = await place.world.user("ann")
    client = place.connect(ann, "channels[]=account")
    await client.hear()
    await ann.delete("/account/sessions/current")
    await place.until("user:ann", is_held=False)
    assert place.hub.connections()[0].channels == ("account",)
    assert await client.say("ping") == ("pong", None)


async def test_a_blocked_user_is_told_so_and_closed(place: Place) -> None:
    ann = await place.world.user("ann")
    client = place.connect(ann)
    await client.hear()
    await place.world.server.patch("/users/ann/status", {"status": False})
    kind, told = await client.hear()
    assert (kind, told["code"]) == ("error", 403)
    assert await client.hear() == ("close", 1008)
    assert (await place.connect(ann).hear())[1]["code"] == 403


async def test_a_deleted_key_is_closed(place: Place) -> None:
    key = await place.world.key("executions.read")
    client = place.connect(key)
    await client.hear()
    admin = await place.world.admin()
    keys = (await admin.get("/project/keys")).body["keys"]
    made = next(item for item in keys if item["scopes"] == ["executions.read"])
    await admin.delete(f"/project/keys/{made['$id']}")
    assert (await client.hear())[1]["code"] == 401
    assert await client.hear() == ("close", 1008)


async def test_a_project_may_switch_realtime_off(place: Place) -> None:
    client = place.connect()
    await client.hear()
    admin = await place.world.admin()
    done = await admin.patch("/project/protocols/websocket", {"enabled": False})
    assert done.status == 200
    assert (await client.hear())[1]["code"] == 403
    assert (await place.connect().hear())[1]["code"] == 403
    assert (await place.connect(place.world.server).hear())[0] == "connected"


async def test_a_token_that_ends_closes_its_connection(place: Place) -> None:
    ann = await place.world.user("ann")
    jwt = (await ann.post("/account/jwts")).body["jwt"]
    client = place.connect(None, f"jwt={jwt}")
    await client.hear()
    place.world.clock.move(3600)
    await place.world.server.patch("/users/ann/name", {"name": "Ann"})  # looked at again
    assert (await client.hear())[1]["code"] == 401
    assert await client.hear() == ("close", 1008)


async def test_too_many_connections_in_a_minute_are_refused() -> None:
    async with open_place(limits="on") as place:
        for _ in range(128):
            assert (await place.connect().hear())[0] == "connected"
        client = place.connect()
        assert await client.hear() == ("error", {"code": 1013, "message": "Too many requests"})
        assert await client.hear() == ("close", 1013)
        place.world.clock.move(60)
        assert (await place.connect().hear())[0] == "connected"


async def test_too_many_messages_in_a_minute_are_not_followed() -> None:
    async with open_place(limits="on") as place:
        client = place.connect()
        await client.hear()
        for _ in range(32):
            assert await client.say("ping") == ("pong", None)
        too_many = ("error", {"code": 1013, "message": "Too many messages."})
        assert await client.say("ping") == too_many
        place.world.clock.move(60)
        assert await client.say("ping") == ("pong", None)


async def test_the_console_counts_connections_and_tests_its_own(place: Place) -> None:
    owner = await place.world.owner()
    await place.connect().hear()
    admin = place.connect(owner, "channels[]=project", "channels[]=tests")
    stranger = place.connect(place.world.console_guest, "channels[]=project")
    for client in (admin, stranger):
        assert (await client.hear())[0] == "connected"
    place.clock.tick.set()
    heard = [(await admin.hear())[1] for _ in range(2)]
    assert [item["events"] for item in heard] == [["test.event"], ["stats.connections"]]
    assert heard[0]["payload"] == {"response": "WS:/v1/realtime:passed"}
    assert heard[1]["payload"] == {PROJECT_ID: 1}
    assert await stranger.say("ping") == ("pong", None)
