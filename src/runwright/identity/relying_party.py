"""To which domain passkeys are bound, and on which pages they may be used.

A browser gives a passkey only to pages on the domain that it was made for (the relying party);
this module says which domain that is, and which of the pages there belong to the project.

- The owner of a project names the domain in the policy `passkey`. Pages are the project's web
  platforms on the domain and below it, over https; an Apple app speaks as the domain itself, an
  Android app by the fingerprint of its certificate.
- Pages on localhost have passkeys of their own, for development: where `localhost` is a web
  platform, or a host name of this server.
- The console's are bound to the host name on which it is visited.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

from runwright.identity import platforms as kinds
from runwright.identity.factor_errors import PasskeysNotSetUp
from runwright.identity.policies import policies_of
from runwright.model.identity import Platform, Project
from runwright.values import dataclass

LOCALHOST: Final = "localhost"
ANDROID_ORIGIN: Final = "android:apk-key-hash:"

_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*\.[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?")


def check_rp_id(text: str) -> str:
    """A domain in lower case, `localhost`, or "". Raises ValueError."""
    name = text.lower()
    if name in ("", LOCALHOST) or (len(name) <= 253 and _DOMAIN.fullmatch(name)):
        return name
    raise ValueError(
        "Value must be the domain of your application, such as example.com, without scheme, port "
        "and path; localhost for local development; or empty"
    )


@dataclass(frozen=True, slots=True)
class RelyingParty:
    id: str
    name: str  # shown to people by their device


class RelyingParties:
    def __init__(self, hostnames: Iterable[str]) -> None:
        """`hostnames` are those of this server."""
        self._hostnames = tuple(name.lower() for name in hostnames)

    def of(
        self, project: Project | None, platforms: Sequence[Platform], origin: str
    ) -> RelyingParty:
        """For a page of this origin; "" for a server that asks. Raises PasskeysNotSetUp."""
        _, host = _parts(origin)
        chosen = policies_of(project).passkey_rp_id
        if project is None:
            return RelyingParty(self._console_id(host), "Runwright")
        if self._is_local(platforms) and (host == LOCALHOST or not (host or chosen)):
            chosen = LOCALHOST
        if not chosen:
            raise PasskeysNotSetUp()
        return RelyingParty(chosen, project.name)

    def accepts(
        self, origin: str, rp_id: str, project: Project | None, platforms: Sequence[Platform]
    ) -> bool:
        """Whether a page or an app of this origin may use passkeys of a relying party."""
        if origin.startswith(ANDROID_ORIGIN):
            return rp_id != LOCALHOST and origin in _android_origins(platforms)
        scheme, host = _parts(origin)
        if host == rp_id == LOCALHOST:
            is_ours = LOCALHOST in self._hostnames if project is None else self._is_local(platforms)
            return scheme in ("http", "https") and is_ours
        if scheme != "https" or not _is_within(host, rp_id):
            return False
        if project is None:
            return host in self._hostnames
        if host == rp_id and any(item.type == kinds.APPLE for item in platforms):
            return True
        return any(_covers(item.identifier, host) for item in platforms if item.type == kinds.WEB)

    def origins(self, project: Project, platforms: Sequence[Platform]) -> tuple[str, ...]:
        """The pages, as the policy shows them."""
        rp_id = policies_of(project).passkey_rp_id
        web = [item.identifier for item in platforms if item.type == kinds.WEB]
        found = [
            f"https://{host}"
            for host in web
            if rp_id and host != LOCALHOST and _is_within(host.removeprefix("*."), rp_id)
        ]
        if self._is_local(platforms):
            found.append(f"http://{LOCALHOST}")
        return tuple(dict.fromkeys(found))

    def _is_local(self, platforms: Sequence[Platform]) -> bool:
        return LOCALHOST in self._hostnames or any(
            item.type == kinds.WEB and item.identifier == LOCALHOST for item in platforms
        )

    def _console_id(self, host: str) -> str:
        """Raises PasskeysNotSetUp when this server has no host name, only addresses."""
        names = [name for name in self._hostnames if name == LOCALHOST or _DOMAIN.fullmatch(name)]
        if host in names:
            return host
        if not names:
            raise PasskeysNotSetUp()
        return names[0]


def _parts(origin: str) -> tuple[str, str]:
    """Scheme and host name of an origin, "" for what is no web page's."""
    try:
        split = urlsplit(origin)
        host = (split.hostname or "").rstrip(".")
    except ValueError:
        return "", ""
    is_plain = origin.count("/") == 2 and not split.username and not split.password
    return (split.scheme, host) if is_plain else ("", "")


def _is_within(host: str, rp_id: str) -> bool:
    return bool(host) and (host == rp_id or host.endswith(f".{rp_id}"))


def _covers(pattern: str, host: str) -> bool:
    """`*.example.com` stands for hosts below it, `*` for every host."""
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return pattern in ("*", host)


def _android_origins(platforms: Sequence[Platform]) -> frozenset[str]:
    """Apps name themselves by the SHA-256 of their signing certificate."""
    found = set()
    for item in platforms:
        for fingerprint in item.fingerprints if item.type == kinds.ANDROID else ():
            try:
                digest = binascii.unhexlify(fingerprint.replace(":", "").strip())
            except (binascii.Error, ValueError):
                continue
            found.add(ANDROID_ORIGIN + base64.urlsafe_b64encode(digest).decode().rstrip("="))
    return frozenset(found)
