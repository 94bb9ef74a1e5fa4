"""Whom an address of a provider leads to."""

import pytest

from tests.fakes.identity import PASSWORD, World
from tests.integration.api.identity.oauth_world import (
    EMAIL,
    SESSION,
    Browser,
    Provider,
    account,
    failure,
    identities,
    made_user,
    signed_in,
)

pytestmark = pytest.mark.anyio


async def test_a_verified_address_leads_to_its_verified_user(
    world: World, provider: Provider
) -> None:
    await made_user(world, is_email_verified=True)
    browser = Browser(world)
    await signed_in(browser, provider)
    assert (await account(browser))["$id"] == "ann"
    reply = await world.guest.post(
        "/account/sessions/email", {"email": EMAIL, "password": PASSWORD}
    )
    assert reply.status == 201  # it was theirs all the time


async def test_an_address_that_the_provider_has_not_verified_leads_to_nobody(
    world: World, provider: Provider
) -> None:
    await made_user(world, is_email_verified=True)
    for is_verified in (False, "false", None, 0):
        provider.info["email_verified"] = is_verified
        browser = Browser(world)
        assert failure(await signed_in(browser, provider)) == "user_email_already_exists"
        assert not browser.is_signed_in
    assert await identities(world) == []


async def test_the_word_for_one_address_does_not_count_for_another(
    world: World, provider: Provider
) -> None:
    await made_user(world, is_email_verified=True)
    provider.claims = {"email": "mallory@example.com", "email_verified": True}
    del provider.info["email_verified"]
    assert failure(await signed_in(Browser(world), provider)) == "user_email_already_exists"


async def test_who_signed_up_with_an_address_of_others_is_locked_out(
    world: World, provider: Provider
) -> None:
    await made_user(world)
    squatter = await world.signed_in(world.guest, EMAIL, PASSWORD)
    browser = Browser(world)
    await signed_in(browser, provider)
    user = await account(browser)
    assert (user["$id"], user["emailVerification"]) == ("ann", True)
    assert (await squatter.get("/account")).status == 401
    reply = await world.guest.post(
        "/account/sessions/email", {"email": EMAIL, "password": PASSWORD}
    )
    assert reply.type == "user_invalid_credentials"


@pytest.mark.parametrize("proof", ["is_phone_verified", "is_mfa"])
async def test_a_user_who_is_proved_in_another_way_is_not_taken_over(
    world: World, provider: Provider, proof: str
) -> None:
    await made_user(world, **{proof: True})
    assert failure(await signed_in(Browser(world), provider)) == "user_email_already_exists"


async def test_a_mailbox_alone_does_not_open_an_account_with_a_second_factor(
    world: World, provider: Provider
) -> None:
    """Whoever reads somebody's mail can have any provider verify the address."""
    await made_user(world, is_email_verified=True, is_mfa=True)
    browser = Browser(world)
    assert failure(await signed_in(browser, provider)) == "user_email_already_exists"
    assert not browser.is_signed_in
    assert await identities(world) == []


async def test_an_unverified_address_makes_an_unverified_user(
    world: World, provider: Provider
) -> None:
    provider.info["email_verified"] = False
    browser = Browser(world)
    await signed_in(browser, provider)
    assert (await account(browser))["emailVerification"] is False


async def test_a_provider_without_addresses_makes_a_user_without_one(
    world: World, provider: Provider
) -> None:
    provider.info = {"sub": "u-1", "name": "Ann"}
    browser = Browser(world)
    await signed_in(browser, provider)
    user = await account(browser)
    assert (user["email"], user["name"], user["targets"]) == ("", "Ann", [])


async def test_a_blocked_user_does_not_come_in(world: World, provider: Provider) -> None:
    browser = Browser(world)
    await signed_in(browser, provider)
    user_id = (await account(browser))["$id"]
    await world.server.patch(f"/users/{user_id}/status", {"status": False})
    assert failure(await signed_in(Browser(world), provider)) == "user_blocked"


async def test_a_full_project_takes_nobody_new(world: World, provider: Provider) -> None:
    await world.user("ben")
    await world.server.patch("/project/policies/user-limit", {"total": 1})
    assert failure(await signed_in(Browser(world), provider)) == "user_count_exceeded"


async def test_rules_for_addresses_hold_for_those_of_providers(
    world: World, provider: Provider
) -> None:
    await world.server.patch("/project/policies/deny-free-email", {"enabled": True})
    provider.info["email"] = "ann@gmail.com"
    assert failure(await signed_in(Browser(world), provider)) == "user_email_free"
    nobody = await world.guest.post("/account/sessions/anonymous")
    browser = Browser(world, {SESSION: nobody.cookies[SESSION]})
    assert failure(await signed_in(browser, provider)) == "user_email_free"
    assert await identities(world) == []
