"""How browsers get and lose their sessions: two cookies, and a header for where cookies fail."""

import ipaddress
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec
from publicsuffixlist import PublicSuffixList

from runwright.api.routing import Call
from runwright.identity.sessions import Opened
from runwright.model.execution import Headers

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FALLBACK: Final = "x-fallback-cookies"


def signed_in(call: Call, opened: Opened) -> Headers:
    """Headers of the answer that opens a session."""
    name = _name(opened.session.project_id)
    headers = _cookies(call, name, opened.value, opened.session.expires_at)
    if not _is_same_site(call):
        fallback = msgspec.json.encode({name: opened.value}).decode()
        headers = (*headers, (_FALLBACK, fallback))
    return headers


def signed_out(call: Call, project_id: str) -> Headers:
    """Headers that make the client forget its session."""
    return (*_cookies(call, _name(project_id), "", _LONG_AGO), (_FALLBACK, "[]"))


def _name(project_id: str) -> str:
    return f"a_session_{project_id}".lower()


def _cookies(call: Call, name: str, value: str, expires_at: datetime) -> Headers:
    domain = _cookie_domain(call.host)
    common = f"expires={format_datetime(expires_at, usegmt=True)}; path=/"
    common += f"; domain={domain}" if domain else ""
    common += "; secure" if call.scheme == "https" else ""
    encoded = quote(value, safe="")
    # The first is for browsers that refuse SameSite=None without https, or do not know it.
    return (
        ("set-cookie", f"{name}_legacy={encoded}; {common}; httponly"),
        ("set-cookie", f"{name}={encoded}; {common}; httponly; samesite=None"),
    )


def _cookie_domain(host: str) -> str:
    """Sub-domains share the session; names without a dot and addresses have none."""
    return "" if "." not in host or _is_address(host) else f".{host}"


def _is_same_site(call: Call) -> bool:
    """Whether the calling page and the API share a registrable domain, so that cookies work."""
    page = call.headers.get("origin") or call.headers.get("referer") or ""
    try:
        host = urlsplit(page).hostname or ""
    except ValueError:
        return False
    own = _registrable(call.host)
    return bool(own) and own == _registrable(host)


def _registrable(host: str) -> str:
    if "." not in host or _is_address(host):
        return ""
    return _suffixes().privatesuffix(host) or ""


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
