"""The proxy that servers of ordinary users have instead of steered connections.

It applies the same policy. The sandbox's end of it is played by the test, so this holds on
every machine, whoever runs the server.
"""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from runwright.executor.carrying import Box, Rules
from runwright.executor.egress import EGRESS, Policy, parse_openings
from runwright.executor.forwarder import is_own
from tests import decoys

pytestmark = pytest.mark.anyio
OPENED_PORT = 5433


@pytest.fixture(scope="module")
def network() -> Iterator[decoys.Network]:
    with decoys.a_network() as made:
        yield made


@pytest.fixture(scope="module")
def api() -> Iterator[decoys.Decoy]:
    with decoys.serve("127.0.0.1") as made:
        yield made


class Proxied:
    """One sandbox's sockets, and what it hears through them."""

    def __init__(self, api_port: int, kind: str) -> None:
        allowed = parse_openings([f"{decoys.PRIVATE}:{OPENED_PORT}"])
        rules = Rules(api_port=api_port, policies={EGRESS: Policy(is_own, allowed)})
        self.refusals: list[str] = []
        self.box = Box(1, rules, api_port, lambda event: self.refusals.append(event["address"]))
        self.box.follow(kind)
        kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_STREAM)
        made = [socket.socket(socket.AF_INET, kind) for kind in kinds]
        for each, kind_of in zip(made, kinds, strict=True):
            each.bind(("127.0.0.1", 0))
            if kind_of == socket.SOCK_STREAM:
                each.listen()
        self.port = made[0].getsockname()[1]
        self.box.open([each.detach() for each in made], is_transparent=False)

    def close(self) -> None:
        self.box.close()

    async def ask(self, request: str) -> tuple[int, bytes]:
        """Status, and what came after the head."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request.encode())
            async with asyncio.timeout(60):
                head = await reader.readuntil(b"\r\n\r\n")
                rest = await reader.read(64)
        finally:
            writer.close()
        return int(head.split(b" ")[1]), rest

    async def connect(self, host: str, port: int) -> int:
        name = f"[{host}]" if ":" in host else host
        return (await self.ask(f"CONNECT {name}:{port} HTTP/1.1\r\n\r\n"))[0]


async def test_the_outside_world_and_what_was_opened_are_reached(
    network: decoys.Network, api: decoys.Decoy
) -> None:
    with (
        closing(Proxied(api.port, EGRESS)) as sandbox,
        network.serve(decoys.OUTSIDE) as outside,
        network.serve(decoys.PRIVATE, OPENED_PORT) as opened,
    ):
        for decoy in (outside, opened, api):
            request = f"CONNECT {decoy.address}:{decoy.port} HTTP/1.1\r\n\r\n"
            assert await sandbox.ask(request) == (200, decoys.BANNER)
        if decoys.SIX:
            with network.serve(decoys.OUTSIDE_6) as six:
                assert await sandbox.connect(decoys.OUTSIDE_6, six.port) == 200


async def test_everything_else_is_refused_in_every_spelling(
    network: decoys.Network, api: decoys.Decoy
) -> None:
    with ExitStack() as stack:
        sandbox = stack.enter_context(closing(Proxied(api.port, EGRESS)))
        served = [
            stack.enter_context(network.serve(address))
            for address in (*decoys.FOUR, *decoys.SIX)
            if address not in (decoys.OUTSIDE, decoys.OUTSIDE_6)
        ]
        own = stack.enter_context(decoys.serve("0.0.0.0"))
        targets = [(decoy.address, decoy.port) for decoy in served]
        targets += [(f"::ffff:{host}", port) for host, port in targets if ":" not in host]
        targets += [
            (host, own.port)
            for host in ("127.0.0.1", "localhost", "0x7f.1", "0177.0.0.1", "2130706433", "127.1",
                         "0", "::1", "::", "::ffff:127.0.0.1", "64:ff9b::7f00:1")
        ]  # fmt: skip
        statuses = {target: await sandbox.connect(*target) for target in targets}
        assert set(statuses.values()) <= {403, 502}, statuses
        assert statuses["127.0.0.1", own.port] == 403
        assert [decoy.visits for decoy in served] == [0] * len(served)
        assert own.visits == 0
        assert sandbox.refusals


async def test_a_refusal_says_so(network: decoys.Network, api: decoys.Decoy) -> None:
    with (
        closing(Proxied(api.port, EGRESS)) as sandbox,
        network.serve(decoys.PRIVATE) as private,
    ):
        request = f"GET http://{decoys.PRIVATE}:{private.port}/ HTTP/1.1\r\n\r\n"
        status, text = await sandbox.ask(request)
    assert (status, text) == (403, b"This address is not open to functions.\n")
    assert private.visits == 0


async def test_without_a_network_the_proxy_leads_to_the_api_alone(
    network: decoys.Network, api: decoys.Decoy
) -> None:
    visited = api.visits
    with (
        closing(Proxied(api.port, "none")) as sandbox,
        network.serve(decoys.OUTSIDE) as outside,
    ):
        assert await sandbox.connect(decoys.OUTSIDE, outside.port) == 403
        assert await sandbox.connect("127.0.0.1", api.port) == 200
    assert (outside.visits, api.visits) == (0, visited + 1)
