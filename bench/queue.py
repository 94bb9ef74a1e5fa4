"""The durable queue over HTTP: accepts by 1, 64 and 256 clients, and whole lives; beside them what
others would use for jobs, on the same machine in the same run."""

import json
import tempfile
import time
from pathlib import Path
from typing import Final

import httpx

from bench import ours, queue_peers
from bench.load import Load, drive
from tests.acceptance.running import Running

CLIENTS: Final = (1, 64, 256)
SECONDS: Final = 5.0
END_S: Final = 120.0
FEW: Final = 1000  # that are looked after closely
PEERS: Final = {
    "dramatiq, Redis": queue_peers.dramatiq,
    "procrastinate, PostgreSQL": queue_peers.procrastinate,
}


def run() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        server = ours.start(Path(temporary))
        try:
            with server.client() as api:
                for language in ("node", "python"):
                    function_id = f"queue-{language}"
                    ours.create(api, function_id, ours.runtime(server, language), language)
                    ours.wait_live(api, function_id)
                print(f"\n{'queue':<30}{'clients':>8}{'accepts/s':>10}{'p50 ms':>9}", end="")
                print(f"{'p99 ms':>9}{'lives/s':>10}{'failed':>8}")
                lives = [
                    measure(server, api, f"queue-{language}", language, clients, Path(temporary))
                    for language in ("node", "python")
                    for clients in CLIENTS
                ]
        finally:
            server.stop()
    for name, peer in PEERS.items():
        jobs = peer()
        ratio = max(lives) / jobs.lives
        print(f"{name:<30}{1:>8}{jobs.accepts:>10.0f}{'-':>9}{'-':>9}{jobs.lives:>10.0f}", end="")
        print(f"   ours {ratio:.1f} x")


def measure(
    server: Running,
    api: httpx.Client,
    function_id: str,
    language: str,
    clients: int,
    folder: Path,
) -> float:
    """Accept for some seconds, then wait until everything has ended; lives per second."""
    script = folder / "accept.lua"
    script.write_text(accepting(server, "x" * 200))
    url = f"http://127.0.0.1:{server.port}/v1/functions/{function_id}/executions"
    drive(url, "localhost", clients, 1.0, script=script)
    wait_empty(api, function_id)
    began = time.monotonic()
    load = drive(url, "localhost", clients, SECONDS, script=script)
    wait_empty(api, function_id)
    lives = load.rate * SECONDS / (time.monotonic() - began)
    report(f"runwright ({language})", clients, load, lives)
    return lives


def report(name: str, clients: int, load: Load, lives: float) -> None:
    print(
        f"{name:<30}{clients:>8}{load.rate:>10.0f}{load.p50_s * 1e3:>9.2f}{load.p99_s * 1e3:>9.2f}"
        f"{lives:>10.0f}{load.failed:>8}"
    )


def accepting(server: Running, body: str) -> str:
    """A script for wrk that posts an asynchronous execution."""
    headers = {
        "content-type": "application/json",
        "x-appwrite-project": server.project_id,
        "x-appwrite-key": server.api_key,
    }
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    content = json.dumps({"async": True, "body": body})
    return "\n".join(['wrk.method = "POST"', *lines, f"wrk.body = '{content}'"]) + "\n"


def wait_empty(api: httpx.Client, function_id: str) -> None:
    """Until none of the function's executions waits or runs."""
    query = {"method": "equal", "attribute": "status", "values": ["waiting", "processing"]}
    params = {"queries[0]": json.dumps(query), "queries[1]": '{"method":"limit","values":[1]}'}
    deadline = time.monotonic() + END_S
    while True:
        found = api.get(f"/functions/{function_id}/executions", params=params).json()
        if not found["executions"]:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"{found['total']} executions did not end")
        # Counting thousands is work for the server whose work is measured.
        time.sleep(0.05 if found["total"] < FEW else 0.25)
