"""Domains of the operator's own: DNS checks, redirects, and TLS with supplied certificates."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.rrset
import httpx
import pytest

from tests.acceptance.deploying import deploy, on_domain
from tests.acceptance.running import Running
from tests.authority import Authority
from tests.ports import reserved_port

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
        self._thread.join(60)
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


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


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
    authority.issue(certificates, "shop.example.com")
    with reserved_port() as tls_port:
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


def tls_get(domain: str, port: int, authority: Authority) -> httpx.Response:
    transport = httpx.HTTPTransport(verify=authority.client())
    with httpx.Client(transport=transport, timeout=60) as web:
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
    assert tls_get("shop.example.com", tls_port, authority).text == "shop.example.com"
    ask = f"http://127.0.0.1:{server.port}/_runwright/tls/ask"
    assert httpx.get(ask, params={"domain": "shop.example.com"}, timeout=60).status_code == 200
    assert httpx.get(ask, params={"domain": "other.example.com"}, timeout=60).status_code == 404


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
            tls_get("late.example.com", tls_port, authority)
        authority.issue(certificates, "late.example.com")
        deadline = time.monotonic() + 60
        while True:
            try:
                answer = tls_get("late.example.com", tls_port, authority)
                break
            except httpx.ConnectError:
                assert time.monotonic() < deadline
                time.sleep(0.2)
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
