"""Certificates by server name, checked by a client that trusts a made-up authority."""

import os
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from runwright.gateway.tls import Certificates
from tests.authority import Authority
from tests.unit.executions.bench import until

pytestmark = pytest.mark.anyio


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
