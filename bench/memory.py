"""Idle memory: what one more warm, idle function costs, next to a bare Node process."""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench import ours, peers

FUNCTIONS: Final = 250  # of either language, 500 together
BARE: Final = 20
FIRST_PORT: Final = 18580
SETTLE_S: Final = 3.0


def run() -> None:
    print(f"\n{'idle, marginal PSS':<34}{'n':>4}{'MiB each':>10}{'x bare node':>13}")
    bare = bare_node()
    print(f"{'node http, bare':<34}{BARE:>4}{bare:>10.1f}{1:>13.2f}", flush=True)
    for language in ("node", "python"):
        each = ours_idle(language)
        print(
            f"{'runwright (' + language + ')':<34}{FUNCTIONS:>4}{each:>10.1f}{each / bare:>13.2f}"
        )


def bare_node() -> float:
    with ExitStack() as stack:
        pids = []
        for number in range(BARE):
            stack.enter_context(peers.node_http(FIRST_PORT + number))
        time.sleep(SETTLE_S)
        own = Path("/proc/self/task")
        for task in own.glob("*/children"):
            pids += [int(pid) for pid in task.read_text().split()]
        return ours.pss_mib(pids) / len(pids)


def ours_idle(language: str) -> float:
    """(PSS with FUNCTIONS warm - PSS with one warm) / (FUNCTIONS - 1)."""
    with tempfile.TemporaryDirectory() as temporary:
        server = ours.start(Path(temporary), RUNWRIGHT_POOL_MAX="0", RUNWRIGHT_BUILDS="4")
        try:
            with server.client() as api:
                runtime = ours.runtime(server, language)
                names = [f"idle-{language}-{number}" for number in range(FUNCTIONS)]
                for name in names:
                    ours.create(api, name, runtime, language)
                for name in names:
                    ours.wait_live(api, name)
                sizes = []
                for name in names:
                    api.post(f"/functions/{name}/executions", json={}).raise_for_status()
                    if name in (names[0], names[-1]):
                        time.sleep(SETTLE_S)
                        sizes.append(ours.pss_mib(ours.sandboxes(server)))
        finally:
            server.stop()
    return (sizes[1] - sizes[0]) / (FUNCTIONS - 1)
