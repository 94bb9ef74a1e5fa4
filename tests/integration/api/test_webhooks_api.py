"""Webhooks over the API: who may make them, which addresses, and what is shown of them."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from tests.fakes.identity import PROJECT_ID, World, open_world, query

pytestmark = pytest.mark.anyio

WANTED: Final[dict[str, Any]] = {
    "webhookId": "hook",
    "name": "Hook",
    "url": "https://hooks.example.com/in?a=b",
    "events": ["users.*.create", "functions.*", "custom.orders.*"],
}


@pytest.fixture
async def world(anyio_backend: str) -> AsyncIterator[World]:
    async with open_world() as opened:
        yield opened


async def test_the_secret_is_shown_when_it_is_made_and_never_again(world: World) -> None:
    made = await world.server.post("/webhooks", WANTED)
    assert made.status == 201
    assert len(made.body["secret"]) == 128
    assert list(made.body) == [
        "$id",
        "$createdAt",
        "$updatedAt",
        "name",
        "description",
        "url",
        "events",
        "tls",
        "authUsername",
        "authPassword",
        "secret",
        "enabled",
        "logs",
        "attempts",
    ]
    assert (made.body["tls"], made.body["enabled"], made.body["attempts"]) == (False, True, 0)
    hidden = made.body | {"secret": ""}
    assert (await world.server.get("/webhooks/hook")).body == hidden
    assert (await world.server.get("/webhooks")).body == {"total": 1, "webhooks": [hidden]}
    stored = await world.bench.storage.read(lambda uow: uow.webhooks.get(PROJECT_ID, "hook"))
    assert made.body["secret"] not in repr(stored)


async def test_an_update_replaces_everything_but_the_secret(world: World) -> None:
    await world.server.post(
        "/webhooks", WANTED | {"authUsername": "ann", "authPassword": "pass word"}
    )
    before = (await world.server.get("/webhooks/hook")).body
    assert (before["authUsername"], before["authPassword"]) == ("ann", "pass word")
    changed = await world.server.put(
        "/webhooks/hook",
        {"name": "New", "url": "http://other.example.org", "events": ["teams.*"], "tls": True},
    )
    assert changed.status == 200
    expected = {
        "name": "New",
        "url": "http://other.example.org",
        "events": ["teams.*"],
        "tls": True,
        "authUsername": "",
        "authPassword": "",
        "secret": "",
    }
    assert changed.body == before | expected


@pytest.mark.parametrize("path", ["/webhooks/hook/secret", "/webhooks/hook/signature"])
async def test_the_secret_can_be_chosen_and_made_anew(world: World, path: str) -> None:
    first = (await world.server.post("/webhooks", WANTED | {"secret": "12345678"})).body
    assert first["secret"] == "12345678"
    made = (await world.server.patch(path)).body
    assert len(made["secret"]) == 128
    assert (await world.server.patch(path, {"secret": "a" * 256})).body["secret"] == "a" * 256
    for bad in ("1234567", "a" * 257):
        assert (await world.server.patch(path, {"secret": bad})).type == "general_argument_invalid"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example.com",
        "hooks.example.com",
        "http://",
        "http://localhost/in",
        "http://catcher:5000/",
        "http://example",
        "http://com/",
        "http://box.test/in",
        "http://127.0.0.1/",
        "http://8.8.8.8/",
        "http://[2001:4860::1]/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://user:pass@hooks.example.com/",
        "http://hooks.example.com\\@127.0.0.1/",
        "http://hooks.example.com:0/",
        "http://hooks.example.com:99999/",
        "http://hooks.example.com/a b",
        "http://hööks.example.com/",
        "http://hooks.example.com/\r\nx: y",
        "http://\uff11\uff12\uff17.0.0.1/",  # fullwidth digits
        "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/",  # digits in circles
        "http://127\u30020\u30020\u30021/",  # ideographic full stops
        "http://localhos\uff54/",
        "http://%31%32%37.0.0.1/",
        "http://127.0.0.1%2f.example.com/",
        "http://127.0.0.1%00.example.com/",
        "http://localhost./",
        "http://127.0.0.1./",
        "http://0.0.0.0/",
        "http://0/",
        "http://127.1/",
        "http://017700000001/",
        "http://[::]/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[fe80::1%25eth0]/",
        "http://[::1%25lo]/",
        "http://[hooks.example.com]/",
        "http://hooks.example.com:80@127.0.0.1/",
        "http://@127.0.0.1/",
        "http://hooks.example.com@/",
        "http://127.0.0.1#.example.com/",
        "http://127.0.0.1?.example.com/",
        "http://127.0.0.1;.example.com/",
        "http://127.0.0.1:80:hooks.example.com/",
        "http:127.0.0.1/",
        "http:///127.0.0.1/",
        "//127.0.0.1/",
        "http:/\\127.0.0.1/",
        "javascript://hooks.example.com/",
        "http://metadata.google.internal/",
        "http://printer.local/",
        "http://router.lan/",
        "http://" + "a" * 2050 + ".com/",
    ],
)
async def test_only_addresses_on_public_domains_are_taken(world: World, url: str) -> None:
    refused = await world.server.post("/webhooks", WANTED | {"url": url})
    assert (refused.status, refused.type) == (400, "general_argument_invalid")
    assert "url" in refused.body["message"]
    await world.server.post("/webhooks", WANTED)
    change = {"name": "x", "events": [], "url": url}
    assert (await world.server.put("/webhooks/hook", change)).status == 400


async def test_a_closed_network_may_be_allowed() -> None:
    async with open_world(allows_private=True) as world:
        for at, url in enumerate(
            ("http://localhost:1/", "http://catcher:5000", "http://10.0.0.1/", "http://[::1]:8/x")
        ):
            made = await world.server.post("/webhooks", WANTED | {"webhookId": str(at), "url": url})
            assert made.status == 201, made.body
        refused = await world.server.post("/webhooks", WANTED | {"url": "ftp://localhost"})
        assert refused.status == 400


@pytest.mark.parametrize(
    "changed",
    [
        {"events": ["users.*.fly"]},
        {"events": ["users"]},
        {"events": ["users.*"] * 101},
        {"name": ""},
        {"name": "x" * 129},
        {"secret": "short"},
        {"tls": "yes"},
        {"webhookId": ".no"},
        {"authUsername": "x" * 257},
    ],
)
async def test_malformed_webhooks_are_refused(world: World, changed: dict[str, Any]) -> None:
    refused = await world.server.post("/webhooks", WANTED | changed)
    assert (refused.status, refused.type) == (400, "general_argument_invalid")


async def test_what_does_not_exist_or_exists_already_has_its_name(world: World) -> None:
    await world.server.post("/webhooks", WANTED)
    again = await world.server.post("/webhooks", WANTED)
    assert (again.status, again.type) == (409, "webhook_already_exists")
    change = {"name": "x", "url": WANTED["url"], "events": []}
    for answer in (
        await world.server.get("/webhooks/none"),
        await world.server.put("/webhooks/none", change),
        await world.server.patch("/webhooks/none/secret"),
        await world.server.delete("/webhooks/none"),
    ):
        assert (answer.status, answer.type) == (404, "webhook_not_found")
    assert (await world.server.delete("/webhooks/hook")).status == 204
    assert (await world.server.get("/webhooks/hook")).status == 404


async def test_keys_need_the_scope_and_users_never_have_it(world: World) -> None:
    reader, stranger = await world.key("webhooks.read"), await world.key("users.read")
    assert (await reader.post("/webhooks", WANTED)).type == "general_unauthorized_scope"
    assert (await (await world.key("webhooks.write")).post("/webhooks", WANTED)).status == 201
    assert (await reader.get("/webhooks/hook")).status == 200
    for person in (stranger, await world.user("ann"), world.guest):
        assert (await person.get("/webhooks")).type == "general_unauthorized_scope"
    owner = await world.owner()
    assert (await owner.get("/webhooks")).status == 401
    alias = await owner.get(f"/projects/{PROJECT_ID}/webhooks/hook")
    assert (alias.status, alias.body["$id"]) == (200, "hook")


async def test_lists_filter_by_new_and_by_old_names(world: World) -> None:
    await world.server.post("/webhooks", WANTED)
    await world.server.post(
        "/webhooks", WANTED | {"webhookId": "b", "tls": True, "authUsername": "ann"}
    )
    for asked in (
        query("equal", "tls", True),
        query("equal", "security", True),
        query("equal", "authUsername", "ann"),
        query("equal", "httpUser", "ann"),
    ):
        found = (await world.server.get("/webhooks", {"queries": [asked]})).body
        assert [item["$id"] for item in found["webhooks"]] == ["b"], asked
    has_event = query("contains", "events", "functions.*")
    assert (await world.server.get("/webhooks", {"queries": [has_event]})).body["total"] == 2
    unknown = await world.server.get("/webhooks", {"queries": [query("equal", "secret", "x")]})
    assert unknown.status == 400


async def test_older_clients_use_older_names(world: World) -> None:
    older = world.server.also(x_appwrite_response_format="1.8.0")
    wanted = {name: value for name, value in WANTED.items() if name != "webhookId"}
    made = await older.post(
        "/webhooks", wanted | {"security": True, "httpUser": "ann", "httpPass": "secret"}
    )
    assert made.status == 201, made.body
    assert (made.body["security"], made.body["httpUser"]) == (True, "ann")
    assert made.body["httpPass"] == "secret"
    assert len(made.body["signatureKey"]) == 128


async def test_the_newest_clients_only_write_the_password(world: World) -> None:
    newest = world.server.also(x_appwrite_response_format="2.5.0")
    made = await newest.post(
        "/webhooks",
        WANTED | {"authUsername": "ann", "authPassword": "pw", "description": "For orders"},
    )
    assert (made.body["authPassword"], made.body["description"]) == ("", "For orders")
    change = {"name": "New", "url": WANTED["url"], "events": [], "authUsername": "ann"}
    assert (await newest.put("/webhooks/hook", change)).body["authPassword"] == ""
    read = (await world.server.get("/webhooks/hook")).body
    assert (read["authPassword"], read["description"]) == ("pw", "For orders")
    await newest.put("/webhooks/hook", change | {"authPassword": "", "description": ""})
    read = (await world.server.get("/webhooks/hook")).body
    assert (read["authPassword"], read["description"]) == ("", "")
