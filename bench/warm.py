"""Warm executions on a domain: authentication, logging on, record stored; next to the peers."""

import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench import ours, peers
from bench.load import Load, drive, middle
from tests.acceptance import deploying

CONNECTIONS: Final = (1, 16, 64)
ROUNDS: Final = 5
SECONDS: Final = 2.0
FIRST_PORT: Final = 18480


def run() -> None:
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        server = ours.start(Path(temporary))
        stack.callback(server.stop)
        targets = {
            "node http, bare": (stack.enter_context(peers.node_http(FIRST_PORT)), "localhost"),
            "functions-framework (Node)": (
                stack.enter_context(peers.functions_framework(FIRST_PORT + 1)),
                "localhost",
            ),
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
    bare, framework = "node http, bare", "functions-framework (Node)"
    print(f"\n{'warm, on a domain':<30}{'c':>4}{'req/s':>10}{'p50 ms':>9}{'p99 ms':>9}", end="")
    print(f"{'x framework':>13}{'x bare':>9}{'+p50 ms':>9}{'failed':>8}")
    for (name, width), load in sorted(loads.items(), key=lambda item: item[0][1]):
        print(
            f"{name:<30}{width:>4}{load.rate:>10.0f}{load.p50_s * 1e3:>9.3f}"
            f"{load.p99_s * 1e3:>9.2f}{load.rate / loads[framework, width].rate:>13.2f}"
            f"{load.rate / loads[bare, width].rate:>9.2f}"
            f"{(load.p50_s - loads[bare, width].p50_s) * 1e3:>9.3f}{load.failed:>8}"
        )
