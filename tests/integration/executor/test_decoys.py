"""A decoy that nobody could reach would prove nothing."""

import socket

from tests import decoys


def test_the_host_itself_reaches_every_decoy() -> None:
    with decoys.a_network() as network:
        for address in (*decoys.FOUR, *decoys.SIX):
            with network.serve(address) as decoy:
                with socket.create_connection((address, decoy.port), timeout=60) as link:
                    assert link.recv(64) == decoys.BANNER
                assert decoy.visits == 1
