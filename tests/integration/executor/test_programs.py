"""The copy of an interpreter in large pages."""

import asyncio
from pathlib import Path

import pytest

from runwright.executor import programs
from tests.integration.executor.conftest import DEADLINES_S, NODE, Bench

pytestmark = pytest.mark.anyio

_ENOUGH_BYTES = 4 << 30  # also when other tests run beside this one
_LOOK = """
const lines = require('fs').readFileSync('/proc/self/mountinfo', 'utf8').split('\\n');
const own = lines.filter((line) => line.split(' ')[4] === process.execPath);
module.exports = ({ res }) => res.json(own.pop());
"""


async def test_a_runtime_in_use_runs_from_large_pages(bench: Bench) -> None:
    bench.needs_memory_groups()
    switch = Path(programs._SWITCH)
    if not switch.exists() or programs._FORBIDDEN in switch.read_text():
        pytest.skip("no large pages here")
    if programs._free_bytes() < _ENOUGH_BYTES:
        pytest.skip("memory is short")
    for _ in range(programs._STARTS):
        await bench.run(bench.deploy(NODE, _LOOK))
    for wait_s in DEADLINES_S:
        seen = await bench.run(bench.deploy(NODE, _LOOK))
        if b"tmpfs" in seen.body:
            break
        await asyncio.sleep(wait_s)
    assert b"huge=always" in seen.body
    _, _, _, _, point, options, *_ = seen.body.decode().split(" ")
    assert point == "/usr/local/bin/node"
    assert {"ro", "nosuid"} <= set(options.split(","))
