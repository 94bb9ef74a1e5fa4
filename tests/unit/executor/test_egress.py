"""Which addresses functions may connect to, in every spelling."""

from collections.abc import Mapping
from ipaddress import ip_address

import pytest

from runwright.executor.egress import (
    BadNetwork,
    Opening,
    Policy,
    Reach,
    Verdict,
    judge,
    parse_openings,
)
from runwright.model.addresses import Address

OWN = [ip_address("192.0.2.2"), ip_address("2a00:1:2::2"), ip_address("10.0.0.5")]
OUT = ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:2800:220:1::1", "203.0.113.9"]
OWN_LOOPBACK = ["127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "::", "::1"]
PRIVATE = [
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.127.255.255",
    "fc00::1",
    "fdff::1",
]
LINK = [
    "169.254.169.254",
    "169.254.1.1",
    "100.100.100.200",
    "168.63.129.16",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fe80::1",
]
NOWHERE = [
    "192.0.0.8",
    "198.18.0.1",
    "198.19.255.255",
    "192.88.99.1",
    "224.0.0.251",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "ff02::fb",
    "fec0::1",
    "100::1",
    "2001::1",
    "64:ff9b:1::1",
    "::127.0.0.1",
    "::10.1.2.3",
]
NO_ADDRESSES = ["localhost", "", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "127.1", "10.1"]


def is_own(address: Address) -> bool:
    return address in OWN


def a_reach(
    *allowed: str, refused: tuple[str, ...] = (), names: Mapping[str, tuple[int, ...]] = {}
) -> Reach:
    return Reach(Policy(is_own, parse_openings(allowed), parse_openings(refused)), names)


def inside_six(address: str) -> list[str]:
    """An IPv4 address in the ways in which an IPv6 one can lead to it."""
    parts = [int(part) for part in address.split(".")]
    high, low = parts[0] << 8 | parts[1], parts[2] << 8 | parts[3]
    return [f"::ffff:{address}", f"64:ff9b::{high:x}:{low:x}", f"2002:{high:x}:{low:x}::1"]


def spellings(addresses: list[str]) -> list[str]:
    return [
        text
        for address in addresses
        for text in [address, *(inside_six(address) if "." in address[-4:] else [])]
        if not address.startswith("::1") or text == address
    ]


def verdict(address: str, port: int = 80, reach: Reach | None = None) -> Verdict:
    return judge(address, port, api_port=8080, reach=reach or a_reach())


@pytest.mark.parametrize("address", spellings(OUT))
def test_the_internet_is_open(address: str) -> None:
    assert verdict(address) is Verdict.OUT


@pytest.mark.parametrize("address", spellings([*PRIVATE, *LINK, *NOWHERE[:8], *OWN_LOOPBACK[:4]]))
def test_closed_addresses_are_closed_in_every_spelling(address: str) -> None:
    assert verdict(address) is Verdict.REFUSED


@pytest.mark.parametrize("address", [*NOWHERE, *OWN_LOOPBACK, *NO_ADDRESSES, *map(str, OWN)])
def test_what_is_reserved_or_ones_own_or_no_address_is_closed(address: str) -> None:
    assert verdict(address) is Verdict.REFUSED


@pytest.mark.parametrize("scope", ["fe80::1%eth0", "2606:4700::1111%eth0", "::ffff:8.8.8.8%1"])
def test_an_address_of_one_link_is_closed(scope: str) -> None:
    assert verdict(scope) is Verdict.REFUSED


def test_the_api_and_the_resolver_are_at_the_sandboxes_loopback_on_their_ports() -> None:
    assert verdict("127.0.0.1", 8080) is Verdict.API
    assert verdict("127.0.0.1", 53) is Verdict.DNS
    assert verdict("127.0.0.2", 8080) is Verdict.REFUSED
    assert verdict("::1", 8080) is Verdict.REFUSED


def test_without_a_reach_the_api_alone_is_left() -> None:
    for address in (*OUT, *PRIVATE, *LINK):
        assert judge(address, 80, api_port=8080, reach=None) is Verdict.REFUSED
    assert judge("127.0.0.1", 8080, api_port=8080, reach=None) is Verdict.API


@pytest.mark.parametrize(
    ("entry", "address", "port", "is_open"),
    [
        ("10.1.0.0/16", "10.1.2.3", 80, True),
        ("10.1.0.0/16", "::ffff:10.1.2.3", 80, True),
        ("10.1.0.0/16", "10.2.0.1", 80, False),
        ("10.1.2.3:5432", "10.1.2.3", 5432, True),
        ("10.1.2.3:5432", "10.1.2.3", 5433, False),
        ("10.1.0.0/16:8000-8010", "10.1.2.3", 8010, True),
        ("10.1.0.0/16:8000-8010", "10.1.2.3", 8011, False),
        ("[fd00::/8]:443", "fd12::1", 443, True),
        ("[fd00::/8]:443", "fd12::1", 80, False),
        ("fd00::/8", "fd12::1", 80, True),
        ("198.18.0.0/15", "198.18.0.1", 80, True),
        # A wide entry opens neither this machine nor what its segment alone can reach.
        ("10.0.0.0/8", "10.0.0.5", 80, False),
        ("0.0.0.0/0", "192.0.2.2", 80, False),
        ("0.0.0.0/0", "169.254.169.254", 80, False),
        ("0.0.0.0/0", "0.0.0.0", 80, False),
        ("0.0.0.0/0", "127.0.0.1", 80, False),
        ("::/0", "::1", 80, False),
        ("::/0", "fe80::1", 80, False),
        ("10.0.0.5:5432", "10.0.0.5", 5432, True),
        ("10.0.0.5:5432", "10.0.0.5", 22, False),
        ("169.254.169.254", "169.254.169.254", 80, True),
        ("168.63.0.0/16", "168.63.129.16", 80, False),
        ("fd00::/8", "fd00:ec2::23", 80, False),
    ],
)
def test_the_operators_exceptions(entry: str, address: str, port: int, is_open: bool) -> None:
    expected = Verdict.OUT if is_open else Verdict.REFUSED
    assert verdict(address, port, a_reach(entry)) is expected


def test_the_operator_can_close_more_and_open_single_addresses_of_it() -> None:
    reach = a_reach("8.8.8.8", refused=("8.8.0.0/16", "203.0.113.9:25"))
    assert verdict("8.8.4.4", 80, reach) is Verdict.REFUSED
    assert verdict("8.8.8.8", 80, reach) is Verdict.OUT
    assert verdict("203.0.113.9", 25, reach) is Verdict.REFUSED
    assert verdict("203.0.113.9", 80, reach) is Verdict.OUT


@pytest.mark.parametrize(
    "text", ["", "example.com", "10.0.0.0/33", "10.0.0.1:99999", "10.0.0.1:9-8", "127.0.0.1:80"]
)
def test_an_entry_that_opens_nothing_is_refused_with_its_reason(text: str) -> None:
    with pytest.raises(BadNetwork, match=r"\w"):
        Opening.parse(text)


def test_a_name_is_heard_only_if_all_that_it_leads_to_may_be_used() -> None:
    reach = a_reach("10.1.2.3:5432")
    assert reach.hears("a.example", [ip_address("8.8.8.8")])
    assert reach.hears("a.example", [])
    assert reach.hears("db.example", [ip_address("10.1.2.3")])
    assert not reach.hears("a.example", [ip_address("8.8.8.8"), ip_address("10.9.9.9")])
    assert not reach.hears("a.example", [ip_address("192.0.2.2")])
    assert not reach.hears("a.example", [ip_address("::ffff:127.0.0.1")])


def test_where_an_index_is_named_its_addresses_are_open_on_its_port() -> None:
    reach = a_reach(names={"index.example": (8443,)})
    assert verdict("10.7.7.7", 8443, reach) is Verdict.REFUSED
    assert reach.hears("index.example", [ip_address("10.7.7.7"), ip_address("127.0.0.1")])
    assert verdict("10.7.7.7", 8443, reach) is Verdict.OUT
    assert verdict("10.7.7.7", 80, reach) is Verdict.REFUSED
    assert verdict("127.0.0.1", 8443, reach) is Verdict.REFUSED
