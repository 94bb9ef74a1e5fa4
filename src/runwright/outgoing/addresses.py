"""Which IP addresses users may have this server call. Pure.

A host name says nothing about where it leads, and there are many ways to write an address down:
decimal, octal or hexadecimal, as IPv4 inside of IPv6, behind a translator. So only the addresses
are judged that a name was resolved to, in their binary form, and those that carry another
address inside are judged by that one as well.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_PRIVATE_4: Final = tuple(
    map(
        IPv4Network,
        (
            "10.0.0.0/8",
            "100.64.0.0/10",  # between carriers and their customers; also overlay networks
            "127.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
        ),
    )
)
# What even a closed network has no receivers in: link-local addresses above all, where clouds
# hand out the credentials of their machines.
_NEVER_4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "169.254.0.0/16",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_PRIVATE_6: Final = (IPv6Network("::1/128"), IPv6Network("fc00::/7"))
_GLOBAL_6: Final = IPv6Network("2000::/3")  # everything else is reserved or has a narrow meaning
_NEVER_6: Final = tuple(
    map(IPv6Network, ("2001::/23", "2001:db8::/32", "3fff::/20"))  # protocols, documentation
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
_LOW_32: Final = 0xFFFF_FFFF


def is_allowed(text: str, *, allows_private: bool = False) -> bool:
    """Whether an IP address may be called. `allows_private` lets loopback and private ones
    through as well."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return _is_allowed(address, allows_private)


def _is_allowed(address: IPv4Address | IPv6Address, allows_private: bool) -> bool:
    if isinstance(address, IPv4Address):
        if any(address in network for network in _PRIVATE_4):
            return allows_private
        return not any(address in network for network in _NEVER_4)
    if address.scope_id is not None:  # `fe80::1%eth0` and others that mean one link only
        return False
    inner = _carried(address)
    if inner is not None:
        return _is_allowed(inner, allows_private)
    if any(address in network for network in _PRIVATE_6):
        return allows_private
    return address in _GLOBAL_6 and not any(address in network for network in _NEVER_6)


def _carried(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address at which packets to this one come out."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & _LOW_32)
    return None
