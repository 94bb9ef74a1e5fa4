"""Cold starts through the API: first answer after a deploy, and after eviction."""

import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import httpx

from bench import ours

FUNCTIONS: Final = 50
IDLE_S: Final = 2
REFILL_S: Final = 0.4  # the pool refills between calls, as it does between real first calls


def run() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        server = ours.start(Path(temporary), RUNWRIGHT_POOL_IDLE_S=str(IDLE_S))
        try:
            with server.client() as api:
                print(f"\n{'cold, by API':<34}{'n':>4}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
                for language in ("node", "python"):
                    runtime = ours.runtime(server, language)
                    names = [f"cold-{language}-{number}" for number in range(FUNCTIONS)]
                    for name in names:
                        ours.create(api, name, runtime, language)
                    for name in names:
                        ours.wait_live(api, name)
                    show(f"{language}, after deploy", first_calls(api, names))
                    time.sleep(IDLE_S * 3)
                    show(f"{language}, after eviction", first_calls(api, names))
        finally:
            server.stop()


def first_calls(api: httpx.Client, names: list[str]) -> list[float]:
    """Seconds of one cold call of each function."""
    api.get("/health/version")
    taken = []
    for name in names:
        time.sleep(REFILL_S)
        begun = time.perf_counter()
        answer = api.post(f"/functions/{name}/executions", json={"path": "/"})
        taken.append(time.perf_counter() - begun)
        execution = answer.json()
        if execution["status"] != "completed" or not execution.get("cold"):
            raise RuntimeError(f"{name}: {execution['status']}, cold: {execution.get('cold')}")
    return taken


def show(name: str, taken: list[float], more: str = "") -> None:
    p99 = quantiles(taken, n=100, method="inclusive")[98]
    print(
        f"{name:<34}{len(taken):>4}{median(taken) * 1e3:>9.2f}{p99 * 1e3:>9.2f}"
        f"{max(taken) * 1e3:>9.2f}{more}",
        flush=True,
    )
