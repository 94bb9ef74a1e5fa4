"""Who is told what, and what a connection may take up."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import pytest
from anyio.lowlevel import checkpoint

from runwright.errors import Unauthorized
from runwright.identity.authentication import Credentials
from runwright.model.event import Event
from runwright.model.identity import CONSOLE, Principal
from runwright.model.outbox import Announcement
from runwright.realtime import hub as hubs
from runwright.realtime.admission import Visitor
from runwright.realtime.errors import BadMessage, TooMuch
from runwright.realtime.hub import Connection, Hub
from runwright.realtime.outgoing import Close, Outgoing
from tests.unit.realtime.callers import AT, PROJECT, guest, key, user

pytestmark = pytest.mark.anyio

RUN = {"$id": "e", "$permissions": ['read("user:ann")'], "logs": "x", "errors": "y", "n": 1}
READER = key("executions.read", "functions.read")


class Interested:
    def __init__(self) -> None:
        self.listeners: Counter[str] = Counter()

    def add_listener(self, project_id: str) -> None:
        self.listeners[project_id] += 1

    def drop_listener(self, project_id: str) -> None:
        self.listeners[project_id] -= 1


def announcement(event: str, payload: dict[str, Any]) -> Announcement:
    return Announcement(
        id="a",
        project_id=PROJECT,
        at=AT,
        event=Event.parse(event),
        body=json.dumps(payload).encode(),
    )


class House:
    """A hub, with connections that last as long as the test."""

    def __init__(self, stack: ExitStack, *, most: int = 100) -> None:
        self.interest = Interested()
        self.hub = Hub(self.interest, self._team_of, most_connections=most)
        self.stack = stack

    async def _team_of(self, project_id: str) -> str:
        return "org"

    def connect(self, principal: Principal, *channels: str, queries: Any = ()) -> Connection:
        visitor = Visitor(credentials=Credentials(project_id=principal.project_id))
        connection = Connection(visitor, principal.project_id, principal)
        self.stack.enter_context(self.hub.open(connection))
        if channels:
            self.hub.subscribe(connection, channels, queries, "sub")
        return connection

    async def tell(self, event: str, payload: dict[str, Any]) -> None:
        self.hub.hear(announcement(event, payload))
        for _ in range(10):  # the hub's tasks wait for nothing but their turn
            await checkpoint()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    with ExitStack() as stack:
        made = House(stack)
        made.hub.start()
        yield made
        await made.hub.stop()


async def frames(connection: Connection) -> list[dict[str, Any]]:
    """What the client has been sent."""
    found = []
    connection.outgoing.close(1000)
    while not isinstance(item := await connection.outgoing.next(), Close):
        found.append(json.loads(item)["data"])
    return found


async def test_an_event_reaches_those_who_listen_and_may_hear_it(house: House) -> None:
    ann = house.connect(user("ann"), "executions")
    bob = house.connect(user("bob"), "executions")
    deaf = house.connect(user("ann"), "teams")
    server = house.connect(READER, "functions.f")
    await house.tell("functions.f.executions.e.update", RUN)
    [heard] = await frames(ann)
    assert heard["events"][0] == "functions.f.executions.e.update"
    assert {"executions", "executions.e.update"} <= set(heard["channels"])
    assert heard["timestamp"] == "2026-10-05T08:00:00.000+00:00"
    assert heard["subscriptions"] == ["sub"]
    assert await frames(bob) == await frames(deaf) == []
    assert len(await frames(server)) == 1


async def test_what_a_run_printed_is_for_the_trusted(house: House) -> None:
    ann, server = house.connect(user("ann"), "executions"), house.connect(READER, "executions")
    await house.tell("functions.f.executions.e.update", RUN)
    assert (await frames(ann))[0]["payload"] == RUN | {"logs": "", "errors": ""}
    assert (await frames(server))[0]["payload"] == RUN


async def test_a_filter_sees_no_more_than_its_listener(house: House) -> None:
    wants = ['{"method":"equal","attribute":"logs","values":["x"]}']
    ann = house.connect(user("ann"), "executions", queries=wants)
    server = house.connect(READER, "executions", queries=wants)
    await house.tell("functions.f.executions.e.update", RUN)
    assert await frames(ann) == []
    assert len(await frames(server)) == 1


async def test_secrets_of_users_are_told_to_nobody(house: House) -> None:
    ann, server = house.connect(user("ann"), "account"), house.connect(key("users.read"), "account")
    await house.tell("users.ann.tokens.t.create", {"$id": "t", "secret": "s", "phrase": "p"})
    assert (await frames(ann))[0]["payload"] == {"$id": "t"}
    assert (await frames(server))[0]["payload"] == {"$id": "t"}


async def test_how_to_reach_a_member_is_not_told_to_the_team(house: House) -> None:
    member = {"$id": "m", "userId": "ann", "userEmail": "ann@example.com", "mfa": False}
    bob = house.connect(user("bob", ("t", "dev")), "memberships")
    server = house.connect(key("teams.read"), "memberships")
    await house.tell("teams.t.memberships.m.create", member)
    assert (await frames(bob))[0]["payload"] == member | {"userEmail": ""}
    assert (await frames(server))[0]["payload"] == member


async def test_one_frame_names_every_subscription_that_fits(house: House) -> None:
    server = house.connect(READER, "executions")
    house.hub.subscribe(server, ["functions.f"], (), "second")
    house.hub.subscribe(server, ["executions.other"], (), "third")
    narrow = '{"method":"equal","attribute":"n","values":[2]}'
    house.hub.subscribe(server, ["executions"], [narrow], "fourth")
    await house.tell("functions.f.executions.e.update", RUN)
    assert [item["subscriptions"] for item in await frames(server)] == [["sub", "second"]]


async def test_a_subscription_grows_under_its_id_and_ends(house: House) -> None:
    server = house.connect(READER, "executions")
    made = house.hub.subscribe(server, ["functions.f"], None, "sub")
    assert made.channels == ("executions", "functions.f")
    assert house.hub.unsubscribe(server, "sub")
    assert not house.hub.unsubscribe(server, "sub")
    await house.tell("functions.f.executions.e.update", RUN)
    assert await frames(server) == []


async def test_who_signs_in_hears_what_is_theirs_from_then_on(house: House) -> None:
    connection = house.connect(guest(), "account", "executions")
    await house.tell("users.ann.update.name", {"$id": "ann"})
    house.hub.rebind(connection, user("ann"))
    assert connection.channels == ("account", "account.ann", "executions")
    await house.tell("users.ann.update.email", {"$id": "ann"})
    house.hub.rebind(connection, guest())
    await house.tell("users.ann.update.status", {"$id": "ann"})
    assert [item["events"][0] for item in await frames(connection)] == ["users.ann.update"]


async def test_the_console_hears_of_the_projects_it_looks_after(house: House) -> None:
    admin = house.connect(
        user("admin", ("org", "owner"), project_id=CONSOLE), "console", "projects.shop"
    )
    other = house.connect(user("eve", ("evil", "owner"), project_id=CONSOLE), "projects.shop")
    await house.tell("functions.f.executions.e.update", RUN | {"$permissions": []})
    await house.tell("functions.f.deployments.d.update", {"$id": "d"})
    heard = await frames(admin)
    assert [item["payload"].get("logs") for item in heard] == ["x", None]
    assert await frames(other) == []


async def test_executions_are_wanted_while_somebody_can_hear_them(house: House) -> None:
    wants = house.interest.listeners
    with ExitStack() as stack:
        house.stack = stack
        connection = house.connect(READER, "account")
        assert not +wants
        house.hub.subscribe(connection, ["executions"])
        house.connect(user("admin", project_id=CONSOLE), "console", "projects.shop")
        assert wants == {PROJECT: 2}
    assert not +wants


async def test_who_loses_the_right_while_an_event_is_told_does_not_hear_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "AT_ONCE", 2)
    first, second = (house.connect(user("ann"), "account") for _ in range(2))
    told = house.hub._for_projects
    house.hub.hear(announcement("users.ann.update.name", {"$id": "ann"}))
    while not told.empty():
        await checkpoint()
    for connection in (first, second):  # the second one's turn has not come yet
        house.hub.rebind(connection, guest())
    await checkpoint()
    assert [len(await frames(connection)) for connection in (first, second)] == [1, 0]


async def test_a_full_house_takes_nobody_more() -> None:
    with ExitStack() as stack:
        house = House(stack, most=1)
        house.connect(guest())
        with pytest.raises(TooMuch):
            house.connect(guest())


async def test_a_connection_has_only_so_many_subscriptions(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "MOST_SUBSCRIPTIONS", 2)
    monkeypatch.setattr(hubs, "MOST_CHANNELS", 4)
    connection = house.connect(guest(), "a", "b")
    with pytest.raises(BadMessage):
        house.hub.subscribe(connection, ["c", "d", "e"])
    house.hub.subscribe(connection, ["c"])
    with pytest.raises(BadMessage):
        house.hub.subscribe(connection, ["d"])
    assert connection.channels == ("a", "b", "c")


async def test_events_that_come_too_fast_close_who_would_miss_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hubs, "WAITING_EVENTS", 1)
    with ExitStack() as stack:
        house = House(stack)  # not started, so nothing leaves its queue
        server = house.connect(READER, "executions")
        await house.tell("functions.f.executions.e.update", RUN)
        assert not server.outgoing.is_closing
        await house.tell("functions.f.executions.e.update", RUN)
        assert server.outgoing.is_closing


async def test_a_client_that_does_not_read_is_given_up() -> None:
    outgoing = Outgoing(most_frames=2, most_chars=10)
    outgoing.put("a frame longer than all that may wait")
    assert not outgoing.given_up.is_set()
    outgoing.put("next")
    assert outgoing.given_up.is_set()
    outgoing.put("more")
    outgoing.close(1000)
    assert isinstance(await outgoing.next(), Close)


async def test_what_was_put_is_sent_before_the_close() -> None:
    outgoing = Outgoing(most_frames=3)
    outgoing.put("one")
    outgoing.put("two")
    outgoing.put("zero", is_first=True)
    outgoing.close(1008, "why")
    outgoing.put("late")
    sent = [await outgoing.next() for _ in range(5)]
    assert sent == ["zero", "one", "two", Close(1008, "why"), Close(1008, "why")]


async def test_a_refusal_is_told_before_the_close(house: House) -> None:
    connection, other = house.connect(user("ann")), house.connect(user("ann"))
    connection.end(Unauthorized("not any more"))
    assert '"code":401' in str(await connection.outgoing.next())
    assert connection.outgoing.is_closing
    assert not other.outgoing.is_closing
