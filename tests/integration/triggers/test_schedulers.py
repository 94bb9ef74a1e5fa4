"""Schedulers of several servers on one database file."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

import pytest

from runwright.executions.acceptance import Acceptance
from runwright.queue.rows import RowQueue
from runwright.signals.local import LocalSignals
from runwright.storage.database import open_database
from runwright.vault import Vault
from tests.fakes.clock import START, ManualClock
from tests.unit.triggers.test_cron import MINUTE, Rig, a_timer

pytestmark = pytest.mark.anyio

TIMERS = 120
MINUTES = 4


async def test_servers_that_share_a_file_fire_each_tick_once(tmp_path: Path) -> None:
    """One of them is stopped in the middle, again and again."""
    clock = ManualClock()
    async with AsyncExitStack() as stack:
        rigs = []
        for _ in range(3):
            storage = await stack.enter_async_context(open_database(tmp_path / "runwright.db"))
            signals, queue = LocalSignals(), RowQueue()
            vault = Vault(tmp_path / "keys", clock)
            acceptance = Acceptance(storage, queue, vault, queue_jobs=100_000)
            rigs.append(Rig(storage, clock, queue, acceptance, signals))
        await rigs[0].add(*(a_timer(f"f{number}") for number in range(TIMERS)))
        lasting = [rig.scheduler(at_once=17) for rig in rigs[:2]]
        for scheduler in lasting:
            scheduler.start()
        for minute in range(1, MINUTES + 1):
            clock.advance(60)
            deadline = asyncio.get_running_loop().time() + 120
            while await first_due(rigs[0]) <= START + minute * MINUTE:
                brief = rigs[2].scheduler(at_once=17)
                brief.start()
                await asyncio.sleep(0.004)
                await brief.stop()
                assert asyncio.get_running_loop().time() < deadline
        for scheduler in lasting:
            await scheduler.stop()
        rows, jobs = await rigs[0].rows(), await rigs[0].jobs()
    assert set(Counter(row.function_id for row in rows).values()) == {MINUTES + 1}
    assert len({row.id for row in rows}) == TIMERS * (MINUTES + 1) == len(rows)
    runs = {row.id for row in rows if row.error_class is None}
    assert runs == {job.id for job in jobs}


async def first_due(rig: Rig) -> datetime:
    found = await rig.storage.read(lambda uow: uow.timers.first_due())
    assert found is not None
    return found
