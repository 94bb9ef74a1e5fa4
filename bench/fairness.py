"""What one project's long queue costs another: how long its jobs wait, for a project alone and
beside one with 10 000 queued jobs, in turns on the same server.

A job waits from its 202 to the first line of user code. What comes before, the call itself, is
told beside it.
"""

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
class Round:
    calls: list[float]  # seconds from sending to the 202
    waits: list[float]  # seconds from there to user code


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
                a_round(quiet)  # not counted: everything is cold
                print(f"\n{'fairness':<34}{'wait p50':>9}{'p99 ms':>9}{'ratio':>8}{'call p99':>10}")
                for name, path in RUNS.items():
                    compare(busy, quiet, name, path)
        finally:
            server.stop()


def compare(busy: httpx.Client, quiet: httpx.Client, name: str, path: str) -> None:
    alone, beside = list[Round](), list[Round]()
    for _ in range(ROUNDS):
        alone.append(a_round(quiet))
        with queued(busy, path):
            beside.append(a_round(quiet))
    row("alone", alone, 1.0)
    row(f"beside {QUEUED} {name}", beside, wait_ms(beside, 0.99) / wait_ms(alone, 0.99))


def row(name: str, rounds: list[Round], ratio: float) -> None:
    call_ms = median(at(item.calls, 0.99) for item in rounds) * 1e3
    print(f"{name:<34}{wait_ms(rounds, 0.5):>9.1f}{wait_ms(rounds, 0.99):>9.1f}", end="")
    print(f"{ratio:>8.2f}{call_ms:>10.1f}")


def wait_ms(rounds: list[Round], share: float) -> float:
    return median(at(item.waits, share) for item in rounds) * 1e3


def at(seconds: list[float], share: float) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))]


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


def a_round(api: httpx.Client) -> Round:
    """Calls that come at a steady rate."""
    made: list[tuple[float, dict[str, Any]]] = []
    found = Round([], [])
    began = time.monotonic()
    for number in range(CALLS):
        time.sleep(max(0.0, began + number * EVERY_S - time.monotonic()))
        sent = time.time()
        item = accept(api, "fair", "/0")
        made.append((time.time(), item))
        found.calls.append(made[-1][0] - sent)
    wait_empty(api, "fair")
    for accepted, item in made:
        run = api.get(f"/functions/fair/executions/{item['$id']}").json()
        if run["status"] != "completed":
            raise RuntimeError(f"{run['status']}: {run['errors']}")
        # It may have begun before its caller read the answer.
        found.waits.append(max(0.0, float(run["logs"].split()[0]) / 1e3 - accepted))
    return found


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
