"""Which IP addresses users may have this server call. Pure."""

from ipaddress import ip_address
from typing import Final

from runwright.model.addresses import Place, place

_CLOSED: Final = (Place.PRIVATE, Place.LOOPBACK)


def is_allowed(text: str, *, allows_private: bool = False) -> bool:
    """Whether an IP address may be called. `allows_private` lets loopback and private ones
    through as well; even a closed network has no receivers in the other ranges."""
    try:
        where = place(ip_address(text))
    except ValueError:
        return False
    return where is Place.PUBLIC or (allows_private and where in _CLOSED)
