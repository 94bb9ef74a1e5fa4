"""DNS look-ups, put to several resolvers at once."""

import asyncio
import ipaddress
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from runwright.dns.asking import Server

_PORT: Final = 53
_TOTAL_S: Final = 5.0


class BadResolver(ValueError):
    """A configured resolver is no address."""


class DnsResolver:
    """`servers` are `address` or `address:port` (`[v6]:port`); none = those of the host."""

    def __init__(self, servers: Sequence[str] = (), *, total_s: float = _TOTAL_S) -> None:
        self._addresses: list[tuple[str, tuple[str, int] | None]] = [
            (text, _address(text)) for text in servers
        ] or [("the host's resolver", None)]
        self._total_s = total_s
        self._servers: Sequence[Server] | None = None

    async def records(self, name: str, kind: str) -> list[str]:
        if self._servers is None:
            self._servers = await asyncio.to_thread(self._found)
        answers = await asyncio.gather(*(server.ask(name, kind) for server in self._servers))
        agreed = set(answers[0]).intersection(*answers[1:])
        return [value for value in answers[0] if value in agreed]

    def _found(self) -> Sequence["Server"]:
        # A twelfth of a second that only those spend who have a domain of their own.
        from runwright.dns.asking import Server

        return [Server(text, address, self._total_s) for text, address in self._addresses]


_BRACKETED: Final = re.compile(r"\[([^]]*)\](?::(.*))?")


def _address(text: str) -> tuple[str, int]:
    """Raises BadResolver."""
    host, port = text, None
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed:
        host, port = bracketed[1], bracketed[2]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        address = str(ipaddress.ip_address(host))
    except ValueError as exc:
        raise BadResolver(f"{text!r}: a resolver is an IP address, with :port if need be") from exc
    port = str(_PORT) if port is None else port
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise BadResolver(f"{text!r}: {port!r} is not a port")
    return address, int(port)
