"""Request -> where it came from, and the credentials it carries."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from starlette.requests import cookie_parser
from starlette.types import Scope

from runwright.api.forms import from_query
from runwright.api.matching import Match
from runwright.identity.authentication import Credentials, Impersonated
from runwright.identity.tokens import decode_session
from runwright.ids import new_id
from runwright.model.identity import CONSOLE
from runwright.proxies import Proxies
from runwright.values import dataclass

ADMIN: Final = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A request as it came in, before anything is known about its sender."""

    request_id: str
    method: str
    path: str
    headers: Mapping[str, str]  # lower-case names; repeated ones joined
    query: Mapping[str, Any]
    client_ip: str
    host: str  # lower case, without port
    scheme: str
    authority: str = ""  # the host as it was named, with its port


# Of a request that carries other ones; they would mean something else in those.
_OF_THE_CARRIER: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "content-length",
        "content-range",
        "content-type",
        "if-none-match",
        "last-event-id",
        "range",
        "x-appwrite-id",
        "x-appwrite-response-format",
    }
)


def nested(carrier: Arrival, method: str, path: str) -> Arrival:
    """A request that came inside another one, from the same sender."""
    headers = {
        name: value for name, value in carrier.headers.items() if name not in _OF_THE_CARRIER
    }
    return replace(carrier, method=method, path=path, headers=headers)


def arrive(scope: Scope, proxies: Proxies) -> Arrival:
    """Raises BadRequest when the query string has too many parameters."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        joint = "; " if name == "cookie" else ", "
        headers[name] = f"{headers[name]}{joint}{value}" if name in headers else value
    peer = scope["client"][0] if scope.get("client") else ""
    is_proxied = proxies.trusts(peer)
    host, scheme = headers.get("host", ""), scope.get("scheme", "http")
    if is_proxied:
        host = headers.get("x-forwarded-host", host)
        sent = headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
        scheme = sent if sent in ("http", "https") else scheme
    return Arrival(
        request_id=new_id(),
        method=scope["method"],
        path=scope["path"],
        headers=headers,
        query=from_query(scope.get("query_string", b"").decode("latin-1")),
        client_ip=proxies.client(peer, headers.get("x-forwarded-for", "")),
        host=host_name(host),
        scheme=scheme,
        authority=host.partition(",")[0].strip().lower(),
    )


def host_name(host: str) -> str:
    """`Example.com:8080` -> `example.com`; `[::1]:80` -> `[::1]`."""
    name = host.partition(",")[0].strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0]


def named_project(arrival: Arrival, params: Mapping[str, Any]) -> str:
    """The project a request names: parameter, header, or for bodies also the query."""
    for candidate in (
        params.get("project"),
        arrival.headers.get("x-appwrite-project"),
        arrival.query.get("project"),
    ):
        if isinstance(candidate, str) and candidate:
            return candidate
    return ""


def credentials(arrival: Arrival, match: Match | None, params: Mapping[str, Any]) -> Credentials:
    """`params` are those of the query for GET and HEAD, else those of the body."""
    headers = arrival.headers
    named = named_project(arrival, params)
    in_path = match.project_id if match is not None else ""
    is_alias = match is not None and match.is_alias
    project_id = in_path if in_path and is_alias else named
    mode = headers.get("x-appwrite-mode") or arrival.query.get("mode")
    is_admin = mode == ADMIN or bool(named and named != project_id)
    return Credentials(
        project_id=project_id,
        header_project_id=headers.get("x-appwrite-project", ""),
        is_admin=is_admin,
        key=headers.get("x-appwrite-key", ""),
        jwt=headers.get("x-appwrite-jwt", ""),
        sessions=_sessions(headers, CONSOLE if is_admin else project_id or CONSOLE),
        user_header=headers.get("x-appwrite-user", ""),
        organization_header=headers.get("x-appwrite-organization", ""),
        organization_id=_organization(match, headers, params),
        console_project_id="" if is_alias else in_path,
        sdk=headers.get("x-sdk-name", ""),
        impersonated=impersonated(arrival),
    )


def impersonated(arrival: Arrival) -> Impersonated | None:
    """Whom the caller wants to be; a header counts before the parameter of the query."""
    found = {}
    for kind in ("id", "email", "phone"):
        alias = "impersonate" + ("UserId" if kind == "id" else kind.capitalize())
        header = arrival.headers.get(f"x-appwrite-impersonate-user-{kind}", "")
        value = header or arrival.query.get(alias) or arrival.query.get(alias.lower())
        found[kind] = value if isinstance(value, str) else ""
    if not any(found.values()):
        return None
    return Impersonated(
        user_id=found["id"], email=found["email"].lower(), phone=_plus(found["phone"])
    )


def _plus(phone: str) -> str:
    """A plus sign of a query that nobody encoded has become a space."""
    return f"+{phone[1:]}" if phone.startswith(" ") else phone


def _organization(
    match: Match | None, headers: Mapping[str, str], params: Mapping[str, Any]
) -> str:
    """The organization that a console request is about: a parameter where projects are listed
    and made, a header on the organization's own paths.

    Nowhere else: the rights of an admin come with it, and on the console's other paths (users,
    teams) they would reach the accounts of other organizations.
    """
    template = match.template if match is not None else ""
    if template == "/v1/projects":
        team_id = params.get("teamId")
        return team_id if isinstance(team_id, str) else ""
    if template == "/v1/organization" or template.startswith("/v1/organization/"):
        return headers.get("x-appwrite-organization", "")
    return ""


def _sessions(headers: Mapping[str, str], project_id: str) -> tuple[str, ...]:
    """Encoded session values, the most binding first."""
    name = f"a_session_{project_id}".lower()
    cookies = cookie_parser(headers.get("cookie", ""))
    found = [cookies.get(name, ""), cookies.get(f"{name}_legacy", "")]
    found.append(headers.get("x-appwrite-session", ""))
    if not any(decode_session(unquote(value)) for value in found if value):
        found += _fallback(headers.get("x-fallback-cookies", ""), (name, f"{name}_legacy"))
    return tuple(unquote(value) for value in found if value)


def _fallback(header: str, names: Collection[str]) -> list[str]:
    """Sessions that browsers without third-party cookies keep themselves."""
    if not header:
        return []
    try:
        kept = msgspec.json.decode(header)
    except (msgspec.DecodeError, RecursionError):
        return []
    if not isinstance(kept, dict):
        return []
    return [kept[name] for name in names if isinstance(kept.get(name), str)]
