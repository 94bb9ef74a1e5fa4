"""People who sign in with another provider: the way there, and the way back."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.fakes.identity import PROJECT_ID, World
from tests.integration.api.identity.oauth_world import (
    APP,
    CLIENT,
    EMAIL,
    FAILED,
    SESSION,
    Browser,
    Provider,
    account,
    away,
    back,
    failure,
    identities,
    query_of,
    signed_in,
)

pytestmark = pytest.mark.anyio


async def test_somebody_new_is_signed_in_and_known(world: World, provider: Provider) -> None:
    browser = Browser(world)
    reply = await signed_in(browser, provider)
    assert reply.status == 301
    assert reply.headers["location"] == APP
    user = await account(browser)
    assert (user["email"], user["name"], user["emailVerification"]) == (EMAIL, "Ann", True)
    assert [target["identifier"] for target in user["targets"]] == [EMAIL]
    (identity,) = (await browser.go("/v1/account/identities")).body["identities"]
    assert identity["userId"] == user["$id"]
    assert (identity["provider"], identity["providerUid"]) == ("oidc", "u-1")
    assert (identity["providerEmail"], identity["providerAccessToken"]) == (EMAIL, "at-1")
    session = (await browser.go("/v1/account/sessions/current")).body
    assert (session["provider"], session["providerUid"]) == ("oidc", "u-1")
    assert (session["providerAccessToken"], session["providerRefreshToken"]) == ("at-1", "rt-1")
    assert session["providerAccessTokenExpiry"] == "2026-08-21T14:42:57.000+00:00"
    assert session["factors"] == ["email", "oauth2"]


async def test_the_provider_is_asked_as_the_standards_say(world: World, provider: Provider) -> None:
    asked = await away(Browser(world), provider, **{"scopes[0]": "calendar"})
    assert asked["client_id"] == CLIENT
    assert asked["response_type"] == "code"
    assert asked["scope"] == "openid profile email calendar"
    assert asked["code_challenge_method"] == "S256"
    callback = f"http://localhost/v1/account/sessions/oauth2/callback/oidc/{PROJECT_ID}"
    assert asked["redirect_uri"] == callback
    browser = Browser(world)
    await signed_in(browser, provider)
    form = provider.asked
    assert (form["code"], form["redirect_uri"]) == ("c-1", callback)
    assert (form["client_id"], form["client_secret"]) == (CLIENT, "hush")
    assert len(form["code_verifier"]) >= 43


async def test_tokens_of_the_provider_are_sealed_at_rest(world: World, provider: Provider) -> None:
    await signed_in(Browser(world), provider)
    storage = world.bench.storage
    rows: list[Any] = [
        *await storage.read(lambda uow: uow.sessions.find(PROJECT_ID)),
        *await storage.read(lambda uow: uow.identities.find(PROJECT_ID)),
    ]
    assert len(rows) == 2
    for row in rows:
        assert row.sealed_grant
        assert b"at-1" not in row.sealed_grant


async def test_who_comes_again_is_the_same_user(world: World, provider: Provider) -> None:
    first, second = Browser(world), Browser(world)
    await signed_in(first, provider)
    provider.info["email"] = "other@example.com"  # the id counts, not the address
    provider.tokens["access_token"] = "at-2"
    await signed_in(second, provider)
    assert (await account(first))["$id"] == (await account(second))["$id"]
    (identity,) = await identities(world)
    assert identity["providerAccessToken"] == "at-2"


async def test_a_token_is_traded_for_the_session(world: World, provider: Provider) -> None:
    browser = Browser(world)
    reply = await signed_in(browser, provider, kind="tokens", state="mine")
    told = query_of(reply.headers["location"])
    assert not browser.is_signed_in
    assert told["state"] == "mine"
    params = {"userId": told["userId"], "secret": told["secret"]}
    opened = await world.server.post("/account/sessions/token", params)
    assert (opened.status, opened.body["provider"]) == (201, "oauth2")
    again = await world.server.post("/account/sessions/token", params)
    assert again.type == "user_invalid_token"


async def test_a_server_begins_for_a_browser_that_has_no_cookie(
    world: World, provider: Provider
) -> None:
    reply = await world.server.get("/account/tokens/oauth2/oidc", {"success": APP})
    assert "set-cookie" not in reply.headers
    asked = query_of(reply.headers["location"])
    provider.nonce = asked["nonce"]
    ended = await back(Browser(world), asked["state"])
    assert set(query_of(ended.headers["location"])) == {"userId", "secret"}


async def test_apps_get_the_session_by_their_own_scheme(world: World, provider: Provider) -> None:
    scheme = f"appwrite-callback-{PROJECT_ID}"
    browser = Browser(world)
    reply = await signed_in(browser, provider, success=f"{scheme}://", failure=f"{scheme}://")
    location = reply.headers["location"]
    assert location.startswith(f"{scheme}:")
    told = query_of(location)
    assert (told["project"], told["key"]) == (PROJECT_ID, SESSION)
    seen = await world.guest.get("/account", x_appwrite_session=told["secret"])
    assert seen.body["email"] == EMAIL


async def test_without_an_address_our_own_page_ends_it_and_no_log_sees_the_secret(
    world: World, provider: Provider
) -> None:
    reply = await signed_in(Browser(world), provider, success="", failure="")
    split = urlsplit(reply.headers["location"])
    assert split.path == "/v1/account/sessions/oauth2/success"
    assert split.query == ""
    told = dict(parse_qsl(split.fragment))
    seen = await world.guest.get("/account", x_appwrite_session=told["secret"])
    assert seen.body["email"] == EMAIL
    page = await Browser(world).go(split.path)
    assert page.status == 200
    assert "script-src 'sha256-" in page.headers["content-security-policy"]


async def test_a_signed_in_user_adds_the_provider(world: World, provider: Provider) -> None:
    ben = await world.user("ben")
    browser = Browser(world, dict([ben.headers["cookie"].split("=", 1)]))
    before = browser.cookies[SESSION]
    await signed_in(browser, provider)
    assert (await account(browser))["$id"] == "ben"
    assert browser.cookies[SESSION] != before
    assert (await ben.get("/account")).status == 401  # the new session took the old one's place
    assert [item["userId"] for item in await identities(world)] == ["ben"]


async def test_an_anonymous_user_becomes_somebody(world: World, provider: Provider) -> None:
    reply = await world.guest.post("/account/sessions/anonymous")
    browser = Browser(world, {SESSION: reply.cookies[SESSION]})
    await signed_in(browser, provider)
    user = await account(browser)
    assert user["$id"] == reply.body["userId"]
    assert (user["email"], user["name"], user["emailVerification"]) == (EMAIL, "Ann", True)
    assert [target["identifier"] for target in user["targets"]] == [EMAIL]


async def test_a_provider_of_somebody_else_cannot_be_added(
    world: World, provider: Provider
) -> None:
    await signed_in(Browser(world), provider)
    ben = await world.user("ben")
    browser = Browser(world, dict([ben.headers["cookie"].split("=", 1)]))
    assert failure(await signed_in(browser, provider)) == "user_already_exists"
    assert (await ben.get("/account")).status == 200


async def test_a_session_that_ended_meanwhile_adds_nothing(
    world: World, provider: Provider
) -> None:
    ben = await world.user("ben")
    browser = Browser(world, dict([ben.headers["cookie"].split("=", 1)]))
    asked = await away(browser, provider)
    await ben.delete("/account/sessions/current")
    assert failure(await back(browser, asked["state"])) == "user_oauth2_bad_request"
    assert await identities(world) == []


async def test_a_server_adds_the_provider_only_when_the_token_is_traded(
    world: World, provider: Provider
) -> None:
    ben = await world.user("ben")
    reply = await ben.get(
        "/account/tokens/oauth2/oidc", {"success": APP, "failure": FAILED}, x_sdk_name="Python"
    )
    asked = query_of(reply.headers["location"])
    provider.nonce = asked["nonce"]
    ended = await back(Browser(world), asked["state"])
    assert await identities(world) == []
    told = query_of(ended.headers["location"])
    assert told["userId"] == "ben"
    opened = await world.guest.post("/account/sessions/token", told)
    assert opened.status == 201
    assert [item["userId"] for item in await identities(world)] == ["ben"]
