"""The limits of routes about people: the whole table, and each of them at work."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import httpx
import pytest

from runwright.api.guessing import BURST, EVERY_S
from runwright.api.routing import Route
from tests.acceptance.routes import every_route
from tests.fakes.identity import PASSWORD, Person, Reply, World, open_world

pytestmark = pytest.mark.anyio

HOUR, MINUTE = 3600, 60


@dataclass(frozen=True)
class Row:
    calls: int
    window_s: int
    per: tuple[str, ...]  # what each counter is for
    resets_on: int = 0


IP, EMAIL, USER, CALLER = "ip", "param-email", "param-userId", "userId"
PER_ADDRESS: Final = (EMAIL, IP)

TABLE: Final[dict[str, Row]] = {
    "account.create": Row(10, HOUR, (IP,)),
    "account.createEmailPasswordSession": Row(10, HOUR, (EMAIL,), resets_on=201),
    "account.createAnonymousSession": Row(50, HOUR, (IP,)),
    "account.createSession": Row(10, HOUR, (f"{IP}+{USER}",), resets_on=201),
    "account.updateMagicURLSession": Row(10, HOUR, (f"{IP}+{USER}",), resets_on=201),
    "account.updatePhoneSession": Row(10, HOUR, (f"{IP}+{USER}",), resets_on=201),
    "account.updateSession": Row(10, HOUR, (IP,)),
    "account.deleteSession": Row(100, HOUR, (IP,)),
    "account.deleteSessions": Row(100, HOUR, (IP,)),
    "account.createJWT": Row(120, MINUTE, (CALLER,)),
    "account.updatePassword": Row(10, HOUR, (IP,)),
    "account.createRecovery": Row(10, HOUR, PER_ADDRESS),
    "account.createRecoveryOTP": Row(10, HOUR, PER_ADDRESS),
    "account.updateRecovery": Row(10, HOUR, (USER,)),
    "account.updateRecoveryOTP": Row(10, HOUR, (USER,)),
    "account.createEmailVerification": Row(10, HOUR, (CALLER,)),
    "account.createEmailVerificationOTP": Row(10, HOUR, (CALLER,)),
    "account.updateEmailVerification": Row(10, HOUR, (USER,)),
    "account.updateEmailVerificationOTP": Row(10, HOUR, (USER,)),
    "account.createPhoneVerification": Row(10, HOUR, (CALLER,)),
    "account.updatePhoneVerification": Row(10, HOUR, (USER,)),
    "account.createMagicURLToken": Row(60, HOUR, PER_ADDRESS),
    "account.createEmailToken": Row(10, HOUR, PER_ADDRESS),
    "account.createPhoneToken": Row(10, HOUR, ("param-phone", IP)),
    "account.createMFAChallenge": Row(10, HOUR, (CALLER,)),
    "account.updateMFAChallenge": Row(10, HOUR, (CALLER,), resets_on=200),
    "account.createPasskey": Row(60, HOUR, (CALLER,)),
    "account.updatePasskeyVerification": Row(60, HOUR, (CALLER,)),
    "account.createPasskeyToken": Row(60, HOUR, (IP,)),
    "account.updatePasskeyToken": Row(60, HOUR, (IP,)),
    "account.createOAuth2Session": Row(50, HOUR, (IP,)),
    "account.createOAuth2Token": Row(50, HOUR, (IP,)),
    "account.oAuth2Redirect": Row(50, HOUR, (IP,)),
    "account.createIdTokenSession": Row(50, HOUR, (IP,)),
    "teams.createMembership": Row(10, HOUR, (IP,)),
    "teams.updateMembershipStatus": Row(10, HOUR, (f"{IP}+param-membershipId",), resets_on=200),
    "organization.createMembership": Row(10, HOUR, (IP,)),
}
SERVICES: Final = ("account", "users", "teams", "project", "projects", "organization", "console")

ROUTES: Final = {route.name: route for route in every_route()}


def per(key: str) -> str:
    """What a counter is for: the placeholders of its key that tell callers apart."""
    found = set(re.findall(r"\{([\w-]+)\}", key)) - {"url", "projectId", "known"}
    return "+".join(sorted(found))


def row_of(route: Route) -> Row:
    limit = route.limit
    assert limit is not None
    assert not limit.for_everyone
    return Row(limit.calls, limit.window_s, tuple(map(per, limit.keys)), limit.resets_on)


def test_the_limits_are_those_of_the_table_and_no_other_route_has_one() -> None:
    limited = {
        name: row_of(route)
        for name, route in ROUTES.items()
        if route.limit is not None and name.split(".")[0] in SERVICES
    }
    assert limited == TABLE


def test_a_route_is_limited_by_all_its_paths_together_where_it_guards_a_secret() -> None:
    for name in ("account.createEmailPasswordSession", "account.updateRecovery"):
        limit = ROUTES[name].limit
        assert limit is not None
        assert all("{url}" not in key for key in limit.keys)


@pytest.fixture
async def limited(anyio_backend: str) -> AsyncIterator[World]:
    async with open_world(limits=True) as world:
        yield world


async def caller_of(world: World, route: Route) -> Person:
    """Somebody who may call the route. A JWT outlives the sessions that some routes end."""
    if {"sessions.write", "public"} & set(route.scopes):
        return world.guest
    await world.server.post("/users", {"userId": "ann", "email": "ann@example.com"})
    jwt = await world.server.post("/users/ann/jwts", {"sessionId": "none"})
    return world.guest.also(x_appwrite_jwt=jwt.body["jwt"])


def path_of(route: Route) -> str:
    return re.sub(r"\{\w+\}", "x", route.paths[0].removeprefix("/v1"))


# Browsers are sent away by these, and the console serves the last: no world of the tests does.
ELSEWHERE: Final = ("oauth2", "organization")
HERE: Final = [name for name in TABLE if not any(word in name.lower() for word in ELSEWHERE)]


@pytest.mark.parametrize("name", HERE)
async def test_the_call_after_the_last_one_is_refused_until_the_window_ends(
    limited: World, name: str
) -> None:
    route, row = ROUTES[name], TABLE[name]
    limited.clock.move(row.window_s - limited.clock.now().timestamp() % row.window_s)
    caller = await caller_of(limited, route)

    async def call() -> Reply:
        return await caller.call(route.method, path_of(route), {})

    for left in reversed(range(row.calls)):
        reply = await call()
        assert reply.type != "general_rate_limit_exceeded", left
        assert reply.headers["x-ratelimit-limit"] == str(row.calls)
        assert reply.headers["x-ratelimit-remaining"] == str(left)
    refused = await call()
    assert (refused.status, refused.type) == (429, "general_rate_limit_exceeded")
    wait_s = int(refused.headers["retry-after"])
    ends_at = limited.clock.now().timestamp() + wait_s
    assert int(refused.headers["x-ratelimit-reset"]) == ends_at
    assert 0 < wait_s <= row.window_s
    limited.clock.move(wait_s)
    caller = await caller_of(limited, route)
    reply = await call()
    assert reply.headers["x-ratelimit-remaining"] == str(row.calls - 1)


async def sign_in(
    world: World, email: str = "ann@example.com", password: str = "wrong horse", **headers: str
) -> Reply:
    params = {"email": email, "password": password}
    return await world.guest.post("/account/sessions/email", params, **headers)


@pytest.mark.parametrize(
    "spellings",
    [
        ["ann@example.com", "ANN@example.com", "ann+1@example.com", "Ann+news@EXAMPLE.com"],
        ["ann@gmail.com", "a.nn@gmail.com", "a.n.n+x@googlemail.com"],
    ],
)
async def test_spellings_of_one_address_share_their_tries(
    limited: World, spellings: list[str]
) -> None:
    for number in range(10):
        reply = await sign_in(limited, spellings[number % len(spellings)])
        assert reply.type == "user_invalid_credentials"
    for spelling in spellings:
        assert (await sign_in(limited, spelling)).status == 429
    assert (await sign_in(limited, "bob@example.com")).status == 401


async def test_a_right_password_gives_the_tries_back(limited: World) -> None:
    await limited.server.post(
        "/users", {"userId": "ann", "email": "ann@example.com", "password": PASSWORD}
    )
    for _ in range(2):
        for _ in range(9):
            assert (await sign_in(limited)).status == 401
        assert (await sign_in(limited, password=PASSWORD)).status == 201


def at(world: World, ip: str) -> httpx.AsyncClient:
    """The same server, called from another address."""
    transport = world.client._transport
    assert isinstance(transport, httpx.ASGITransport)
    elsewhere = httpx.ASGITransport(transport.app, client=(ip, 4242))
    return httpx.AsyncClient(transport=elsewhere, base_url="http://localhost")


async def test_one_password_on_many_accounts_slows_down_the_network_it_comes_from(
    limited: World,
) -> None:
    await limited.server.post(
        "/users", {"userId": "ann", "email": "ann@example.com", "password": PASSWORD}
    )
    for number in range(BURST):
        assert (await sign_in(limited, f"user-{number}@example.com")).status == 401
    refused = await sign_in(limited, "one-more@example.com")
    assert (refused.status, refused.type) == (429, "general_rate_limit_exceeded")
    assert int(refused.headers["retry-after"]) == EVERY_S
    assert (await sign_in(limited, password=PASSWORD)).status == 429, "neighbours wait, shortly"
    token = {"userId": "ann", "secret": "000000"}
    assert (await limited.guest.post("/account/sessions/token", token)).status == 429
    limited.clock.move(EVERY_S)
    assert (await sign_in(limited, password=PASSWORD)).status == 201
    async with at(limited, "198.51.100.7") as client:
        elsewhere = Person(client, limited.guest.headers)
        params = {"email": "one-more@example.com", "password": "wrong horse"}
        reply = await elsewhere.post("/account/sessions/email", params)
        assert reply.type == "user_invalid_credentials"


async def test_tries_from_elsewhere_do_not_lock_out_who_signed_in_before(limited: World) -> None:
    await limited.server.post(
        "/users", {"userId": "ann", "email": "ann@example.com", "password": PASSWORD}
    )
    assert (await sign_in(limited, password=PASSWORD)).status == 201
    for last in range(12):
        async with at(limited, f"198.51.100.{last}") as client:
            attacker = Person(client, limited.guest.headers)
            params = {"email": "ann@example.com", "password": "wrong horse"}
            reply = await attacker.post("/account/sessions/email", params)
            assert reply.status == (401 if last < 10 else 429), "one account, many networks"
    assert (await sign_in(limited, password=PASSWORD)).status == 201
    for _ in range(10):
        assert (await sign_in(limited)).status == 401
    assert (await sign_in(limited)).status == 429, "a known place has no more tries than others"


async def test_a_stolen_session_does_not_guess_the_password_without_end(limited: World) -> None:
    ann = await limited.user("ann")
    params = {"email": "new@example.com", "password": "wrong horse"}
    for _ in range(BURST):
        assert (await ann.patch("/account/email", params)).status == 401
    refused = await ann.patch("/account/email", params)
    assert (refused.status, refused.type) == (429, "general_rate_limit_exceeded")
    async with at(limited, "198.51.100.7") as client:
        elsewhere = Person(client, ann.headers)
        assert (await elsewhere.patch("/account/email", params)).status == 429


async def test_to_be_an_admin_of_some_project_gives_no_more_tries_at_ones_own_account(
    limited: World,
) -> None:
    admin = await limited.admin()
    for _ in range(10):
        await admin.put("/account/mfa/challenges", {"challengeId": "c", "otp": "000000"})
    refused = await admin.put("/account/mfa/challenges", {"challengeId": "c", "otp": "000000"})
    assert (refused.status, refused.type) == (429, "general_rate_limit_exceeded")
    params = {"email": "new@example.com", "password": "wrong horse"}
    tries = [(await admin.patch("/account/email", params)).status for _ in range(BURST)]
    assert tries.count(401) == BURST - 10, "the wrong answers count as well"
    assert tries[-1] == 429
    owner = await limited.owner()
    other_way = await owner.put("/account/mfa/challenges", {"challengeId": "c", "otp": "000000"})
    assert other_way.status == 429, "and it is the same account without a project"


async def test_keys_and_switched_off_limits_count_nothing(limited: World) -> None:
    params = {"email": "ann@example.com", "password": "wrong horse"}
    for _ in range(BURST + 1):
        reply = await limited.server.post("/account/sessions/email", params)
        assert reply.type == "user_invalid_credentials"
        assert reply.headers["x-ratelimit-remaining"] == "10", "told, not counted"
    async with open_world() as world:
        for _ in range(BURST + 1):
            reply = await sign_in(world)
            assert reply.type == "user_invalid_credentials"
            assert "x-ratelimit-limit" not in reply.headers
