"""Cold starts of every installed runtime with nothing ready, beside a peer's whole start."""

import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median
from typing import Final

import httpx

from bench import cold, ours, peers
from runwright.cli import starters
from tests.acceptance import deploying
from tests.acceptance.deploying import wait_built
from tests.acceptance.running import Running

ROUNDS: Final = 10
IDLE_S: Final = 1
EVICTED_S: Final = 20.0
FIRST_PORT: Final = 18660
EMPTY: Final = {
    **{f"RUNWRIGHT_POOL_{name}": "0" for name in ("NODE", "PYTHON", "OTHER", "MAX")},
    "RUNWRIGHT_POOL_IDLE_S": str(IDLE_S),
    "RUNWRIGHT_TEMPLATES": "0",
}
PEERS: Final[dict[str, Callable[[int], AbstractContextManager[str]]]] = {
    "functions-framework (Node)": peers.functions_framework,
    "functions-framework (Python)": peers.functions_framework_python,
    "workerd": peers.workerd,
}


def run() -> None:
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        server = ours.start(Path(temporary), **EMPTY)
        try:
            with server.client() as api:
                names = deployed(server, api, Path(temporary))
                for number in range(ROUNDS):
                    for runtime in names:
                        taken.setdefault(runtime, []).append(cold_call(api, name_of(runtime)))
                    for peer in PEERS:
                        taken.setdefault(peer, []).append(peer_start(peer, number))
        finally:
            server.stop()
    best = min(median(taken[peer]) for peer in PEERS)
    title = f"{'cold, nothing ready':<34}{'n':>4}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}"
    print(f"\n{title}{'x best peer':>13}")
    for name, values in taken.items():
        cold.show(name, values, f"{best / median(values):>13.2f}")


def name_of(runtime: str) -> str:
    return "cold-" + runtime.replace(".", "-")


def deployed(server: Running, api: httpx.Client, folder: Path) -> list[str]:
    """The starter of its language for every runtime that has one."""
    runtimes = [item["$id"] for item in api.get("/functions/runtimes").json()["runtimes"]]
    made = []
    for runtime in runtimes:
        source = folder / name_of(runtime)
        described = starters.make(source, runtime.partition("-")[0], name_of(runtime))
        body = {
            "functionId": name_of(runtime),
            "name": runtime,
            "runtime": runtime,
            "entrypoint": described.entrypoint,
            "commands": described.commands,
        }
        api.post("/functions", json=body).raise_for_status()
        files = {item.name: item.read_bytes() for item in source.iterdir()}
        deployment = deploying.upload(api, name_of(runtime), files)
        built = wait_built(api, name_of(runtime), deployment["$id"])
        if built["status"] != "ready":
            raise RuntimeError(f"{runtime}: {built['buildLogs'][-500:]}")
        made.append(runtime)
    return made


def cold_call(api: httpx.Client, name: str) -> float:
    """Seconds of a call that met no warm sandbox; earlier ones are waited for to end."""
    deadline = time.monotonic() + EVICTED_S
    while time.monotonic() < deadline:
        begun = time.perf_counter()
        execution = deploying.execute(api, name)
        taken = time.perf_counter() - begun
        if execution["status"] != "completed":
            raise RuntimeError(f"{name}: {execution['errors']}")
        if execution["cold"]:
            return taken
        time.sleep(IDLE_S * 2.5)
    raise RuntimeError(f"the sandbox of {name} was not ended")


def peer_start(name: str, number: int) -> float:
    """From the start of the peer's process to its first answer."""
    begun = time.perf_counter()
    with PEERS[name](FIRST_PORT + number):
        return time.perf_counter() - begun
