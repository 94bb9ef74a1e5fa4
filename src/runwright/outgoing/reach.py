"""Host name -> the addresses behind it that this server may call."""

from collections.abc import Callable, Collection
from typing import Final

from runwright.outgoing.addresses import is_allowed
from runwright.outgoing.lookup import Lookup, is_own
from runwright.ports.poster import AddressRefused

MAX_ADDRESSES: Final = 4


class Reach:
    def __init__(
        self,
        lookup: Lookup,
        *,
        allows_private: bool,
        own_ports: Collection[int],
        own: Callable[[str], bool] = is_own,
    ) -> None:
        """`own_ports`: those of this machine that everybody may call. Its public addresses lead
        to more than that from inside, past whatever keeps others out."""
        self._lookup = lookup
        self._allows_private = allows_private
        self._own_ports = own_ports
        self._own = own

    async def addresses(self, host: str, port: int) -> list[str]:
        """A few, in the order in which they are tried. Raises NotPosted, AddressRefused."""
        allowed = [ip for ip in await self._lookup(host, port) if self.may_call(ip, port)]
        if not allowed:
            raise AddressRefused(
                "The host leads to an address that is not public, which this server does not "
                "call. Nothing was sent."
            )
        return allowed[:MAX_ADDRESSES]

    def may_call(self, ip: str, port: int) -> bool:
        """Whether an address that a name led to may be called."""
        if self._allows_private:
            return is_allowed(ip, allows_private=True)
        return is_allowed(ip) and (port in self._own_ports or not self._own(ip))
