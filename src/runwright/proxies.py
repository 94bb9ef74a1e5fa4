"""Which peers are believed when they say whom they speak for."""

import ipaddress
from collections.abc import Iterable
from typing import Final

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# Of the machine's loopback; sandboxes reach the API from it. A proxy on the machine has another
# address, so what is said to be forwarded by a sandbox is never believed.
FROM_SANDBOXES: Final = ipaddress.IPv4Address("127.82.87.1")
_MAX_FORWARDED: Final = 32  # addresses looked at in one X-Forwarded-For


class Proxies:
    """Peers whose X-Forwarded-* headers are believed; sandboxes never are."""

    def __init__(self, trusted: Iterable[str]) -> None:
        """Addresses or networks. Raises ValueError."""
        self._networks: tuple[Network, ...] = tuple(
            ipaddress.ip_network(item, strict=False) for item in trusted
        )

    def trusts(self, address: str) -> bool:
        if not self._networks:
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if FROM_SANDBOXES in (parsed, getattr(parsed, "ipv4_mapped", None)):
            return False
        return any(parsed in network for network in self._networks)

    def client(self, peer: str, forwarded: str) -> str:
        """The nearest address in the chain that is not a proxy of ours.

        Read from the right: each proxy appends the peer it saw, and what stands further left
        than the first stranger was written by that stranger.
        """
        if not self.trusts(peer):
            return peer
        nearest = peer
        for part in reversed(forwarded.split(",")[-_MAX_FORWARDED:]):
            address = _address(part)
            if not address:
                break
            nearest = address
            if not self.trusts(address):
                break
        return nearest


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip().strip("[]")))
    except ValueError:
        return ""
