"""Providers that are off, refuse, or do not answer as they should."""

import json

import pytest

from runwright.ports.poster import Posted
from tests.fakes.identity import World
from tests.integration.api.identity.oauth_world import (
    APP,
    EMAIL,
    FAILED,
    ID,
    TOKENS,
    WELL_KNOWN,
    Browser,
    Provider,
    account,
    away,
    back,
    failure,
    query_of,
    signed_in,
)

pytestmark = pytest.mark.anyio


async def test_a_provider_that_is_off_is_told_so(world: World, provider: Provider) -> None:
    browser = Browser(world)
    asked = await away(browser, provider)
    await world.server.patch("/project/oauth2/oidc", {"enabled": False})
    begun = await world.guest.get("/account/sessions/oauth2/oidc")
    assert (begun.status, begun.type) == (412, "project_provider_disabled")
    assert failure(await back(browser, asked["state"])) == "project_provider_disabled"
    never = await world.guest.get("/account/tokens/oauth2/github")
    assert (never.status, never.type) == (412, "project_provider_disabled")
    console = await world.console_guest.get("/account/sessions/oauth2/oidc")
    assert console.type == "project_provider_disabled"


@pytest.mark.parametrize("name", ["yammer", "appwrite", "resend"])
async def test_a_provider_that_leads_nowhere_is_told_so(world: World, name: str) -> None:
    reply = await world.guest.get(f"/account/sessions/oauth2/{name}")
    assert (reply.status, reply.type) == (400, "project_provider_unsupported")


async def test_a_provider_that_refuses_the_code_is_told(world: World, provider: Provider) -> None:
    world.bench.providers.answers[f"POST {ID}/token"] = lambda post: Posted(
        400, b'{"error": "invalid_grant", "error_description": "too late"}'
    )
    reply = await signed_in(Browser(world), provider)
    assert failure(reply) == "user_oauth2_unauthorized"
    assert "invalid_grant, too late" in query_of(reply.headers["location"])["error"]


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"<html>", b'{"token_type": "Bearer"}', b'{"access_token": 1}']
)
async def test_a_provider_that_answers_nonsense_opens_nothing(
    world: World, provider: Provider, answer: bytes
) -> None:
    world.bench.providers.answers[f"POST {ID}/token"] = answer
    assert failure(await signed_in(Browser(world), provider)) == "user_oauth2_provider_error"


async def test_a_provider_that_is_not_there_opens_nothing(world: World, provider: Provider) -> None:
    del world.bench.providers.answers[f"GET {ID}/userinfo"]
    reply = await signed_in(Browser(world), provider)
    assert failure(reply) == "user_oauth2_provider_error"
    assert "id.example" not in json.loads(query_of(reply.headers["location"])["error"])["message"]


async def test_a_person_without_an_id_is_nobody(world: World, provider: Provider) -> None:
    settings = {
        "wellKnownURL": "",
        "authorizationURL": f"{ID}/authorize",
        "tokenURL": f"{ID}/token",
        "userInfoURL": f"{ID}/userinfo",
    }
    assert (await world.server.patch("/project/oauth2/oidc", settings)).status == 200
    provider.info = {"email": EMAIL}
    world.bench.providers.answers[f"POST {ID}/token"] = dict(TOKENS)
    assert failure(await signed_in(Browser(world), provider)) == "user_missing_id"
    provider.info = {"sub": "u-1", "email": EMAIL}
    browser = Browser(world)
    await signed_in(browser, provider)
    assert (await account(browser))["email"] == EMAIL


async def test_a_provider_that_does_not_describe_itself_leads_back_at_once(
    world: World, provider: Provider
) -> None:
    del world.bench.providers.answers[f"GET {WELL_KNOWN}"]
    params = {"success": APP, "failure": FAILED, "state": "mine"}
    reply = await world.guest.get("/account/sessions/oauth2/oidc", params)
    assert (reply.status, failure(reply)) == (301, "user_oauth2_provider_error")
    assert query_of(reply.headers["location"])["state"] == "mine"
