"""Domains of the operator's own: DNS checks, redirects, and TLS with supplied certificates."""

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import dns.rrset
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.acceptance.deploying import deploy, on_domain
from tests.acceptance.running import Running

HELLO = "export default ({req, res}) => res.text(req.host);"
TARGET = "edge.runwright.example"


class LocalDns:
    """A resolver on loopback that knows a few CNAME records."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
        self._socket.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                raw, peer = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            question = dns.message.from_wire(raw)
            answer = dns.message.make_response(question)
            asked = question.question[0]
            target = self.names.get(asked.name.to_text(omit_final_dot=True))
            if target is not None:
                answer.answer.append(
                    dns.rrset.from_text(asked.name, 60, "IN", "CNAME", f"{target}.")
                )
            self._socket.sendto(answer.to_wire(), peer)


@pytest.fixture(scope="module")
def resolver() -> Iterator[LocalDns]:
    local = LocalDns()
    try:
        yield local
    finally:
        local.close()


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        self._certificate = self._signed(self._name, self._key.public_key(), is_ca=True)
        self.bundle = folder / "ca.pem"
        self.bundle.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, domain: str, target: Path) -> None:
        """Write <domain>.crt and <domain>.key into `target`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain)])
        certificate = self._signed(subject, key.public_key(), domain=domain)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (target / f"{domain}.key").write_bytes(private)
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        (target / f"{domain}.crt").write_bytes(pem)

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        *,
        domain: str = "",
        is_ca: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if domain:
            names = x509.SubjectAlternativeName([x509.DNSName(domain)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def secured(
    tmp_path_factory: pytest.TempPathFactory,
    resolver: LocalDns,
    authority: Authority,
    certificates: Path,
) -> Iterator[tuple[Running, int]]:
    """A server with TLS and a resolver of its own, and its TLS port."""
    authority.issue("shop.example.com", certificates)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        tls_port = free.getsockname()[1]
    server = Running(
        tmp_path_factory.mktemp("secured") / "data",
        RUNWRIGHT_DNS=resolver.address,
        RUNWRIGHT_DOMAIN_TARGET_CNAME=TARGET,
        RUNWRIGHT_TLS_PORT=str(tls_port),
        RUNWRIGHT_TLS_DIR=str(certificates),
    ).start()
    try:
        with server.client() as api:
            deploy(api, "shop", "node", HELLO)
        yield server, tls_port
    finally:
        assert server.stop() == 0, server.tail()


def tls_get(domain: str, port: int, bundle: Path) -> httpx.Response:
    context = ssl.create_default_context(cafile=str(bundle))
    transport = httpx.HTTPTransport(verify=context)
    with httpx.Client(transport=transport, timeout=30) as web:
        return web.get(
            f"https://127.0.0.1:{port}/",
            headers={"host": domain},
            extensions={"sni_hostname": domain},
        )


def test_a_custom_domain_serves_once_its_dns_is_right(
    secured: tuple[Running, int], resolver: LocalDns, authority: Authority
) -> None:
    server, tls_port = secured
    with server.client() as api:
        asked = {"domain": "shop.example.com", "functionId": "shop"}
        rule = api.post("/proxy/rules/function", json=asked).json()
        assert (rule["status"], rule["type"]) == ("unverified", "deployment")
        with on_domain(server, "shop.example.com") as web:
            assert web.get("/").status_code != 200
        path = f"/proxy/rules/{rule['$id']}/status"
        refused = api.patch(path)
        assert (refused.status_code, refused.json()["type"]) == (400, "rule_verification_failed")
        resolver.names["shop.example.com"] = TARGET
        assert api.patch(path).json()["status"] == "verified"
        with on_domain(server, "shop.example.com") as web:
            assert web.get("/").text == "shop.example.com"
    assert tls_get("shop.example.com", tls_port, authority.bundle).text == "shop.example.com"
    ask = f"http://127.0.0.1:{server.port}/_runwright/tls/ask"
    assert httpx.get(ask, params={"domain": "shop.example.com"}).status_code == 200
    assert httpx.get(ask, params={"domain": "other.example.com"}).status_code == 404


def test_a_new_certificate_is_taken_over_without_a_restart(
    secured: tuple[Running, int], resolver: LocalDns, authority: Authority, certificates: Path
) -> None:
    server, tls_port = secured
    resolver.names["late.example.com"] = TARGET
    with server.client() as api:
        asked = {"domain": "late.example.com", "functionId": "shop"}
        rule = api.post("/proxy/rules/function", json=asked).json()
        assert rule["status"] == "verifying"
        with pytest.raises(httpx.ConnectError):
            tls_get("late.example.com", tls_port, authority.bundle)
        authority.issue("late.example.com", certificates)
        deadline = datetime.now(UTC) + timedelta(seconds=20)
        while True:
            try:
                answer = tls_get("late.example.com", tls_port, authority.bundle)
                break
            except httpx.ConnectError:
                assert datetime.now(UTC) < deadline
                threading.Event().wait(0.2)
        assert api.patch(f"/proxy/rules/{rule['$id']}/status").json()["status"] in (
            "verifying",
            "verified",
        )
    assert answer.status_code == 200


def test_a_redirect_rule_sends_callers_elsewhere(
    secured: tuple[Running, int], resolver: LocalDns
) -> None:
    server, _ = secured
    resolver.names["old.example.com"] = TARGET
    asked = {
        "domain": "old.example.com",
        "url": "https://new.example.com/start",
        "statusCode": 308,
        "resourceId": "shop",
        "resourceType": "function",
    }
    with server.client() as api:
        rule = api.post("/proxy/rules/redirect", json=asked)
        assert rule.status_code == 201, rule.text
    with on_domain(server, "old.example.com") as web:
        answer = web.get("/ignored?x=1")
    assert (answer.status_code, answer.headers["location"]) == (
        308,
        "https://new.example.com/start",
    )
