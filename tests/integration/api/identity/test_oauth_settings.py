"""The providers of a project, as its owner sets them."""

import json
from typing import Any

import pytest

from runwright.identity.oauth.providers import PROVIDERS
from runwright.identity.oauth.settings import settings_of
from tests.fakes.identity import World, query

pytestmark = pytest.mark.anyio

GITHUB = {"clientId": "gh-1", "clientSecret": "gh-secret", "enabled": True}


async def test_every_provider_is_listed_with_fields_of_its_own(world: World) -> None:
    reply = await world.server.get("/project/oauth2")
    assert reply.body["total"] == len(PROVIDERS)
    assert [item["$id"] for item in reply.body["providers"]] == list(PROVIDERS)
    apple = next(item for item in reply.body["providers"] if item["$id"] == "apple")
    assert apple == {
        "$id": "apple",
        "enabled": False,
        "serviceId": "",
        "p8File": "",
        "keyId": "",
        "teamId": "",
        "nativeEnabled": False,
        "nativeClientIds": [],
    }


async def test_the_list_takes_limit_and_offset_and_nothing_else(world: World) -> None:
    page = await world.server.get(
        "/project/oauth2", {"queries": [query("limit", "", 2), query("offset", "", 1)]}
    )
    assert [item["$id"] for item in page.body["providers"]] == list(PROVIDERS)[1:3]
    refused = await world.server.get("/project/oauth2", {"queries": [query("equal", "$id", "x")]})
    assert refused.type == "general_argument_invalid"


async def test_a_secret_is_sealed_and_never_shown(world: World) -> None:
    made = await world.server.patch("/project/oauth2/github", GITHUB)
    assert made.body == {
        "$id": "github",
        "enabled": True,
        "clientId": "gh-1",
        "clientSecret": "",
        "prompt": [],
    }
    seen = await world.server.get("/project/oauth2/github")
    assert seen.body == made.body
    project = await world.bench.project()
    assert "gh-secret" not in json.dumps(dict(project.oauth))
    secrets = world.bench.identity.oauth.secrets
    settings = settings_of(project, PROVIDERS["github"])
    assert secrets.of(project.id, settings) == {"clientSecret": "gh-secret"}


async def test_what_is_left_out_stays_and_what_is_empty_goes(world: World) -> None:
    await world.server.patch("/project/oauth2/github", GITHUB)
    await world.server.patch("/project/oauth2/github", {"prompt": ["select_account"]})
    seen = await world.server.get("/project/oauth2/github")
    assert (seen.body["clientId"], seen.body["prompt"]) == ("gh-1", ["select_account"])
    cleared = await world.server.patch("/project/oauth2/github", {"clientSecret": ""})
    assert cleared.type == "general_argument_invalid"  # it is enabled
    off = await world.server.patch("/project/oauth2/github", {"clientSecret": "", "enabled": False})
    assert off.status == 200


@pytest.mark.parametrize(
    ("provider", "params", "missing"),
    [
        ("github", {"clientId": "x"}, "clientSecret"),
        ("keycloak", {"clientId": "x", "clientSecret": "y", "endpoint": "a.example"}, "realmName"),
        ("okta", {"clientId": "x", "clientSecret": "y"}, "domain"),
        ("oidc", {"clientId": "x", "clientSecret": "y"}, "wellKnownURL"),
        ("apple", {"serviceId": "x", "p8File": "y", "keyId": "z"}, "teamId"),
    ],
)
async def test_a_provider_is_enabled_only_with_all_that_it_needs(
    world: World, provider: str, params: dict[str, Any], missing: str
) -> None:
    reply = await world.server.patch(f"/project/oauth2/{provider}", params | {"enabled": True})
    assert (reply.status, reply.type) == (400, "general_argument_invalid")
    assert missing in reply.body["message"]
    assert (await world.server.get(f"/project/oauth2/{provider}")).body["enabled"] is False


@pytest.mark.parametrize(
    ("provider", "params"),
    [
        ("oidc", {"wellKnownURL": "http://id.example/.well-known/openid-configuration"}),
        ("oidc", {"tokenURL": "javascript:alert(1)"}),
        ("oidc", {"prompt": ["none", "login"]}),
        ("oidc", {"prompt": ["create"]}),
        ("keycloak", {"endpoint": "http://id.example"}),
        ("keycloak", {"realmName": "../admin"}),
        ("auth0", {"endpoint": "id.example?x="}),
        ("microsoft", {"tenant": "a/b"}),
        ("github", {"prompt": ["consent"]}),
        ("github", {"enabled": "yes"}),
    ],
)
async def test_a_setting_that_would_lead_astray_is_refused(
    world: World, provider: str, params: dict[str, Any]
) -> None:
    reply = await world.server.patch(f"/project/oauth2/{provider}", params)
    assert (reply.status, reply.type) == (400, "general_argument_invalid")


async def test_a_provider_that_nobody_knows_is_refused(world: World) -> None:
    assert (await world.server.get("/project/oauth2/nobody")).type == "general_argument_invalid"


async def test_reading_and_writing_need_a_scope_each(world: World) -> None:
    reader = await world.key("project.oauth2.read")
    assert (await reader.get("/project/oauth2")).status == 200
    assert (await reader.patch("/project/oauth2/github", GITHUB)).status == 401
    writer = await world.key("project.oauth2.write")
    assert (await writer.patch("/project/oauth2/github", GITHUB)).status == 200
    assert (await writer.get("/project/oauth2/github")).status == 401
    user = await world.user("ann")
    assert (await user.get("/project/oauth2")).status == 401


async def test_the_older_path_sets_a_provider_by_one_json_secret(world: World) -> None:
    owner = await world.owner()
    secret = {"clientSecret": "s", "keycloakDomain": "id.example", "keycloakRealm": "main"}
    reply = await owner.patch(
        "/projects/default/oauth2",
        {
            "provider": "keycloak",
            "appId": "kc-1",
            "secret": json.dumps(secret),
            "enabled": True,
        },
        x_appwrite_response_format="1.8.0",
    )
    assert reply.status == 200, reply.body
    shown = next(item for item in reply.body["oAuthProviders"] if item["key"] == "keycloak")
    assert (shown["appId"], shown["secret"], shown["enabled"]) == ("kc-1", "", True)
    seen = await world.server.get("/project/oauth2/keycloak")
    assert (seen.body["endpoint"], seen.body["realmName"]) == ("id.example", "main")
    bad = await owner.patch(
        "/projects/default/oauth2",
        {"provider": "keycloak", "secret": json.dumps({"keycloakRealm": "../x"})},
    )
    assert bad.type == "general_argument_invalid"
