"""Two hundred functions that nobody has called yet, all called at the same moment."""

import asyncio
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Final

from bench import driver, ours, peers
from bench.driver import Times
from tests.acceptance import deploying
from tests.acceptance.running import Running

FUNCTIONS: Final = 200
PEERS: Final = 20  # whole servers of the peer, which would need minutes for as many
FIRST_PORT: Final = 18700
FIRST: Final = "burst-first"
POOLS: Final = {  # title -> the pool's settings, with {} for the language
    "default settings": {},
    "never above 3": {"RUNWRIGHT_POOL_{}": "3", "RUNWRIGHT_POOL_MAX": "0"},
    f"pool of {FUNCTIONS}": {"RUNWRIGHT_POOL_{}": str(FUNCTIONS), "RUNWRIGHT_POOL_MAX": "0"},
}


def run() -> None:
    print(f"\n{'all at once':<36}{'n':>5}{'failed':>8}{'p50 s':>8}{'p99 s':>8}{'starts/s':>10}")
    for language in ("python", "node"):
        for title, pool in POOLS.items():
            settings = {key.format(language.upper()): value for key, value in pool.items()}
            show(f"runwright ({language}), {title}", burst(language, settings))
    show("functions-framework (Python)", peer_burst())


def burst(language: str, settings: dict[str, str]) -> Times:
    with tempfile.TemporaryDirectory() as temporary:
        server = ours.start(Path(temporary), RUNWRIGHT_BUILDS="4", **settings)
        try:
            names = deployed(server, language)
            wait_full(server)
            return asyncio.run(driver.at_once(server.port, [call(server, name) for name in names]))
        finally:
            server.stop()


def deployed(server: Running, language: str) -> list[str]:
    with server.client() as api:
        runtime = ours.runtime(server, language)
        names = [f"burst-{number}" for number in range(FUNCTIONS)]
        for name in (FIRST, *names):
            ours.create(api, name, runtime, language)
        for name in (FIRST, *names):
            ours.wait_live(api, name)
    return names


def wait_full(server: Running) -> None:
    """Until no more sandboxes are started; only a runtime that was used has its full number."""
    with server.client() as api:
        deploying.execute(api, FIRST)
    seen, quiet = 0, 0
    deadline = time.monotonic() + 120
    while quiet < 10 and time.monotonic() < deadline:
        time.sleep(0.3)
        now = len(ours.sandboxes(server))
        quiet = quiet + 1 if now == seen else 0
        seen = now


def call(server: Running, name: str) -> bytes:
    headers = {
        "host": "localhost",
        "x-appwrite-project": server.project_id,
        "x-appwrite-key": server.api_key,
    }
    return driver.request(f"/v1/functions/{name}/executions", headers, b"{}")


def peer_burst() -> Times:
    """As many servers of the peer as one machine bears, each started for one answer."""
    times, lock = Times(), threading.Lock()
    begun = time.perf_counter()

    def one(number: int) -> AbstractContextManager[str]:
        server = peers.functions_framework_python(FIRST_PORT + number)
        server.__enter__()  # returns with the first answer
        with lock:
            times.taken.append(time.perf_counter() - begun)
        return server

    with ExitStack() as stack, ThreadPoolExecutor(PEERS) as threads:
        for server in threads.map(one, range(PEERS)):
            stack.push(server.__exit__)
    return times


def show(name: str, times: Times) -> None:
    count = len(times.taken)
    print(
        f"{name:<36}{count:>5}{times.failed:>8}{times.p(50):>8.2f}{times.p(99):>8.2f}"
        f"{count / max(times.taken):>10.1f}",
        flush=True,
    )
