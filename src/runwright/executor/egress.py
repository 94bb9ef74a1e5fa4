"""Where functions may connect to; pure.

A function reaches the internet, the resolver and the server's API, and nothing of the networks
its machine is in: not the machine's loopback, not its own addresses, not private ranges, not what
only its own segment can reach (link-local, where clouds put their metadata services). An address
is judged after name resolution, so a name cannot be pointed somewhere else between the check and
the connection.

The operator's exceptions open private and reserved ranges. The machine's own addresses and
link-local ones are opened by an entry for that one address alone, so that a wide one opens none
by accident. Loopback is never opened: to a sandbox it is its own.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, Self

from runwright.model.addresses import Address, Place, place, plain
from runwright.values import dataclass

# Kinds of sandboxes that have a policy; those of every other kind reach the API alone.
EGRESS: Final = "egress"
BUILD: Final = "build"
DNS_PORT: Final = 53
_LOOPBACK: Final = ip_address("127.0.0.1")
_OPEN: Final = (Place.PUBLIC, Place.EXAMPLES)
_NEVER: Final = (Place.LOOPBACK, Place.UNSPECIFIED)
_ALL_PORTS: Final = (0, 65535)
_MOST_LEARNED: Final = 512
_ENTRY: Final = re.compile(
    r"(?:\[(?P<six>[^]]+)\]|(?P<four>[0-9./]+)|(?P<bare>[0-9a-fA-F:./]+))"
    r"(?::(?P<low>\d+)(?:-(?P<high>\d+))?)?"
)


class BadNetwork(ValueError):
    """An entry that names no network; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Addresses and ports in one entry of the operator's lists."""

    network: IPv4Network | IPv6Network
    low: int = _ALL_PORTS[0]
    high: int = _ALL_PORTS[1]

    @classmethod
    def parse(cls, text: str) -> Self:
        """`10.0.0.0/8`, `10.1.2.3:5432`, `10.1.2.3:8000-8010`, `[fd00::/8]:443`, `fd00::/8`."""
        found = _ENTRY.fullmatch(text.strip())
        if found is None:
            raise BadNetwork(f"{text!r} is not a network such as 10.0.0.0/8 or 10.1.2.3:5432")
        try:
            network = ip_network(found["six"] or found["four"] or found["bare"], strict=False)
        except ValueError as exc:
            raise BadNetwork(f"{text!r}: {exc}") from exc
        low = int(found["low"] or _ALL_PORTS[0])
        high = int(found["high"] or found["low"] or _ALL_PORTS[1])
        if not low <= high <= _ALL_PORTS[1]:
            raise BadNetwork(f"{text!r}: ports go from 1 to {_ALL_PORTS[1]}")
        if network.num_addresses == 1 and place(network.network_address) in _NEVER:
            raise BadNetwork(f"{text!r}: to a sandbox that is its own loopback")
        return cls(network, low, high)

    @property
    def is_single(self) -> bool:
        return self.network.num_addresses == 1

    def covers(self, address: Address, port: int | None) -> bool:
        """Without a port: whether any port of the address is covered."""
        if address.version != self.network.version or address not in self.network:
            return False
        return port is None or self.low <= port <= self.high


def parse_openings(texts: Iterable[str]) -> tuple[Opening, ...]:
    return tuple(Opening.parse(text) for text in texts)


def is_opening(text: str) -> bool:
    try:
        Opening.parse(text)
    except BadNetwork:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Policy:
    """What sandboxes of one kind may connect to. `is_own` knows the machine's addresses."""

    is_own: Callable[[Address], bool]
    allowed: Sequence[Opening] = ()
    refused: Sequence[Opening] = ()

    def allows(self, address: Address, port: int | None) -> bool:
        """Without a port: whether any port of the address may be connected to."""
        target = plain(address)
        where = place(target)
        openings = [item for item in self.allowed if item.covers(target, port)]
        if where in _NEVER:
            return False
        if any(item.is_single for item in openings):
            return True
        if any(item.covers(target, port) for item in self.refused):
            return False
        if where is Place.LINK or self.is_own(target):
            return False
        return where in _OPEN or bool(openings)


class Refused(Exception):
    """Functions may not connect there."""


class Reach:
    """What one sandbox may connect to: the policy of its kind, and for builds where the names
    of the operator's package indexes lead, wherever that is."""

    def __init__(self, policy: Policy, names: Mapping[str, Collection[int]]) -> None:
        """`names`: hosts whose addresses are allowed, with the ports."""
        self._policy = policy
        self._names = names
        self._learned: set[tuple[Address, int]] = set()

    def allows(self, address: Address, port: int) -> bool:
        return (address, port) in self._learned or self._policy.allows(address, port)

    def hears(self, name: str, addresses: Iterable[Address]) -> bool:
        """Whether a name may be answered with these addresses: only if all may be used."""
        found = [plain(address) for address in addresses]
        if name in self._names:
            self._learn(found, self._names[name])
            return True
        return all(self._policy.allows(address, None) for address in found)

    def _learn(self, addresses: Iterable[Address], ports: Iterable[int]) -> None:
        new = {(address, port) for address in addresses for port in ports}
        new = {item for item in new if place(item[0]) not in _NEVER}
        if len(self._learned) + len(new) <= _MOST_LEARNED:
            self._learned |= new


class Verdict(Enum):
    OUT = "out"  # connect to the address itself
    API = "api"  # the server's own API
    DNS = "dns"  # questions to the resolver, over TCP
    REFUSED = "refused"


def judge(address: str, port: int, *, api_port: int, reach: Reach | None) -> Verdict:
    """`address` is literal; anything else is refused. Without a reach only the API is left."""
    try:
        target = plain(ip_address(address))
    except ValueError:
        return Verdict.REFUSED
    if target == _LOOPBACK and port == api_port:
        return Verdict.API
    if target == _LOOPBACK and port == DNS_PORT:
        return Verdict.DNS
    if reach is None or not reach.allows(target, port):
        return Verdict.REFUSED
    return Verdict.OUT
