"""A child process that stores executions until it is killed.

Prints `name` of each row after the write was acknowledged. Usage: writing.py DATABASE
"""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from runwright.model.execution import Execution, Status
from runwright.ports.storage import UnitOfWork
from runwright.storage.database import Database, open_database

CALLERS = 16


def a_run(name: str, status: Status) -> Execution:
    now = datetime.now(UTC)
    return Execution(
        id=name,
        project_id="shop",
        created_at=now,
        updated_at=now,
        function_id="fn",
        status=status,
        logs="x" * 200,
    )


def adding(name: str) -> Callable[[UnitOfWork], None]:
    return lambda unit: unit.executions.add(a_run(name, Status.WAITING))


def finishing(name: str) -> Callable[[UnitOfWork], None]:
    return lambda unit: unit.executions.finish_all([a_run(name, Status.COMPLETED)])


async def call(database: Database, caller: int) -> None:
    for number in range(10**9):
        name = f"{caller}-{number}"
        await database.write(adding(name))
        print("waiting", name, flush=True)
        await database.write(finishing(name))
        print("completed", name, flush=True)


async def main(path: Path) -> None:
    async with open_database(path) as database, asyncio.TaskGroup() as callers:
        for caller in range(CALLERS):
            callers.create_task(call(database, caller))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
