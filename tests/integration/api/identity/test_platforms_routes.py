"""Platforms: the origins that a project accepts."""

import pytest

from tests.fakes.identity import PROJECT_ID, World, query

pytestmark = pytest.mark.anyio

NATIVE = [
    ("android", "applicationId", "com.example.app"),
    ("apple", "bundleIdentifier", "com.example.App"),
    ("windows", "packageIdentifierName", "Example.App"),
    ("linux", "packageName", "example-app"),
]


async def test_a_web_platform_opens_the_door_for_its_origin_at_once(world: World) -> None:
    page = world.guest.also(origin="https://shop.example.com")
    closed = await page.post("/account/sessions/anonymous")
    assert (closed.status, closed.type) == (403, "general_unknown_origin")
    made = await world.server.post(
        "/project/platforms/web",
        {"platformId": "shop", "name": "Shop", "hostname": "Shop.example.com"},
    )
    assert (made.status, made.body["hostname"]) == (201, "shop.example.com")
    opened = await page.post("/account/sessions/anonymous")
    assert opened.status == 201
    assert opened.headers["access-control-allow-origin"] == "https://shop.example.com"
    await world.server.delete("/project/platforms/shop")
    assert (await page.post("/account/sessions/anonymous")).type == "general_unknown_origin"


@pytest.mark.parametrize(("kind", "field", "value"), NATIVE)
async def test_native_platforms_live(world: World, kind: str, field: str, value: str) -> None:
    path = f"/project/platforms/{kind}"
    made = await world.server.post(path, {"platformId": "p", "name": "App", field: value})
    assert (made.status, made.body["type"], made.body[field]) == (201, kind, value)
    changed = await world.server.put(f"{path}/p", {"name": "New", field: f"{value}2"})
    assert (changed.body["name"], changed.body[field]) == ("New", f"{value}2")
    assert (await world.server.get("/project/platforms/p")).body == changed.body
    queries = [query("equal", field, f"{value}2")]
    listed = await world.server.get("/project/platforms", {"queries": queries})
    assert listed.body["total"] == 1
    wrong = await world.server.put("/project/platforms/web/p", {"name": "x", "hostname": "x.com"})
    assert (wrong.status, wrong.type) == (400, "platform_method_unsupported")


async def test_android_keeps_its_fingerprints(world: World) -> None:
    made = await world.server.post(
        "/project/platforms/android",
        {"platformId": "p", "name": "A", "applicationId": "com.a", "fingerprints": ["AA:BB"]},
    )
    assert made.body["fingerprints"] == ["AA:BB"]


async def test_the_older_path_makes_web_platforms(world: World) -> None:
    owner = (await world.owner()).also(x_appwrite_response_format="1.8.0")
    path = f"/projects/{PROJECT_ID}/platforms"
    made = await owner.post(path, {"type": "web", "name": "W", "hostname": "w.example.com"})
    assert made.status == 201
    other = await owner.post(path, {"type": "apple-ios", "name": "W", "key": "com.example"})
    assert (other.status, other.type) == (400, "general_argument_invalid")


@pytest.mark.parametrize(
    "changed",
    [
        {"hostname": "https://example.com"},
        {"hostname": "example.com:80"},
        {"hostname": "example.com/path"},
        {"hostname": ""},
        {"hostname": "a.*.com"},
        {"name": "  "},
    ],
)
async def test_malformed_platforms_are_refused(world: World, changed: dict[str, object]) -> None:
    wanted = {"platformId": "p", "name": "Shop", "hostname": "*.example.com"}
    refused = await world.server.post("/project/platforms/web", wanted | changed)
    assert (refused.status, refused.type) == (400, "general_argument_invalid")


async def test_platform_ids_are_taken_once_and_unknown_ones_are_404(world: World) -> None:
    wanted = {"platformId": "p", "name": "Shop", "hostname": "*.example.com"}
    assert (await world.server.post("/project/platforms/web", wanted)).status == 201
    again = await world.server.post("/project/platforms/web", wanted)
    assert (again.status, again.type) == (409, "platform_already_exists")
    for reply in (
        await world.server.get("/project/platforms/x"),
        await world.server.delete("/project/platforms/x"),
        await world.server.put("/project/platforms/web/x", {"name": "x", "hostname": "x.com"}),
    ):
        assert (reply.status, reply.type) == (404, "platform_not_found")


async def test_platforms_are_for_keys_and_admins(world: World) -> None:
    ann, admin = await world.user("ann"), await world.admin()
    for stranger in (world.guest, ann):
        assert (await stranger.get("/project/platforms")).type == "general_unauthorized_scope"
    assert (await admin.get("/project/platforms")).body == {"total": 0, "platforms": []}
