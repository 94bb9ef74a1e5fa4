"""The table of providers, held against itself."""

import re
from dataclasses import fields

import pytest

from runwright.identity.oauth.provider import Provider
from runwright.identity.oauth.providers import PROVIDERS, github_at

KNOWN = {"client", "access", "secret", "uid"}


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda item: item.id)
def test_addresses_are_https_and_hold_known_settings_only(provider: Provider) -> None:
    if not provider.can_sign_in:
        assert provider.why_not
        return
    names = KNOWN | {extra.name for extra in provider.extras}
    hosts = {extra.name for extra in provider.extras if extra.kind in ("host", "address")}
    addresses = [provider.authorize, provider.token, provider.profile.address]
    for address in [*addresses, provider.profile.more, provider.keys]:
        assert set(re.findall(r"\{(\w+)\}", address)) <= names
        starts = ("https://", *(f"{{{name}}}" for name in hosts))
        assert not address or address.startswith(starts), address
    assert provider.profile.address or provider.keys


def test_github_can_stand_elsewhere() -> None:
    moved = github_at("https://git.example")
    assert moved.authorize == "https://git.example/login/oauth/authorize"
    assert moved.profile.more == "https://git.example/api/v3/user/emails"
    kept = {item.name for item in fields(Provider)} - {"authorize", "token", "profile"}
    for name in kept:
        assert getattr(moved, name) == getattr(PROVIDERS["github"], name)
