"""Does a call cost the same when there is more? Three servers beside each other, called in turns:
one with ten functions, one with a thousand, one with ten and a million stored executions."""

import os
import sqlite3
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import httpx

from bench import ours
from bench.load import drive
from tests.acceptance import deploying
from tests.acceptance.running import UID_BASE, Running

FEW: Final = 10
MANY: Final = 1_000
STORED: Final = 1_000_000
CALLED: Final = 10  # functions that share the calls, the same number everywhere
CONNECTIONS: Final = 16
ROUNDS: Final = 7
SECONDS: Final = 3.0
SETTLE_S: Final = 10.0
REST_S: Final = 20.0
UIDS: Final = 65_536  # a server's share of user ids, so that the three do not meet

TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """What calls cost in one round."""

    rate: float
    cpu_s: float  # of the server process, for one call
    failed: int


def run() -> None:
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        servers = {}
        for at, (name, count, stored) in enumerate(
            (
                (f"{FEW} functions", FEW, 0),
                (f"{MANY:,} functions", MANY, 0),
                (f"{STORED:,} executions", FEW, STORED),
            )
        ):
            base = UID_BASE + UIDS * (at + 1)
            (folder / str(at)).mkdir()
            server = ours.start(
                folder / str(at),
                RUNWRIGHT_BUILDS="4",
                RUNWRIGHT_UID_BASE=str(base),
                RUNWRIGHT_EXECUTION_RETENTION_COUNT="0",  # or the million would be cut down
            )
            stack.callback(server.stop)
            print(f"  deploying {count} functions", flush=True)
            deploy(server, count)
            if stored:
                print(f"  storing {stored:,} executions", flush=True)
                server.stop()
                store(server.data_dir, stored)
                server.start()
            servers[name] = server
        rest(servers)
        report(measure(servers, folder))


def deploy(server: Running, count: int) -> None:
    runtime = ours.runtime(server, "node")
    with server.client() as api:
        for number in range(count):
            ours.create(api, f"flat-{number}", runtime, "node")
        for number in range(count):
            ours.wait_live(api, f"flat-{number}")
        for number in range(CALLED):
            deploying.execute(api, f"flat-{number}")


def store(data_dir: Path, count: int) -> None:
    """Multiply the records of the first calls, spread over functions and the last days."""
    with closing(sqlite3.connect(data_dir / "runwright.db")) as database, database:
        names = [row[1] for row in database.execute("PRAGMA table_info(executions)")]
        new = {
            "sequence": "NULL",
            "id": "lower(hex(randomblob(10)))",
            "created_at": "e.created_at - (n.at % 600000) * 1000000",
        }
        chosen = ", ".join(new.get(name, f"e.{name}") for name in names)
        database.execute(
            f"""WITH RECURSIVE n(at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < ?)
            INSERT INTO executions ({", ".join(names)}) SELECT {chosen}
            FROM n JOIN (SELECT *, row_number() OVER () AS number FROM executions) AS e
            ON e.number = n.at % (SELECT count(*) FROM executions) + 1""",
            (count,),
        )


def rest(servers: dict[str, Running]) -> None:
    """What each costs when nobody calls."""
    time.sleep(SETTLE_S)
    before = {name: used_s(server) for name, server in servers.items()}
    time.sleep(REST_S)
    for name, server in servers.items():
        used = used_s(server) - before[name]
        print(f"  at rest, {name}: {used / REST_S * 1e3:.1f} ms CPU a second")


def measure(servers: dict[str, Running], folder: Path) -> dict[tuple[str, str], list[Cost]]:
    """Interleaved rounds: every server by every road, then the next round."""
    costs: dict[tuple[str, str], list[Cost]] = defaultdict(list)
    roads: dict[str, Callable[[Running, httpx.Client], str]] = {
        "on a domain": on_domains,
        "by the API": by_api,
    }
    for number in range(ROUNDS + 1):
        print(f"  round {number} of {ROUNDS}", flush=True)
        for road, write in roads.items():
            for name, server in servers.items():
                script = folder / "calls.lua"
                with server.client() as api:
                    script.write_text(write(server, api))
                cost = call(server, script)
                if number:  # the first is for warming up
                    costs[road, name].append(cost)
    return costs


def call(server: Running, script: Path) -> Cost:
    before = used_s(server)
    load = drive(
        f"http://127.0.0.1:{server.port}/", "localhost", CONNECTIONS, SECONDS, script=script
    )
    return Cost(load.rate, (used_s(server) - before) / (load.rate * SECONDS), load.failed)


def used_s(server: Running) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def on_domains(server: Running, api: httpx.Client) -> str:
    hosts = [deploying.domain(api, f"flat-{number}") for number in range(CALLED)]
    return turns([f'wrk.format("GET", "/", {{["Host"]="{host}"}})' for host in hosts])


def by_api(server: Running, api: httpx.Client) -> str:
    headers = {
        "Host": "localhost",
        "content-type": "application/json",
        "x-appwrite-project": server.project_id,
        "x-appwrite-key": server.api_key,
    }
    table = ", ".join(f'["{name}"]="{value}"' for name, value in headers.items())
    return turns(
        [
            f'wrk.format("POST", "/v1/functions/flat-{number}/executions", {{{table}}}, "{{}}")'
            for number in range(CALLED)
        ]
    )


def turns(requests: list[str]) -> str:
    """A script for wrk that sends one request after the other, again and again."""
    made = "\n".join(f"  all[{at}] = {request}" for at, request in enumerate(requests))
    return f"""local all, at = {{}}, 0
function init()
{made}
end
function request()
  at = (at + 1) % {len(requests)}
  return all[at]
end
"""


def report(costs: dict[tuple[str, str], list[Cost]]) -> None:
    print(f"\n{'flat':<14}{'':<24}{'req/s':>9}{'CPU us':>9}{'x first':>9}{'failed':>8}")
    first: dict[str, float] = {}
    for (road, name), values in costs.items():
        cpu = median(value.cpu_s for value in values)
        rate = median(value.rate for value in values)
        ratio = cpu / first.setdefault(road, cpu)
        print(f"{road:<14}{name:<24}{rate:>9.0f}{cpu * 1e6:>9.0f}{ratio:>9.2f}", end="")
        print(f"{sum(value.failed for value in values):>8}")
