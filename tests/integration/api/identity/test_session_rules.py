"""The promises about sessions, cookies and JWTs, one by one."""

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any, Final
from urllib.parse import unquote

import pytest

from tests.fakes.identity import PASSWORD, PROJECT_ID, START, Person, World

pytestmark = pytest.mark.anyio

YEAR: Final = timedelta(seconds=31_536_000)
MAIL: Final = {"email": "ann@example.com", "password": PASSWORD}


def read_value(value: str) -> Any:
    return json.loads(base64.b64decode(unquote(value), validate=True))


def moment(text: str) -> str:
    return text.removesuffix("+00:00")


def ends(after: timedelta) -> str:
    return f"{START + after:%Y-%m-%dT%H:%M:%S}.000"


def part(jwt: str, at: int) -> Any:
    text = jwt.split(".")[at]
    assert "=" not in text
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


async def test_a_secret_has_256_hex_characters_and_is_kept_as_its_digest(world: World) -> None:
    await world.user("ann")
    made = await world.guest.post("/account/sessions/email", MAIL)
    value = read_value(made.cookies[f"a_session_{PROJECT_ID}"])
    assert value == {"id": "ann", "secret": value["secret"]}
    assert len(value["secret"]) == 256
    assert set(value["secret"]) <= set("0123456789abcdef")
    assert (
        made.cookies[f"a_session_{PROJECT_ID}_legacy"] == (made.cookies[f"a_session_{PROJECT_ID}"])
    )
    stored = await world.bench.storage.read(lambda uow: uow.sessions.find(PROJECT_ID))
    digests = {session.secret_hash for session in stored}
    assert hashlib.sha256(value["secret"].encode()).hexdigest() in digests
    assert value["secret"] not in repr(stored)


async def test_a_session_lives_a_year_unless_the_project_says_otherwise(world: World) -> None:
    await world.user("ann")
    made = await world.guest.post("/account/sessions/email", MAIL)
    assert moment(made.body["expire"]) == ends(YEAR)
    admin = await world.admin()
    policy = "/project/policies/session-duration"
    for seconds, status in ((59, 400), (60, 200), (31_536_001, 400), (3600, 200)):
        assert (await admin.patch(policy, {"duration": seconds})).status == status
    short = await world.guest.post("/account/sessions/email", MAIL)
    assert moment(short.body["expire"]) == ends(timedelta(hours=1))
    owner = await world.owner()
    console = (await owner.get("/account/sessions/current")).body
    assert moment(console["expire"]) == ends(YEAR)


@pytest.mark.parametrize(
    ("way", "provider", "factors"),
    [
        ("email", "email", ["password"]),
        ("anonymous", "anonymous", ["anonymous"]),
        ("token", "token", ["token"]),
        ("server", "server", ["server"]),
    ],
)
async def test_a_session_says_how_it_was_opened(
    world: World, way: str, provider: str, factors: list[str]
) -> None:
    await world.user("ann")
    if way == "token":
        secret = (await world.server.post("/users/ann/tokens")).body["secret"]
        made = await world.guest.post(
            "/account/sessions/token", {"userId": "ann", "secret": secret}
        )
    elif way == "server":
        made = await world.server.post("/users/ann/sessions")
    else:
        made = await world.guest.post(f"/account/sessions/{way}", MAIL if way == "email" else {})
    assert made.status == 201
    assert (made.body["provider"], made.body["factors"]) == (provider, factors)
    assert bool(made.body["secret"]) is (way == "server")


async def test_the_oldest_sessions_go_when_there_are_too_many_but_not_for_a_server(
    world: World,
) -> None:
    await world.user("ann")
    first = (await world.server.get("/users/ann/sessions")).body["sessions"][0]["$id"]

    async def ids() -> list[str]:
        listed = (await world.server.get("/users/ann/sessions")).body["sessions"]
        return [item["$id"] for item in listed]

    for _ in range(9):
        world.clock.move(1)
        assert (await world.server.post("/users/ann/sessions")).status == 201
    assert first in await ids()
    for _ in range(3):
        await world.server.post("/users/ann/sessions")
    assert len(await ids()) == 13
    await world.guest.post("/account/sessions/email", MAIL)
    left = await ids()
    assert (len(left), first in left) == (10, False)


async def tell(person: Person, **headers: str) -> tuple[int, str, str]:
    answer = await person.get("/account", None, **headers)
    body = answer.body
    return answer.status, body.get("type", ""), body.get("message", body.get("$id", ""))


async def test_what_the_next_request_is_when_a_session_has_ended(world: World) -> None:
    guest = (
        401,
        "general_unauthorized_scope",
        'User (role: guests) missing scopes (["account"])',
    )
    ann, bob, eve = [await world.user(name) for name in ("ann", "bob", "eve")]
    assert await tell(ann) == (200, "", "ann")
    await world.server.delete("/users/ann/sessions")
    await world.server.delete("/users/bob")
    await world.server.patch("/users/eve/status", {"status": False})
    assert await tell(ann) == guest
    assert await tell(bob) == guest
    assert (await tell(eve))[:2] == (403, "user_blocked")
    wrong = await world.guest.post(
        "/account/sessions/email", {"email": "eve@example.com", "password": PASSWORD}
    )
    assert (wrong.status, wrong.type) == (403, "user_blocked")
    await world.server.patch("/users/eve/status", {"status": True})
    assert await tell(eve) == (200, "", "eve")  # blocking has ended nothing


@pytest.mark.parametrize("is_on", [True, False])
async def test_a_new_password_ends_sessions_where_the_project_wants_that(
    world: World, is_on: bool
) -> None:
    ann = await world.user("ann")
    other = await world.signed_in(world.guest, MAIL["email"], PASSWORD)
    policy = "/project/policies/session-invalidation"
    assert (await (await world.admin()).patch(policy, {"enabled": is_on})).status == 200
    jwt = (await other.post("/account/jwts")).body["jwt"]
    change = {"password": "another password", "oldPassword": PASSWORD}
    assert (await ann.patch("/account/password", change)).status == 200
    assert (await tell(ann))[0] == 200
    assert (await tell(other))[0] == (401 if is_on else 200)
    assert (await tell(world.guest, x_appwrite_jwt=jwt))[0] == (401 if is_on else 200)


async def test_a_jwt_holds_what_it_must_and_nothing_else(world: World) -> None:
    ann = await world.user("ann")
    session = (await ann.get("/account/sessions/current")).body["$id"]
    own = (await ann.post("/account/jwts")).body["jwt"]
    free = (await world.server.post("/users/ann/jwts", {"sessionId": "none"})).body["jwt"]
    for jwt, bound in ((own, session), (free, "")):
        assert part(jwt, 0) == {"typ": "JWT", "alg": "HS256"}
        # The project is signed as well: the same id elsewhere may be somebody else.
        assert part(jwt, 1) == {
            "userId": "ann",
            "sessionId": bound,
            "projectId": PROJECT_ID,
            "exp": int(START.timestamp()) + 900,
        }


@pytest.mark.parametrize("duration", [0, 1, 3600])
async def test_a_jwt_is_over_at_its_end_and_not_a_moment_later(world: World, duration: int) -> None:
    ann = await world.user("ann")
    made = await ann.post("/account/jwts", {"duration": duration})
    assert made.status == 201
    jwt = made.body["jwt"]
    if duration:
        world.clock.move(duration - 0.001)
        assert (await tell(world.guest, x_appwrite_jwt=jwt))[0] == 200
        world.clock.move(0.001)
    refused = await tell(world.guest, x_appwrite_jwt=jwt)
    assert refused == (
        401,
        "user_jwt_invalid",
        "Failed to verify JWT. Invalid token: Expired",
    )
    for bad in (-1, 3601):
        assert (await ann.post("/account/jwts", {"duration": bad})).status == 400


async def test_session_values_come_encoded_or_not_and_in_four_places(world: World) -> None:
    ann = await world.user("ann")
    name, _, encoded = ann.headers["cookie"].partition("=")
    value = unquote(encoded)
    assert encoded != value  # it ends with padding
    assert value.endswith("=")
    for headers in (
        {"cookie": f"{name}={encoded}"},
        {"cookie": f"{name}={value}"},
        {"cookie": f"other=1; {name}_legacy={encoded}"},
        {"x_appwrite_session": value},
        {"x_appwrite_session": encoded},
        {"x_fallback_cookies": json.dumps({name: value})},
        {"x_fallback_cookies": json.dumps({name: encoded, "a_session_console": "x"})},
    ):
        assert await tell(world.guest, **headers) == (200, "", "ann"), headers
    for headers in (
        {"cookie": f"{name.upper()}={encoded}"},
        {"cookie": f"a_session_console={encoded}"},
        {"x_fallback_cookies": json.dumps({"a_session_console": value})},
        {"x_fallback_cookies": json.dumps([value])},
        {"x_fallback_cookies": value},
    ):
        assert (await tell(world.guest, **headers))[0] == 401, headers


async def test_pages_of_another_site_are_handed_the_session_and_told_of_its_end(
    world: World,
) -> None:
    await world.user("ann")
    page = {"origin": "http://localhost:3000"}
    made = await world.guest.post("/account/sessions/email", MAIL, **page)
    kept = json.loads(made.headers["x-fallback-cookies"])
    assert list(kept) == [f"a_session_{PROJECT_ID}"]
    ann = world.guest.also(x_fallback_cookies=made.headers["x-fallback-cookies"])
    assert await tell(ann, **page) == (200, "", "ann")
    gone = await ann.delete("/account/sessions/current", **page)
    assert (gone.status, gone.headers["x-fallback-cookies"]) == (204, "[]")
    assert "X-Fallback-Cookies" in gone.headers["access-control-expose-headers"]
    assert (await tell(ann, **page))[0] == 401
