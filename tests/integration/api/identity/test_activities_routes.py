"""The log of an account: written with each change, bounded, and read by few."""

import threading
from collections.abc import AsyncIterator

import pytest
from ua_parser import Result

from runwright.identity.activities import ActivityLog
from runwright.model.activity import KEPT, activity_name
from runwright.model.event import Event
from runwright.user_agents import parse_user_agent
from tests.fakes.identity import World, open_world, query

pytestmark = pytest.mark.anyio

CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/128.0.0.0 Safari/537.36"
)


@pytest.fixture
async def world(anyio_backend: str) -> AsyncIterator[World]:
    async with open_world() as opened:
        opened.bench.storage.emit_by(ActivityLog(opened.clock).note)
        yield opened


async def test_people_read_what_they_did_newest_first(world: World) -> None:
    ann = (await world.user("ann")).also(user_agent=CHROME)
    await ann.patch("/account/name", {"name": "Anna"})
    found = (await ann.get("/account/logs")).body
    assert [log["event"] for log in found["logs"]] == [
        "user.update",
        "session.create",
        "user.create",
    ]
    newest = found["logs"][0]
    assert (newest["userId"], newest["userName"]) == ("ann", "Anna")
    assert (newest["userType"], newest["mode"]) == ("user", "default")
    assert (newest["clientName"], newest["osName"]) == ("Chrome", "Linux")
    assert newest["ip"] == "127.0.0.1"
    queries = [query("limit", "", 1), query("offset", "", 1)]
    page = (await ann.get("/account/logs", {"queries": queries})).body
    assert (page["total"], [log["event"] for log in page["logs"]]) == (3, ["session.create"])


async def test_the_log_says_who_did_it(world: World) -> None:
    await world.user("ann")
    await world.server.patch("/users/ann/name", {"name": "A"})
    await (await world.admin()).patch("/users/ann/name", {"name": "B"})
    logs = (await world.server.get("/users/ann/logs")).body["logs"]
    assert [(log["userType"], log["mode"]) for log in logs[:2]] == [
        ("admin", "admin"),
        ("keyProject", "default"),
    ]


async def test_a_log_is_for_its_owner_and_for_servers(world: World) -> None:
    ann, bob = await world.user("ann"), await world.user("bob")
    for log in (await bob.get("/account/logs")).body["logs"]:
        assert log["userId"] == "bob"
    for person in (bob, world.guest, await world.key("users.write")):
        assert (await person.get("/users/ann/logs")).type == "general_unauthorized_scope"
    assert (await world.server.get("/users/nobody/logs")).type == "user_not_found"
    owner = await world.owner()
    assert (await owner.get("/account/logs")).body["logs"][0]["event"] == "session.create"
    admin = await world.admin()
    assert (await admin.get("/account/logs")).body["logs"][0]["userId"] == owner.id
    assert (await ann.get("/account/logs")).body["total"] == 2


async def test_headers_are_never_parsed_on_the_event_loop(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them takes what a thousand calls take."""
    threads: dict[str, int] = {}

    def slowly(text: str) -> Result:
        threads[text] = threading.get_ident()
        return Result(None, None, None, text)

    monkeypatch.setattr("ua_parser.parse", slowly)
    ann = await world.user("ann")
    guest = world.guest.also(user_agent="signs in")
    await world.signed_in(guest, "ann@example.com", "correct horse")
    assert (await world.server.post("/users/ann/sessions", user_agent="opens")).status == 201
    device = {"targetId": "phone", "identifier": "token-1"}
    assert (await ann.post("/account/targets/push", device, user_agent="registers")).status == 201
    assert (await ann.patch("/account/name", {"name": "A"}, user_agent="changes")).status == 200
    assert set(threads) >= {"signs in", "opens", "registers"}
    parse_user_agent.cache_clear()  # as after a restart
    for path in ("/account/sessions", "/account/sessions/current", "/account/logs"):
        assert (await ann.get(path)).status == 200
        parse_user_agent.cache_clear()
    assert (await world.server.get("/users/ann/sessions")).status == 200
    assert "changes" in threads
    assert threading.get_ident() not in threads.values()
    parse_user_agent.cache_clear()  # these were not the rules' answers


async def test_a_refused_change_leaves_no_entry(world: World) -> None:
    ann = await world.user("ann")
    refused = await ann.patch("/account/email", {"email": "b@example.com", "password": "x" * 8})
    assert refused.status == 401
    assert (await ann.get("/account/logs")).body["total"] == 2


async def test_a_log_is_bounded_and_goes_with_its_user(world: World) -> None:
    await world.server.post("/users", {"userId": "ann"})
    for at in range(KEPT + 5):
        await world.server.patch("/users/ann/name", {"name": str(at)})
    rows = await world.bench.storage.read(lambda uow: uow.activities.find(user_id="ann"))
    assert len(rows) == KEPT
    assert {row.name for row in rows} == {"user.update"}
    await world.server.delete("/users/ann")
    assert await world.bench.storage.read(lambda uow: uow.activities.find(user_id="ann")) == []


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (Event.of("create", "users", "u"), "user.create"),
        (Event.of("update.email", "users", "u"), "user.update"),
        (Event.of("create", "users", "u", "sessions", "s"), "session.create"),
        (Event.of("update", "users", "u", "verification", "t"), "verification.update"),
        (Event.of("sessions.delete", "users", "u"), "sessions.delete"),
    ],
)
def test_names_of_entries(event: Event, name: str) -> None:
    assert activity_name(event) == name
