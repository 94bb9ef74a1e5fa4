"""What browsers are told about their sessions."""

import json
from datetime import timedelta
from typing import Any, Final
from urllib.parse import unquote

import pytest

from runwright.api.cookies import signed_in, signed_out
from runwright.api.routing import Call
from runwright.identity.permissions import guest_roles
from runwright.identity.scopes import GUEST_SCOPES
from runwright.identity.sessions import Opened
from runwright.model.identity import CallerKind, Principal, Session, User
from tests.fakes.identity import START

BASE: Final[dict[str, Any]] = {"project_id": "Shop", "created_at": START, "updated_at": START}
OPENED = Opened(
    Session(
        **BASE,
        id="s",
        user_id="u",
        secret_hash="00",
        expires_at=START + timedelta(days=1),
    ),
    "secret",
    User(**BASE, id="u"),
)
GUEST = Principal(
    kind=CallerKind.GUEST, project_id="Shop", scopes=GUEST_SCOPES, roles=guest_roles()
)


def a_call(*, host: str = "localhost", scheme: str = "http", **headers: str) -> Call:
    return Call(
        method="POST",
        url_path="/v1/account/sessions/email",
        headers=headers,
        principal=GUEST,
        project=None,
        client_ip="192.0.2.1",
        host=host,
        scheme=scheme,
        response_format=None,
        raw={},
    )


def cookies(call: Call) -> list[str]:
    return [value for name, value in signed_in(call, OPENED) if name == "set-cookie"]


def fallback(call: Call) -> str | None:
    return dict(signed_in(call, OPENED)).get("x-fallback-cookies")


def test_both_cookies_carry_the_session_under_a_lower_case_name() -> None:
    legacy, modern = cookies(a_call())
    assert legacy.startswith("a_session_shop_legacy=")
    assert modern.startswith("a_session_shop=")
    value = modern.partition(";")[0].partition("=")[2]
    assert unquote(value) == OPENED.value
    assert "=" not in value


def test_only_the_modern_cookie_asks_for_same_site_none() -> None:
    legacy, modern = cookies(a_call())
    assert "samesite" not in legacy.lower()
    assert "samesite=none" in modern.lower()
    for line in (legacy, modern):
        assert "httponly" in line
        assert "path=/" in line
        assert "expires=Sat, 22 Aug 2026 13:42:57 GMT" in line


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_cookies_are_secure_exactly_on_https(scheme: str) -> None:
    for line in cookies(a_call(scheme=scheme)):
        assert ("; secure" in line) is (scheme == "https")


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("localhost", ""),
        ("appwrite", ""),
        ("127.0.0.1", ""),
        ("[::1]", ""),
        ("api.example.com", "; domain=.api.example.com"),
    ],
)
def test_cookies_name_a_domain_where_there_is_one(host: str, domain: str) -> None:
    for line in cookies(a_call(host=host)):
        assert ("domain=" in line) is bool(domain)
        assert domain in line


@pytest.mark.parametrize(
    ("host", "origin", "is_same_site"),
    [
        ("api.example.com", "https://app.example.com", True),
        ("api.example.co.uk", "https://other.co.uk", False),
        ("api.example.com", "https://evil.net", False),
        ("api.example.com", "", False),
        ("localhost", "http://localhost:3000", False),
        ("127.0.0.1", "http://127.0.0.1", False),
        ("api.example.com", "http://[broken", False),
    ],
)
def test_the_fallback_header_is_for_pages_of_another_site(
    host: str, origin: str, is_same_site: bool
) -> None:
    sent = fallback(a_call(host=host, origin=origin))
    if is_same_site:
        assert sent is None
    else:
        assert sent is not None
        assert json.loads(sent) == {"a_session_shop": OPENED.value}


def test_signing_out_empties_cookies_and_fallback() -> None:
    headers = signed_out(a_call(), "Shop")
    lines = [value for name, value in headers if name == "set-cookie"]
    assert [line.partition(";")[0] for line in lines] == [
        "a_session_shop_legacy=",
        "a_session_shop=",
    ]
    assert all("expires=Thu, 01 Jan 1970" in line for line in lines)
    assert dict(headers)["x-fallback-cookies"] == "[]"
