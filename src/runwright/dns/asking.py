"""Questions to one DNS server, with dnspython."""

import contextlib
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.rdata
import dns.resolver

from runwright.ports.dns import LookupFailed

_TRY_S: Final = 2.0  # one question to one server; asked again until the whole time is over


class Server:
    """Called `name` in what goes wrong; `address` is None for those of the host."""

    def __init__(self, name: str, address: tuple[str, int] | None, total_s: float) -> None:
        self._name = name
        self._resolver = _resolver(address, total_s)

    async def ask(self, name: str, kind: str) -> list[str]:
        """Raises LookupFailed."""
        try:
            answer = await self._resolver.resolve(
                f"{name}.", kind, raise_on_no_answer=False, search=False
            )
        except dns.resolver.NXDOMAIN:
            return []
        except dns.exception.Timeout as exc:
            raise LookupFailed(f"{self._name} did not answer in time") from exc
        except dns.exception.DNSException as exc:
            raise LookupFailed(f"{self._name} could not answer for {name}") from exc
        if answer.rrset is None:
            return []
        return [_text(record) for record in answer.rrset]


def _resolver(address: tuple[str, int] | None, total_s: float) -> dns.asyncresolver.Resolver:
    resolver = dns.asyncresolver.Resolver(configure=False)
    if address is not None:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(*address)]
    else:
        # A host without resolvers may still serve; each look-up then fails and says so.
        with contextlib.suppress(dns.resolver.NoResolverConfiguration):
            resolver = dns.asyncresolver.Resolver(configure=True)
    resolver.timeout = min(_TRY_S, total_s)
    resolver.lifetime = total_s
    resolver.search = []
    return resolver


def _text(record: dns.rdata.Rdata) -> str:
    return record.to_text().rstrip(".").lower()
