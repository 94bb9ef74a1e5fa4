"""The durable queue over HTTP: accepts with 64 clients, and whole lives."""

import json
import tempfile
import time
from pathlib import Path
from typing import Final

import httpx

from bench import ours
from bench.load import Load, drive
from tests.acceptance.running import Running

CLIENTS: Final = 64
SECONDS: Final = 5.0
END_S: Final = 120.0


def run() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        server = ours.start(Path(temporary))
        try:
            with server.client() as api:
                for language in ("node", "python"):
                    function_id = f"queue-{language}"
                    ours.create(api, function_id, ours.runtime(server, language), language)
                    ours.wait_live(api, function_id)
                print(f"\n{f'queue, {CLIENTS} clients':<30}{'accepts/s':>10}{'p50 ms':>9}", end="")
                print(f"{'p99 ms':>9}{'lives/s':>10}{'failed':>8}")
                for language in ("node", "python"):
                    measure(server, api, f"queue-{language}", language, Path(temporary))
        finally:
            server.stop()


def measure(
    server: Running, api: httpx.Client, function_id: str, language: str, folder: Path
) -> None:
    """Accept for some seconds, then wait until everything has ended."""
    script = folder / "accept.lua"
    script.write_text(accepting(server, "x" * 200))
    url = f"http://127.0.0.1:{server.port}/v1/functions/{function_id}/executions"
    drive(url, "localhost", CLIENTS, 1.0, script=script)
    wait_empty(api, function_id)
    began = time.monotonic()
    load = drive(url, "localhost", CLIENTS, SECONDS, script=script)
    wait_empty(api, function_id)
    lives = load.rate * SECONDS / (time.monotonic() - began)
    report(f"runwright ({language})", load, lives)


def report(name: str, load: Load, lives: float) -> None:
    print(
        f"{name:<30}{load.rate:>10.0f}{load.p50_s * 1e3:>9.2f}{load.p99_s * 1e3:>9.2f}"
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
        time.sleep(0.05)
