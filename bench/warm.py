"""Warm executions on a domain: authentication, logging on, record stored; next to the peers."""

import tempfile
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Final

from bench import ours, peers
from bench.load import Load, drive, middle
from tests.acceptance import deploying

CONNECTIONS: Final = (1, 16, 64)
ROUNDS: Final = 5
SECONDS: Final = 2.0
FIRST_PORT: Final = 18480


BARE: Final = "node http, bare"
PEERS: Final[dict[str, Callable[[int], AbstractContextManager[str]]]] = {
    BARE: peers.node_http,
    "functions-framework (Node)": peers.functions_framework,
    "functions-framework (Python)": peers.functions_framework_python,
    "workerd": peers.workerd,
    "uvicorn, bare": peers.uvicorn,
}
COMPARED: Final = {  # title -> peer
    "x ff node": "functions-framework (Node)",
    "x ff py": "functions-framework (Python)",
    "x workerd": "workerd",
    "x bare": BARE,
}


def run() -> None:
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        server = ours.start(Path(temporary))
        stack.callback(server.stop)
        targets = {
            name: (stack.enter_context(start(FIRST_PORT + at)), "localhost")
            for at, (name, start) in enumerate(PEERS.items())
        }
        with server.client() as api:
            for language in ("node", "python"):
                ours.create(api, f"warm-{language}", ours.runtime(server, language), language)
            for language in ("node", "python"):
                ours.wait_live(api, f"warm-{language}")
                host = deploying.domain(api, f"warm-{language}")
                targets[f"runwright ({language})"] = (f"http://127.0.0.1:{server.port}/", host)
        report(measure(targets))


def measure(targets: dict[str, tuple[str, str]]) -> dict[tuple[str, int], Load]:
    """Interleaved rounds: every target once at every width, then the next round."""
    loads: dict[tuple[str, int], list[Load]] = defaultdict(list)
    for url, host in targets.values():
        drive(url, host, 16, 1.0)
    for number in range(ROUNDS):
        print(f"  round {number + 1} of {ROUNDS}", flush=True)
        for width in CONNECTIONS:
            for name, (url, host) in targets.items():
                loads[name, width].append(drive(url, host, width, SECONDS))
    return {key: middle(values) for key, values in loads.items()}


def report(loads: dict[tuple[str, int], Load]) -> None:
    titles = "".join(f"{title:>11}" for title in COMPARED)
    print(f"\n{'warm, on a domain':<30}{'c':>4}{'req/s':>10}{'p50 ms':>9}{'p99 ms':>9}", end="")
    print(f"{titles}{'+p50 ms':>9}{'failed':>8}")
    for (name, width), load in sorted(loads.items(), key=lambda item: item[0][1]):
        ratios = "".join(
            f"{load.rate / loads[peer, width].rate:>11.2f}" for peer in COMPARED.values()
        )
        print(
            f"{name:<30}{width:>4}{load.rate:>10.0f}{load.p50_s * 1e3:>9.3f}"
            f"{load.p99_s * 1e3:>9.2f}{ratios}"
            f"{(load.p50_s - loads[BARE, width].p50_s) * 1e3:>9.3f}{load.failed:>8}"
        )
