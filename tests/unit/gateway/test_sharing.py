"""Web pages that call a function's domain as a signed-in user."""

from dataclasses import replace

import pytest

from runwright.model.execution import ErrorClass, Headers, Invocation, Outcome
from runwright.model.identity import Platform
from runwright.ports.executor import ResponseSink
from tests.fakes.user_code import answering
from tests.unit.executions.bench import NOW, PROJECT, a_function, a_user
from tests.unit.gateway.door import Door, Pairs, Reply, a_door

pytestmark = pytest.mark.anyio

PAGE = "https://app.example.com"
SITE = Platform(
    id="p",
    project_id=PROJECT,
    created_at=NOW,
    updated_at=NOW,
    name="app",
    type="web",
    identifier="app.example.com",
)


async def furnish(door: Door, *execute: str) -> str:
    """A page's platform and a user; the user's JWT."""
    await door.bench.storage.write(lambda uow: uow.platforms.add(SITE))
    await door.bench.put(a_user(), a_function(execute=execute))
    return door.bench.tokens.user_jwt("ada", "", 60, project_id=PROJECT)


async def ask(door: Door, *, origin: str = PAGE, method: str = "PUT", headers: str) -> Reply:
    sent: Pairs = [
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", headers),
    ]
    return await door.call("OPTIONS", headers=sent)


@pytest.mark.parametrize("execute", [("users",), ("any",), ()])
@pytest.mark.parametrize("headers", ["x-appwrite-user-jwt", "content-type, X-Appwrite-User-JWT"])
async def test_a_page_may_send_the_jwt_of_a_user(execute: tuple[str, ...], headers: str) -> None:
    async with a_door() as door:
        await furnish(door, *execute)
        reply = await ask(door, headers=headers)
        assert (reply.status, reply.body, door.bench.code.calls) == (204, b"", [])
    assert reply["access-control-allow-origin"] == PAGE
    assert reply["access-control-allow-methods"] == "PUT"
    assert reply["access-control-allow-headers"] == headers
    assert reply["access-control-allow-credentials"] == ""
    assert reply["access-control-max-age"] == "600"
    assert "Origin" in reply["vary"]


@pytest.mark.parametrize(
    ("origin", "method", "headers"),
    [
        ("https://evil.example", "PUT", "x-appwrite-user-jwt"),
        ("null", "PUT", "x-appwrite-user-jwt"),
        (PAGE, "", "x-appwrite-user-jwt"),
        (PAGE, "PUT, GET", "x-appwrite-user-jwt"),
        (PAGE, "PUT", "x-mine"),
        (PAGE, "PUT", ""),
        (PAGE, "PUT", "x-appwrite-user-jwt, x bad"),
        (PAGE, "PUT", "x-appwrite-user-jwt," + "x" * 4096),
    ],
)
async def test_whatever_else_is_asked_is_for_the_function_to_answer(
    origin: str, method: str, headers: str
) -> None:
    async with a_door() as door:
        await furnish(door, "any")
        reply = await ask(door, origin=origin, method=method, headers=headers)
        assert (reply.status, reply.body) == (200, b"hello")
        assert door.bench.code.calls[0][1].method == "OPTIONS"
        assert reply["access-control-allow-origin"] == ""
        await door.bench.put(a_function(execute=("users",)))
        refused = await ask(door, origin=origin, method=method, headers=headers)
        assert refused.status == 401


async def test_a_page_that_is_no_platform_any_more_is_not_answered() -> None:
    async with a_door() as door:
        await furnish(door, "users")
        assert (await ask(door, headers="x-appwrite-user-jwt")).status == 204

        def drop(uow: object) -> None:
            uow.platforms.remove(PROJECT, SITE.id)  # type: ignore[attr-defined]
            uow.touch("project", PROJECT, PROJECT)  # type: ignore[attr-defined]

        await door.bench.storage.write(drop)
        assert (await ask(door, headers="x-appwrite-user-jwt")).status == 401


async def as_user(door: Door, jwt: str, origin: str = PAGE) -> Reply:
    return await door.call(headers=[("origin", origin), ("x-appwrite-user-jwt", jwt)])


async def test_a_page_may_read_what_its_user_was_answered() -> None:
    async with a_door() as door:
        jwt = await furnish(door, "users")
        reply = await as_user(door, jwt)
        assert (reply.status, reply.body) == (200, b"hello")
        assert reply["access-control-allow-origin"] == PAGE
        assert reply["access-control-expose-headers"] == "x-appwrite-execution-id"
        assert reply["access-control-allow-credentials"] == ""
        assert "Origin" in reply.all("vary")
        stranger = await as_user(door, jwt, "https://evil.example")
        assert (stranger.status, stranger["access-control-allow-origin"]) == (200, "")
        server = await door.call(headers=[("x-appwrite-user-jwt", jwt)])
        assert (server.status, server["access-control-allow-origin"]) == (200, "")


async def test_a_page_may_read_a_stream_of_its_user() -> None:
    async def stream(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        assert sink is not None
        sink.start(200, ())
        await sink.write(b"part")
        return Outcome(status_code=200)

    async with a_door() as door:
        jwt = await furnish(door, "users")
        door.bench.code.run_next = stream
        reply = await as_user(door, jwt)
    assert (reply.body, reply["access-control-allow-origin"]) == (b"part", PAGE)


async def test_what_the_function_says_of_its_readers_stays() -> None:
    own: Headers = (("Access-Control-Allow-Origin", "https://one.example"), ("vary", "Accept"))
    async with a_door() as door:
        jwt = await furnish(door, "users")
        door.bench.code.run_next = answering(Outcome(status_code=200, headers=own, body=b"x"))
        reply = await as_user(door, jwt)
    assert reply["access-control-allow-origin"] == "https://one.example"
    assert (reply["access-control-expose-headers"], reply.all("vary")) == ("", ["Accept"])


async def test_guests_of_a_page_get_what_the_function_says() -> None:
    async with a_door() as door:
        await furnish(door, "any")
        reply = await door.call(headers=[("origin", PAGE)])
    assert (reply.status, reply["access-control-allow-origin"]) == (200, "")


@pytest.mark.parametrize("kind", ["crash", "refusal"])
async def test_failures_are_read_too(kind: str) -> None:
    async with a_door() as door:
        jwt = await furnish(door, "users")
        crash = Outcome(status_code=500, error_class=ErrorClass.EXIT)
        door.bench.code.run_next = answering(crash)
        if kind == "refusal":
            await door.bench.put(replace(a_user(), is_active=False))
        reply = await as_user(door, jwt)
    assert reply.status == (500 if kind == "crash" else 403)
    assert reply["access-control-allow-origin"] == PAGE
