"""Cold starts of a Python function that imports much: fork of a template, pool, from nothing."""

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import httpx

from bench import ours
from bench.every import cold_call
from tests.acceptance import deploying
from tests.acceptance.deploying import wait_built
from tests.acceptance.running import Running

ROUNDS: Final = 20
IDLE_S: Final = 1
IMPORTS: Final = "import fastapi, httpx, pydantic"
FUNCTION: Final = f"{IMPORTS}\ndef main(context):\n    return context.res.text('well')\n"
REQUIREMENTS: Final = "fastapi\nhttpx\npydantic\n"
SETTINGS: Final[dict[str, dict[str, str]]] = {
    "template": {},
    "pre-started, no template": {"RUNWRIGHT_TEMPLATES": "0"},
    "from nothing": {"RUNWRIGHT_TEMPLATES": "0", "RUNWRIGHT_POOL_PYTHON": "0"},
}
PROCESS: Final = "bare process"


def run() -> None:
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        servers = {
            name: start(Path(temporary) / str(number), settings, stack)
            for number, (name, settings) in enumerate(SETTINGS.items())
        }
        packages = next(Path(temporary).rglob("site-packages/fastapi")).parent
        taken: dict[str, list[float]] = {name: [] for name in (*SETTINGS, PROCESS)}
        for _ in range(ROUNDS):
            for name, api in servers.items():
                taken[name].append(cold_call(api, "heavy"))
            taken[PROCESS].append(bare_process(packages))
    report(taken)


def start(folder: Path, settings: dict[str, str], stack: ExitStack) -> httpx.Client:
    folder.mkdir()
    server: Running = ours.start(folder, RUNWRIGHT_POOL_IDLE_S=str(IDLE_S), **settings)
    stack.callback(server.stop)
    api = stack.enter_context(server.client())
    deploying.create(api, "heavy", "python", commands="pip install -r requirements.txt")
    made = deploying.upload(api, "heavy", {"main.py": FUNCTION, "requirements.txt": REQUIREMENTS})
    built = wait_built(api, "heavy", made["$id"])
    if built["status"] != "ready":
        raise RuntimeError(built["buildLogs"][-500:])
    deploying.execute(api, "heavy")  # compiles nothing any more, and asks for the template
    return api


def bare_process(packages: Path) -> float:
    """What the imports alone take in an interpreter of its own, without a box or a server."""
    program = f"import sys; sys.path.append({str(packages)!r}); {IMPORTS}"
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True)
    return time.perf_counter() - begun


def report(taken: dict[str, list[float]]) -> None:
    fresh = median(taken["from nothing"])
    print(f"\n{'fastapi, httpx, pydantic; cold':<34}{'n':>4}{'p50 ms':>9}{'p99 ms':>9}{'1/x':>8}")
    for name, values in taken.items():
        p99 = quantiles(values, n=100, method="inclusive")[98]
        print(
            f"{name:<34}{len(values):>4}{median(values) * 1e3:>9.2f}{p99 * 1e3:>9.2f}"
            f"{fresh / median(values):>8.1f}"
        )
