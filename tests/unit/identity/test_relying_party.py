"""To which domain passkeys are bound, and on which pages and in which apps they work."""

import base64
from dataclasses import replace

import pytest

from runwright.identity.factor_errors import PasskeysNotSetUp
from runwright.identity.policies import Policies, stored
from runwright.identity.relying_party import RelyingParties, check_rp_id
from runwright.model.identity import Platform, Project
from tests.unit.api.world import PROJECT, START, a_project

FINGERPRINT = ":".join(f"{byte:02X}" for byte in range(32))
KEY_HASH = base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")


def platform(identifier: str, kind: str = "web", *fingerprints: str) -> Platform:
    return Platform(
        id=identifier,
        project_id=PROJECT,
        created_at=START,
        updated_at=START,
        name=identifier,
        type=kind,
        identifier=identifier,
        fingerprints=fingerprints,
    )


def project(rp_id: str = "") -> Project:
    return replace(a_project(PROJECT), policies=stored(Policies(passkey_rp_id=rp_id)))


SHOP = project("example.com")
AWAY = RelyingParties(("api.example.net", "203.0.113.9"))
LOCAL = RelyingParties(("localhost",))


@pytest.mark.parametrize(
    ("parties", "shop", "hosts", "origin", "rp_id"),
    [
        (AWAY, SHOP, [], "https://example.com", "example.com"),
        (AWAY, SHOP, [], "", "example.com"),
        (AWAY, SHOP, [], "http://localhost:5173", "example.com"),
        (AWAY, SHOP, ["localhost"], "http://localhost:5173", "localhost"),
        (AWAY, SHOP, ["localhost"], "https://example.com", "example.com"),
        (AWAY, SHOP, ["localhost"], "", "example.com"),
        (LOCAL, SHOP, [], "http://localhost:5173", "localhost"),
        (LOCAL, project(), [], "", "localhost"),
        (AWAY, project("localhost"), [], "", "localhost"),
    ],
)
def test_a_page_is_told_the_domain_that_it_may_use(
    parties: RelyingParties, shop: Project, hosts: list[str], origin: str, rp_id: str
) -> None:
    party = parties.of(shop, [platform(host) for host in hosts], origin)
    assert (party.id, party.name) == (rp_id, PROJECT)


@pytest.mark.parametrize("origin", ["", "https://example.com", "http://localhost"])
def test_without_a_domain_there_are_no_passkeys(origin: str) -> None:
    with pytest.raises(PasskeysNotSetUp):
        AWAY.of(project(), [platform("example.com")], origin)


def test_other_pages_have_none_where_only_localhost_is_set_up() -> None:
    with pytest.raises(PasskeysNotSetUp):
        LOCAL.of(project(), [], "https://example.com")


@pytest.mark.parametrize(
    ("origin", "accepted"),
    [
        ("https://example.com", True),
        ("https://example.com:8443", True),
        ("https://shop.example.com", True),
        ("https://a.wild.example.com", True),
        ("https://wild.example.com", False),
        ("http://example.com", False),
        ("https://other.example.com", False),
        ("https://badexample.com", False),
        ("https://example.com.evil.net", False),
        ("https://elsewhere.net", False),
        ("https://example.com/path", False),
        ("https://user@example.com", False),
        ("http://localhost", False),
        ("https://[::1", False),
        ("null", False),
        ("", False),
        (f"android:apk-key-hash:{KEY_HASH}", True),
        (f"android:apk-key-hash:{KEY_HASH[:-1]}", False),
    ],
)
def test_pages_and_apps_of_the_project_on_the_domain_are_accepted(
    origin: str, accepted: bool
) -> None:
    platforms = [
        platform("example.com"),
        platform("shop.example.com"),
        platform("*.wild.example.com"),
        platform("elsewhere.net"),
        platform("com.example.app", "android", "no fingerprint", FINGERPRINT),
    ]
    assert AWAY.accepts(origin, "example.com", SHOP, platforms) is accepted


def test_every_host_of_the_domain_may_be_meant() -> None:
    assert AWAY.accepts("https://x.example.com", "example.com", SHOP, [platform("*")])
    assert not AWAY.accepts("https://x.example.net", "example.com", SHOP, [platform("*")])


def test_apple_apps_speak_as_the_domain_itself() -> None:
    app = [platform("com.example.app", "apple")]
    assert AWAY.accepts("https://example.com", "example.com", SHOP, app)
    assert not AWAY.accepts("https://shop.example.com", "example.com", SHOP, app)
    assert not AWAY.accepts("https://example.com", "example.com", SHOP, [])


@pytest.mark.parametrize(
    "origin", ["http://localhost", "http://localhost:3000", "https://localhost"]
)
def test_localhost_has_passkeys_of_its_own_for_development(origin: str) -> None:
    assert LOCAL.accepts(origin, "localhost", SHOP, [])
    assert AWAY.accepts(origin, "localhost", SHOP, [platform("localhost")])
    assert not AWAY.accepts(origin, "localhost", SHOP, [platform("example.com")])
    assert not LOCAL.accepts("http://127.0.0.1", "localhost", SHOP, [])
    assert not LOCAL.accepts("http://x.localhost", "localhost", SHOP, [platform("*")])


def test_the_console_is_bound_to_the_name_on_which_it_is_visited() -> None:
    parties = RelyingParties(("203.0.113.9", "one.example.net", "two.example.net"))
    assert parties.of(None, (), "https://two.example.net").id == "two.example.net"
    assert parties.of(None, (), "").id == "one.example.net"
    assert parties.accepts("https://two.example.net", "two.example.net", None, ())
    assert not parties.accepts("https://x.two.example.net", "two.example.net", None, ())
    assert not parties.accepts("http://localhost", "localhost", None, ())
    assert LOCAL.accepts("http://localhost:8080", "localhost", None, ())
    with pytest.raises(PasskeysNotSetUp):
        RelyingParties(("203.0.113.9",)).of(None, (), "")


def test_the_policy_shows_the_pages() -> None:
    hosts = ["example.com", "*.example.com", "elsewhere.net", "localhost", "badexample.com"]
    web = [platform(host) for host in hosts]
    shown = ("https://example.com", "https://*.example.com", "http://localhost")
    assert AWAY.origins(SHOP, web) == shown
    assert AWAY.origins(SHOP, []) == ()
    assert LOCAL.origins(project(), []) == ("http://localhost",)


@pytest.mark.parametrize(
    "text", ["example.com", "a.b-c.example.co.uk", "localhost", "", "EXAMPLE.com"]
)
def test_a_domain_is_taken(text: str) -> None:
    assert check_rp_id(text) == text.lower()


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com",
        "example.com:443",
        "example.com/",
        "example",
        "203.0.113.9",
        "[::1]",
        "*.example.com",
        "-a.example.com",
        "example..com",
        f"{'a' * 64}.com",
        f"{'a.' * 126}com",
    ],
)
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="domain of your application"):
        check_rp_id(text)
