"""Which addresses users may have the server call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.outgoing.addresses import is_allowed

PUBLIC = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"]
CLOSED = ["127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1"]
CLOSED_6 = ["::1", "fc00::1", "fd12:3456::1"]
NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1111%eth0",
    "fec0::1",
    "ff02::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "64:ff9b:1::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "not an address",
    "",
    "2130706433",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "127.1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_called(address: str) -> None:
    assert is_allowed(address)
    assert is_allowed(address, allows_private=True)


@pytest.mark.parametrize("address", [*CLOSED, *CLOSED_6])
def test_closed_networks_may_be_called_where_that_is_allowed(address: str) -> None:
    assert not is_allowed(address)
    assert is_allowed(address, allows_private=True)


@pytest.mark.parametrize("address", NEVER)
def test_what_has_no_receivers_is_never_called(address: str) -> None:
    assert not is_allowed(address)
    assert not is_allowed(address, allows_private=True)


def _inside(address: str) -> list[str]:
    """An IPv4 address in the ways in which an IPv6 one can lead to it."""
    parts = [int(part) for part in address.split(".")]
    high, low = parts[0] << 8 | parts[1], parts[2] << 8 | parts[3]
    return [
        f"::ffff:{address}",
        f"::ffff:{high:x}:{low:x}",
        f"64:ff9b::{high:x}:{low:x}",
        f"2002:{high:x}:{low:x}::1",
    ]


@given(st.sampled_from([*PUBLIC[:4], *CLOSED, *NEVER[:13]]), st.booleans())
def test_an_address_inside_of_another_is_judged_like_itself(address: str, private: bool) -> None:
    wanted = is_allowed(address, allows_private=private)
    for carrier in _inside(address):
        assert is_allowed(carrier, allows_private=private) == wanted, carrier
