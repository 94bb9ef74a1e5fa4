"""The certificate that https is served with for a domain."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from runwright.api.params import Text
from runwright.api.routing import Answer, Call, Route
from runwright.errors import BadArgument
from runwright.values import dataclass

Find = Callable[[str], Awaitable[bytes | None]]  # lower-case domain -> PEM, or none


@dataclass(frozen=True, kw_only=True)
class OfDomain:
    domain: Annotated[str, Text(253)]


class CertificateHandlers:
    def __init__(self, find: Find) -> None:
        self._find = find

    async def get(self, call: Call, params: OfDomain) -> Answer:
        """Only what this server itself serves: it calls nobody to find out."""
        domain = params.domain.lower().rstrip(".")
        pem = await self._find(domain)
        if pem is None:
            raise BadArgument(
                f"This server has no certificate for '{domain}'. Put one into its folder of "
                "certificates."
            )
        return Answer(content=_shown(x509.load_pem_x509_certificate(pem)))


def _shown(certificate: x509.Certificate) -> dict[str, Any]:
    subject, issuer = certificate.subject, certificate.issuer
    digest = certificate.signature_hash_algorithm
    return {
        "name": subject.rfc4514_string(),
        "subjectSN": _first(subject, NameOID.COMMON_NAME),
        "issuerOrganisation": _first(issuer, NameOID.ORGANIZATION_NAME),
        "validFrom": str(int(certificate.not_valid_before_utc.timestamp())),
        "validTo": str(int(certificate.not_valid_after_utc.timestamp())),
        "signatureTypeSN": digest.name if digest else "",
    }


def _first(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    found = name.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""


def certificate_routes(find: Find) -> list[Route]:
    return [
        Route(
            name="health.getCertificate",
            method="GET",
            paths=("/v1/health/certificate",),
            scopes=("health.read",),
            handler=CertificateHandlers(find).get,
            params=OfDomain,
            model="healthCertificate",
            service="health",
        )
    ]
