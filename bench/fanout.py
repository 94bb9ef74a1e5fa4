"""One event and a hundred functions that subscribe to it, each of its own sandbox.

Counted from the moment at which the sender has its 202: until all executions are stored as
waiting, and until all have ended. Another process reads the committed rows, so nothing is
counted that a crash could take back. The first event finds no sandbox warm and is told apart.
"""

import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Final

import httpx

from bench import ours
from bench.crons import database_of
from tests.acceptance.deploying import create, upload
from tests.acceptance.running import Running

FUNCTIONS: Final = 100
ROUNDS: Final = 9  # without the first
EVENT: Final = "custom.bench.fanout"
END_S: Final = 120.0


def run() -> None:
    title = f"1 event, {FUNCTIONS} functions"
    print(f"\n{title:<30}{'events':>8}{'stored ms':>11}{'ended ms':>10}")
    with tempfile.TemporaryDirectory() as temporary:
        for language in ("node", "python"):
            measure(Path(temporary) / language, language)


def measure(folder: Path, language: str) -> None:
    folder.mkdir()
    server = ours.start(folder)
    try:
        with server.client() as api, closing(database_of(server)) as database:
            subscribe(server, api, language)
            taken = [one(api, database, number + 1) for number in range(ROUNDS + 1)]
    finally:
        server.stop()
    tell(f"runwright ({language}, cold)", taken[:1])
    tell(f"runwright ({language})", taken[1:])


def subscribe(server: Running, api: httpx.Client, language: str) -> None:
    name, text = ours.SOURCES[language]
    runtime = ours.runtime(server, language)
    functions = [f"fan-{number}" for number in range(FUNCTIONS)]
    for function_id in functions:
        create(api, function_id, language, runtime=runtime, entrypoint=name, events=[EVENT])
        upload(api, function_id, {name: text})
    for function_id in functions:
        ours.wait_live(api, function_id)


def one(api: httpx.Client, database: sqlite3.Connection, events: int) -> tuple[float, float]:
    """Seconds until every subscriber's execution of the next event is stored, and has ended."""
    answer = api.post("/events", json={"event": EVENT, "payload": {"number": events}})
    began = time.perf_counter()
    if answer.status_code != 202:
        raise RuntimeError(answer.text)
    wanted = events * FUNCTIONS
    stored = when(database, began, "SELECT count(*) FROM executions", wanted)
    ended = when(
        database, began, "SELECT count(*) FROM executions WHERE status = 'completed'", wanted
    )
    return stored, ended


def when(database: sqlite3.Connection, began: float, counting: str, wanted: int) -> float:
    while True:
        count = int(database.execute(counting).fetchone()[0])
        passed = time.perf_counter() - began
        if count >= wanted:
            return passed
        if passed > END_S:
            raise RuntimeError(f"{count} of {wanted} executions after {END_S:.0f} s: {counting}")
        time.sleep(0.001)


def tell(name: str, taken: list[tuple[float, float]]) -> None:
    stored, ended = (median(times) * 1e3 for times in zip(*taken, strict=True))
    print(f"{name:<30}{len(taken):>8}{stored:>11.1f}{ended:>10.1f}", flush=True)
