"""The log is brought into the database file beside the writer, whatever becomes of that."""

import asyncio
import logging
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from runwright.storage.checkpoints import COMMITS, Checkpoints
from runwright.storage.database import open_database
from tests.integration.storage.writing import adding

pytestmark = pytest.mark.anyio


async def test_pages_reach_the_file_while_the_log_is_short(tmp_path: Path) -> None:
    path = tmp_path / "runwright.db"
    async with open_database(path) as database:
        before = path.stat().st_mtime_ns
        for number in range(COMMITS):
            await database.write(adding(str(number)))
        deadline = time.monotonic() + 60
        while path.stat().st_mtime_ns == before:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        rows = await database.read(lambda uow: uow.executions.find())
    assert len(rows) == COMMITS


def test_a_copy_that_fails_is_tried_again_after_more_commits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries = []

    def connect() -> None:
        tries.append(1)
        raise OSError("the disk is full")

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    checkpoints = Checkpoints(engine, commits=2)
    checkpoints.start()
    with caplog.at_level(logging.WARNING):
        for most in (1, 2):
            checkpoints.committed()
            assert len(tries) < most
            checkpoints.committed()
            deadline = time.monotonic() + 60
            while len(tries) < most or len(caplog.records) < most:
                assert time.monotonic() < deadline
                time.sleep(0.001)
    checkpoints.close()
    assert {record.message for record in caplog.records} == {"database log not copied"}
