import httpx
import pytest

from runwright.api.cors import Origins
from runwright.model.identity import CONSOLE, Platform
from tests.unit.api.world import (
    OTHER_PROJECT,
    PROJECT,
    START,
    TEAM,
    World,
    a_membership,
    a_session,
    a_user,
    about,
    as_admin,
    problem,
)

pytestmark = pytest.mark.anyio


def _platform(kind: str, identifier: str) -> Platform:
    return Platform(
        id=f"{kind}-1",
        project_id=PROJECT,
        created_at=START,
        updated_at=START,
        name="client",
        type=kind,
        identifier=identifier,
    )


async def _owner_of(host: str) -> str | None:
    return {"fn.example.org": PROJECT, "other.example.org": OTHER_PROJECT}.get(host)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost", True),
        ("https://LOCALHOST:3000", True),
        ("http://127.0.0.1:5173", True),
        ("http://[::1]:5173", True),
        ("https://api.example.com", True),
        ("https://shop.example.com", True),
        ("http://shop.example.com:8080", True),
        ("https://shop.example.com.", True),
        ("https://www.shop.example.com", False),
        ("https://a.wild.example.com", True),
        ("https://a.b.wild.example.com", True),
        ("https://wild.example.com", False),
        ("https://evilwild.example.com", False),
        ("https://fn.example.org", True),
        ("https://other.example.org", False),
        ("https://evil.example", False),
        ("chrome-extension://shop.example.com", True),
        ("chrome-extension://abcdef", False),
        ("tauri://localhost", True),
        ("appwrite-ios://com.example.shop", True),
        ("appwrite-macos://anything", True),
        ("appwrite-android://com.example.shop", False),
        ("appwrite-callback-shop://", True),
        ("appwrite-callback-bakery://", False),
        ("exp://192.168.0.2", True),
        ("ftp://localhost", False),
        ("null", False),
        ("http://[bad", False),
        ("https://", False),
        ("", False),
    ],
)
async def test_which_origins_belong_to_a_project(origin: str, allowed: bool) -> None:
    origins = Origins(["localhost", "api.example.com"], _owner_of)
    platforms = [
        _platform("web", "shop.example.com"),
        _platform("web", "*.wild.example.com"),
        _platform("apple", "com.example.shop"),
    ]
    assert await origins.allows(origin, PROJECT, platforms) is allowed


async def test_a_star_allows_every_web_origin() -> None:
    origins = Origins([])
    assert await origins.allows("https://x.example", PROJECT, [_platform("web", "*")])
    assert not await origins.allows("appwrite-ios://x", PROJECT, [_platform("web", "*")])


async def test_domains_of_functions_are_no_origins_of_the_console() -> None:
    async def everything_is_the_consoles(host: str) -> str | None:
        return CONSOLE

    origins = Origins([], everything_is_the_consoles)
    assert not await origins.allows("https://fn.example.org", CONSOLE, ())


async def _get(world: World, origin: str, method: str = "GET") -> httpx.Response:
    async with world.client() as client:
        return await client.request(method, "/v1/things", headers=about(origin=origin))


async def test_an_allowed_origin_is_echoed_in_lower_case(world: World) -> None:
    await world.put(_platform("web", "shop.example.com"))
    response = await _get(world, "https://Shop.Example.com")
    assert response.headers["access-control-allow-origin"] == "https://shop.example.com"
    assert response.headers["access-control-allow-credentials"] == "true"
    assert "Origin" in response.headers["vary"]


async def test_a_platform_applies_and_goes_at_once(world: World) -> None:
    platform = _platform("web", "shop.example.com")
    assert (await _get(world, "https://shop.example.com")).status_code == 403
    await world.put(platform)
    assert (await _get(world, "https://shop.example.com")).status_code == 200
    await world.remove(platform)
    refused = await _get(world, "https://shop.example.com")
    assert problem(refused) == (403, "general_unknown_origin")
    assert refused.json()["message"] == (
        "Invalid Origin. Register your new client (shop.example.com) as a new Web platform "
        "on your project console dashboard"
    )
    assert "access-control-allow-origin" not in refused.headers
    assert "X-Appwrite-Project" in refused.headers["access-control-allow-headers"]


async def test_a_client_of_a_project_cannot_act_with_a_console_session(world: World) -> None:
    await world.put(
        _platform("web", "shop.example.com"),
        a_user("olivia", CONSOLE),
        a_session("olivia", CONSOLE),
        a_membership("olivia", CONSOLE, TEAM, "owner"),
    )
    async with world.client() as client:
        admin = as_admin("olivia")
        own = await client.get("/v1/things", headers=admin | {"origin": "http://localhost:5173"})
        client_page = {"origin": "https://shop.example.com"}
        foreign = await client.get("/v1/things", headers=admin | client_page)
        plain = await client.get("/v1/things", headers=about() | client_page)
    assert (own.status_code, plain.status_code) == (200, 200)
    assert problem(foreign) == (403, "general_unknown_origin")


async def test_browsers_may_read_errors(world: World) -> None:
    async with world.client() as client:
        headers = about(origin="http://localhost:3000", x_appwrite_jwt="x.y.z")
        response = await client.get("/v1/things", headers=headers)
    assert problem(response) == (401, "user_jwt_invalid")
    assert response.headers["access-control-allow-origin"] == "http://localhost:3000"


@pytest.mark.parametrize("path", ["/v1/things", "/v1/nothing", "/"])
async def test_a_preflight_is_answered_for_any_path_and_origin(world: World, path: str) -> None:
    async with world.client() as client:
        headers = about("nowhere", origin="https://anything.example")
        response = await client.options(path, headers=headers)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["access-control-allow-origin"] == "https://anything.example"
    assert response.headers["access-control-max-age"] == "86400"
    allowed = response.headers["access-control-allow-headers"].split(", ")
    assert {"X-Appwrite-Project", "X-Appwrite-JWT", "Content-Range"} <= set(allowed)
    assert response.headers["content-type"] == "text/html; charset=UTF-8"


PROMISED = """
    Accept Origin Cookie Set-Cookie Content-Type Content-Range X-Appwrite-Project X-Appwrite-Key
    X-Appwrite-Dev-Key X-Appwrite-Locale X-Appwrite-Mode X-Appwrite-JWT X-Appwrite-Organization
    X-Appwrite-Response-Format X-Appwrite-Timeout X-Appwrite-ID X-Appwrite-Timestamp
    X-Appwrite-Session X-Appwrite-Platform X-Appwrite-Impersonate-User-Id
    X-Appwrite-Impersonate-User-Email X-Appwrite-Impersonate-User-Phone X-SDK-Version X-SDK-Name
    X-SDK-Language X-SDK-Platform X-SDK-GraphQL X-SDK-Profile Range Cache-Control Expires Pragma
    X-Fallback-Cookies X-Requested-With X-Forwarded-For X-Forwarded-User-Agent
"""


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/v1/things", {}, 200),
        ("HEAD", "/v1/things", {}, 200),
        ("GET", "/v1/nothing", {}, 404),
        ("GET", "/v1/things", {"x-appwrite-project": "nowhere"}, 404),
        ("GET", "/v1/things", {"x-appwrite-jwt": "a.b.c"}, 401),
        ("GET", "/v1/things", {"x-appwrite-key": "standard_none"}, 401),
        ("OPTIONS", "/v1/things", {}, 204),
    ],
)
async def test_every_answer_says_what_browsers_may_send_and_read(
    world: World, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    origin = "http://Localhost:5173"
    async with world.client() as client:
        sent = about(origin=origin) | headers
        answer = await client.request(method, path, headers=sent)
    assert answer.status_code == status
    told = answer.headers
    assert told["access-control-allow-origin"] == origin.lower()
    assert told["access-control-allow-methods"] == "GET, POST, PUT, PATCH, DELETE"
    assert told["access-control-allow-credentials"] == "true"
    assert told["access-control-max-age"] == "86400"
    assert set(PROMISED.split()) <= set(told["access-control-allow-headers"].split(", "))
    readable = set(told["access-control-expose-headers"].split(", "))
    assert {"X-Appwrite-Session", "X-Fallback-Cookies"} <= readable
    assert told["x-content-type-options"] == "nosniff"
    assert "content-type" in told


async def test_a_page_without_leave_gets_the_same_but_for_its_own_name(world: World) -> None:
    answer = await _get(world, "https://evil.example")
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["access-control-allow-credentials"] == "true"
