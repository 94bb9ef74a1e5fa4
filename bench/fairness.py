"""What one project's long queue costs another: the time from a call to the start of its run, for
a project alone and beside one with 10 000 queued jobs, in turns on the same server."""

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx

from bench import ours
from bench.queue import wait_empty
from tests.acceptance import deploying
from tests.acceptance.console import Console
from tests.acceptance.running import Running

ROUNDS: Final = 3
CALLS: Final = 300
EVERY_S: Final = 0.03
QUEUED: Final = 10_000
CALLERS: Final = 10
SCOPES: Final = ["functions.read", "functions.write", "executions.read", "executions.write"]
# What the long queue is made of: runs that wait for others, and runs that only use the CPU.
RUNS: Final = {"runs of 100 ms": "/100", "runs of nothing": "/0"}
CODE: Final = """
module.exports = async ({ req, res, log }) => {
  log((performance.timeOrigin + performance.now()).toFixed(3));
  const ms = Number(req.path.slice(1));
  if (ms) await new Promise((done) => setTimeout(done, ms));
  return res.text("");
};
"""


@dataclass(frozen=True)
class Waits:
    seconds: list[float]

    def at(self, share: float) -> float:
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(len(self.seconds) * share))]


def run() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        server = ours.start(Path(temporary))
        try:
            with server.client() as busy, other_project(server) as quiet:
                for api in (busy, quiet):
                    deploying.create(
                        api,
                        "fair",
                        "node",
                        runtime=ours.runtime(server, "node"),
                        entrypoint="main.cjs",
                        timeout=60,
                    )
                    deploying.upload(api, "fair", {"main.cjs": CODE})
                    ours.wait_live(api, "fair")
                waits_of(quiet, "fair", CALLS // 3)
                print(f"\n{'fairness':<34}{'p50 ms':>9}{'p99 ms':>9}{'ratio':>8}")
                for name, path in RUNS.items():
                    compare(busy, quiet, name, path)
        finally:
            server.stop()


def compare(busy: httpx.Client, quiet: httpx.Client, name: str, path: str) -> None:
    alone, beside = list[Waits](), list[Waits]()
    for _ in range(ROUNDS):
        alone.append(waits_of(quiet, "fair", CALLS))
        with queued(busy, path):
            beside.append(waits_of(quiet, "fair", CALLS))
    ratio = middle(beside, 0.99) / middle(alone, 0.99)
    row("alone", alone)
    row(f"beside {QUEUED} {name}", beside, f"{ratio:>8.2f}")


def row(name: str, rounds: list[Waits], more: str = "") -> None:
    p50, p99 = (middle(rounds, share) * 1e3 for share in (0.5, 0.99))
    print(f"{name:<34}{p50:>9.1f}{p99:>9.1f}{more}")


def middle(rounds: list[Waits], share: float) -> float:
    return median(waits.at(share) for waits in rounds)


@contextmanager
def queued(api: httpx.Client, path: str) -> Iterator[None]:
    """The queue of one project is long within; empty again behind.

    It grows while only one of its runs goes on at a time, and is then let loose.
    """
    configure(api, concurrency=1)
    with ThreadPoolExecutor(CALLERS) as threads:
        list(threads.map(lambda _: fill(api, path, QUEUED // CALLERS), range(CALLERS)))
    configure(api, concurrency=0)
    yield
    left = api.get(
        "/functions/fair/executions",
        params={
            "queries[0]": '{"method":"equal","attribute":"status","values":["waiting"]}',
            "queries[1]": '{"method":"limit","values":[1]}',
        },
    ).json()["total"]
    print(f"  (still waiting when the other project had ended its calls: {left} or more)")
    wait_empty(api, "fair")


def fill(api: httpx.Client, path: str, calls: int) -> None:
    with httpx.Client(base_url=api.base_url, headers=api.headers, timeout=60) as mine:
        for _ in range(calls):
            accept(mine, "fair", path)


def configure(api: httpx.Client, **settings: Any) -> None:
    body = {"name": "fair", "entrypoint": "main.cjs", "timeout": 60, **settings}
    answer = api.put("/functions/fair", json=body)
    if answer.status_code != 200:
        raise RuntimeError(answer.text)


def waits_of(api: httpx.Client, function_id: str, calls: int) -> Waits:
    """Seconds from each call to the first line of user code; calls come at a steady rate."""
    made: list[tuple[float, dict[str, Any]]] = []
    began = time.monotonic()
    for at in range(calls):
        time.sleep(max(0.0, began + at * EVERY_S - time.monotonic()))
        sent = time.time()
        made.append((sent, accept(api, function_id, "/0")))
    wait_empty(api, function_id)
    waits = []
    for sent, item in made:
        run = api.get(f"/functions/{function_id}/executions/{item['$id']}").json()
        if run["status"] != "completed":
            raise RuntimeError(f"{run['status']}: {run['errors']}")
        waits.append(float(run["logs"].split()[0]) / 1e3 - sent)
    return Waits(waits)


def accept(api: httpx.Client, function_id: str, path: str) -> dict[str, Any]:
    answer = api.post(f"/functions/{function_id}/executions", json={"async": True, "path": path})
    if answer.status_code != 202:
        raise RuntimeError(answer.text)
    made: dict[str, Any] = answer.json()
    return made


@contextmanager
def other_project(server: Running) -> Iterator[httpx.Client]:
    console = Console(server)
    project_id = console.new_project()
    headers = {
        "x-appwrite-project": project_id,
        "x-appwrite-key": console.new_key(project_id, SCOPES),
    }
    try:
        with httpx.Client(base_url=server.endpoint, headers=headers, timeout=60) as api:
            yield api
    finally:
        console.api.close()
