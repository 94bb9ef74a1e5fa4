"""Host name -> what answers there. Pure."""

import ipaddress
import re
from collections.abc import Collection
from enum import Enum
from typing import Final

from runwright.model.function import Rule, RuleType
from runwright.values import dataclass

_HOST: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
_PORT: Final = re.compile(r"[0-9]{0,5}")
_LONGEST: Final = 253 + len(".:65535")  # of a name in DNS, and what may follow it


class Kind(Enum):
    API = "api"
    FUNCTION = "function"
    REDIRECT = "redirect"
    BASE = "base"  # the bare functions domain
    NOTHING = "nothing"  # below the functions domain, but nobody's
    UNVERIFIED = "unverified"  # a rule that has not proved its domain
    REFUSED = "refused"  # unknown, and only known names are answered
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Place:
    kind: Kind
    host: str = ""
    rule: Rule | None = None


def normal_host(raw: str) -> str | None:
    """A Host header without its port, in lower case; None when it cannot be a host."""
    if len(raw) > _LONGEST:
        return None
    if not raw.isascii():  # some letters beyond ASCII turn into ASCII in lower case
        return None
    text = raw.strip().lower()
    if text.startswith("["):
        literal, bracket, rest = text[1:].partition("]")
        is_sound = bracket and (not rest or (rest[0] == ":" and _PORT.fullmatch(rest[1:])))
        return literal if is_sound and is_address(literal) else None
    name, _, port = text.partition(":")
    name = name.removesuffix(".")
    if _PORT.fullmatch(port) is None or _HOST.fullmatch(name) is None or ".." in name:
        return None
    return name


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Router:
    """Decides by name and rule. `api_hosts` are the installation's own names."""

    def __init__(
        self, *, api_hosts: Collection[str], functions_domain: str, is_protected: bool
    ) -> None:
        self._api_hosts = frozenset(host.lower() for host in api_hosts)
        self._base = functions_domain.lower().rstrip(".")
        self._is_protected = is_protected

    def needs_rule(self, host: str) -> bool:
        """False for names on which no rule can have a say."""
        return host not in self._api_hosts and host != self._base and not is_address(host)

    def place(self, host: str, rule: Rule | None) -> Place:
        if host in self._api_hosts or _is_loopback(host):
            return Place(Kind.API, host)
        if host == self._base:
            return Place(Kind.BASE, host)
        if rule is not None:
            return self._of_rule(host, rule)
        # With the dot: evilfunctions.localhost is not below functions.localhost.
        if host.endswith("." + self._base):
            return Place(Kind.NOTHING, host)
        return Place(Kind.REFUSED if self._is_protected else Kind.API, host)

    def _of_rule(self, host: str, rule: Rule) -> Place:
        if not rule.is_serving:
            return Place(Kind.UNVERIFIED, host, rule)
        if rule.type is RuleType.API:
            return Place(Kind.API, host, rule)
        if rule.type is RuleType.REDIRECT:
            return Place(Kind.REDIRECT, host, rule)
        return Place(Kind.FUNCTION, host, rule)


def _is_loopback(host: str) -> bool:
    return is_address(host) and ipaddress.ip_address(host).is_loopback
