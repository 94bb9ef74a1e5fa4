"""Requests that leave the server, over real sockets; names are resolved by the test."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpcore
import pytest

from runwright.outgoing.lookup import SystemLookup, is_own
from runwright.outgoing.poster import HttpPoster
from runwright.outgoing.reach import Reach
from runwright.ports.poster import AddressRefused, NotPosted, Post
from tests.authority import Authority
from tests.integration.outgoing.receiver import Receiver, answer, receiving, silence

pytestmark = pytest.mark.anyio

BODY: Final = b'{"a":"b\\/c"}'


class Names:
    """What each name means, and how often that was asked."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self.addresses


@pytest.fixture
async def receiver(anyio_backend: str) -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


def a_post(url: str, *, verifies: bool = False, **headers: str) -> Post:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Post(url=url, headers=named, body=BODY, is_tls_verified=verifies)


async def test_what_arrives_is_what_was_given(receiver: Receiver) -> None:
    receiver.reply = answer(201, b"fine")
    poster = HttpPoster(names := Names("127.0.0.1"), allows_private=True)
    url = f"http://Hooks.example.com:{receiver.port}/in/../x?a=%2F&b"
    posted = await poster.post(a_post(url, X_Name="Hök\r\nx-evil: 1"))
    assert (posted.status, posted.body) == (201, b"fine")
    (got,) = receiver.received
    assert got.head.startswith("POST /in/../x?a=%2F&b HTTP/1.1\r\n")
    assert got.headers["Host"] == f"hooks.example.com:{receiver.port}"
    assert got.headers["X-Name"] == "Hök  x-evil: 1"
    assert got.body == BODY
    assert names.asked == [("hooks.example.com", receiver.port)]


async def test_a_private_address_is_refused_and_nothing_connects(receiver: Receiver) -> None:
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.169.254"):
        poster = HttpPoster(Names(address), allows_private=False)
        with pytest.raises(AddressRefused):
            await poster.post(a_post(f"http://hooks.example.com:{receiver.port}/"))
    assert receiver.received == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "localhost",
        "a.localhost",
    ],
)
async def test_every_spelling_of_loopback_is_refused(receiver: Receiver, host: str) -> None:
    lookup = SystemLookup(threads=1)
    try:
        poster = HttpPoster(lookup, allows_private=False)
        with pytest.raises((AddressRefused, NotPosted)) as refused:
            await poster.post(a_post(f"http://{host}:{receiver.port}/"))
        assert host == "[::1]" or refused.type is AddressRefused
    finally:
        lookup.close()
    assert receiver.received == []


async def test_a_name_that_changes_its_mind_is_judged_each_time(receiver: Receiver) -> None:
    """The address that was judged is the one that is called: nothing asks in between."""
    names = Names("127.0.0.1")
    poster = HttpPoster(names, allows_private=True)
    url = f"http://rebind.example.com:{receiver.port}/"
    await poster.post(a_post(url))
    names.addresses = ["169.254.169.254"]
    with pytest.raises(AddressRefused):
        await poster.post(a_post(url))
    assert (len(names.asked), len(receiver.received)) == (2, 1)


async def test_addresses_that_may_not_be_called_are_left_out_of_several(
    receiver: Receiver,
) -> None:
    poster = HttpPoster(Names("169.254.1.1", "127.0.0.1"), allows_private=True)
    await poster.post(a_post(f"http://hooks.example.com:{receiver.port}/"))
    assert len(receiver.received) == 1


class Dialled:
    """Where connections were tried to; none of them comes about."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: list[str] = []

        async def connect(backend: object, host: str, port: int, **how: object) -> None:
            self.addresses.append(host)
            raise httpcore.ConnectError

        monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)


PUBLIC: Final = ("93.184.215.14", "2606:4700:4700::1111")
MIXED: Final = {
    "loopback among public ones": ("127.0.0.1", PUBLIC[0], "::1", PUBLIC[1]),
    "private behind public": (*PUBLIC, "10.0.0.1", "192.168.0.1", "fd00::1"),
    "metadata and shared": ("169.254.169.254", PUBLIC[0], "100.64.0.1", PUBLIC[1]),
    "carried inside": (
        "::ffff:127.0.0.1",
        PUBLIC[0],
        "64:ff9b::a00:1",
        "2002:7f00:1::1",
        PUBLIC[1],
    ),
    "with a zone": ("fe80::1%lo", PUBLIC[0], "2606:4700:4700::1111%eth0", PUBLIC[1]),
    "in other spellings": (PUBLIC[0], "2130706433", "0x7f.1", "127.1", "0177.0.0.1", PUBLIC[1]),
    "unspecified": ("0.0.0.0", PUBLIC[0], "::", PUBLIC[1]),
}


@pytest.mark.parametrize("answers", MIXED)
async def test_of_mixed_answers_only_public_ones_are_called(
    answers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialled = Dialled(monkeypatch)
    poster = HttpPoster(Names(*MIXED[answers]), allows_private=False)
    with pytest.raises(NotPosted):
        await poster.post(a_post("http://hooks.example.com/"))
    assert dialled.addresses == list(PUBLIC)


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "0.0.0.0",
        "10.0.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.100.100.200",
        "169.254.169.254",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
async def test_a_name_behind_aliases_is_judged_by_where_it_ends(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver follows aliases by itself; what counts are the addresses at their end."""
    dialled = Dialled(monkeypatch)

    def resolve(host: str, port: int, **how: object) -> list[tuple[object, ...]]:
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "end.of.the.chain.example", (target, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    lookup = SystemLookup(threads=1)
    try:
        poster = HttpPoster(lookup, allows_private=False)
        with pytest.raises(AddressRefused):
            await poster.post(a_post("http://alias.example.com/"))
    finally:
        lookup.close()
    assert dialled.addresses == []


async def test_nothing_resolves_the_name_again_between_judging_and_calling(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    resolve = socket.getaddrinfo

    def watched(host: object, *rest: Any, **how: Any) -> Any:
        asked.append(host)
        return resolve("127.0.0.1", *rest, **how)

    monkeypatch.setattr(socket, "getaddrinfo", watched)
    poster = HttpPoster(names := Names("127.0.0.1"), allows_private=True)
    await poster.post(a_post(f"http://rebind.example.com:{receiver.port}/"))
    assert (len(names.asked), len(receiver.received)) == (1, 1)
    assert "rebind.example.com" not in asked


async def test_proxies_of_the_environment_are_not_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would resolve the name by itself, and be a way to whatever it can reach."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{receiver.port}")
    dialled = Dialled(monkeypatch)
    poster = HttpPoster(Names(PUBLIC[0]), allows_private=False)
    with pytest.raises(NotPosted):
        await poster.post(a_post("http://hooks.example.com/"))
    assert (dialled.addresses, receiver.received) == ([PUBLIC[0]], [])


async def test_the_next_address_is_tried_when_one_refuses(receiver: Receiver) -> None:
    poster = HttpPoster(Names("127.0.0.2", "127.0.0.1"), allows_private=True)
    posted = await poster.post(a_post(f"http://hooks.example.com:{receiver.port}/"))
    assert posted.status == 200


def test_the_machine_s_own_public_address_leads_to_public_ports_only() -> None:
    assert is_own("127.0.0.1")
    assert not is_own("8.8.8.8")
    here = Reach(Names(), allows_private=False, own_ports={443}, own=lambda ip: True)
    assert here.may_call("8.8.8.8", 443)
    assert not here.may_call("8.8.8.8", 6379)
    elsewhere = Reach(Names(), allows_private=False, own_ports={443}, own=lambda ip: False)
    assert elsewhere.may_call("8.8.8.8", 6379)
    assert not elsewhere.may_call("10.0.0.1", 443)


@pytest.mark.parametrize("status", [201, 300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("header", ["location: {}", "refresh: 0; url={}", "content-location: {}"])
async def test_a_redirect_is_not_followed(receiver: Receiver, status: int, header: str) -> None:
    elsewhere = f"http://127.0.0.1:{receiver.port}/other"
    receiver.reply = answer(status, b"", header.format(elsewhere))
    poster = HttpPoster(names := Names("127.0.0.1"), allows_private=True)
    posted = await poster.post(a_post(f"http://hooks.example.com:{receiver.port}/"))
    assert posted.status == status
    assert (len(receiver.received), len(names.asked)) == (1, 1)


async def test_a_receiver_that_does_not_answer_in_time_is_left(receiver: Receiver) -> None:
    receiver.reply = silence
    poster = HttpPoster(Names("127.0.0.1"), allows_private=True, total_s=1.5)
    with pytest.raises(NotPosted, match=r"1\.5 seconds"):
        await poster.post(a_post(f"http://hooks.example.com:{receiver.port}/"))
    assert len(receiver.received) == 1


async def test_an_answer_that_drips_ends_at_the_same_time(receiver: Receiver) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    receiver.reply = drip
    poster = HttpPoster(Names("127.0.0.1"), allows_private=True, total_s=0.3)
    with pytest.raises(NotPosted, match="seconds"):
        await poster.post(a_post(f"http://hooks.example.com:{receiver.port}/"))


async def test_an_oversized_answer_is_a_failure_and_a_long_one_is_cut(receiver: Receiver) -> None:
    poster = HttpPoster(Names("127.0.0.1"), allows_private=True, max_answer_bytes=50_000)
    url = f"http://hooks.example.com:{receiver.port}/"
    receiver.reply = answer(200, b"x" * 50_000)
    assert (await poster.post(a_post(url))).body == b"x" * 10_000
    receiver.reply = answer(200, b"x" * 50_001)
    with pytest.raises(NotPosted, match="50000 bytes"):
        await poster.post(a_post(url))


async def test_what_is_not_http_or_breaks_off_is_a_failure(receiver: Receiver) -> None:
    async def nonsense(writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        await writer.drain()

    async def half(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345")
        await writer.drain()

    poster = HttpPoster(Names("127.0.0.1"), allows_private=True)
    for reply in (nonsense, half):
        receiver.reply = reply
        with pytest.raises(NotPosted):
            await poster.post(a_post(f"http://hooks.example.com:{receiver.port}/"))


async def test_a_port_where_nobody_listens_is_a_failure() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        poster = HttpPoster(Names("127.0.0.1"), allows_private=True)
        with pytest.raises(NotPosted, match="refused"):
            await poster.post(a_post(f"http://hooks.example.com:{port}/"))


async def test_certificates_are_checked_only_when_the_webhook_says_so(tmp_path: Path) -> None:
    authority = Authority()
    authority.issue(tmp_path, "hooks.example.com")
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(tmp_path / "hooks.example.com.crt", tmp_path / "hooks.example.com.key")
    async with receiving(served) as receiver:
        url = f"https://hooks.example.com:{receiver.port}/"
        strange = HttpPoster(Names("127.0.0.1"), allows_private=True)
        assert (await strange.post(a_post(url))).status == 200
        with pytest.raises(NotPosted, match="certificate"):
            await strange.post(a_post(url, verifies=True))
        known = HttpPoster(Names("127.0.0.1"), allows_private=True, authorities=authority.client())
        assert (await known.post(a_post(url, verifies=True))).status == 200
        other = f"https://other.example.com:{receiver.port}/"
        with pytest.raises(NotPosted, match="certificate"):
            await known.post(a_post(other, verifies=True))
    assert receiver.names[0] == "hooks.example.com"


async def test_a_name_that_does_not_exist_is_a_failure() -> None:
    lookup = SystemLookup(threads=1)
    try:
        poster = HttpPoster(lookup, allows_private=False)
        with pytest.raises(NotPosted, match="resolved"):
            await poster.post(a_post(f"http://{'a' * 64}.example.com/"))
    finally:
        lookup.close()
