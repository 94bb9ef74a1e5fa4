"""Many functions: 500 deployed and idle, each called; then 10 000 calls and the server's memory."""

import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import httpx

from bench import ours
from tests.acceptance.running import Running

FUNCTIONS: Final = 500
CALLS: Final = 10_000
CALLED: Final = 20  # functions that share the calls
SETTLE_S: Final = 3.0


def run() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        server = ours.start(Path(temporary), RUNWRIGHT_BUILDS="4")
        try:
            with server.client() as api:
                names = deploy_all(server, api)
                call_each(api, names)
                grow(server, api, names)
        finally:
            server.stop()


def deploy_all(server: Running, api: httpx.Client) -> list[str]:
    begun = time.perf_counter()
    names = []
    runtimes = {language: ours.runtime(server, language) for language in ("node", "python")}
    for number in range(FUNCTIONS):
        language = ("node", "python")[number % 2]
        names.append(f"scale-{number}")
        ours.create(api, names[-1], runtimes[language], language)
    for name in names:
        ours.wait_live(api, name)
    taken = time.perf_counter() - begun
    print(
        f"\n{FUNCTIONS} functions deployed in {taken:.1f} s ({taken / FUNCTIONS * 1e3:.0f} ms each)"
    )
    return names


def call_each(api: httpx.Client, names: list[str]) -> None:
    taken = []
    for name in names:
        begun = time.perf_counter()
        execution = api.post(f"/functions/{name}/executions", json={}).json()
        taken.append(time.perf_counter() - begun)
        if execution["status"] != "completed":
            raise RuntimeError(f"{name}: {execution['errors']}")
    p99 = quantiles(taken, n=100)[98]
    print(f"each called once: p50 {median(taken) * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms")


def grow(server: Running, api: httpx.Client, names: list[str]) -> None:
    """Server memory before and after CALLS calls; the first calls are for warming up."""
    sizes = []
    for part in range(3):
        for number in range(CALLS // 2 if part else CALLS // 10):
            name = names[number % CALLED]
            api.post(f"/functions/{name}/executions", json={}).raise_for_status()
        time.sleep(SETTLE_S)
        sizes.append(ours.pss_mib([server.process.pid]))
    growth = (sizes[-1] / sizes[0] - 1) * 100
    print(
        f"server process: {sizes[0]:.1f} MiB warm, {sizes[1]:.1f} MiB after {CALLS // 2} calls, "
        f"{sizes[2]:.1f} MiB after {CALLS} calls ({growth:+.1f} %)"
    )
