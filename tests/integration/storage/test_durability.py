"""What was acknowledged is there after a kill; what failed is not."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runwright.model.execution import Execution, Status
from runwright.storage.database import open_database

pytestmark = pytest.mark.anyio

REPOSITORY = Path(__file__).parents[3]


def start(script: str, database: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name(script)), str(database)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])},
    )


async def stored(database: Path) -> dict[str, Execution]:
    async with open_database(database) as opened:
        return {row.id: row for row in await opened.read(lambda unit: unit.executions.find())}


def kill_after(child: "subprocess.Popen[str]", lines: int) -> list[list[str]]:
    """What the child had said when it was killed; the last line may be cut off."""
    assert child.stdout is not None
    deadline = time.monotonic() + 300
    said: list[str] = []
    while len(said) < lines:
        assert time.monotonic() < deadline
        said.append(child.stdout.readline())
    child.kill()
    said += child.stdout.readlines()
    child.stdout.close()
    child.wait(60)
    return [line.split() for line in said if line.endswith("\n")]


@pytest.mark.parametrize("lines", [1, 50, 400, 3000])
async def test_every_acknowledged_write_survives_a_kill(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "runwright.db"
    said = kill_after(start("writing.py", path), lines)
    rows = await stored(path)
    assert len(said) >= lines
    for status, name in said:
        row = rows[name]
        # A final state may have been stored and not yet acknowledged, never the reverse.
        assert row.status == status or (status, row.status) == ("waiting", Status.COMPLETED)


async def test_a_killed_database_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "runwright.db"
    kill_after(start("writing.py", path), 20)
    before = await stored(path)
    assert await stored(path) == before


async def test_a_full_disk_refuses_whole_writes_and_the_server_recovers(tmp_path: Path) -> None:
    path = tmp_path / "runwright.db"
    child = start("full_disk.py", path)
    said, _ = child.communicate(timeout=120)
    assert child.returncode == 0
    answers = [line.split() for line in said.splitlines()]
    refused = {name for answer, name in answers if answer == "refused"}
    acknowledged = {name for answer, name in answers if answer == "stored"}
    assert refused, "the limit was never met"
    assert "after" in acknowledged
    assert set(await stored(path)) == acknowledged
