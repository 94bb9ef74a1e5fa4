"""Rates and latencies of the storage adapter on this machine's disk.

    python bench/storage.py [FOLDER]

FOLDER must be on the disk that the server will use; a memory file system flatters.
"""

import asyncio
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from runwright.ids import new_id
from runwright.model.execution import Execution, Status
from runwright.storage.database import Database, open_database

SINGLE = 2_000
CALLERS = 64
SHARED = 20_000
BATCH = 300
BATCHED = 60_000
PAIRS = 32
SLICE_S = 0.00003


def a_run(status: Status) -> Execution:
    now = datetime.now(UTC)
    return Execution(
        id=new_id(),
        project_id="bench",
        created_at=now,
        updated_at=now,
        function_id="hello",
        deployment_id="6701f1c2a9b3d0e4f5a6",
        status=status,
        request_method="GET",
        request_path="/hello?name=world",
        request_headers=(("content-type", "application/json"), ("user-agent", "bench/1.0")),
        response_status_code=200,
        logs="one line of output of about eighty characters, as a small function would print\n",
        duration_s=0.0012,
        user_s=0.001,
    )


async def add(database: Database, run: Execution) -> None:
    await database.write(lambda unit: unit.executions.add(run))


async def single(database: Database) -> str:
    taken = []
    for _ in range(SINGLE):
        run = a_run(Status.WAITING)
        start = time.perf_counter()
        await add(database, run)
        taken.append(time.perf_counter() - start)
    cuts = statistics.quantiles(taken, n=100)
    return f"p50 {cuts[49] * 1e3:.2f} ms, p99 {cuts[98] * 1e3:.2f} ms"


async def shared(database: Database) -> str:
    taken: list[float] = []

    async def caller() -> None:
        for _ in range(SHARED // CALLERS):
            run = a_run(Status.WAITING)
            start = time.perf_counter()
            await add(database, run)
            taken.append(time.perf_counter() - start)

    start = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    rate = len(taken) / (time.perf_counter() - start)
    cuts = statistics.quantiles(taken, n=100)
    return f"{rate:.0f}/s, p50 {cuts[49] * 1e3:.2f} ms, p99 {cuts[98] * 1e3:.2f} ms"


async def batches(database: Database, runs: list[Execution]) -> float:
    start = time.perf_counter()
    for at in range(0, len(runs), BATCH):
        batch = runs[at : at + BATCH]
        await database.write(lambda unit, batch=batch: unit.executions.finish_all(batch))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    return len(runs) / (time.perf_counter() - start)


async def inserting(database: Database) -> str:
    return (
        f"{await batches(database, [a_run(Status.COMPLETED) for _ in range(BATCHED)]):.0f} rows/s"
    )


async def updating(database: Database) -> str:
    runs = [a_run(Status.WAITING) for _ in range(BATCHED)]
    for at in range(0, len(runs), BATCH):
        batch = runs[at : at + BATCH]
        await database.write(lambda unit, batch=batch: unit.executions.add_all(batch))  # type: ignore[misc]  # as above
    done = [replace(run, status=Status.COMPLETED) for run in runs]
    return f"{await batches(database, done):.0f} rows/s"


class Echo(asyncio.Protocol):
    """Answers at once, after some computing: pairs of these never let the loop rest."""

    def __init__(self) -> None:
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        until = time.perf_counter() + SLICE_S
        while time.perf_counter() < until:
            pass
        self.answers += 1
        self.transport.write(data)


async def beside_a_busy_loop(database: Database) -> str:
    loop = asyncio.get_running_loop()
    echoes = []
    for _ in range(PAIRS):
        for end in socket.socketpair():
            end.setblocking(False)
            echoes.append((await loop.create_connection(Echo, sock=end))[1])
    for echo in echoes[::2]:
        echo.transport.write(b"x" * 100)
    runs = [a_run(Status.COMPLETED) for _ in range(BATCHED // 4)]
    start = time.perf_counter()
    rate = await batches(database, runs)
    share = sum(echo.answers for echo in echoes) * SLICE_S / (time.perf_counter() - start)
    for echo in echoes:
        echo.transport.abort()
    return f"{rate:.0f} rows/s, and {share:.0%} of the time went into other work"


async def reading(database: Database) -> str:
    found = await database.read(lambda unit: unit.executions.find("bench")[:1000])
    start = time.perf_counter()
    for run in found:
        await database.read(lambda unit, run=run: unit.executions.get("bench", run.id))  # type: ignore[misc]  # as above
    return f"{(time.perf_counter() - start) / len(found) * 1e6:.0f} us each"


PARTS: dict[str, Callable[[Database], Awaitable[str]]] = {
    "one write at a time": single,
    f"{CALLERS} callers, one write each at a time": shared,
    f"finish_all, {BATCH} new rows at a time": inserting,
    f"finish_all, {BATCH} known rows at a time": updating,
    "finish_all beside a busy event loop": beside_a_busy_loop,
    "reads of one row": reading,
}


async def main(folder: str | None) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as made:
        async with open_database(Path(made) / "runwright.db") as database:
            for name, part in PARTS.items():
                print(f"{name:45} {await part(database)}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None))
