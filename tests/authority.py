"""A made-up certificate authority."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Made-up authority")])
        self.certificate = self._signed(self.name, self.key.public_key(), None)

    def issue(self, folder: Path, domain: str, *, file: str = "") -> int:
        """Write a pair for `domain`; returns the serial number."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain)])
        made = self._signed(name, key.public_key(), domain)
        base = folder / (file or domain)
        Path(f"{base}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        Path(f"{base}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        return made.serial_number

    def _signed(
        self, name: x509.Name, public: ec.EllipticCurvePublicKey, domain: str | None
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=domain is None, path_length=None), True)
        )
        if domain is not None:
            made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), False)
        return made.sign(self.key, hashes.SHA256())

    def client(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        pem = self.certificate.public_bytes(serialization.Encoding.PEM)
        context.load_verify_locations(cadata=pem.decode())
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context
