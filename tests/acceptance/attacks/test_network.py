"""Addresses that a function must not reach: decoys, of which none leaves the machine."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests import decoys
from tests.acceptance.attacks.rows import BOTH, NETWORK, Row
from tests.acceptance.attacks.stand import Stand
from tests.decoys import Decoy

Places = dict[str, list[Decoy]]


@pytest.fixture(scope="session")
def places() -> Iterator[Places]:
    """Services on every kind of address, by the attack that looks for them."""
    with decoys.a_network() as network, ExitStack() as stack:

        def here(*addresses: str) -> list[Decoy]:
            return [
                stack.enter_context(decoys.serve(address, kind=kind))
                for address in addresses
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
            ]

        def there(*addresses: str) -> list[Decoy]:
            return [
                stack.enter_context(network.serve(address, kind=kind))
                for address in addresses
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
            ]

        yield {
            "loopback of the host": here("127.0.0.1", "127.0.0.53"),
            "addresses of the host": here(decoys.own_address()),
            "metadata": there(*decoys.METADATA),
            "private networks": there(decoys.PRIVATE, *decoys.OTHER_PRIVATE),
            "IPv6": there(*decoys.SIX) if decoys.SIX else [],
        }


@pytest.mark.parametrize("language", BOTH)
@pytest.mark.parametrize("row", NETWORK, ids=lambda row: row.name)
def test_no_place_of_others_is_reached(
    stand: Stand, places: Places, row: Row, language: str
) -> None:
    decoyed = places.get(row.name, [])
    if row.name in places and not decoyed:
        pytest.skip("the machine has no such address")
    told = {"places": [[decoy.address, decoy.port] for decoy in decoyed], "host": decoys.PRIVATE}
    for _ in stand.rounds(row):
        with stand.watched(row):
            evidence = stand.evidence(row, language, **told)
        assert evidence["done"] == {}
        assert [decoy.address for decoy in decoyed if decoy.visits] == []
    assert len(evidence["refused"]) == 2 * len(decoyed)
