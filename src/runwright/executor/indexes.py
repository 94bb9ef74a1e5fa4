"""Where the operator's settings for package clients lead: builds may go there. Pure.

Package indexes and proxies often stand in private networks, which are closed to functions.
Naming one in the server's environment, which builds are given, opens it to builds.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from runwright.values import dataclass

# Lists of addresses are separated by any of these, depending on the client.
_BETWEEN: Final = re.compile(r"[\s,|]+")
_NAMED: Final = re.compile(r"[\w.-]+=(?=https?://)")  # uv: `name=https://...`
_PORTS: Final = {"http": 80, "https": 443}
_NO_ADDRESSES: Final = frozenset({"NO_PROXY", "PIP_TRUSTED_HOST", "GONOSUMDB"})


@dataclass(frozen=True, slots=True)
class Indexes:
    openings: tuple[str, ...]  # literal addresses with ports, as `egress.Opening` reads them
    names: Mapping[str, tuple[int, ...]]  # host names with ports


def indexes(env: Mapping[str, str]) -> Indexes:
    openings: set[str] = set()
    names: defaultdict[str, set[int]] = defaultdict(set)
    for variable, value in env.items():
        if variable.upper() in _NO_ADDRESSES:
            continue
        for host, port in filter(None, map(_endpoint, _BETWEEN.split(value))):
            try:
                openings.add(f"[{ip_address(host)}]:{port}")
            except ValueError:
                names[host].add(port)
    ordered = {name: tuple(sorted(ports)) for name, ports in sorted(names.items())}
    return Indexes(tuple(sorted(openings)), ordered)


def _endpoint(word: str) -> tuple[str, int] | None:
    """Host and port of an address; None for words such as `direct` or `true`."""
    text = _NAMED.sub("", word, count=1)
    if "://" not in text:
        if ":" not in text:
            return None
        text = f"http://{text}"  # a proxy without a scheme
    try:
        parts: SplitResult = urlsplit(text)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    host = (parts.hostname or "").rstrip(".")
    return (host, port) if host and port else None
