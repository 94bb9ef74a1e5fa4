"""The table of providers, held against the official SDK and against itself."""

import inspect
import re
from dataclasses import fields
from functools import cache

import pytest
from appwrite.enums.id_token_provider import IdTokenProvider
from appwrite.enums.o_auth_provider import OAuthProvider
from appwrite.services.project import Project

from runwright.identity.oauth.provider import Provider
from runwright.identity.oauth.providers import GONE, NATIVE, PROVIDERS, github_at

KNOWN = {"client", "access", "secret", "uid"}


@cache
def sdk_methods() -> dict[str, tuple[str, set[str]]]:
    """Provider id -> the method that sets it, its parameters on the wire."""
    found = {}
    for name, method in inspect.getmembers(Project, inspect.isfunction):
        source = inspect.getsource(method)
        path = re.search(r"api_path = '/project/oauth2/(\w+)'", source)
        if path and name.startswith("update_o_auth2_"):
            found[path[1]] = (name, set(re.findall(r"api_params\['(\w+)'\]", source)))
    return found


def test_the_providers_are_those_of_the_sdk() -> None:
    assert set(PROVIDERS) == set(sdk_methods())
    assert {item.value for item in OAuthProvider} == {*PROVIDERS, *GONE}
    assert {item.value for item in IdTokenProvider} == set(NATIVE)


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda item: item.id)
def test_a_provider_takes_what_the_sdk_sends(provider: Provider) -> None:
    name, sent = sdk_methods()[provider.id]
    assert sent == {*provider.fields, "enabled"}
    spelled = "".join(part.capitalize() for part in name.removeprefix("update_o_auth2_").split("_"))
    assert spelled.lower() == provider.title.lower()


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
