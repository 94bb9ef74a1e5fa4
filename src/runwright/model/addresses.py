"""What kind of place an IP address is. Pure.

A host name says nothing about where it leads, and there are many ways to write an address down:
decimal, octal or hexadecimal, as IPv4 inside of IPv6, behind a translator. So only addresses are
judged, in their binary form, and one that carries another inside is judged by that one.
"""

from enum import Enum, auto
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address


class Place(Enum):
    PUBLIC = auto()  # the internet
    PRIVATE = auto()  # networks of one owner
    LOOPBACK = auto()  # the machine itself
    UNSPECIFIED = auto()  # "no address", which a connection takes for the machine itself
    LINK = auto()  # what one's own segment alone can reach: clouds' credentials, above all
    EXAMPLES = auto()  # ranges for documentation: assigned to nobody
    NOWHERE = auto()  # reserved, multicast, or without a receiver of its own


_FOUR: Final = {
    Place.LINK: (
        "169.254.0.0/16",
        "100.100.100.200/32",  # a metadata service among private addresses
        "168.63.129.16/32",  # one among public ones
    ),
    Place.LOOPBACK: ("127.0.0.0/8",),
    Place.PRIVATE: (
        "10.0.0.0/8",
        "100.64.0.0/10",  # between carriers and their customers; also overlay networks
        "172.16.0.0/12",
        "192.168.0.0/16",
    ),
    Place.EXAMPLES: ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
    Place.UNSPECIFIED: ("0.0.0.0/8",),
    Place.NOWHERE: (
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
    ),
}
_SIX: Final = {
    Place.LINK: ("fe80::/10", "fd00:ec2::/32", "fd20:ce::254/128"),
    Place.LOOPBACK: ("::1/128",),
    Place.UNSPECIFIED: ("::/128",),
    Place.PRIVATE: ("fc00::/7",),
    Place.EXAMPLES: ("2001:db8::/32", "3fff::/20"),
    Place.NOWHERE: ("2001::/23",),  # protocols
}
_PLACES_4: Final = [(IPv4Network(text), kind) for kind in _FOUR for text in _FOUR[kind]]
_PLACES_6: Final = [(IPv6Network(text), kind) for kind in _SIX for text in _SIX[kind]]
_GLOBAL_6: Final = IPv6Network("2000::/3")  # everything else is reserved or has a narrow meaning
_NAT64: Final = IPv6Network("64:ff9b::/96")
_LOW_32: Final = 0xFFFF_FFFF


def place(address: Address) -> Place:
    """The first kind that fits, narrow ones before wide ones."""
    target = plain(address)
    if isinstance(target, IPv4Address):
        return next((kind for network, kind in _PLACES_4 if target in network), Place.PUBLIC)
    if target.scope_id is not None:  # `fe80::1%eth0` and others that mean one link only
        return Place.LINK
    rest = Place.PUBLIC if target in _GLOBAL_6 else Place.NOWHERE
    return next((kind for network, kind in _PLACES_6 if target in network), rest)


def plain(address: Address) -> Address:
    """The IPv4 address at which packets to an IPv6 one come out, where they do."""
    if isinstance(address, IPv4Address) or address.scope_id is not None:
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & _LOW_32)
    return address
