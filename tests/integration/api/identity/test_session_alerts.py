"""Letters about new sign-ins, where the project wants them."""

from typing import Final

import pytest

from tests.fakes.identity import PASSWORD, World

pytestmark = pytest.mark.anyio

SIGN_IN: Final = {"email": "ann@example.com", "password": PASSWORD}
FIREFOX: Final = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


async def wanted(world: World) -> None:
    """The project wants alerts, and Ann is signed in once."""
    changed = await world.server.patch("/project/policies/session-alert", {"enabled": True})
    assert changed.status == 200
    await world.user("ann")
    assert world.bench.letters.letters == []  # of a first sign-in there is none


async def test_a_second_sign_in_is_told_with_what_is_known_of_it(world: World) -> None:
    await wanted(world)
    world.clock.move(60)
    await world.guest.post(
        "/account/sessions/email", SIGN_IN, user_agent=FIREFOX, x_appwrite_locale="pt_BR"
    )
    (letter,) = world.bench.letters.letters
    assert (letter.occasion, letter.to, letter.name) == ("sessionAlert", "ann@example.com", "ann")
    assert letter.locale == "pt-br"
    facts = dict(letter.facts)
    assert facts["date"] == "2026-08-21T13:43:57.000+00:00"
    assert facts["ipAddress"]
    assert (facts["agentClient"], facts["agentOs"]) == ("Firefox", "Ubuntu")
    assert facts["agentDevice"] == "desktop"


async def test_nobody_is_written_to_where_the_project_does_not_want_it(world: World) -> None:
    await world.user("ann")
    assert (await world.guest.post("/account/sessions/email", SIGN_IN)).status == 201
    assert world.bench.letters.letters == []


async def test_who_signs_in_by_a_letter_gets_no_second_one(world: World) -> None:
    await wanted(world)
    asked = {"userId": "unique()", "email": "ann@example.com"}
    await world.guest.post("/account/tokens/email", asked)
    trade = {"userId": "ann", "secret": world.bench.letters.secret()}
    assert (await world.guest.post("/account/sessions/token", trade)).status == 201
    assert [letter.occasion for letter in world.bench.letters.letters] == ["otpSession"]


async def test_a_token_of_a_server_is_told_of(world: World) -> None:
    await wanted(world)
    made = await world.server.post("/users/ann/tokens", {})
    trade = {"userId": "ann", "secret": made.body["secret"]}
    assert (await world.guest.post("/account/sessions/token", trade)).status == 201
    assert [letter.occasion for letter in world.bench.letters.letters] == ["sessionAlert"]


async def test_a_letter_that_cannot_be_sent_keeps_nobody_out(world: World) -> None:
    await wanted(world)
    world.bench.letters.off = {"email"}
    assert (await world.guest.post("/account/sessions/email", SIGN_IN)).status == 201
    assert world.bench.letters.letters == []
