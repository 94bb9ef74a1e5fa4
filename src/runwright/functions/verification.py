"""Whether a custom domain leads here, and whether it has a certificate."""

from collections.abc import Callable

from runwright.functions.hostnames import Zones
from runwright.model.function import RuleStatus
from runwright.ports.dns import LookupFailed, Resolver
from runwright.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsTargets:
    """What custom domains must point at; any one of them will do. "" = not offered."""

    cname: str = ""
    a: str = ""
    aaaa: str = ""

    def wanted(self) -> tuple[tuple[str, str], ...]:
        pairs = (("CNAME", self.cname.lower().rstrip(".")), ("A", self.a), ("AAAA", self.aaaa))
        return tuple((kind, value) for kind, value in pairs if value)


@dataclass(frozen=True, slots=True)
class Verdict:
    status: RuleStatus
    reason: str = ""  # what the owner of the domain must do; "" when nothing


class DomainVerification:
    """`has_certificate` says whether https can be served for a domain; None when TLS ends
    elsewhere, and then right DNS is all that is asked."""

    def __init__(
        self,
        zones: Zones,
        targets: DnsTargets,
        resolver: Resolver,
        has_certificate: Callable[[str], bool] | None = None,
    ) -> None:
        self._zones = zones
        self._targets = targets
        self._resolver = resolver
        self._has_certificate = has_certificate

    async def judge(self, domain: str) -> Verdict:
        if self._zones.is_ours(domain):
            return Verdict(RuleStatus.VERIFIED)
        problem = await self._dns_problem(domain)
        if problem:
            return Verdict(RuleStatus.CREATED, problem)
        return self.judge_certificate(domain)

    def judge_certificate(self, domain: str) -> Verdict:
        """The verdict on a domain whose DNS is known to be right."""
        if self._has_certificate is None or self._has_certificate(domain):
            return Verdict(RuleStatus.VERIFIED)
        return Verdict(
            RuleStatus.VERIFYING, "DNS is right. Waiting for a certificate of this domain."
        )

    async def _dns_problem(self, domain: str) -> str:
        wanted = self._targets.wanted()
        if not wanted:
            return (
                "This server has no DNS target. Its operator sets RUNWRIGHT_DOMAIN_TARGET_CNAME, "
                "RUNWRIGHT_DOMAIN_TARGET_A or RUNWRIGHT_DOMAIN_TARGET_AAAA."
            )
        seen = []
        for kind, value in wanted:
            try:
                records = await self._resolver.records(domain, kind)
            except LookupFailed as exc:
                return f"The DNS records could not be read: {exc}."
            if value in records:
                return ""
            seen.append(f"{kind} {', '.join(records) or 'none'}")
        needed = " or ".join(f"{kind} {value}" for kind, value in wanted)
        return f"Set one of these DNS records: {needed}. Found: {'; '.join(seen)}."
