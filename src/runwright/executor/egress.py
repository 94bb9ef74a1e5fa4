"""Where functions may connect to; pure.

A function reaches the internet, the resolver and the server's API, and nothing of the machine
it runs on: not its loopback, not its own addresses, not what only its own network segment can
reach (link-local, where clouds put their metadata services). An address is judged after name
resolution, so a name cannot be pointed somewhere else between the check and the connection.
"""

from collections.abc import Collection
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
DNS_PORT: Final = 53
_LOOPBACK: Final = ip_address("127.0.0.1")
_TRANSLATED: Final = ip_network("64:ff9b::/96")  # IPv4 behind NAT64
_REFUSED: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "100.100.100.200/32",  # a metadata service outside link-local
        "192.0.0.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "::1/128",
        "fd00:ec2::254/128",  # likewise
        "fe80::/10",
        "ff00::/8",
    )
)


class Verdict(Enum):
    OUT = "out"  # connect to the address itself
    API = "api"  # the server's own API
    DNS = "dns"  # the host's resolver, over TCP
    REFUSED = "refused"


def judge(
    address: str,
    port: int,
    *,
    api_port: int,
    own: Collection[Address],
    reachable: Collection[tuple[Address, int]] = (),
) -> Verdict:
    """`own` are the host's addresses; `reachable` what the operator opened all the same.

    `address` is literal; anything else is refused.
    """
    try:
        target = plain(ip_address(address))
    except ValueError:
        return Verdict.REFUSED
    if target == _LOOPBACK and port == api_port:
        return Verdict.API
    if target == _LOOPBACK and port == DNS_PORT:
        return Verdict.DNS
    if (target, port) in reachable:
        return Verdict.OUT
    if target in own or any(target in network for network in _REFUSED):
        return Verdict.REFUSED
    return Verdict.OUT


def plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
