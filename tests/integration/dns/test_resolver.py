"""The resolver against DNS servers on this host."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from runwright.dns.resolver import BadResolver, DnsResolver
from runwright.functions.hostnames import Zones
from runwright.functions.verification import DnsTargets, DomainVerification
from runwright.model.function import RuleStatus
from runwright.ports.dns import LookupFailed

pytestmark = pytest.mark.anyio

Zone = Mapping[tuple[str, str], list[str]]  # name and kind -> values

TARGETS = DnsTargets(cname="In.Example.com.", a="192.0.2.7", aaaa="2001:db8::7")
ZONES = Zones(functions_domain="functions.localhost", api_hosts=("localhost",))


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """Answers from a table, with a fixed failure, or not at all."""

    zone: Zone = field(default_factory=dict)
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    is_silent: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )

    @property
    def address(self) -> str:
        host, port = self.transport.get_extra_info("sockname")[:2]
        return f"{host}:{port}"

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        assert isinstance(query, dns.message.QueryMessage)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if not self.is_silent:
            self.transport.sendto(self._answer(query, name, kind).to_wire(), addr)

    def _answer(self, query: dns.message.QueryMessage, name: str, kind: str) -> dns.message.Message:
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        reply.set_rcode(self.rcode)
        alias = self.zone.get((name, "CNAME"), [])
        owner = name
        if alias:
            reply.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", *alias))
            owner = alias[0].rstrip(".").lower()
        if kind != "CNAME" and (owner, kind) in self.zone:
            values = self.zone[(owner, kind)]
            reply.answer.append(dns.rrset.from_text(f"{owner}.", 60, "IN", kind, *values))
        if self.rcode == dns.rcode.NOERROR and name not in {key[0] for key in self.zone}:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply


@asynccontextmanager
async def serving(*servers: NameServer) -> AsyncIterator[list[str]]:
    """Start the servers on free ports of the loopback; gives their addresses."""
    async with AsyncExitStack() as stack:
        for server in servers:
            await server.start()
            stack.callback(server.transport.close)
        yield [server.address for server in servers]


ZONE: Zone = {
    ("app.example.com", "CNAME"): ["In.example.COM."],
    ("in.example.com", "A"): ["192.0.2.7"],
    ("two.example.com", "A"): ["192.0.2.1", "192.0.2.7"],
    ("six.example.com", "AAAA"): ["2001:db8::7"],
    ("mail.example.com", "MX"): [],
}


async def test_records_are_read_lower_case_and_without_a_final_dot() -> None:
    async with serving(NameServer(ZONE)) as addresses:
        resolver = DnsResolver(addresses)
        assert await resolver.records("app.example.com", "CNAME") == ["in.example.com"]
        assert await resolver.records("app.example.com", "A") == ["192.0.2.7"]
        assert sorted(await resolver.records("two.example.com", "A")) == ["192.0.2.1", "192.0.2.7"]
        assert await resolver.records("six.example.com", "AAAA") == ["2001:db8::7"]


async def test_a_name_or_a_kind_that_does_not_exist_gives_nothing() -> None:
    async with serving(NameServer(ZONE)) as addresses:
        resolver = DnsResolver(addresses)
        assert await resolver.records("none.example.com", "A") == []
        assert await resolver.records("two.example.com", "AAAA") == []


async def test_only_what_every_resolver_says_counts() -> None:
    other: Zone = {("two.example.com", "A"): ["192.0.2.7", "192.0.2.9"]}
    async with serving(NameServer(ZONE), NameServer(other)) as addresses:
        resolver = DnsResolver(addresses)
        assert await resolver.records("two.example.com", "A") == ["192.0.2.7"]
        assert await resolver.records("app.example.com", "CNAME") == []


async def test_every_resolver_is_asked_the_full_name_only() -> None:
    servers = NameServer(ZONE), NameServer(ZONE)
    async with serving(*servers) as addresses:
        await DnsResolver(addresses).records("app.example.com", "CNAME")
    assert [server.asked for server in servers] == [[("app.example.com", "CNAME")]] * 2


async def test_a_resolver_that_fails_is_named() -> None:
    broken = NameServer(ZONE, rcode=dns.rcode.SERVFAIL)
    async with serving(NameServer(ZONE), broken) as addresses:
        with pytest.raises(LookupFailed, match=addresses[1]):
            await DnsResolver(addresses).records("app.example.com", "CNAME")


async def test_a_resolver_that_is_silent_ends_at_its_deadline() -> None:
    async with serving(NameServer(ZONE), NameServer(is_silent=True)) as addresses:
        with pytest.raises(LookupFailed, match=f"{addresses[1]} did not answer in time"):
            await DnsResolver(addresses, total_s=1.5).records("app.example.com", "CNAME")


@pytest.mark.parametrize(
    "text",
    ["dns.example.com", "192.0.2.1:x", "192.0.2.1:0", "192.0.2.1:70000", "", "[::1", "[::1]53"],
)
async def test_a_resolver_is_an_address(text: str) -> None:
    with pytest.raises(BadResolver):
        DnsResolver([text])


async def test_both_forms_of_addresses_are_taken() -> None:
    DnsResolver(["192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353", "[::1]"])
    DnsResolver()


@pytest.mark.parametrize(
    ("domain", "status"),
    [
        ("app.example.com", RuleStatus.VERIFIED),
        ("two.example.com", RuleStatus.VERIFIED),
        ("six.example.com", RuleStatus.VERIFIED),
        ("mail.example.com", RuleStatus.CREATED),
        ("none.example.com", RuleStatus.CREATED),
    ],
)
async def test_domains_are_verified_over_the_wire(domain: str, status: RuleStatus) -> None:
    async with serving(NameServer(ZONE), NameServer(ZONE)) as addresses:
        verification = DomainVerification(ZONES, TARGETS, DnsResolver(addresses))
        assert (await verification.judge(domain)).status is status


async def test_resolvers_that_disagree_verify_nothing() -> None:
    async with serving(NameServer(ZONE), NameServer()) as addresses:
        verification = DomainVerification(ZONES, TARGETS, DnsResolver(addresses))
        verdict = await verification.judge("app.example.com")
        assert verdict.status is RuleStatus.CREATED
        assert "CNAME none" in verdict.reason
