"""Which web origins may talk to a project, and what browsers are told about it."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

from runwright.errors import RunwrightError
from runwright.model.execution import Headers
from runwright.model.identity import CONSOLE, Platform

RuleProject = Callable[[str], Awaitable[str | None]]

METHODS: Final = "GET, POST, PUT, PATCH, DELETE"
ALLOWED_HEADERS: Final = ", ".join(
    (
        "Accept",
        "Origin",
        "Cookie",
        "Set-Cookie",
        "Content-Type",
        "Content-Range",
        "X-Appwrite-Project",
        "X-Appwrite-Key",
        "X-Appwrite-Dev-Key",
        "X-Appwrite-Locale",
        "X-Appwrite-Mode",
        "X-Appwrite-JWT",
        "X-Appwrite-Organization",
        "X-Appwrite-Response-Format",
        "X-Appwrite-Timeout",
        "X-Appwrite-ID",
        "X-Appwrite-Timestamp",
        "X-Appwrite-Session",
        "X-Appwrite-Platform",
        "X-Appwrite-Impersonate-User-Id",
        "X-Appwrite-Impersonate-User-Email",
        "X-Appwrite-Impersonate-User-Phone",
        "X-SDK-Version",
        "X-SDK-Name",
        "X-SDK-Language",
        "X-SDK-Platform",
        "X-SDK-GraphQL",
        "X-SDK-Profile",
        "Range",
        "Cache-Control",
        "Expires",
        "Pragma",
        "X-Fallback-Cookies",
        "X-Requested-With",
        "X-Forwarded-For",
        "X-Forwarded-User-Agent",
        "Idempotency-Key",
        "Last-Event-ID",
    )
)
EXPOSED_HEADERS: Final = (
    "X-Appwrite-Session, X-Fallback-Cookies, X-Request-Id, Retry-After, "
    "X-Runwright-Idempotent-Replay"
)
MAX_AGE_S: Final = 86400

_WEB_SCHEMES: Final = frozenset(
    {
        "http",
        "https",
        "chrome-extension",
        "moz-extension",
        "safari-web-extension",
        "ms-browser-extension",
        "tauri",
    }
)
_NATIVE_SCHEMES: Final = {
    "apple": ("appwrite-ios", "appwrite-macos", "appwrite-watchos", "appwrite-tvos"),
    "android": ("appwrite-android",),
    "windows": ("appwrite-windows",),
    "linux": ("appwrite-linux",),
}
_PLATFORM_NAMES: Final = {
    "appwrite-ios": "Apple",
    "appwrite-macos": "Apple",
    "appwrite-watchos": "Apple",
    "appwrite-tvos": "Apple",
    "appwrite-android": "Android",
    "appwrite-windows": "Windows",
    "appwrite-linux": "Linux",
}
_LOCALHOST: Final = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})


class UnknownOrigin(RunwrightError):
    type, status = "general_unknown_origin", 403

    def __init__(self, origin: str) -> None:
        super().__init__(f"Invalid Origin. {how_to_register(origin)}")


def how_to_register(url: str) -> str:
    """What the owner of a client does whose origin or redirect target was refused."""
    scheme, host = _parts(url)
    platform = _PLATFORM_NAMES.get(scheme, "Web")
    return (
        f"Register your new client ({host or url}) as a new {platform} "
        "platform on your project console dashboard"
    )


class Origins:
    def __init__(self, hostnames: Iterable[str], rule_project: RuleProject | None = None) -> None:
        """`hostnames` are those of the API itself; `rule_project` tells whose a domain is."""
        self._hostnames = frozenset(_plain(name) for name in hostnames)
        self._rule_project = rule_project

    async def allows(self, url: str, project_id: str, platforms: Sequence[Platform]) -> bool:
        """Whether an origin, or a redirect target, belongs to a client of the project."""
        scheme, host = _parts(url)
        if scheme not in _WEB_SCHEMES:
            return bool(scheme) and scheme in _native_schemes(project_id, platforms)
        if not host:
            return False
        if host in self._hostnames or any(_fits(item.identifier, host) for item in platforms):
            return True
        if self._rule_project is None or project_id == CONSOLE:
            return False
        return await self._rule_project(host) == project_id

    def is_own(self, url: str) -> bool:
        """Whether the URL is on one of the API's own host names."""
        scheme, host = _parts(url)
        return scheme in ("http", "https") and host in self._hostnames


# On every answer. The origin itself is echoed only where it is allowed, never as `*`.
ALWAYS: Final[Headers] = (
    ("access-control-allow-methods", METHODS),
    ("access-control-allow-headers", ALLOWED_HEADERS),
    ("access-control-expose-headers", EXPOSED_HEADERS),
    ("access-control-allow-credentials", "true"),
    ("access-control-max-age", str(MAX_AGE_S)),
)


def _parts(url: str) -> tuple[str, str]:
    """Scheme and host name, "" for what is missing or malformed."""
    try:
        split = urlsplit(url)
        return split.scheme.lower(), _plain(split.hostname or "")
    except ValueError:
        return "", ""


def _plain(host: str) -> str:
    name = host.lower().rstrip(".")
    return "localhost" if name in _LOCALHOST else name


def _fits(allowed: str, host: str) -> bool:
    """`*.example.com` takes sub-domains but not the root; `*` takes everything."""
    pattern = _plain(allowed)
    if pattern == "*":
        return True
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return bool(pattern) and pattern == host


def _native_schemes(project_id: str, platforms: Sequence[Platform]) -> frozenset[str]:
    found = {"exp", f"appwrite-callback-{project_id}".lower()}
    for platform in platforms:
        found.update(_NATIVE_SCHEMES.get(platform.type, ()))
    return frozenset(found)
