"""Ping, health, locale and what a console asks, each called as its users call it."""

import importlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from runwright.api.health import Health, Unhealthy
from runwright.api.routes.console import ConsoleFacts, console_routes
from runwright.api.routes.locale import locale_routes
from runwright.api.routes.system import system_routes
from runwright.identity.pings import Pings
from runwright.model.identity import CONSOLE
from runwright.signals.local import LocalSignals
from tests.unit.api.world import (
    KEY,
    PROJECT,
    START,
    TEAM,
    World,
    a_key,
    a_membership,
    a_session,
    a_user,
    about,
    as_admin,
    cookie,
    problem,
)

pytestmark = pytest.mark.anyio

WITH_KEY = about(x_appwrite_key=KEY)


async def _taken(domain: str) -> bool:
    return domain == "taken.example.com"


@dataclass
class Front:
    world: World
    client: httpx.AsyncClient
    health: Health

    async def get(self, path: str, headers: dict[str, str], **params: str) -> httpx.Response:
        return await self.client.get(f"/v1{path}", headers=headers, params=params)


@pytest.fixture
async def front(world: World) -> AsyncIterator[Front]:
    health = Health(world.storage, world.signals, world.clock, world.upload_dir)
    routes = [
        *system_routes(health, Pings(world.storage, world.clock)),
        *locale_routes(),
        *console_routes(ConsoleFacts(functions_domain="functions.localhost"), _taken),
    ]
    await world.put(a_key())
    async with world.client(*routes) as client:
        yield Front(world, client, health)


async def test_the_first_ping_of_a_project_is_kept(front: Front) -> None:
    for _ in range(3):
        response = await front.get("/ping", about())
        assert (response.status_code, response.text) == (200, "Pong!")
        assert response.headers["content-type"] == "text/plain; charset=UTF-8"
    project = await front.world.authenticator.project(PROJECT)
    assert project is not None
    assert (project.ping_count, project.pinged_at) == (1, START)
    assert front.world.storage.writes == 1


@pytest.mark.parametrize("project_id", [CONSOLE, "nowhere"])
async def test_only_projects_are_pinged(front: Front, project_id: str) -> None:
    assert problem(await front.get("/ping", about(project_id))) == (404, "project_not_found")


async def test_the_version_is_for_guests_and_keys(front: Front) -> None:
    for headers in ({}, about(), WITH_KEY):
        response = await front.get("/health/version", headers)
        assert (response.status_code, response.json()) == (200, {"version": "1.9.6"})


@pytest.mark.parametrize(
    "path",
    ["", "/db", "/cache", "/pubsub", "/storage", "/storage/local", "/geo", "/anti-virus", "/time"],
)
async def test_health_is_for_keys_and_admins(front: Front, path: str) -> None:
    await front.world.put(
        a_user("olivia", CONSOLE),
        a_session("olivia", CONSOLE),
        a_membership("olivia", CONSOLE, TEAM, "owner"),
        a_user("ann"),
        a_session("ann"),
    )
    for stranger in (about(), about() | cookie("ann")):
        refused = await front.get(f"/health{path}", stranger)
        assert problem(refused) == (401, "general_unauthorized_scope")
    for friend in (WITH_KEY, as_admin("olivia")):
        assert (await front.get(f"/health{path}", friend)).status_code == 200


async def test_health_says_what_was_probed(front: Front) -> None:
    assert (await front.get("/health", WITH_KEY)).json() == {
        "name": "http",
        "ping": 0,
        "status": "pass",
    }
    for path, name in (("/db", "database"), ("/cache", "signals"), ("/pubsub", "signals")):
        assert (await front.get(f"/health{path}", WITH_KEY)).json() == {
            "total": 1,
            "statuses": [{"name": name, "ping": 0, "status": "pass"}],
        }
    disk = (await front.get("/health/storage/local", WITH_KEY)).json()
    assert disk == {"name": "disk", "ping": 0, "status": "pass"}


class DeafSignals(LocalSignals):
    """Takes announcements and tells nobody."""

    def announce(self, kind: str, project_id: str, item_id: str) -> None:
        return


async def test_a_probe_that_fails_is_a_server_error(
    front: Front, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    front.health._folder = str(Path(front.world.upload_dir) / "gone")
    response = await front.get("/health/storage/local", WITH_KEY)
    assert problem(response) == (500, "general_server_error")
    assert "gone" not in response.text
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    monkeypatch.setattr("runwright.api.health.PROBE_WITHIN_S", 0.01)
    deaf = Health(front.world.storage, DeafSignals(), front.world.clock, front.world.upload_dir)
    with pytest.raises(Unhealthy):
        await deaf.signals()


async def test_a_clock_that_jumps_is_a_server_error(front: Front) -> None:
    front.world.clock.move(3600)
    assert (await front.get("/health/time", WITH_KEY)).json() == {
        "remoteTime": int(START.timestamp()) + 3600,
        "localTime": int(START.timestamp()) + 3600,
        "diff": 0,
    }
    front.health._started += 61
    assert (await front.get("/health/time", WITH_KEY)).status_code == 500


async def test_no_queue_keeps_failed_jobs(front: Front) -> None:
    fine = await front.get("/health/queue/failed/v1-functions", WITH_KEY)
    assert (fine.status_code, fine.json()) == (200, {"size": 0})
    strict = await front.get("/health/queue/failed/v1-functions", WITH_KEY, threshold="0")
    assert problem(strict) == (503, "health_queue_size_exceeded")
    unknown = await front.get("/health/queue/failed/v1-nothing", WITH_KEY)
    assert problem(unknown) == (400, "general_argument_invalid")


async def test_a_callers_place_is_unknown_and_said_to_be(front: Front) -> None:
    assert (await front.get("/locale", about())).json() == {
        "ip": "203.0.113.9",
        "countryCode": "--",
        "country": "Unknown",
        "continentCode": "--",
        "continent": "Unknown",
        "eu": False,
        "currency": "",
    }


@pytest.mark.parametrize(
    ("path", "plural", "model", "count", "example"),
    [
        ("codes", "localeCodes", "locale_code", 100, {"code": "de", "name": "German"}),
        ("countries", "countries", "country", 249, {"name": "Germany", "code": "DE"}),
        ("countries/eu", "countries", "country", 27, {"name": "Germany", "code": "DE"}),
        (
            "countries/phones",
            "phones",
            "phone",
            240,
            {"code": "+49", "countryCode": "DE", "countryName": "Germany"},
        ),
        ("continents", "continents", "continent", 7, {"name": "Europe", "code": "EU"}),
        (
            "currencies",
            "currencies",
            "currency",
            150,
            {
                "symbol": "CHF",
                "name": "Swiss Franc",
                "symbolNative": "CHF",
                "decimalDigits": 2,
                "rounding": 0.0,
                "code": "CHF",
                "namePlural": "Swiss francs",
            },
        ),
        (
            "languages",
            "languages",
            "language",
            180,
            {"name": "German", "code": "de", "nativeName": "Deutsch"},
        ),
    ],
)
async def test_lists_for_forms(
    front: Front, path: str, plural: str, model: str, count: int, example: dict[str, Any]
) -> None:
    body = (await front.get(f"/locale/{path}", about())).json()
    assert body["total"] == len(body[plural]) >= count
    assert example in body[plural]
    module = importlib.import_module(f"appwrite.models.{model}")
    kind = next(
        value for name, value in vars(module).items() if name.lower() == model.replace("_", "")
    )
    for item in body[plural]:
        kind.model_validate(item)


async def test_names_are_shown_in_the_callers_language(front: Front) -> None:
    async def germany(**headers: str) -> list[str]:
        body = (await front.get("/locale/countries", about(**headers))).json()
        return [item["name"] for item in body["countries"] if item["code"] == "DE"]

    assert await germany(x_appwrite_locale="fr") == ["Allemagne"]
    assert await germany(x_appwrite_locale="pt-BR") == ["Alemanha"]
    assert await germany(x_appwrite_locale="../../etc") == ["Germany"]
    response = await front.get("/locale/continents", about(), locale="es")
    assert {"name": "Europa", "code": "EU"} in response.json()["continents"]


async def test_the_console_learns_what_it_adapts_to(front: Front) -> None:
    await front.world.put(a_user("olivia", CONSOLE), a_session("olivia", CONSOLE))
    headers = about(CONSOLE) | cookie("olivia", CONSOLE)
    variables = (await front.get("/console/variables", headers)).json()
    assert variables["_APP_DOMAIN_FUNCTIONS"] == "functions.localhost"
    assert variables["_APP_COMPUTE_BUILD_TIMEOUT"] == 900
    assert variables["_APP_DOMAIN_ENABLED"] is False
    assert len(variables) == 29
    guest = await front.get("/console/variables", about(CONSOLE))
    assert problem(guest) == (401, "general_unauthorized_scope")
    elsewhere = await front.get("/console/variables", as_admin("olivia"))
    assert problem(elsewhere) == (401, "user_unauthorized")


async def test_scopes_are_listed_for_anyone(front: Front) -> None:
    for headers in ({}, about(CONSOLE), about(), WITH_KEY):
        body = (await front.get("/console/scopes/project", headers)).json()
        assert body["total"] == len(body["scopes"]) == 89
    assert body["scopes"][0] == {
        "$id": "project.read",
        "description": "Read the project, its settings and its variables",
        "category": "Project",
        "deprecated": False,
    }
    uncounted = await front.get("/console/scopes/organization", {}, total="false")
    assert uncounted.json()["total"] == 0
    assert [item["$id"] for item in uncounted.json()["scopes"]] == [
        "projects.read",
        "projects.write",
        "devKeys.read",
        "devKeys.write",
        "keys.read",
        "keys.write",
        "organization.read",
        "organization.write",
        "organization.memberships.read",
        "organization.memberships.write",
        "organization.keys.read",
        "organization.keys.write",
    ]


async def test_a_console_asks_whether_a_domain_is_free(front: Front) -> None:
    await front.world.put(a_user("olivia", CONSOLE), a_session("olivia", CONSOLE))
    headers = about(CONSOLE) | cookie("olivia", CONSOLE)

    async def ask(value: str, kind: str = "rules") -> httpx.Response:
        return await front.get("/console/resources", headers, value=value, type=kind)

    assert (await ask("free.example.com")).status_code == 204
    assert problem(await ask("Taken.example.com")) == (409, "resource_already_exists")
    assert problem(await ask("free.example.com", "files")) == (400, "general_argument_invalid")
