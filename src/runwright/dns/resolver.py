"""DNS look-ups with dnspython, put to several resolvers at once."""

import asyncio
import contextlib
import ipaddress
import re
from collections.abc import Sequence
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.rdata
import dns.resolver

from runwright.ports.dns import LookupFailed

_PORT: Final = 53
_TRY_S: Final = 2.0  # one question to one server; asked again until the whole time is over
_TOTAL_S: Final = 5.0


class BadResolver(ValueError):
    """A configured resolver is no address."""


class DnsResolver:
    """`servers` are `address` or `address:port` (`[v6]:port`); none = those of the host."""

    def __init__(self, servers: Sequence[str] = (), *, total_s: float = _TOTAL_S) -> None:
        self._resolvers = [(text, _resolver(_nameserver(text), total_s)) for text in servers] or [
            ("the host's resolver", _resolver(None, total_s))
        ]

    async def records(self, name: str, kind: str) -> list[str]:
        answers = await asyncio.gather(
            *(_ask(resolver, text, name, kind) for text, resolver in self._resolvers)
        )
        agreed = set(answers[0]).intersection(*answers[1:])
        return [value for value in answers[0] if value in agreed]


_BRACKETED: Final = re.compile(r"\[([^]]*)\](?::(.*))?")


def _nameserver(text: str) -> dns.nameserver.Nameserver:
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
    return dns.nameserver.Do53Nameserver(address, int(port))


def _resolver(
    server: dns.nameserver.Nameserver | None, total_s: float
) -> dns.asyncresolver.Resolver:
    resolver = dns.asyncresolver.Resolver(configure=False)
    if server is not None:
        resolver.nameservers = [server]
    else:
        # A host without resolvers may still serve; each look-up then fails and says so.
        with contextlib.suppress(dns.resolver.NoResolverConfiguration):
            resolver = dns.asyncresolver.Resolver(configure=True)
    resolver.timeout = min(_TRY_S, total_s)
    resolver.lifetime = total_s
    resolver.search = []
    return resolver


async def _ask(
    resolver: dns.asyncresolver.Resolver, server: str, name: str, kind: str
) -> list[str]:
    try:
        answer = await resolver.resolve(f"{name}.", kind, raise_on_no_answer=False, search=False)
    except dns.resolver.NXDOMAIN:
        return []
    except dns.exception.Timeout as exc:
        raise LookupFailed(f"{server} did not answer in time") from exc
    except dns.exception.DNSException as exc:
        raise LookupFailed(f"{server} could not answer for {name}") from exc
    if answer.rrset is None:
        return []
    return [_text(record) for record in answer.rrset]


def _text(record: dns.rdata.Rdata) -> str:
    return record.to_text().rstrip(".").lower()
