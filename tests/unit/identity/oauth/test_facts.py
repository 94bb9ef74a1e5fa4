"""Reading what providers say about people."""

from typing import Any

import pytest

from runwright.identity.oauth.facts import Facts, first, is_true, read_facts
from runwright.identity.oauth.provider import Profile
from runwright.identity.oauth.providers import PROVIDERS

GITHUB = {
    "id": 583231,
    "login": "octocat",
    "name": None,
    "email": "public@example.com",
    "more": [
        {"email": "old@example.com", "primary": False, "verified": True},
        {"email": "Octo@Example.com", "primary": True, "verified": True},
    ],
}


def facts(provider: str, told: Any) -> Facts:
    return read_facts(PROVIDERS[provider].profile, told)


def test_the_primary_address_counts_and_not_the_one_that_is_shown() -> None:
    assert facts("github", GITHUB) == Facts(
        uid="583231", email="octo@example.com", name="octocat", is_verified=True
    )


def test_an_address_that_is_only_shown_is_not_verified() -> None:
    seen = facts("github", GITHUB | {"more": {}})
    assert (seen.email, seen.is_verified) == ("public@example.com", False)


@pytest.mark.parametrize(
    ("provider", "told", "expected"),
    [
        (
            "x",
            {"data": {"id": "1", "name": "Ann", "confirmed_email": "a@x.org"}},
            Facts(uid="1", email="a@x.org", name="Ann", is_verified=True),
        ),
        ("x", {"data": {"id": "1", "name": "Ann"}}, Facts(uid="1", name="Ann")),
        (
            "bitbucket",
            {
                "uuid": "{b}",
                "display_name": "Ann",
                "more": {"values": [{"email": "a@x.org", "is_primary": True}]},
            },
            Facts(uid="{b}", email="a@x.org", name="Ann"),
        ),
        (
            "twitch",
            {"data": [{"id": "7", "display_name": "Ann", "email": "a@x.org"}]},
            Facts(uid="7", email="a@x.org", name="Ann", is_verified=True),
        ),
        (
            "microsoft",
            {"id": "m", "displayName": "Ann", "mail": "victim@example.com"},
            Facts(uid="m", email="victim@example.com", name="Ann", is_verified=False),
        ),
        (
            "apple",
            {"sub": "a", "email": "a@x.org", "email_verified": "true"},
            Facts(uid="a", email="a@x.org", is_verified=True),
        ),
        (
            "kakao",
            {"id": 5, "kakao_account": {"email": "a@x.org", "is_email_verified": False}},
            Facts(uid="5", email="a@x.org"),
        ),
    ],
)
def test_each_provider_has_words_of_its_own(provider: str, told: Any, expected: Facts) -> None:
    assert facts(provider, told) == expected


@pytest.mark.parametrize(
    "email",
    ["", "none", "a@b@c.org", "a b@c.org", "a@x.org\n", "@x.org", "a@", 5, None, "a" * 320 + "@x"],
)
def test_what_is_no_address_is_none(email: Any) -> None:
    seen = read_facts(Profile(verified="email_verified"), {"email": email, "email_verified": True})
    assert (seen.email, seen.is_verified) == ("", False)


@pytest.mark.parametrize("uid", [None, True, 1.5, {}, [], "", "a\nb", "a" * 256])
def test_what_is_no_id_is_none(uid: Any) -> None:
    assert read_facts(Profile(), {"sub": uid}).uid == ""


@pytest.mark.parametrize("value", [False, 0, None, "", "false", "False", "0", "no", [], {}])
def test_what_says_no_is_no(value: Any) -> None:
    assert not is_true(value)


@pytest.mark.parametrize(
    ("path", "value"),
    [("a.1.b", 2), ("a.9.b", None), ("a.b", None), ("a.0.b.c", None), ("*x.b", None), ("", None)],
)
def test_a_path_that_leads_nowhere_is_nothing(path: str, value: Any) -> None:
    assert first({"a": [{"b": 1}, {"b": 2}]}, path) == value
