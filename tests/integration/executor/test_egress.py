"""What functions reach of the networks their machine is in, tried in real sandboxes.

Every address under attack is a decoy (`tests/decoys.py`): the test counts its visits, and no
probe leaves the machine.
"""

import asyncio
import errno
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from runwright.clock import SystemClock
from runwright.executor.host import BubblewrapExecutor
from runwright.executor.networks import FEW
from runwright.model.execution import Workload
from runwright.model.network import Network
from runwright.ports.executor import BuildJob
from tests import decoys
from tests.integration.executor.conftest import NODE, PYTHON, Bench, a_config, can_isolate

pytestmark = pytest.mark.anyio

OPENED_PORT = 5432
REBOUND = "rebound.example"
CLOSED = decoys.OTHER_PRIVATE[1]

# Connects to each address given and tells what came of it.
PROBE = """
import json, socket
from concurrent.futures import ThreadPoolExecutor

def probe(target):
    host, port = target
    try:
        with socket.create_connection((host, port), timeout=20) as link:
            link.settimeout(20)
            said = link.recv(64).decode()
            return {'said': said} if said else {'error': 'closed'}
    except OSError as error:
        return {'error': type(error).__name__, 'errno': error.errno}

def main(context):
    with ThreadPoolExecutor(8) as threads:
        return context.res.json(list(threads.map(probe, json.loads(context.req.body_text))))
"""


NAMESPACE = """
import os

def main(context):
    return context.res.text(os.readlink('/proc/self/ns/net'))
"""


@dataclass
class World:
    bench: Bench
    network: decoys.Network
    names: decoys.Names
    function: Workload
    turns: list[int]

    async def probe(
        self, *targets: tuple[str, int], function: Workload | None = None
    ) -> list[dict[str, Any]]:
        outcome = await self.bench.run(
            function or self.function, body=json.dumps(targets).encode(), timeout_s=120
        )
        assert outcome.error_class is None, outcome.errors
        found: list[dict[str, Any]] = json.loads(outcome.body)
        return found

    async def networks_in_stock(self) -> set[str]:
        """Namespaces that the launcher holds ready, once it has as many as it keeps."""
        folder = Path(f"/proc/{self.bench.control.launcher_pid}/fd")
        async with asyncio.timeout(60):
            while True:
                found = set()
                for path in folder.iterdir():
                    with suppress(FileNotFoundError):  # just closed
                        found.add(os.readlink(path))
                found = {link for link in found if link.startswith("net:")}
                if len(found) > FEW:
                    return found
                await asyncio.sleep(0.01)


def is_refused(item: dict[str, Any]) -> bool:
    """Told at once: whoever is not answered waits for all of the probe's patience."""
    return "error" in item and item["error"] != "TimeoutError"


@pytest.fixture(scope="module")
def network() -> Iterator[decoys.Network]:
    with decoys.a_network() as made:
        yield made


@pytest.fixture(scope="module")
def turns() -> list[int]:
    return []


@pytest.fixture(scope="module")
def names(turns: list[int]) -> Iterator[decoys.Names]:
    def rebound() -> list[str]:
        """First an address that may be used, then one that may not."""
        turns.append(1)
        return [decoys.OUTSIDE if len(turns) == 1 else CLOSED]

    table: dict[str, decoys.Addresses] = {
        "outside.example": [decoys.OUTSIDE],
        "private.example": [CLOSED],
        "mixed.example": [decoys.OUTSIDE, CLOSED],
        "loopback.example": ["127.0.0.1"],
        "metadata.example": ["169.254.169.254"],
        "six.example": [decoys.PRIVATE_6, "::1"],
        "index.example": [CLOSED],
        REBOUND: rebound,
    }
    with decoys.names(table) as made:
        yield made


@pytest.fixture(scope="module")
def api() -> Iterator[decoys.Decoy]:
    """Stands for the server's API."""
    with decoys.serve("127.0.0.1") as made:
        yield made


@pytest.fixture(scope="module")
async def world(
    anyio_backend: object,
    network: decoys.Network,
    names: decoys.Names,
    api: decoys.Decoy,
    turns: list[int],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    if not can_isolate():
        pytest.skip("this machine allows no user namespaces")
    folder = tmp_path_factory.mktemp("egress")
    config = a_config(
        folder / "data",
        runtimes=(NODE, PYTHON),
        resolvers=(f"127.0.0.1:{names.port}",),
        api_port=api.port,
        allows_host_network=True,
        network_allow=(f"{decoys.PRIVATE_NETWORK}:{OPENED_PORT}",),
        environ={"PIP_INDEX_URL": f"http://index.example:{OPENED_PORT + 1}/simple"},
    )
    executor = BubblewrapExecutor(config, SystemClock())
    await executor.start()
    try:
        bench = Bench(executor, folder)
        bench.needs_steering()
        yield World(bench, network, names, bench.deploy(PYTHON, PROBE), turns)
    finally:
        await executor.stop()


async def test_the_outside_world_is_reached(world: World) -> None:
    with world.network.serve(decoys.OUTSIDE) as decoy:
        by_address, by_name = await world.probe(
            (decoys.OUTSIDE, decoy.port), ("outside.example", decoy.port)
        )
    assert by_address["said"] == by_name["said"] == "decoy\n"
    assert decoy.visits == 2


async def test_private_networks_and_metadata_services_are_out_of_reach(world: World) -> None:
    closed = [address for address in decoys.FOUR if address != decoys.OUTSIDE]
    with ExitStack() as stack:
        opened = [stack.enter_context(world.network.serve(address)) for address in closed]
        targets = [(decoy.address, decoy.port) for decoy in opened]
        mapped = [(f"::ffff:{address}", port) for address, port in targets]
        found = await world.probe(*targets, *mapped)
    assert all(is_refused(item) for item in found), found
    assert {decoy.address: decoy.visits for decoy in opened} == dict.fromkeys(closed, 0)


async def test_what_the_operator_opened_is_reached_on_its_port_alone(world: World) -> None:
    with (
        world.network.serve(decoys.PRIVATE, OPENED_PORT) as opened,
        world.network.serve(decoys.PRIVATE) as closed,
    ):
        through, refused = await world.probe(
            (decoys.PRIVATE, OPENED_PORT), (decoys.PRIVATE, closed.port)
        )
    assert through["said"] == "decoy\n"
    assert "error" in refused
    assert (opened.visits, closed.visits) == (1, 0)


async def test_the_hosts_loopback_and_addresses_are_out_of_reach_in_every_spelling(
    world: World,
) -> None:
    own = decoys.own_address()
    with decoys.serve("0.0.0.0") as four, decoys.serve("::1") as six:
        spellings = (
            "127.0.0.1", "127.9.9.9", "0.0.0.0", "0", "2130706433", "0x7f000001", "127.1",
            "0177.0.0.1", "localhost", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1",
            "64:ff9b::7f00:1", "2002:7f00:1::1", own, f"::ffff:{own}",
        )  # fmt: skip
        found = await world.probe(
            *[(text, four.port) for text in spellings],
            *[(text, six.port) for text in ("::1", "::", "localhost", "::ffff:127.0.0.1")],
        )
    assert all(is_refused(item) for item in found), found
    assert (four.visits, six.visits) == (0, 0)


async def test_an_address_that_the_host_got_a_moment_ago_is_closed_at_once(world: World) -> None:
    """Ranges that are open to functions become closed where an address is the host's own."""
    address = "198.51.100.77"
    decoys.run("ip", "address", "add", f"{address}/32", "dev", world.network.cable)
    with decoys.serve(address) as decoy:
        (found,) = await world.probe((address, decoy.port))
    assert "error" in found
    assert decoy.visits == 0


async def test_ipv6_is_refused_at_once(world: World) -> None:
    if not decoys.SIX:
        pytest.skip("this machine has no IPv6")
    with world.network.serve(decoys.OUTSIDE_6) as outside:
        found = await world.probe(
            *[(address, outside.port) for address in (*decoys.SIX, "fe80::1%lo", "fe80::1")]
        )
    assert {item["errno"] for item in found} <= {
        errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL, errno.ECONNREFUSED
    }  # fmt: skip
    assert found[0]["errno"] == found[2]["errno"] == errno.ENETUNREACH
    assert outside.visits == 0


async def test_datagrams_go_nowhere_and_are_refused_at_once(world: World) -> None:
    source = (
        "import json, socket\n"
        "def main(context):\n"
        "    found = []\n"
        "    for host, port in json.loads(context.req.body_text):\n"
        "        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "        link.settimeout(60)\n"
        "        link.connect((host, port))\n"
        "        try:\n"
        "            link.send(b'x')\n            link.recv(1)\n"
        "        except OSError as error:\n            found.append(type(error).__name__)\n"
        "    return context.res.json(found)\n"
    )
    function = world.bench.deploy(PYTHON, source)
    with ExitStack() as stack:
        served = [
            stack.enter_context(world.network.serve(address, kind=socket.SOCK_DGRAM))
            for address in (decoys.OUTSIDE, decoys.PRIVATE, "169.254.169.254")
        ]
        targets = [(decoy.address, decoy.port) for decoy in served]
        outcome = await world.bench.run(function, body=json.dumps(targets).encode())
    assert json.loads(outcome.body) == ["ConnectionRefusedError"] * 3
    assert [decoy.visits for decoy in served] == [0, 0, 0]


async def test_names_that_lead_to_closed_addresses_have_no_address(world: World) -> None:
    before = world.names.visits
    with world.network.serve(CLOSED) as private, decoys.serve("127.0.0.1") as own:
        found = await world.probe(
            ("private.example", private.port),
            ("mixed.example", private.port),
            ("metadata.example", 80),
            ("loopback.example", own.port),
            ("six.example", own.port),
            ("index.example", private.port),
        )
    assert {item["error"] for item in found} == {"gaierror"}
    assert (private.visits, own.visits) == (0, 0)
    assert world.names.visits > before


async def test_a_name_that_changes_its_meaning_leads_nowhere_new(world: World) -> None:
    with world.network.serve(CLOSED) as private:
        first, second = [(await world.probe((REBOUND, private.port)))[0] for _ in range(2)]
    assert "error" in first  # nobody listens there on this port
    assert second["error"] == "gaierror"
    assert private.visits == 0
    assert len(world.turns) >= 2


async def test_the_resolver_gets_questions_and_nothing_else(world: World) -> None:
    source = (
        "import json, socket, struct\n"
        "QUESTION = struct.pack('>HHHHHH', 5, 0x100, 1, 0, 0, 0)"
        " + b'\\x07outside\\x07example\\0\\0\\1\\0\\1'\n"
        "def tcp(data):\n"
        "    with socket.create_connection(('127.0.0.1', 53), timeout=30) as link:\n"
        "        got = b''\n"
        "        try:\n"
        "            link.sendall(data)\n"
        "            link.shutdown(socket.SHUT_WR)\n"
        "            while part := link.recv(4096):\n                got += part\n"
        "        except OSError:\n            pass\n"  # it is closed at the first odd byte
        "        return got\n"
        "def udp(data):\n"
        "    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "    link.settimeout(30)\n"
        "    link.sendto(data, ('127.0.0.1', 53))\n"
        "    return link.recv(4096)\n"
        "def main(context):\n"
        "    framed = struct.pack('>H', len(QUESTION)) + QUESTION\n"
        "    answers = [udp(QUESTION), udp(b'GET / HTTP/1.1'), udp(QUESTION[:-1] + b'\\3'),\n"
        "               tcp(framed), tcp(framed + framed), tcp(b'GET / HTTP/1.1\\r\\n\\r\\n'),\n"
        "               tcp(b'\\xff\\xff' + b'x' * 4096)]\n"
        "    return context.res.json([answer.hex() for answer in answers])\n"
    )
    before = len(world.names.questions)
    outcome = await world.bench.run(world.bench.deploy(PYTHON, source))
    assert outcome.error_class is None, outcome.errors
    plain, junk, other_class, framed, twice, http, endless = (
        bytes.fromhex(text) for text in json.loads(outcome.body)
    )
    address = socket.inet_aton(decoys.OUTSIDE)
    assert plain[:2] == b"\0\5"
    assert plain.endswith(address)
    assert junk[3] & 15 == other_class[3] & 15 == 1  # malformed
    assert framed.endswith(address)
    assert twice.count(address) == 2
    assert (http, endless) == (b"", b"")
    assert world.names.questions[before:] == ["outside.example"] * 4


async def test_one_function_cannot_reach_another(world: World) -> None:
    listening = (
        "import socket, threading\n"
        "held = []\n"
        "def serve(link):\n"
        "    while True:\n        link.accept()[0].sendall(b'mine')\n"
        "def main(context):\n"
        "    if not held:\n"
        "        link = socket.socket()\n        link.bind(('0.0.0.0', 4444))\n"
        "        link.listen()\n        held.append(link)\n"
        "        threading.Thread(target=serve, args=(link,), daemon=True).start()\n"
        "    with socket.create_connection(('127.0.0.1', 4444)) as own:\n"
        "        return context.res.text(own.recv(4).decode())\n"
    )
    neighbour = world.bench.deploy(PYTHON, listening)
    assert (await world.bench.run(neighbour)).body == b"mine"
    found = await world.probe(
        *[(host, 4444) for host in ("127.0.0.1", "0.0.0.0", "localhost", decoys.own_address())]
    )
    assert all("error" in item for item in found), found


async def test_without_a_network_the_api_alone_is_reached(world: World, api: decoys.Decoy) -> None:
    offline = world.bench.deploy(PYTHON, PROBE, network=Network.NONE)
    asked, visited = len(world.names.questions), api.visits
    with (
        world.network.serve(decoys.OUTSIDE) as outside,
        world.network.serve(decoys.PRIVATE, OPENED_PORT) as opened,
    ):
        by_address, by_name, private, endpoint = await world.probe(
            (decoys.OUTSIDE, outside.port),
            ("outside.example", outside.port),
            (decoys.PRIVATE, OPENED_PORT),
            ("127.0.0.1", api.port),
            function=offline,
        )
    assert "error" in by_address
    assert by_name["error"] == "gaierror"
    assert "error" in private
    assert endpoint["said"] == "decoy\n"
    assert (outside.visits, opened.visits, api.visits) == (0, 0, visited + 1)
    assert len(world.names.questions) == asked


async def test_another_network_holds_from_the_next_run_on(world: World) -> None:
    """The same deployment under new settings gets another sandbox, and the old one ends."""
    before = world.bench.deploy(PYTHON, PROBE)
    after = replace(before, key=f"{before.key}-none", network=Network.NONE)
    with world.network.serve(decoys.OUTSIDE) as outside:
        (first,) = await world.probe((decoys.OUTSIDE, outside.port), function=before)
        (second,) = await world.probe((decoys.OUTSIDE, outside.port), function=after)
        (third,) = await world.probe((decoys.OUTSIDE, outside.port), function=before)
    assert first["said"] == third["said"] == "decoy\n"
    assert "error" in second
    assert outside.visits == 2


async def test_in_the_hosts_network_everything_of_the_host_is_reached(world: World) -> None:
    inside = world.bench.deploy(PYTHON, PROBE, network=Network.HOST)
    with world.network.serve(decoys.PRIVATE) as private, decoys.serve("127.0.0.1") as own:
        found = await world.probe(
            (decoys.PRIVATE, private.port), ("127.0.0.1", own.port), function=inside
        )
    assert [item["said"] for item in found] == ["decoy\n"] * 2
    resolver = "def main(context):\n    return context.res.text(open('/etc/resolv.conf').read())\n"
    shown = await world.bench.run(world.bench.deploy(PYTHON, resolver, network=Network.HOST))
    assert shown.body.decode() == Path("/etc/resolv.conf").read_text()


async def test_the_hosts_network_is_given_only_while_the_operator_allows_it(
    world: World, tmp_path: Path
) -> None:
    """Here on a server that keeps no sandboxes ready: each start is a cold one."""
    config = a_config(tmp_path / "data", runtimes=(PYTHON,), pool_sizes={})
    executor = BubblewrapExecutor(config, SystemClock())
    await executor.start()
    try:
        inside = world.bench.deploy(PYTHON, PROBE, network=Network.HOST)
        strict = World(Bench(executor, tmp_path), world.network, world.names, inside, [])
        waiting = await strict.networks_in_stock()
        with (
            decoys.serve("127.0.0.1") as own,
            world.network.serve(decoys.PRIVATE) as private,
            world.network.serve(decoys.OUTSIDE) as outside,
        ):
            closed, refused, reached = await strict.probe(
                ("127.0.0.1", own.port),
                (decoys.PRIVATE, private.port),
                (decoys.OUTSIDE, outside.port),
            )
        # A cold start enters a namespace that was waiting; it makes none.
        namespaces = world.bench.deploy(PYTHON, NAMESPACE)
        entered = (await strict.bench.run(namespaces)).body.decode()
    finally:
        await executor.stop()
    assert entered in waiting
    assert "error" in closed
    assert "error" in refused
    assert reached["said"] == "decoy\n"
    assert (own.visits, private.visits) == (0, 0)


async def test_a_build_reaches_the_index_that_the_operator_named_and_no_more(
    world: World, tmp_path: Path
) -> None:
    port = OPENED_PORT + 1
    script = (
        "import socket\n"
        "for host, port in {targets}:\n"
        "    try:\n"
        "        with socket.create_connection((host, port), timeout=20) as link:\n"
        "            print(host, port, link.recv(64).decode().strip() or 'closed')\n"
        "    except OSError as error:\n        print(host, port, 'failed')\n"
    )
    with (
        world.network.serve(CLOSED, port) as index,
        world.network.serve(CLOSED) as other,
        world.network.serve(decoys.OUTSIDE) as outside,
        world.network.serve("169.254.169.254") as metadata,
    ):
        targets = [
            (CLOSED, port),  # before its name was asked for
            ("index.example", port),
            ("index.example", other.port),
            ("private.example", port),
            (decoys.OUTSIDE, outside.port),
            ("169.254.169.254", metadata.port),
        ]
        job = BuildJob(
            deployment_id="egress",
            project_id="project",
            function_id="egress",
            runtime=PYTHON,
            workspace=str(tmp_path / "workspace"),
            cache=str(tmp_path / "cache"),
            commands=f"python - <<'END'\n{script.format(targets=targets)}END\n",
            memory_mib=512,
            timeout_s=120,
        )
        (tmp_path / "workspace").mkdir()
        (tmp_path / "cache").mkdir()
        lines: list[str] = []
        result = await world.bench.executor.build(job, lines.append, asyncio.Event())
    assert result.exit_code == 0, lines
    told = ["".join(lines).splitlines()[at].split()[-1] for at in range(6)]
    assert told[1] == "decoy"
    assert told[4] == "decoy"
    assert [told[at] in ("failed", "closed") for at in (0, 2, 3, 5)] == [True] * 4
    assert (index.visits, other.visits, outside.visits, metadata.visits) == (1, 0, 1, 0)
