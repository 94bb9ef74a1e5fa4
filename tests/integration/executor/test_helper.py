"""The pulse of helper processes: who answers stays, who hangs is ended."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from runwright.executor.helper import Helper

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("module", ["launcher", "forwarder"])]


@asynccontextmanager
async def a_helper(module: str) -> AsyncIterator[tuple[Helper, asyncio.Event]]:
    """A started helper, and what is set when it has ended."""
    helper, ended = Helper(module), asyncio.Event()
    helper.spawn(lambda message: None, ended.set)
    try:
        yield helper, ended
    finally:
        if helper.channel is not None:
            helper.channel.close()
        await helper.gone(30)


async def test_one_that_hangs_is_ended(module: str) -> None:
    async with a_helper(module) as (helper, ended):
        os.kill(helper.pid, signal.SIGSTOP)
        watch = asyncio.create_task(helper.keep_pulse(0.05))
        async with asyncio.timeout(60):
            await ended.wait()
        watch.cancel()
        assert helper.process is not None
        assert await asyncio.to_thread(helper.process.wait, 30) == -signal.SIGKILL


async def test_one_that_answers_late_stays(module: str) -> None:
    async with a_helper(module) as (helper, ended):
        os.kill(helper.pid, signal.SIGSTOP)
        beat = asyncio.create_task(helper.is_heard(20))
        await asyncio.sleep(0)  # the question is on its way
        os.kill(helper.pid, signal.SIGCONT)
        assert await beat
        assert not ended.is_set()
