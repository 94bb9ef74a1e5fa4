"""Ten thousand schedules due in the same minute, and again while the server is killed.

Lateness is the moment of becoming `waiting` minus the moment at which the tick was due, so the
queue's own limit on what runs at once is not in it. It is told twice: as the records say, and as
another process sees the committed rows appear. Nothing may be missed and nothing come twice.
"""

import asyncio
import os
import random
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from bench import ours
from runwright.model.function import Function
from runwright.model.timer import CatchUp, Overlap, Timer
from runwright.ports.storage import UnitOfWork
from runwright.storage.database import open_database
from tests.acceptance.deploying import execute
from tests.acceptance.running import Running

FUNCTIONS: Final = 10_000
WORKERS: Final = "2"
AHEAD_S: Final = 3.0
IDLE: Final = 0.1  # of a processor, over a second: what a start sets going has ended
IDLE_WAIT_S: Final = 120.0
END_S: Final = 300.0
RESTARTS: Final = int(os.environ.get("BENCH_CRON_RESTARTS", "10"))
LIVES_S: Final = (0.1, 1.5)  # of a server that is killed
_AT_ONCE: Final = 500


def run() -> None:
    print(
        f"\n{f'{FUNCTIONS} crons in one minute':<30}{'p50 ms':>9}{'p99 ms':>9}{'last ms':>9}",
        end="",
    )
    print(f"{'missed':>9}{'twice':>8}")
    with tempfile.TemporaryDirectory() as temporary:
        same_minute(Path(temporary))
    with tempfile.TemporaryDirectory() as temporary:
        killed(Path(temporary))


def same_minute(folder: Path) -> None:
    """All ticks at one moment, with a server that has started long ago and stands still."""
    server, base = prepared(folder)
    asyncio.run(fill(server, base, lambda number: datetime.now(UTC) + timedelta(days=1)))
    server.start()
    try:
        warm(server)
        due = datetime.now(UTC) + timedelta(seconds=AHEAD_S)
        with closing(sqlite3.connect(path_of(server), timeout=10)) as database, database:
            database.execute("UPDATE timers SET due_at = ?", (int(due.timestamp() * 1e6),))
        appeared = watch(server, due)
        rows = ticks(server)
    finally:
        server.stop()
    recorded = [created - due.timestamp() for _, created in rows]
    tell("as recorded", recorded, rows)
    tell("as seen in the database", appeared, rows)


def warm(server: Running) -> None:
    """Run something, which fills caches, and wait until nothing happens any more."""
    with server.client() as api:
        execute(api, "base")
    deadline = time.monotonic() + IDLE_WAIT_S
    while time.monotonic() < deadline:
        before = cpu_s(server)
        time.sleep(1.0)
        if cpu_s(server) - before < IDLE:
            return
    raise RuntimeError("the server does not come to rest")


def cpu_s(server: Running) -> float:
    """Processor time that the server process has used."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def killed(folder: Path) -> None:
    """Ticks that come due one after the other while servers are killed and started."""
    server, base = prepared(folder)
    start = datetime.now(UTC) + timedelta(seconds=2.0)
    step = timedelta(seconds=2.0 * RESTARTS) / FUNCTIONS
    asyncio.run(fill(server, base, lambda number: start + number * step))
    for _ in range(RESTARTS):
        server.start()
        time.sleep(random.uniform(*LIVES_S))
        server.kill()
    server.start()
    try:
        wait_all(server)
        rows = ticks(server)
    finally:
        server.stop()
    tell(f"through {RESTARTS} kills", [], rows)


def prepared(folder: Path) -> tuple[Running, Function]:
    """A stopped server with one function, whose row the others are copies of."""
    server = ours.start(folder, RUNWRIGHT_WORKERS=WORKERS)
    with server.client() as api:
        ours.create(api, "base", ours.runtime(server, "python"), "python")
        ours.wait_live(api, "base")
    server.stop()

    async def load() -> Function:
        async with open_database(path_of(server)) as database:
            found = await database.read(lambda uow: uow.functions.get(server.project_id, "base"))
            assert found is not None
            return found

    return server, asyncio.run(load())


async def fill(server: Running, base: Function, due: Callable[[int], datetime]) -> None:
    """Functions, and timers that come due once and then not for a year."""
    async with open_database(path_of(server)) as database:
        for at in range(0, FUNCTIONS, _AT_ONCE):
            numbers = range(at, at + _AT_ONCE)

            def work(uow: UnitOfWork, numbers: Sequence[int] = numbers) -> None:
                for number in numbers:
                    uow.functions.add(replace(base, id=f"cron-{number:05}"))
                    uow.timers.add(a_timer(base, f"cron-{number:05}", due(number)))

            await database.write(work)


def a_timer(base: Function, function_id: str, due: datetime) -> Timer:
    last_month = (due - timedelta(days=31)).month
    return Timer(
        id=function_id,
        project_id=base.project_id,
        created_at=due,
        updated_at=due,
        due_at=due,
        schedule=f"0 0 1 {last_month} *",
        interval_min=0,
        time_zone="Europe/Berlin",
        catch_up=CatchUp.LAST,
        overlap=Overlap.ALLOW,
        deployment_id=base.deployment_id,
    )


def watch(server: Running, due: datetime) -> list[float]:
    """For each tick, how long after its due time its row was seen."""
    appeared: list[float] = []
    deadline = due.timestamp() + END_S
    with closing(database_of(server)) as database:
        others = counted(database)
        while len(appeared) < FUNCTIONS:
            count = counted(database) - others
            appeared += [time.time() - due.timestamp()] * (count - len(appeared))
            if time.time() > deadline:
                raise RuntimeError(f"only {count} of {FUNCTIONS} ticks were fired")
            time.sleep(0.005)
    return appeared


def wait_all(server: Running) -> None:
    deadline = time.monotonic() + END_S
    with closing(database_of(server)) as database:
        while counted(database) < FUNCTIONS and time.monotonic() < deadline:
            time.sleep(0.05)


def database_of(server: Running) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path_of(server)}?mode=ro", uri=True, timeout=10)


def path_of(server: Running) -> Path:
    return server.data_dir / "runwright.db"


def counted(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT max(sequence) FROM executions").fetchone()[0] or 0)


def ticks(server: Running) -> list[tuple[int, float]]:
    """Number of the function and moment of becoming `waiting`, for each stored tick."""
    with closing(database_of(server)) as database:
        rows = database.execute(
            "SELECT function_id, created_at FROM executions WHERE \"trigger\" = 'schedule'"
        ).fetchall()
    return [(int(name.removeprefix("cron-")), micros / 1e6) for name, micros in rows]


def tell(name: str, lateness: Sequence[float], rows: Sequence[tuple[int, float]]) -> None:
    fired = Counter(number for number, _ in rows)
    missed, twice = FUNCTIONS - len(fired), fired.total() - len(fired)
    print(f"{name:<30}", end="")
    ordered = sorted(lateness)
    for share in (0.5, 0.99, 1.0):
        at = min(int(len(ordered) * share), len(ordered) - 1)
        print(f"{ordered[at] * 1e3:>9.0f}" if ordered else f"{'':>9}", end="")
    print(f"{missed:>9}{twice:>8}")
