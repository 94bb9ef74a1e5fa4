"""Cold starts through the API: first answer after a deploy, and after eviction.

Over a plain socket: a library that takes milliseconds for a request would be measured with it.
"""

import asyncio
import json
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from bench import ours
from bench.driver import Connection, request
from tests.acceptance.running import Running

FUNCTIONS: Final = 50
IDLE_S: Final = 2
REFILL_S: Final = 0.4  # the pool refills between calls, as it does between real first calls
KINDS: Final = {"node": "node", "python": "python", "python-async": "python"}


def run() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        server = ours.start(Path(temporary), RUNWRIGHT_POOL_IDLE_S=str(IDLE_S))
        try:
            print(f"\n{'cold, by API':<34}{'n':>4}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
            for kind in KINDS:
                names = deployed(server, kind)
                show(f"{kind}, after deploy", asyncio.run(first_calls(server, names)))
                time.sleep(IDLE_S * 3)
                show(f"{kind}, after eviction", asyncio.run(first_calls(server, names)))
        finally:
            server.stop()


def deployed(server: Running, kind: str) -> list[str]:
    names = [f"cold-{kind}-{number}" for number in range(FUNCTIONS)]
    with server.client() as api:
        runtime = ours.runtime(server, KINDS[kind])
        for name in names:
            ours.create(api, name, runtime, kind)
        for name in names:
            ours.wait_live(api, name)
    return names


async def first_calls(server: Running, names: list[str]) -> list[float]:
    """Seconds of one cold call of each function."""
    headers = {
        "host": "localhost",
        "x-appwrite-project": server.project_id,
        "x-appwrite-key": server.api_key,
    }
    connection = Connection(server.port)
    await connection.open()
    taken = []
    for name in names:
        await asyncio.sleep(REFILL_S)
        sent = request(f"/v1/functions/{name}/executions", headers, b'{"path": "/"}')
        begun = time.perf_counter()
        _, body = await connection.ask(sent)
        taken.append(time.perf_counter() - begun)
        execution = json.loads(body)
        if execution.get("status") != "completed" or not execution.get("cold"):
            raise RuntimeError(f"{name}: {execution}")
    connection.close()
    return taken


def show(name: str, taken: list[float], more: str = "") -> None:
    p99 = quantiles(taken, n=100, method="inclusive")[98]
    print(
        f"{name:<34}{len(taken):>4}{median(taken) * 1e3:>9.2f}{p99 * 1e3:>9.2f}"
        f"{max(taken) * 1e3:>9.2f}{more}",
        flush=True,
    )
