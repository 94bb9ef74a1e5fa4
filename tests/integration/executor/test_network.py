"""The way out of a sandbox: names, addresses, the API, and what stays closed."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runwright.clock import SystemClock
from runwright.executor.host import BubblewrapExecutor
from runwright.proxies import FROM_SANDBOXES
from tests import decoys
from tests.integration.executor.conftest import NODE, PYTHON, Bench, a_config, can_isolate

pytestmark = pytest.mark.anyio

CONNECT = (
    "import json, socket\n"
    "def main(context):\n"
    "    host, port, size = json.loads(context.req.body_text)\n"
    "    try:\n"
    "        with socket.create_connection((host, port), timeout=30) as link:\n"
    "            link.sendall(b'x' * size)\n"
    "            link.shutdown(socket.SHUT_WR)\n"
    "            got = 0\n"
    "            first = b''\n"
    "            while part := link.recv(65536):\n"
    "                got += len(part)\n"
    "                first = first or part[:64]\n"
    "        return context.res.json({'got': got, 'first': first.decode()})\n"
    "    except OSError as error:\n"
    "        return context.res.json({'error': type(error).__name__})\n"
)


class Echo:
    """A TCP server that counts, remembers and sends everything back."""

    def __init__(self) -> None:
        self.connections = 0
        self.peers: set[str] = set()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.peers.add(writer.get_extra_info("peername")[0])
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def an_echo(host: str) -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, host, 0)
    echo.port = server.sockets[0].getsockname()[1]
    try:
        yield echo
    finally:
        server.close()


class Resolver(asyncio.DatagramProtocol):
    """Answers every A question with 203.0.113.7."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        end = data.index(b"\0", 12) + 5
        is_a = data[end - 4 : end - 2] == b"\0\1"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton("203.0.113.7")
        head = data[:2] + struct.pack(">HHHHH", 0x8180, 1, int(is_a), 0, 0)
        self.transport.sendto(head + data[12:end] * 0 + data[12:end] + answer * is_a, address)


@asynccontextmanager
async def an_executor(folder: Path, **changes: object) -> AsyncIterator[Bench]:
    if not can_isolate():
        pytest.skip("this machine allows no user namespaces")
    folder.mkdir(exist_ok=True)
    executor = BubblewrapExecutor(a_config(folder / "data", **changes), SystemClock())
    await executor.start()
    try:
        yield Bench(executor, folder)
    finally:
        await executor.stop()


async def connect(bench: Bench, host: str, port: int, size: int = 10) -> dict[str, Any]:
    workload = bench.deploy(PYTHON, CONNECT)
    outcome = await bench.run(workload, body=json.dumps([host, port, size]).encode())
    assert outcome.error_class is None, outcome.errors
    answer: dict[str, Any] = json.loads(outcome.body)
    return answer


async def test_a_listener_on_the_hosts_loopback_cannot_be_reached(bench: Bench) -> None:
    async with an_echo("127.0.0.1") as echo:
        for host in ("127.0.0.1", "127.0.0.2", "localhost", "0.0.0.0"):
            assert "error" in await connect(bench, host, echo.port)
    assert echo.connections == 0


async def test_a_listener_on_the_hosts_own_address_cannot_be_reached(bench: Bench) -> None:
    host = decoys.own_address()
    async with an_echo(host) as echo:
        assert connect_result_is_closed(await connect(bench, host, echo.port))
    assert echo.connections == 0


def connect_result_is_closed(answer: dict[str, Any]) -> bool:
    return "error" in answer or answer["got"] == 0


@pytest.mark.parametrize("host", ["169.254.169.254", "224.0.0.1", "100.100.100.200"])
async def test_metadata_services_and_multicast_cannot_be_reached(bench: Bench, host: str) -> None:
    assert connect_result_is_closed(await connect(bench, host, 80))


async def test_the_api_is_reached_on_its_port_of_the_own_loopback(tmp_path: Path) -> None:
    async with (
        an_echo("127.0.0.1") as echo,
        an_executor(tmp_path, api_port=echo.port) as bench,
    ):
        answer = await connect(bench, "127.0.0.1", echo.port, 3_000_000)
    assert answer["got"] == 3_000_000
    assert echo.peers == {str(FROM_SANDBOXES)}  # from where no proxy is trusted


async def test_what_the_operator_opened_is_reached_and_carries_any_amount(tmp_path: Path) -> None:
    host = decoys.own_address()
    async with an_echo(host) as echo:
        opened = (f"{host}:{echo.port}",)
        async with an_executor(tmp_path, network_allow=opened) as bench:
            bench.needs_steering()
            answer = await connect(bench, host, echo.port, 5_000_000)
    assert answer["got"] == 5_000_000
    assert echo.connections == 1


async def test_names_are_resolved_by_the_configured_resolver(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Resolver, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    node = (
        "const dns = require('dns').promises;\n"
        "module.exports = async ({ res }) => {\n"
        "  const found = await dns.lookup('name.example', 4);\n"
        "  const asked = await dns.resolve4('name.example');\n"
        "  return res.text(`${found.address} ${asked[0]}`);\n};"
    )
    try:
        async with an_executor(tmp_path, resolvers=(f"127.0.0.1:{port}",)) as bench:
            outcome = await bench.run(bench.deploy(NODE, node))
    finally:
        transport.close()
    assert outcome.body == b"203.0.113.7 203.0.113.7"


async def test_a_function_may_listen_on_its_own_loopback(bench: Bench) -> None:
    source = (
        "const net = require('net');\n"
        "module.exports = ({ res }) => new Promise((done) => {\n"
        "  const server = net.createServer((link) => link.end('own'));\n"
        "  server.listen(3000, '127.0.0.1', () => {\n"
        "    net.connect(3000, '127.0.0.1').on('data', (data) => done(res.text(String(data))));\n"
        "  });\n});"
    )
    assert (await bench.run(bench.deploy(NODE, source))).body == b"own"


async def test_connections_of_one_sandbox_are_bounded(tmp_path: Path) -> None:
    source = (
        "import json, socket\nkept = []\n"
        "def main(context):\n"
        "    port = int(context.req.body_text)\n"
        "    for _ in range(12):\n"
        "        try:\n"
        "            kept.append(socket.create_connection(('127.0.0.1', port), timeout=20))\n"
        "        except ConnectionResetError:\n            pass  # so soon, now and then\n"
        "    answers = 0\n"
        "    for link in kept:\n"
        "        try:\n"
        "            link.sendall(b'x')\n            answers += link.recv(1) == b'x'\n"
        "        except OSError:\n            pass\n"
        "    return context.res.json(answers)\n"
    )
    async with (
        an_echo("127.0.0.1") as echo,
        an_executor(tmp_path, api_port=echo.port, max_connections=5) as bench,
    ):
        outcome = await bench.run(bench.deploy(PYTHON, source), body=str(echo.port).encode())
    assert outcome.body == b"5", outcome.errors


async def test_a_connection_that_has_ended_makes_room_for_another(tmp_path: Path) -> None:
    source = CONNECT.replace("def main(", "def once(").replace("context.res.json(", "dict(") + (
        "def main(context):\n    return context.res.json([once(context) for _ in range(12)])\n"
    )
    async with (
        an_echo("127.0.0.1") as echo,
        an_executor(tmp_path, api_port=echo.port, max_connections=4) as bench,
    ):
        body = json.dumps(["127.0.0.1", echo.port, 10]).encode()
        outcome = await bench.run(bench.deploy(PYTHON, source), body=body)
    assert json.loads(outcome.body) == 12 * [{"got": 10, "first": "x" * 10}]


async def test_programs_that_know_the_proxy_get_out_where_nothing_can_be_steered(
    tmp_path: Path,
) -> None:
    """The proxy itself, asked from inside; on hosts with bpf nobody listens there."""
    source = (
        "import json, socket\n"
        "def main(context):\n"
        "    target = context.req.body_text\n"
        "    link = socket.create_connection(('127.0.0.1', 3128), timeout=30)\n"
        "    link.sendall(f'CONNECT {target} HTTP/1.1\\r\\n\\r\\n'.encode())\n"
        "    head = link.recv(100).split(b'\\r\\n')[0].decode()\n"
        "    if ' 200 ' not in head:\n        return context.res.text(head)\n"
        "    link.sendall(b'hello')\n"
        "    return context.res.text(link.recv(5).decode())\n"
    )
    host = decoys.own_address()
    async with an_echo(host) as echo, an_echo("127.0.0.1") as closed:
        opened = (f"{host}:{echo.port}",)
        async with an_executor(tmp_path, network_allow=opened) as bench:
            if bench.control.is_transparent:
                pytest.skip("connections are steered here")
            workload = bench.deploy(PYTHON, source)
            through = await bench.run(workload, body=f"{host}:{echo.port}".encode())
            refused = await bench.run(workload, body=f"127.0.0.1:{closed.port}".encode())
    assert through.body == b"hello"
    assert refused.body.startswith(b"HTTP/1.1 403")
    assert closed.connections == 0
