"""Ending one run from outside, and reading what it prints meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from runwright.executor.call import CANCELLED
from runwright.model.execution import ErrorClass, Invocation, Outcome, Workload
from runwright.ports.executor import Output
from tests.integration.executor.conftest import NODE, PYTHON, Bench, Gate

pytestmark = pytest.mark.anyio

WAIT_S = 60.0

STUBBORN = {
    "node ignores TERM": (
        NODE,
        "module.exports = ({ log }) => { process.on('SIGTERM', () => {}); log('begun');\n"
        "  return new Promise(() => { setInterval(() => {}, 1000); }); };",
    ),
    "node computes for ever": (
        NODE,
        "module.exports = ({ log }) => { log('begun'); for (;;) {} };",
    ),
    "python ignores TERM": (
        PYTHON,
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "def main(context):\n    context.log('begun')\n    time.sleep(600)\n",
    ),
    "python computes for ever": (
        PYTHON,
        "def main(context):\n    context.log('begun')\n    while True: pass\n",
    ),
    "python coroutine catches its cancellation": (
        PYTHON,
        "import asyncio\nasync def main(context):\n    context.log('begun')\n"
        "    while True:\n        try:\n            await asyncio.sleep(600)\n"
        "        except BaseException: pass\n",
    ),
}


def an_invocation(execution_id: str, target: str = "/") -> Invocation:
    return Invocation(
        execution_id=execution_id,
        method="GET",
        target=target,
        headers=(("host", "function.test"),),
        timeout_s=120.0,
    )


@asynccontextmanager
async def a_run(
    bench: Bench,
    workload: Workload,
    execution_id: str,
    target: str = "/",
    *,
    gate: Gate | None = None,
) -> AsyncIterator[tuple[asyncio.Task[Outcome], Output]]:
    """A run that has printed something, and its output."""
    invocation = an_invocation(execution_id, target)
    run = asyncio.create_task(bench.executor.run(workload, invocation, source=gate))
    try:
        output = await bench.executor.output(execution_id, wait_s=WAIT_S)
        assert output is not None
        await printed(output, b"begun")
        yield run, output
    finally:
        bench.executor.cancel(execution_id)
        await asyncio.wait({run}, timeout=WAIT_S)


async def printed(output: Output, text: bytes) -> bytes:
    """The logs, once they hold a text."""
    async with asyncio.timeout(WAIT_S):
        while text not in (logs := output.read(errors=False, start=0, most=1 << 20)[1]):
            await output.news(WAIT_S)
    return logs


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("case", STUBBORN)
async def test_a_cancelled_run_answers_at_once_and_its_process_goes(
    bench: Bench, case: str
) -> None:
    workload = bench.deploy(*STUBBORN[case])
    async with a_run(bench, workload, f"cancel {case}") as (run, _):
        sandbox = bench.executor._calls._calls[f"cancel {case}"].sandbox
        assert bench.executor.cancel(f"cancel {case}")
        for _ in range(10):
            await asyncio.sleep(0)
        assert run.done()  # the answer does not wait for TERM and KILL
        outcome = await run
        assert outcome.error_class is ErrorClass.CANCELLED
        assert outcome.status_code == 500
        assert "begun" in outcome.logs
        assert CANCELLED in outcome.errors
        pool = bench.executor._pool
        assert pool is not None
        await until(lambda: sandbox not in pool._stock.all())
        assert not bench.executor.cancel(f"cancel {case}")


@pytest.mark.parametrize("case", ["node computes for ever", "python ignores TERM"])
async def test_a_plain_process_is_ended_too(plain_bench: Bench, case: str) -> None:
    async with a_run(plain_bench, plain_bench.deploy(*STUBBORN[case]), case) as (run, _):
        sandbox = plain_bench.executor._calls._calls[case].sandbox
        plain_bench.executor.cancel(case)
        assert (await run).error_class is ErrorClass.CANCELLED
        pool = plain_bench.executor._pool
        assert pool is not None
        await until(lambda: sandbox not in pool._stock.all())


async def test_a_neighbour_in_the_same_process_may_finish(bench: Bench) -> None:
    source = (
        "module.exports = async ({ req, res, log }) => { log('begun');\n"
        "  if (req.path === '/long') await new Promise(() => { setInterval(() => {}, 1e6); });\n"
        "  for await (const part of req.stream); return res.text('well'); };"
    )
    gate = Gate()
    workload = replace(bench.deploy(NODE, source), max_instances=1)
    async with (
        a_run(bench, workload, "neighbour-long", "/long") as (long, _),
        a_run(bench, workload, "neighbour-short", gate=gate) as (short, _),
    ):
        calls = bench.executor._calls._calls
        shared = calls["neighbour-long"].sandbox is calls["neighbour-short"].sandbox
        assert shared  # else this test says nothing
        bench.executor.cancel("neighbour-long")
        assert (await long).error_class is ErrorClass.CANCELLED
        gate.open()
        assert (await short).body == b"well"
    assert (await bench.run(workload)).is_cold


async def test_what_is_printed_is_read_while_the_run_goes_on(bench: Bench) -> None:
    sources = {
        NODE: (
            "module.exports = async ({ log, error, req, res }) => { log('begun');\n"
            "  await new Promise((go) => setTimeout(go, 300)); error('half'); log('end');\n"
            "  for await (const part of req.stream); return res.text(''); };"
        ),
        PYTHON: (
            "import asyncio\nasync def main(context):\n    context.log('begun')\n"
            "    await asyncio.sleep(0.3)\n    context.error('half')\n    context.log('end')\n"
            "    async for part in context.req.stream: pass\n"
            "    return context.res.text('')\n"
        ),
    }
    for runtime, source in sources.items():
        workload = bench.deploy(runtime, source)
        gate = Gate()
        async with a_run(bench, workload, f"print {runtime}", gate=gate) as (run, output):
            assert await printed(output, b"end") == b"begun\nend\n"
            assert output.read(errors=True, start=1, most=3) == (1, b"alf")
            assert not run.done()
            assert not output.is_over
            gate.open()
            outcome = await run
            assert outcome.logs == "begun\nend\n"
            assert output.is_over
            await output.news(WAIT_S)  # returns at once


async def test_a_loop_that_never_yields_is_read_along_too(bench: Bench) -> None:
    """More lines than leave at once, from code that gives the runner no turn."""
    sources = {
        NODE: (
            "module.exports = ({ log }) => { log('begun'); let n = 0;\n"
            "  for (;;) { const until = Date.now() + 5; while (Date.now() < until);\n"
            "    log(`line ${n += 1}`); } };"
        ),
        PYTHON: (
            "import time\ndef main(context):\n    context.log('begun')\n    n = 0\n"
            "    while True:\n        until = time.monotonic() + 0.005\n"
            "        while time.monotonic() < until: pass\n"
            "        n += 1\n        context.log(f'line {n}')\n"
        ),
    }
    for runtime, source in sources.items():
        async with a_run(bench, bench.deploy(runtime, source), f"loop {runtime}") as (_, output):
            began = time.monotonic()
            await printed(output, b"line 200\n")
            assert time.monotonic() - began < WAIT_S


async def test_what_was_printed_survives_the_process(bench: Bench) -> None:
    source = (
        "module.exports = ({ log }) => { for (let i = 1; i <= 500; i += 1) log(`line ${i}`);\n"
        "  process.kill(process.pid, 'SIGKILL'); };"
    )
    python = (
        "import os, signal\ndef main(context):\n    for i in range(1, 501):\n"
        "        context.log(f'line {i}')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    for runtime, text in ((NODE, source), (PYTHON, python)):
        outcome = await bench.run(bench.deploy(runtime, text))
        assert outcome.error_class is ErrorClass.EXIT
        assert "line 32\n" in outcome.logs  # later ones may be on their way in the process


async def test_nothing_is_kept_of_runs_that_have_ended(bench: Bench, tmp_path: Path) -> None:
    workload = bench.deploy(NODE, "module.exports = ({ res }) => res.text('');")
    await bench.run(workload)
    assert await bench.executor.output("never", wait_s=0.05) is None
    assert bench.executor._calls._calls == {}
    assert bench.executor._calls._expected == {}
