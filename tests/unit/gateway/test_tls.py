"""Certificates by server name, checked by a client that trusts a made-up authority."""

import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from runwright.gateway.tls import Certificates
from tests.unit.executions.bench import until

pytestmark = pytest.mark.anyio


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


def serial(authority: Authority, door: ssl.SSLContext, name: str | None) -> int:
    """Shake hands in memory as a strict client does; the serial number that was shown."""
    client_in, server_in = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = authority.client()
    if name is None:
        context.check_hostname = False
    client = context.wrap_bio(client_in, server_in, server_hostname=name)
    server = door.wrap_bio(server_in, client_in, server_side=True)
    done = 0
    for _ in range(10):
        for side in (client, server):
            try:
                side.do_handshake()
                done += 1
            except ssl.SSLWantReadError:
                continue
        if done >= 2:
            break
    shown = client.getpeercert(binary_form=True)
    assert shown is not None
    assert client.selected_alpn_protocol() == "http/1.1"
    return x509.load_der_x509_certificate(shown).serial_number


def test_each_name_gets_its_own_certificate(tmp_path: Path) -> None:
    authority = Authority()
    issued = {
        "one.example.com": authority.issue(tmp_path, "one.example.com"),
        "two.example.com": authority.issue(tmp_path, "two.example.com", file="Two.Example.com"),
    }
    certificates = Certificates(tmp_path)
    certificates.load()
    door = certificates.context()
    assert {name: serial(authority, door, name) for name in issued} == issued
    assert certificates.has("one.example.com")
    assert not certificates.has("three.example.com")


@pytest.mark.parametrize("file", ["*.example.com", "_.example.com"])
def test_a_wildcard_serves_one_level_below_and_the_exact_name_goes_first(
    tmp_path: Path, file: str
) -> None:
    authority = Authority()
    wild = authority.issue(tmp_path, "*.example.com", file=file)
    exact = authority.issue(tmp_path, "own.example.com")
    certificates = Certificates(tmp_path)
    certificates.load()
    door = certificates.context()
    assert serial(authority, door, "any.example.com") == wild
    assert serial(authority, door, "own.example.com") == exact
    assert not certificates.has("a.b.example.com")
    assert not certificates.has("example.com")


def test_an_unknown_name_is_refused_unless_there_is_a_default(tmp_path: Path) -> None:
    authority = Authority()
    certificates = Certificates(tmp_path)
    certificates.load()
    door = certificates.context()
    with pytest.raises(ssl.SSLError, match=r"CALLBACK_FAILED|UNRECOGNIZED_NAME"):
        serial(authority, door, "unknown.example.com")
    fallback = authority.issue(tmp_path, "unknown.example.com", file="default")
    certificates.load()
    assert serial(authority, door, "unknown.example.com") == fallback
    assert serial(authority, door, None) == fallback


def test_a_renewed_certificate_counts_for_the_next_handshake(tmp_path: Path) -> None:
    authority = Authority()
    first = authority.issue(tmp_path, "one.example.com")
    certificates = Certificates(tmp_path)
    certificates.load()
    door = certificates.context()
    assert serial(authority, door, "one.example.com") == first
    second = authority.issue(tmp_path, "one.example.com")
    os.utime(tmp_path / "one.example.com.crt", ns=(1, 1))
    certificates.load()
    assert serial(authority, door, "one.example.com") == second != first
    (tmp_path / "one.example.com.crt").unlink()
    certificates.load()
    assert not certificates.has("one.example.com")


def test_a_broken_renewal_leaves_the_old_certificate_serving(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority()
    first = authority.issue(tmp_path, "one.example.com")
    certificates = Certificates(tmp_path)
    certificates.load()
    (tmp_path / "one.example.com.crt").write_text("half a file")
    certificates.load()
    assert serial(authority, certificates.context(), "one.example.com") == first
    assert "certificate not usable" in caplog.text
    (tmp_path / "two.example.com.crt").write_text("no key yet")
    certificates.load()
    assert not certificates.has("two.example.com")


def test_a_key_that_does_not_fit_is_not_used(tmp_path: Path) -> None:
    authority = Authority()
    authority.issue(tmp_path, "one.example.com")
    authority.issue(tmp_path, "two.example.com")
    (tmp_path / "one.example.com.key").write_bytes((tmp_path / "two.example.com.key").read_bytes())
    certificates = Certificates(tmp_path)
    certificates.load()
    assert not certificates.has("one.example.com")
    assert certificates.has("two.example.com")


async def test_the_folder_is_watched(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path, every_s=0.01)
    await certificates.start()
    try:
        assert not certificates.has("new.example.com")
        Authority().issue(tmp_path, "new.example.com")
        await until(lambda: certificates.has("new.example.com"))
    finally:
        await certificates.stop()


def test_a_missing_folder_is_no_certificate(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "nowhere")
    certificates.load()
    assert not certificates.has("one.example.com")
