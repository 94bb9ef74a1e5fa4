"""Builds in throw-away containers."""

import asyncio
from pathlib import Path

from runwright.model.execution import ErrorClass
from tests.integration.docker.conftest import Bench

SOURCE = "def main(context):\n    return context.res.text('built')\n"


async def test_a_build_leaves_the_archive_alone(bench: Bench) -> None:
    result, log = await bench.build(SOURCE, 9001, commands="echo made here > made.txt; echo héllo")

    assert result.exit_code == 0, log
    assert "héllo\n" in log
    assert "Build finished." in log
    workspace = bench.folder / "build-9001"
    assert [path.name for path in workspace.iterdir()] == ["code.tar.gz"]
    assert not Path(f"{workspace}.out").exists()
    assert not [name for name in bench.containers() if "build" in name]


async def test_commands_that_fail_fail_the_build(bench: Bench) -> None:
    result, log = await bench.build(SOURCE, commands="echo before; exit 7")

    assert (result.exit_code, result.error_class) == (7, None)
    assert "before" in log
    assert result.message == "The build commands failed (code 7)."


async def test_a_build_is_stopped_by_its_time_and_by_hand(bench: Bench) -> None:
    cancelled = asyncio.Event()
    asyncio.get_running_loop().call_later(0.5, cancelled.set)

    (late, _), (stopped, _) = await asyncio.gather(
        bench.build(SOURCE, commands="sleep 600", timeout_s=1.0),
        bench.build(SOURCE, commands="sleep 600", cancelled=cancelled),
    )

    assert late.error_class is ErrorClass.TIMEOUT
    assert stopped.error_class is ErrorClass.CANCELLED
    assert not [name for name in bench.containers() if "build" in name]


async def test_a_link_is_no_archive(bench: Bench) -> None:
    sly = "rm -f /mnt/output/*; ln -s /etc/passwd /mnt/output/code.tar.gz; "
    sly += "printf '#!/bin/bash\\nexit 0\\n' > /usr/bin/tar"
    result, _ = await bench.build(SOURCE, commands=sly)
    assert result.exit_code == 1
    assert "no archive" in result.message
