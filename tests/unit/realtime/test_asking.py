"""Subscriptions in the address of a connection."""

from urllib.parse import parse_qsl

import pytest

from runwright.realtime.asking import Asked, asked

CASES: list[tuple[str, list[Asked]]] = [
    ("project=shop", []),
    ("channels[]=a&channels[]=b&channels[]=a", [(("a", "b"), ())]),
    ("channels=a", [(("a",), ())]),
    (
        "channels[]=a&channels[]=b.c&a[0][]=one&b_c[0][]=one&b_c[1][]=two&other[0][]=no",
        [(("a", "b.c"), ("one",)), (("b.c",), ("two",))],
    ),
    ("channels[]=a&channels[]=b&b[1][0]=one&b[1][1]=two", [(("a",), ()), (("b",), ("one", "two"))]),
    ("channels[]=project&project=shop", [(("project",), ())]),
]


@pytest.mark.parametrize(("address", "wanted"), CASES, ids=[address for address, _ in CASES])
def test_channels_and_queries_are_read_from_the_address(address: str, wanted: list[Asked]) -> None:
    assert asked(parse_qsl(address)) == wanted
