"""Counting wrong tries by the place that they come from."""

from typing import Final

import pytest

from runwright.api.guessing import (
    BURST,
    EVERY_S,
    GUESSABLE,
    KNOWN_S,
    WRONG,
    Guesses,
    KnownPlaces,
    network_of,
)
from runwright.errors import RateLimited
from runwright.identity.errors import InvalidCredentials, UserBlocked
from tests.unit.api.world import HandClock

HERE: Final = ["network:192.0.2.1"]


def wrong(guesses: Guesses, keys: list[str] = HERE) -> None:
    with pytest.raises(InvalidCredentials), guesses.watch(keys):
        raise InvalidCredentials


def refused_for(guesses: Guesses, keys: list[str] = HERE) -> int:
    with pytest.raises(RateLimited) as refusal, guesses.watch(keys):
        pytest.fail("the try was let through")
    return int(dict(refusal.value.headers)["retry-after"])


def test_so_many_wrong_tries_and_then_one_at_a_time() -> None:
    clock = HandClock()
    guesses = Guesses(clock)
    for _ in range(BURST):
        wrong(guesses)
    for _ in range(3):
        wait_s = refused_for(guesses)
        assert wait_s == EVERY_S
        clock.move(wait_s - 1)
        assert refused_for(guesses) == 1
        clock.move(1)
        wrong(guesses)
    clock.move(BURST * EVERY_S)
    assert len(guesses) == 1
    with guesses.watch(HERE):
        pass
    assert len(guesses) == 0, "what is over is not kept"


def test_right_tries_and_other_refusals_cost_nothing() -> None:
    guesses = Guesses(HandClock())
    for _ in range(BURST * 2):
        with guesses.watch(HERE):
            pass
        with pytest.raises(UserBlocked), guesses.watch(HERE):
            raise UserBlocked
        with pytest.raises(ZeroDivisionError), guesses.watch(HERE):
            raise ZeroDivisionError
    assert len(guesses) == 0


def test_tries_at_the_same_time_are_no_way_around() -> None:
    guesses = Guesses(HandClock())
    open_tries = [guesses.watch(HERE) for _ in range(BURST)]
    for one in open_tries:
        one.__enter__()
    refused_for(guesses)
    for one in open_tries:
        one.__exit__(None, None, None)
    with guesses.watch(HERE):
        pass


def test_the_fullest_of_several_keys_decides_and_others_are_not_charged() -> None:
    guesses = Guesses(HandClock())
    for _ in range(BURST):
        wrong(guesses, ["user:ann"])
    refused_for(guesses, [*HERE, "user:ann"])
    for _ in range(BURST):
        wrong(guesses)
    with guesses.watch([]):
        pass


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1:2:3", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_an_ipv6_address_stands_for_its_network(ip: str, network: str) -> None:
    assert network_of(ip) == network


def test_places_are_known_for_one_account_and_for_a_while() -> None:
    clock = HandClock()
    places = KnownPlaces(clock)
    places.note("p", "ann@example.com", "192.0.2.1")
    assert places.holds("p", "ann@example.com", "192.0.2.1")
    assert not places.holds("p", "ann@example.com", "192.0.2.2")
    assert not places.holds("p", "bob@example.com", "192.0.2.1")
    assert not places.holds("other", "ann@example.com", "192.0.2.1")
    clock.move(KNOWN_S)
    assert not places.holds("p", "ann@example.com", "192.0.2.1")


def test_every_route_that_takes_a_secret_of_people_is_watched() -> None:
    from runwright.api.params import declared
    from tests.acceptance.routes import every_route

    takes = set()
    for route in every_route():
        is_for_people = route.service in ("account", "teams") or "public" in route.scopes
        names = {item.name for item in declared(route.params)} if route.params else set()
        if is_for_people and names & {"password", "oldPassword", "secret", "otp"}:
            takes.add(route.name)
    assert takes - {"account.create"} == GUESSABLE, "account.create sets one and checks none"


def test_the_names_of_refusals_exist() -> None:
    from runwright.identity import errors

    known = {getattr(value, "type", "") for value in vars(errors).values()}
    assert WRONG - known <= {"user_invalid_code"}
