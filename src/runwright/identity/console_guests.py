"""Who may create a console account, where the operator keeps lists."""

import ipaddress
from collections.abc import Iterable
from typing import Self

from runwright.identity.errors import ConsoleEmailRefused, ConsoleIpRefused
from runwright.values import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class ConsoleGuests:
    """An empty list lets everybody in."""

    emails: frozenset[str] = frozenset()  # whole addresses, and domains
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, emails: Iterable[str], networks: Iterable[str]) -> Self:
        """`networks` may hold single addresses. Raises ValueError."""
        return cls(
            frozenset(email.lower().removeprefix("@") for email in emails),
            tuple(ipaddress.ip_network(network, strict=False) for network in networks),
        )

    def check(self, email: str, ip: str) -> None:
        """Raises ConsoleEmailRefused, ConsoleIpRefused."""
        address = email.lower()
        if self.emails and self.emails.isdisjoint((address, address.rpartition("@")[2])):
            raise ConsoleEmailRefused()
        if self.networks and not self._holds(ip):
            raise ConsoleIpRefused()

    def _holds(self, ip: str) -> bool:
        try:
            address = ipaddress.ip_address(ip)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self.networks)
