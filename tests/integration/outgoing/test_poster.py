"""Requests that leave the server, over real sockets; names are resolved by the test."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

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


async def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.reply = answer(302, b"", f"location: http://127.0.0.1:{receiver.port}/other")
    poster = HttpPoster(Names("127.0.0.1"), allows_private=True)
    posted = await poster.post(a_post(f"http://hooks.example.com:{receiver.port}/"))
    assert posted.status == 302
    assert len(receiver.received) == 1


async def test_a_receiver_that_does_not_answer_in_time_is_left(receiver: Receiver) -> None:
    receiver.reply = silence
    poster = HttpPoster(Names("127.0.0.1"), allows_private=True, total_s=0.3)
    with pytest.raises(NotPosted, match=r"0\.3 seconds"):
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
