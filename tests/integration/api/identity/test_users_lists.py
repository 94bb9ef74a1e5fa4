"""Lists of users: every attribute that they may be filtered and ordered by."""

from typing import Final

import pytest

from tests.fakes.identity import PASSWORD, World, query

pytestmark = pytest.mark.anyio

PAST, FUTURE = "2020-01-01T00:00:00.000+00:00", "2040-01-01T00:00:00.000+00:00"

# What finds `ann` and not `bob`. Bob was made with an id alone, an hour after her.
FINDS_ANN: Final = {
    "name": query("equal", "name", "Ann"),
    "name, either of two": query("equal", "name", "Nobody", "Ann"),
    "name, part of it": query("contains", "name", "nn"),
    "email": query("equal", "email", "ann@example.com"),
    "email, its end": query("endsWith", "email", "@example.com"),
    "phone": query("startsWith", "phone", "+1415"),
    "status": query("equal", "status", False),
    "passwordUpdate": query("lessThan", "passwordUpdate", FUTURE),
    "passwordUpdate, not null": query("isNotNull", "passwordUpdate"),
    "registration": query("lessThan", "registration", "2026-08-21T14:00:00.000+00:00"),
    "emailVerification": query("equal", "emailVerification", True),
    "phoneVerification": query("equal", "phoneVerification", True),
    "labels": query("contains", "labels", "vip"),
    "impersonator": query("equal", "impersonator", True),
    "accessedAt": query("between", "accessedAt", PAST, FUTURE),
    "$id": query("notEqual", "$id", "bob"),
    "$createdAt": query("lessThan", "$createdAt", "2026-08-21T14:00:00.000+00:00"),
    "$updatedAt": query("lessThan", "$updatedAt", "2026-08-21T14:00:00.000+00:00"),
    "$sequence": query("lessThan", "$sequence", 3),
}
ORDERS: Final = [
    "name",
    "email",
    "phone",
    "status",
    "passwordUpdate",
    "registration",
    "emailVerification",
    "phoneVerification",
    "labels",
    "impersonator",
    "accessedAt",
    "$id",
    "$createdAt",
    "$updatedAt",
    "$sequence",
]


@pytest.fixture
async def filled(world: World) -> World:
    server = world.server
    email, phone = "ann@example.com", "+14155552671"
    await server.post(
        "/users",
        {"userId": "ann", "email": email, "phone": phone, "password": PASSWORD, "name": "Ann"},
    )
    await world.signed_in(world.guest, email, PASSWORD)
    await server.put("/users/ann/labels", {"labels": ["vip", "first"]})
    await server.patch("/users/ann/verification", {"emailVerification": True})
    await server.patch("/users/ann/verification/phone", {"phoneVerification": True})
    await server.patch("/users/ann/impersonator", {"impersonator": True})
    await server.patch("/users/ann/status", {"status": False})
    world.clock.move(3600)
    await server.post("/users", {"userId": "bob"})
    return world


async def ids(world: World, *queries: str, search: str = "") -> list[str]:
    reply = await world.server.get("/users", {"queries": list(queries), "search": search})
    assert reply.status == 200, reply.body
    found = [user["$id"] for user in reply.body["users"]]
    assert reply.body["total"] == len(found)
    return found


async def test_users_are_found_by_every_attribute(filled: World) -> None:
    wrong = {}
    for name, wanted in FINDS_ANN.items():
        if (found := await ids(filled, wanted)) != ["ann"]:
            wrong[name] = found
    assert wrong == {}


async def test_users_are_ordered_by_every_attribute(filled: World) -> None:
    for name in ORDERS:
        up = await ids(filled, query("orderAsc", name))
        down = await ids(filled, query("orderDesc", name))
        assert sorted(up) == ["ann", "bob"]
        assert down == up[::-1], name


@pytest.mark.parametrize(
    "words", ["ann", "Ann", "ann@example.com", "+14155552671", "label:vip", "label:first", "exam"]
)
async def test_the_search_looks_at_id_email_name_phone_and_labels(
    filled: World, words: str
) -> None:
    assert await ids(filled, search=words) == ["ann"]


async def test_the_search_follows_what_changes(filled: World) -> None:
    server = filled.server
    await server.patch("/users/bob/name", {"name": "Roberta"})
    assert await ids(filled, search="roberta") == ["bob"]
    await server.patch("/users/bob/phone", {"number": "+4930123456"})
    assert await ids(filled, search="4930123456") == ["bob"]
    await server.put("/users/ann/labels", {"labels": []})
    assert await ids(filled, search="label:vip") == []
    await server.patch("/users/ann/email", {"email": ""})
    assert await ids(filled, search="example") == []
