"""https on function domains, with certificates of the operator's."""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.deploying import deploy
from tests.acceptance.running import Running
from tests.acceptance.sockets import connect
from tests.authority import Authority
from tests.ports import reserved_port

DOMAIN = "secure.functions.localhost"
SOURCE = "export default ({req, res}) => res.text(req.scheme + ' ' + req.host + ' ' + req.port);"


class Https:
    def __init__(self, tmp_path: Path, port: int) -> None:
        self.authority = Authority()
        self.folder = tmp_path / "tls"
        self.folder.mkdir()
        self.port = port
        self.server = Running(
            tmp_path / "data",
            RUNWRIGHT_TLS_PORT=str(self.port),
            RUNWRIGHT_TLS_DIR=str(self.folder),
            RUNWRIGHT_FORCE_HTTPS="on",
        )

    def get(self, host: str) -> tuple[int, str]:
        """A request by a client that trusts the authority and nobody else."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        wrapped = self.authority.client().wrap_socket(plain, server_hostname=host)
        connection = http.client.HTTPConnection(host)
        connection.sock = wrapped
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def port() -> Iterator[int]:
    with reserved_port() as number:
        yield number


@pytest.fixture
def https(tmp_path: Path, port: int) -> Iterator[Https]:
    made = Https(tmp_path, port)
    made.authority.issue(made.folder, DOMAIN)
    made.server.start()
    try:
        with made.server.client() as api:
            assert deploy(api, "secure", "node", SOURCE) == DOMAIN
            deploy(api, "later", "node", SOURCE)
        yield made
    finally:
        assert made.server.stop() == 0


def test_a_domain_answers_with_its_certificate_and_new_ones_count_without_a_restart(
    https: Https,
) -> None:
    assert https.get(DOMAIN) == (200, f"https {DOMAIN} 443")
    later = "later.functions.localhost"
    with pytest.raises(ssl.SSLError):
        https.get(later)
    https.authority.issue(https.folder, "*.functions.localhost")
    deadline = time.monotonic() + 60
    while True:
        try:
            answer = https.get(later)
            break
        except ssl.SSLError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert answer == (200, f"https {later} 443")


def test_plain_http_is_led_to_https_where_that_is_forced(https: Https) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", https.server.port, timeout=60)
    connection.request("GET", "/a?b=1", headers={"host": DOMAIN})
    answer = connection.getresponse()
    answer.read()
    assert (answer.status, answer.headers["location"]) == (301, f"https://{DOMAIN}/a?b=1")
    connection.close()


def test_realtime_listens_behind_a_certificate_too(tmp_path: Path, port: int) -> None:
    https = Https(tmp_path, port)
    https.authority.issue(https.folder, "localhost")
    server = https.server.start()
    try:
        address = f"wss://localhost:{https.port}/v1/realtime?project={server.project_id}"
        plain = socket.create_connection(("127.0.0.1", https.port), timeout=60)
        with connect(address, sock=plain, ssl=https.authority.client()) as opened:
            assert json.loads(opened.recv(60))["type"] == "connected"
    finally:
        assert server.stop() == 0
