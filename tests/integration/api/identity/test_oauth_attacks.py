"""Signing in with other providers, as somebody tries it who must not get in."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.fakes.identity import START, World
from tests.integration.api.identity.oauth_world import (
    APP,
    CLIENT,
    FAILED,
    ID,
    WELL_KNOWN,
    Browser,
    Provider,
    away,
    back,
    failure,
    identities,
    query_of,
    signed_in,
)

pytestmark = pytest.mark.anyio


async def test_a_state_of_ones_own_is_refused(world: World, provider: Provider) -> None:
    asked = await away(Browser(world), provider)
    flipped = asked["state"][:-2] + ("A" if asked["state"][-2] != "A" else "B") + "A"
    for state in ("", "x", "e30", flipped):
        reply = await Browser(world).go(
            f"/v1/account/sessions/oauth2/oidc/redirect?code=c&state={state}"
        )
        assert (reply.status, reply.type) == (400, "user_oauth2_bad_request")
    assert provider.world.bench.providers.asked[-1].url == WELL_KNOWN  # nobody asked for tokens


async def test_a_state_is_for_one_provider_and_one_project(
    world: World, provider: Provider
) -> None:
    browser = Browser(world)
    asked = await away(browser, provider)
    other = await browser.go(
        f"/v1/account/sessions/oauth2/github/redirect?code=c&state={asked['state']}"
    )
    assert other.type == "user_oauth2_bad_request"
    owner = await world.owner()
    team = (await owner.get("/teams")).body["teams"][0]["$id"]
    await owner.post("/projects", {"projectId": "second", "name": "Second", "teamId": team})
    elsewhere = await browser.go(
        f"/v1/account/sessions/oauth2/oidc/redirect?code=c&state={asked['state']}",
        x_appwrite_project="second",
    )
    assert elsewhere.type == "user_oauth2_bad_request"


async def test_a_state_works_once(world: World, provider: Provider) -> None:
    browser = Browser(world)
    asked = await away(browser, provider)
    kept = dict(browser.cookies)
    await back(browser, asked["state"])
    browser.cookies = kept
    assert failure(await back(browser, asked["state"])) == "user_oauth2_bad_request"
    assert not browser.is_signed_in


async def test_a_state_that_failed_is_used_up_too(world: World, provider: Provider) -> None:
    browser = Browser(world)
    asked = await away(browser, provider)
    kept = dict(browser.cookies)
    said = await back(browser, asked["state"], code="", error="access_denied")
    assert failure(said) == "user_oauth2_provider_error"
    browser.cookies = kept
    assert failure(await back(browser, asked["state"])) == "user_oauth2_bad_request"


async def test_a_state_ends_after_a_quarter_of_an_hour(world: World, provider: Provider) -> None:
    browser = Browser(world)
    asked = await away(browser, provider)
    world.clock.move(901)
    reply = await back(browser, asked["state"])
    assert (reply.status, reply.type) == (400, "user_oauth2_bad_request")


@pytest.mark.parametrize("kind", ["sessions", "tokens"])
async def test_another_browser_cannot_finish(world: World, provider: Provider, kind: str) -> None:
    asked = await away(Browser(world), provider, kind=kind)
    victim = Browser(world)
    assert failure(await back(victim, asked["state"])) == "user_oauth2_bad_request"
    assert not victim.is_signed_in
    other = Browser(world)
    await away(other, provider, kind=kind)
    assert failure(await back(other, asked["state"])) == "user_oauth2_bad_request"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "client-2"},
        {"aud": [CLIENT, "client-2"], "azp": "client-2"},
        {"aud": None},
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"exp": int(START.timestamp()) - 61},
        {"exp": None},
        {"exp": True},
        {"iat": int(START.timestamp()) + 3600},
        {"sub": ""},
        {"signed_by": "mallory"},
    ],
)
async def test_an_id_token_that_is_wrong_opens_nothing(
    world: World, provider: Provider, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    browser = Browser(world)
    assert failure(await signed_in(browser, provider)) == "user_invalid_token"
    assert not browser.is_signed_in


async def test_an_id_token_without_a_public_signature_opens_nothing(
    world: World, provider: Provider
) -> None:
    browser = Browser(world)
    asked = await away(browser, provider)
    provider.id_token = provider.issuer.unsigned(
        iss=ID, aud=CLIENT, sub="u-1", nonce=asked["nonce"], exp=4_000_000_000
    )
    assert failure(await back(browser, asked["state"])) == "user_invalid_token"


async def test_user_info_about_another_person_opens_nothing(
    world: World, provider: Provider
) -> None:
    provider.info["sub"] = "u-2"
    assert failure(await signed_in(Browser(world), provider)) == "user_oauth2_provider_error"


async def test_an_answer_of_another_issuer_is_refused(world: World, provider: Provider) -> None:
    browser = Browser(world)
    asked = await away(browser, provider)
    reply = await back(browser, asked["state"], iss="https://evil.example")
    assert failure(reply) == "user_oauth2_bad_request"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "https://localhost@evil.example/",
        "https://evil.example%5C@localhost/",
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "/relative",
        "appwrite-callback-other://",
    ],
)
@pytest.mark.parametrize("name", ["success", "failure"])
async def test_nobody_is_sent_to_strangers(
    world: World, provider: Provider, url: str, name: str
) -> None:
    reply = await world.guest.get("/account/sessions/oauth2/oidc", {name: url})
    assert (reply.status, reply.type) == (400, "general_argument_invalid")
    assert name in reply.body["message"]


async def test_an_address_that_was_withdrawn_meanwhile_gets_nothing(
    world: World, provider: Provider
) -> None:
    await world.server.post(
        "/project/platforms/web",
        {"platformId": "web", "name": "Web", "hostname": "shop.example"},
    )
    browser = Browser(world)
    asked = await away(browser, provider, success="https://shop.example/in")
    await world.server.delete("/project/platforms/web")
    reply = await back(browser, asked["state"])
    assert (reply.status, reply.type) == (400, "project_invalid_success_url")
    assert not browser.is_signed_in


async def test_the_client_cannot_be_given_another_users_token(
    world: World, provider: Provider
) -> None:
    """Whatever stands in its address, ours comes in its place."""
    browser = Browser(world)
    reply = await signed_in(
        browser, provider, kind="tokens", success=f"{APP}?userId=mallory%26secret=hers"
    )
    pairs = parse_qsl(urlsplit(reply.headers["location"]).query)
    assert sorted(name for name, _ in pairs) == ["secret", "userId"]
    assert ("userId", "mallory") not in pairs


async def test_what_a_provider_says_cannot_break_out_of_the_address(
    world: World, provider: Provider
) -> None:
    browser = Browser(world)
    asked = await away(browser, provider)
    reply = await back(
        browser, asked["state"], code="", error="x%0d%0aset-cookie:%20a=b%26secret=1"
    )
    location = reply.headers["location"]
    assert set(query_of(location)) == {"error"}
    assert "\r" not in location
    assert "\n" not in location


async def test_who_acts_as_another_user_adds_no_way_in_to_them(
    world: World, provider: Provider
) -> None:
    carl, _ = await world.user("carl"), await world.user("ben")
    await world.server.patch("/users/carl/impersonator", {"impersonator": True})
    browser = Browser(world, dict([carl.headers["cookie"].split("=", 1)]))
    begun = await browser.go(
        f"/v1/account/sessions/oauth2/oidc?success={APP}&failure={FAILED}",
        x_appwrite_impersonate_user_id="ben",
    )
    asked = query_of(begun.headers["location"])
    provider.nonce = asked["nonce"]
    await back(browser, asked["state"])
    (identity,) = await identities(world)
    assert identity["userId"] not in ("ben", "carl")
