"""What stays of signing in with a provider: its tokens and the identity."""

import pytest

from runwright.ports.poster import Posted
from tests.fakes.identity import PASSWORD, PROJECT_ID, Person, World, query
from tests.integration.api.identity.oauth_world import (
    EMAIL,
    ID,
    SESSION,
    Browser,
    Provider,
    account,
    identities,
    signed_in,
)

pytestmark = pytest.mark.anyio


async def test_extending_a_session_renews_the_providers_tokens(
    world: World, provider: Provider
) -> None:
    browser = Browser(world)
    await signed_in(browser, provider)
    provider.tokens = {"access_token": "at-2", "expires_in": 60}
    world.clock.move(3000)
    person = Person(
        world.client,
        {"x-appwrite-project": PROJECT_ID, "cookie": f"{SESSION}={browser.cookies[SESSION]}"},
    )
    renewed = await person.patch("/account/sessions/current")
    assert renewed.status == 200
    assert provider.asked["grant_type"] == "refresh_token"
    assert provider.asked["refresh_token"] == "rt-1"
    shown = renewed.body
    assert (shown["providerAccessToken"], shown["providerRefreshToken"]) == ("at-2", "rt-1")
    seen = await world.server.get(f"/users/{shown['userId']}/sessions")
    assert seen.body["sessions"][0]["providerAccessToken"] == "at-2"
    world.bench.providers.answers[f"POST {ID}/token"] = lambda post: Posted(
        400, b'{"error": "invalid_grant"}'
    )
    refused = await person.patch("/account/sessions/current")
    assert (refused.status, refused.type) == (401, "user_oauth2_unauthorized")


async def test_an_identity_can_be_listed_and_taken_away(world: World, provider: Provider) -> None:
    browser, ben = Browser(world), await world.user("ben")
    await signed_in(browser, provider)
    (identity,) = await identities(world)
    found = await world.server.get(
        "/users/identities",
        {"queries": [query("equal", "providerEmail", EMAIL)]},
    )
    assert found.body["total"] == 1
    assert (await world.server.get("/users/identities", {"search": "u-1"})).body["total"] == 1
    assert (await ben.get("/account/identities")).body == {"total": 0, "identities": []}
    path = f"/account/identities/{identity['$id']}"
    assert (await ben.delete(path)).type == "user_identity_not_found"
    assert (await world.server.delete(f"/users/identities/{identity['$id']}")).status == 204
    assert await identities(world) == []
    assert (await account(browser))["email"] == EMAIL


async def test_identities_go_with_their_user(world: World, provider: Provider) -> None:
    await signed_in(Browser(world), provider)
    (identity,) = await identities(world)
    await world.server.delete(f"/users/{identity['userId']}")
    assert await identities(world) == []


async def test_an_address_of_an_identity_is_taken(world: World, provider: Provider) -> None:
    ben = await world.user("ben")
    browser = Browser(world, dict([ben.headers["cookie"].split("=", 1)]))
    await signed_in(browser, provider)
    signing_up = await world.guest.post(
        "/account", {"userId": "ann", "email": EMAIL, "password": PASSWORD}
    )
    assert (signing_up.status, signing_up.type) == (400, "general_bad_request")
    by_server = await world.server.post("/users", {"userId": "ann", "email": EMAIL})
    assert (by_server.status, by_server.type) == (409, "user_email_already_exists")
    await world.server.post("/teams", {"teamId": "crew", "name": "Crew"})
    invited = await world.server.post("/teams/crew/memberships", {"email": EMAIL, "roles": ["dev"]})
    assert (invited.status, invited.type) == (409, "user_email_already_exists")
    carl = await world.user("carl")
    changed = await carl.patch("/account/email", {"email": EMAIL, "password": PASSWORD})
    assert (changed.status, changed.type) == (400, "general_bad_request")
    moved = await world.server.patch("/users/carl/email", {"email": EMAIL})
    assert (moved.status, moved.type) == (409, "user_email_already_exists")
    own = await world.server.patch("/users/ben/email", {"email": EMAIL})
    assert own.status == 200
